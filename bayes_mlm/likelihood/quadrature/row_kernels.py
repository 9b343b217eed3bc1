"""Log-likelihoods of single rows with their derivatives, compiled; without their constants.

Every one is log-concave in eta (binary and ordered outcomes: Pratt 1981, JASA 76(373)), so that the
integrand over a group's effects has one mode. Values and derivatives keep their digits in either
tail: tests hold them against 60 digits.

References
----------
Abramowitz & Stegun 26.2.14: the continued fraction of Mills' ratio.
"""

import math

import numba

_SQRT_HALF = math.sqrt(0.5)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# Arguments of exp() above it are taken for it: squares stay finite.
_LARGEST = 300.0


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _softplus(x):  # type: ignore[no-untyped-def]
    """Return log(1 + e^x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _sigmoid(x):  # type: ignore[no-untyped-def]
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def normal_tail(x):  # type: ignore[no-untyped-def]
    """Return log Phi(x), its derivative and its second, without loss of digits in either tail."""
    if x > -5.0:
        half = 0.5 * math.erfc(abs(x) * _SQRT_HALF)
        value = math.log1p(-half) if x > 0.0 else math.log(half)
        slope = math.exp(-0.5 * x * x - _HALF_LOG_2PI - value)
        return value, slope, -slope * (slope + x)
    ratio = -x
    for k in range(60 if x > -10.0 else 20, 1, -1):
        ratio = -x + k / ratio
    excess = 1.0 / ratio  # of the slope over -x
    slope = -x + excess
    return -0.5 * x * x - _HALF_LOG_2PI - math.log(slope), slope, -slope * excess


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _cloglog(y, fails, eta):  # type: ignore[no-untyped-def]
    rate = math.exp(min(eta, _LARGEST))
    value = first = second = 0.0
    if fails > 0.0:
        value = first = second = -fails * rate
    if y > 0.0:
        if eta < -9.0:  # series in the rate
            value += y * (eta - 0.5 * rate + rate * rate / 24.0)
            ratio = 1.0 - 0.5 * rate + rate * rate / 12.0
            second += y * ratio * (-0.5 * rate - rate * rate / 12.0)
        else:
            happens = -math.expm1(-rate)
            value += y * math.log(happens)
            ratio = rate * math.exp(-rate) / happens
            second += y * ratio * (1.0 - rate / happens)
        first += y * ratio
    return value, first, second


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _ordered_logit(low, high):  # type: ignore[no-untyped-def]
    """Return log P, two derivatives in eta, and those in the thresholds below and above.

    P = F(high) - F(low) = F(high) (1 - F(low)) (1 - exp(low - high)): nothing cancels.
    """
    value = cut_low = cut_high = second = 0.0
    if high < math.inf:
        cut_high = _sigmoid(-high)
        value -= _softplus(-high)
        second -= cut_high * _sigmoid(high)
    if low > -math.inf:
        cut_low = -_sigmoid(low)
        value -= _softplus(low)
        second += cut_low * _sigmoid(-low)
    first = -(cut_high + cut_low)
    if high < math.inf and low > -math.inf:
        value += math.log(-math.expm1(low - high))
        gap = 1.0 / math.expm1(min(high - low, _LARGEST))
        cut_high += gap
        cut_low -= gap
    return value, first, second, cut_low, cut_high


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _ordered_probit(low, high):  # type: ignore[no-untyped-def]
    """Return log P, two derivatives in eta, and those in the thresholds below and above."""
    if low == -math.inf:
        if high == math.inf:
            return 0.0, 0.0, 0.0, 0.0, 0.0
        value, slope, curve = normal_tail(high)
        return value, -slope, curve, 0.0, slope
    if high == math.inf:
        value, slope, curve = normal_tail(-low)
        return value, slope, curve, -slope, 0.0
    # In the tail that keeps its digits.
    near, far = (-low, -high) if low > 0.0 else (high, low)
    value = normal_tail(near)[0]
    value += math.log(-math.expm1(normal_tail(far)[0] - value))
    at_low = math.exp(-0.5 * low * low - _HALF_LOG_2PI - value)
    at_high = math.exp(-0.5 * high * high - _HALF_LOG_2PI - value)
    first = at_low - at_high
    second = at_low * low - at_high * high - first * first
    return value, first, min(second, 0.0), -at_low, at_high


@numba.njit(cache=True, error_model="numpy", nogil=True)
def row(code, y, trials, eta, psi, below, above):  # type: ignore[no-untyped-def]
    """Return l, dl/deta, d2l/deta2, and the derivatives in an auxiliary parameter.

    These are in psi, the log of the shape, of negative binomial and gamma outcomes; in the
    threshold below and in that above of ordered ones, which are infinite at the ends. A row may
    stand for `trials` rows of equal eta: of the sum y of Poisson counts, of equal y of others.
    """
    if code == 0:
        e = math.exp(-abs(eta))
        near = 1.0 / (1.0 + e)
        far = math.log1p(e)
        if eta >= 0.0:
            p, q, up, down = near, e * near, far, far + eta
        else:
            p, q, up, down = e * near, near, far - eta, far
        fails = trials - y
        return -y * up - fails * down, y * q - fails * p, -trials * p * q, 0.0, 0.0
    if code == 1:
        value = first = second = 0.0
        if y > 0.0:
            up, rise, curve = normal_tail(eta)
            value, first, second = y * up, y * rise, y * curve
        fails = trials - y
        if fails > 0.0:
            down, fall, curve = normal_tail(-eta)
            value += fails * down
            first -= fails * fall
            second += fails * curve
        return value, first, second, 0.0, 0.0
    if code == 2:
        value, first, second = _cloglog(y, trials - y, eta)
        return value, first, second, 0.0, 0.0
    if code == 3:
        mean = trials * math.exp(min(eta, _LARGEST))
        return y * eta - mean, y - mean, -mean, 0.0, 0.0
    if code == 4:
        shape = math.exp(psi)
        p, q, more = _sigmoid(eta - psi), _sigmoid(psi - eta), y + shape
        total = _softplus(eta - psi)
        # The rest of the derivative in psi is not of eta.
        return (
            trials * (y * eta - more * total),
            trials * (y * q - shape * p),
            -trials * more * p * q,
            trials * (more * p - shape * total),
            0.0,
        )
    if code == 5:
        shape = math.exp(psi)
        away = eta - math.log(y)
        gone = math.expm1(min(-away, _LARGEST))
        value = -shape * (away + gone)
        return value, shape * gone, -shape * (1.0 + gone), value, 0.0
    if code == 6:
        value, first, second, cut_low, cut_high = _ordered_logit(below - eta, above - eta)
    else:
        value, first, second, cut_low, cut_high = _ordered_probit(below - eta, above - eta)
    return trials * value, trials * first, trials * second, trials * cut_low, trials * cut_high


@numba.njit(cache=True, error_model="numpy", nogil=True)
def row_second(code, y, eta, psi, below, above):  # type: ignore[no-untyped-def]
    """Return second derivatives in the two auxiliary parameters a and b of `row`.

    In order aa, ab, bb, eta-a and eta-b.
    """
    if code == 4:
        shape = math.exp(psi)
        p, both = _sigmoid(eta - psi), (y + shape) * _sigmoid(eta - psi) * _sigmoid(psi - eta)
        own = 2.0 * shape * p - both - shape * _softplus(eta - psi)
        return own, 0.0, 0.0, both - shape * p, 0.0
    if code == 5:
        shape = math.exp(psi)
        away = eta - math.log(y)
        gone = math.expm1(min(-away, _LARGEST))
        return -shape * (away + gone), 0.0, 0.0, shape * gone, 0.0
    low, high = below - eta, above - eta
    ends = low == -math.inf or high == math.inf
    if code == 6:
        aa = -_sigmoid(low) * _sigmoid(-low) if low > -math.inf else 0.0
        bb = -_sigmoid(high) * _sigmoid(-high) if high < math.inf else 0.0
        ab = 0.0
        if not ends:
            gap = 1.0 / math.expm1(min(high - low, _LARGEST))
            ab = gap * (1.0 + gap)
        return aa - ab, ab, bb - ab, -aa, -bb
    if ends:
        aa = normal_tail(-low)[2] if low > -math.inf else 0.0
        bb = normal_tail(high)[2] if high < math.inf else 0.0
        return aa, 0.0, bb, -aa, -bb
    _, _, _, at_low, at_high = _ordered_probit(low, high)
    aa, bb, ab = -at_low * (at_low + low), -at_high * (at_high + high), -at_low * at_high
    return aa, ab, bb, -(aa + ab), -(ab + bb)
