"""Log-likelihoods of single rows with their derivatives, compiled; without their constants.

Every one is log-concave in eta (binary and ordered outcomes: Pratt 1981, JASA 76(373)), so that the
integrand over a group's effects has one mode.
"""

import math

import numba

_SQRT_HALF = math.sqrt(0.5)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_LARGEST = 700.0


@numba.njit(cache=True, error_model="numpy", nogil=True)
def normal_tail(x):  # type: ignore[no-untyped-def]
    """Return log Phi(x), and phi(x) / Phi(x), without loss of digits down to x = -1e8."""
    if x > -10.0:
        density = math.exp(-0.5 * x * x - _HALF_LOG_2PI)
        below = 0.5 * math.erfc(-x * _SQRT_HALF)
        return math.log(below), density / below
    # Laplace's continued fraction for Mills' ratio: 1e-12 where x < -10.
    ratio = -x
    for k in range(12, 0, -1):
        ratio = -x + k / ratio
    return -0.5 * x * x - _HALF_LOG_2PI - math.log(ratio), ratio


@numba.njit(cache=True, error_model="numpy", nogil=True)
def row(code, y, trials, eta, psi, below, above):  # type: ignore[no-untyped-def]
    """Return l, dl/deta, d2l/deta2, and the derivatives in an auxiliary parameter.

    These are in psi, the log of the shape, of negative binomial and gamma outcomes; in the
    threshold below and in that above of ordered ones, which are infinite at the ends.
    """
    if code == 0:
        e = math.exp(-abs(eta))
        soft = math.log1p(e) + max(eta, 0.0)
        p = 1.0 / (1.0 + e) if eta >= 0.0 else e / (1.0 + e)
        q = e / (1.0 + e) if eta >= 0.0 else 1.0 / (1.0 + e)
        return y * eta - trials * soft, y - trials * p, -trials * p * q, 0.0, 0.0
    if code == 1:
        up, rise = normal_tail(eta)
        down, fall = normal_tail(-eta)
        fails = trials - y
        return (
            (y * up if y > 0.0 else 0.0) + (fails * down if fails > 0.0 else 0.0),
            y * rise - fails * fall,
            -y * rise * (rise + eta) - fails * fall * (fall - eta),
            0.0,
            0.0,
        )
    if code == 2:
        rate = math.exp(min(eta, _LARGEST))
        fails = trials - y
        value, first, second = -fails * rate, -fails * rate, -fails * rate
        if y > 0.0:
            if rate < 1e-8:
                ratio = 1.0 - 0.5 * rate
                value += y * (eta - 0.5 * rate)
            else:
                ratio = rate / math.expm1(min(rate, _LARGEST))
                value += y * math.log(-math.expm1(-rate))
            first += y * ratio
            second += y * ratio * (1.0 - rate - ratio)
        return value, first, second, 0.0, 0.0
    if code == 3:
        mean = math.exp(min(eta, _LARGEST))
        return y * eta - mean, y - mean, -mean, 0.0, 0.0
    if code == 4:
        shape = math.exp(psi)
        total = max(eta, psi) + math.log1p(math.exp(-abs(eta - psi)))
        p = 1.0 / (1.0 + math.exp(psi - eta))
        more = y + shape
        # The rest of the derivative in psi is not of eta.
        in_psi = -shape * total - more * (1.0 - p)
        return y * eta - more * total, y - more * p, -more * p * (1.0 - p), in_psi, 0.0
    if code == 5:
        shape = math.exp(psi)
        share = math.exp(min(math.log(y) - eta, _LARGEST))
        value = -shape * (share + eta)
        return value, shape * (share - 1.0), -shape * share, value, 0.0
    low, high = below - eta, above - eta
    if code == 6:
        # P = F(high) - F(low) = F(high) (1 - F(low)) (1 - exp(low - high)).
        value, upper, lower, cut_high, cut_low = 0.0, 1.0, 0.0, 0.0, 0.0
        if high < math.inf:
            e = math.exp(-abs(high))
            upper = 1.0 / (1.0 + e) if high >= 0.0 else e / (1.0 + e)
            value -= math.log1p(e) + max(-high, 0.0)
        if low > -math.inf:
            e = math.exp(-abs(low))
            lower = 1.0 / (1.0 + e) if low >= 0.0 else e / (1.0 + e)
            value -= math.log1p(e) + max(low, 0.0)
        gap = 0.0
        if high < math.inf and low > -math.inf:
            value += math.log(-math.expm1(low - high))
            gap = 1.0 / math.expm1(high - low)
        cut_high = (1.0 - upper) + gap if high < math.inf else 0.0
        cut_low = -lower - gap if low > -math.inf else 0.0
        first = lower + upper - 1.0
        second = -upper * (1.0 - upper) - lower * (1.0 - lower)
        return value, first, second, cut_low, cut_high
    # Probit: in the tail that keeps its digits.
    if low > 0.0:
        inside, _ = normal_tail(-low)
        if high < math.inf:
            other, _ = normal_tail(-high)
            inside = inside + math.log(-math.expm1(other - inside))
    elif high < math.inf:
        inside, _ = normal_tail(high)
        if low > -math.inf:
            other, _ = normal_tail(low)
            inside = inside + math.log(-math.expm1(other - inside))
    else:
        inside = 0.0
        if low > -math.inf:
            inside, _ = normal_tail(-low)
    at_low = math.exp(-0.5 * low * low - _HALF_LOG_2PI - inside) if low > -math.inf else 0.0
    at_high = math.exp(-0.5 * high * high - _HALF_LOG_2PI - inside) if high < math.inf else 0.0
    first = at_low - at_high
    curved = (at_low * low if low > -math.inf else 0.0) - (
        at_high * high if high < math.inf else 0.0
    )
    return inside, first, curved - first * first, -at_low, at_high
