"""Compiled log-densities of one row in its linear predictor, with derivatives, by family and link.

``row(code, y, w, eta, shape, low, high)`` returns the log-density less `codes.constants`, and its
first and second derivative in eta; `row_aux` returns those in the auxiliary parameters too. All are
concave in eta and keep their digits in either tail.

Of ordered categories `low` and `high` are the thresholds below and above the outcome, infinite at
the ends; of the logistic ``F(a) - F(b) = F(a) (1 - F(b)) (1 - e^(b - a))``: nothing cancels.

This module imports numba, so it is imported inside functions.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, ch. 2; Pratt (1981), JASA 76(373): concavity
of ordered categories. Abramowitz & Stegun 26.2.14: the continued fraction of Mills' ratio.
"""

import math

import numba

from bayes_mlm.likelihood.quadrature.codes import (
    CLOGLOG,
    GAMMA,
    LOGIT,
    NEGATIVE_BINOMIAL,
    ORDERED_LOGIT,
    POISSON,
    PROBIT,
)

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)
# exp() of anything above is taken as exp() of it: squares are finite.
_LARGEST = 300.0


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _exp(x: float) -> float:
    return math.exp(min(x, _LARGEST))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def softplus(x: float) -> float:
    """Return log(1 + e^x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x)."""
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def log_normal_tail(x: float) -> tuple[float, float, float]:
    """Return log Phi(x), its first derivative and its second."""
    if x > -5.0:
        value = (
            math.log1p(-0.5 * math.erfc(x * _SQRT_HALF))
            if x > 0.0
            else math.log(0.5 * math.erfc(-x * _SQRT_HALF))
        )
        slope = math.exp(-0.5 * x * x - _HALF_LOG_2PI - value)
        return value, slope, -slope * (slope + x)
    t = -x
    rest = t
    for k in range(60 if t < 10.0 else 20, 1, -1):
        rest = t + k / rest
    excess = 1.0 / rest
    slope = t + excess
    return -0.5 * x * x - _HALF_LOG_2PI - math.log(slope), slope, -slope * excess


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _ordered_normal(low: float, high: float) -> float:
    """Return log(Phi(high) - Phi(low))."""
    if low > 0.0:
        low, high = -high, -low
    top = 0.0 if math.isinf(high) else log_normal_tail(high)[0]
    if math.isinf(low):
        return top
    return top + math.log(-math.expm1(log_normal_tail(low)[0] - top))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def ordered_row(
    code: int, below: float, above: float
) -> tuple[float, float, float, float, float, float]:
    """Return log(F(above) - F(below)) and derivatives in (above, below): a, b, aa, ab, bb."""
    no_low, no_high = math.isinf(below), math.isinf(above)
    if code == ORDERED_LOGIT:
        value = a = b = aa = bb = 0.0
        if not no_high:
            p = sigmoid(above)
            q = sigmoid(-above)
            value, a, aa = -softplus(-above), q, -p * q
        if not no_low:
            p = sigmoid(below)
            q = sigmoid(-below)
            value, b, bb = value - softplus(below), -p, -p * q
        if no_low or no_high:
            return value, a, b, aa, 0.0, bb
        w = 1.0 / math.expm1(min(above - below, _LARGEST))
        both = w * (1.0 + w)
        value += math.log(-math.expm1(below - above))
        return value, a + w, b - w, aa - both, both, bb - both
    value = _ordered_normal(below, above)
    if no_low:
        if no_high:
            return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        value, a, aa = log_normal_tail(above)
        return value, a, 0.0, aa, 0.0, 0.0
    if no_high:
        value, b, bb = log_normal_tail(-below)
        return value, 0.0, -b, 0.0, 0.0, bb
    a = math.exp(-0.5 * above * above - _HALF_LOG_2PI - value)
    b = math.exp(-0.5 * below * below - _HALF_LOG_2PI - value)
    return value, a, -b, -a * (a + above), a * b, b * (below - b)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _successes(code: int, y: float, w: float, eta: float) -> tuple[float, float, float]:
    n = w - y
    if code == LOGIT:
        e = math.exp(-abs(eta))
        r = 1.0 / (1.0 + e)
        p, q = (r, e * r) if eta >= 0.0 else (e * r, r)
        far = math.log1p(e)
        up, down = (far, far + eta) if eta >= 0.0 else (far - eta, far)
        return -y * up - n * down, y * q - n * p, -w * p * q
    value = first = second = 0.0
    if code == PROBIT:
        if y > 0.0:
            lp, d, dd = log_normal_tail(eta)
            value, first, second = y * lp, y * d, y * dd
        if n > 0.0:
            lp, d, dd = log_normal_tail(-eta)
            value, first, second = value + n * lp, first - n * d, second + n * dd
        return value, first, second
    rate = _exp(eta)  # cloglog
    if n > 0.0:
        value = first = second = -n * rate
    if y > 0.0:
        if eta < -9.0:  # series in the rate
            lp = eta - 0.5 * rate + rate * rate / 24.0
            d = 1.0 - 0.5 * rate + rate * rate / 12.0
            dd = d * (-0.5 * rate - rate * rate / 12.0)
        else:
            low = -math.expm1(-rate)
            lp = math.log(low)
            d = rate * math.exp(-rate) / low
            dd = d * (1.0 - rate / low)
        value, first, second = value + y * lp, first + y * d, second + y * dd
    return value, first, second


@numba.njit(cache=True, error_model="numpy", nogil=True)
def row(
    code: int, y: float, w: float, eta: float, shape: float, low: float, high: float
) -> tuple[float, float, float]:
    """Return the log-density of a row less its constant, and two derivatives in eta."""
    if code <= CLOGLOG:
        return _successes(code, y, w, eta)
    if code == POISSON:
        mean = _exp(eta)
        return y * eta - mean, y - mean, -mean
    if code == NEGATIVE_BINOMIAL:
        t = eta - math.log(shape)
        p, q, power = sigmoid(t), sigmoid(-t), y + shape
        return y * eta - power * softplus(t), y * q - shape * p, -power * p * q
    if code == GAMMA:
        t = eta - w
        share = _exp(-t)
        apart = t + math.expm1(min(-t, _LARGEST))
        return -shape * apart, -shape * -math.expm1(min(-t, _LARGEST)), -shape * share
    value, a, b, aa, ab, bb = ordered_row(code, low - eta, high - eta)
    return value, -(a + b), min(aa + 2.0 * ab + bb, 0.0)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def row_aux(
    code: int, y: float, w: float, eta: float, shape: float, low: float, high: float
) -> tuple[float, float, float, float, float, float, float]:
    """Return derivatives in the auxiliary parameters a and b: a, b, aa, ab, bb, eta-a, eta-b.

    a is the log of the shape, or the threshold above; b the threshold below.
    """
    if code == NEGATIVE_BINOMIAL:
        t = eta - math.log(shape)
        p, q, power = sigmoid(t), sigmoid(-t), y + shape
        far = shape * softplus(t)
        return (
            power * p - far,
            0.0,
            2.0 * shape * p - far - power * p * q,
            0.0,
            0.0,
            (power * p * q - shape * p),
            0.0,
        )
    if code == GAMMA:
        t = eta - w
        gone = -shape * (t + math.expm1(min(-t, _LARGEST)))
        return gone, 0.0, gone, 0.0, 0.0, shape * math.expm1(min(-t, _LARGEST)), 0.0
    if code >= ORDERED_LOGIT:
        _, a, b, aa, ab, bb = ordered_row(code, low - eta, high - eta)
        return a, b, aa, ab, bb, -(aa + ab), -(ab + bb)
    return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
