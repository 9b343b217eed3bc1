"""Represent a density on a cell by a product of Legendre polynomials, and draw from it."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats

_STEPS = 60
# A Newton step this short has converged: the next would be of the order of its square.
_CLOSE = 1e-7
_TABLE = np.linspace(-1.0, 1.0, 17)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """Gauss-Legendre rule on [-1, 1] with the transform from values to coefficients.

    Attributes
    ----------
    nodes : (m,) array
    transform : (m, m) array
        ``transform @ values`` are the coefficients of the polynomial through the values.
    """

    nodes: Floats
    transform: Floats


def make_rule(order: int) -> Rule:
    """Make the rule of `order` nodes.

    Examples
    --------
    >>> rule = make_rule(4)
    >>> (rule.transform @ rule.nodes**2).round(6)  # x^2 = P_0 / 3 + 2 P_2 / 3
    array([0.333333, 0.      , 0.666667, 0.      ])
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    degree = np.arange(order)
    values = np.polynomial.legendre.legvander(nodes, order - 1)
    return Rule(nodes=nodes, transform=(values * weights[:, None]).T * (degree + 0.5)[:, None])


def legendre(x: Floats, order: int) -> Floats:
    """Evaluate P_0 ... P_(order-1) at x (S,): shape (order, S)."""
    values = np.ones((order, len(x)))
    if order > 1:
        values[1] = x
    for k in range(2, order):
        values[k] = ((2 * k - 1) * x * values[k - 1] - (k - 1) * values[k - 2]) / k
    return values


def invert_cdf(coefficients: Floats, uniform: Floats) -> Floats:
    """Draw from polynomial densities on [-1, 1] by inverting their distribution functions.

    Parameters
    ----------
    coefficients : (S, m) array
        Legendre coefficients of each density, not normalised.
    uniform : (S,) array
        In (0, 1).

    Returns
    -------
    (S,) array
        Found by Newton steps kept inside a shrinking bracket, to about 1e-11.
    """
    m, n = coefficients.shape[1], len(uniform)
    if m == 1:
        return 2.0 * uniform - 1.0
    scaled = np.ascontiguousarray(coefficients.T / (2.0 * coefficients[:, 0]))
    # The integral of P_k from -1 is (P_(k+1) - P_(k-1)) / (2k + 1).
    weight = scaled / (2.0 * np.arange(m) + 1.0)[:, None]
    low, high, x = _bracket(scaled, weight, uniform)
    target, moving, found = uniform, np.arange(n), np.empty(n)
    for _ in range(_STEPS):
        value = legendre(x, m + 1)
        density = (scaled * value[:m]).sum(axis=0)
        cdf = weight[0] * (x + 1.0) + (weight[1:] * (value[2:] - value[: m - 1])).sum(axis=0)
        error = cdf - target
        low, high = np.where(error <= 0.0, x, low), np.where(error > 0.0, x, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - error / density
        new = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        found[moving] = new
        on = np.abs(new - x) > _CLOSE
        if not on.any():
            break
        moving, x, target, low, high = moving[on], new[on], target[on], low[on], high[on]
        scaled, weight = scaled[:, on], weight[:, on]
    return found


def _bracket(scaled: Floats, weight: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
    """Bracket each point between nodes of a table, and give a start inside of the bracket.

    The start is where the cubic through both nodes, with the slopes there, of x as a function of
    the distribution function reaches the target: mostly within 1e-4, two Newton steps from the
    end.
    """
    m, everyone = len(scaled), np.arange(len(target))
    value = legendre(_TABLE, m + 1)
    table = np.outer(_TABLE + 1.0, weight[0]) + (value[2:] - value[: m - 1]).T @ weight[1:]
    slopes = value[:m].T @ scaled
    place = np.clip((table <= target).sum(axis=0) - 1, 0, len(_TABLE) - 2)
    low, high = _TABLE[place], _TABLE[place + 1]
    below, above = table[place, everyone], table[place + 1, everyone]
    rise = np.where(above > below, above - below, 1.0)
    t = np.clip((target - below) / rise, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = rise / slopes[place, everyone]
        right = rise / slopes[place + 1, everyone]
        cubic = low + t * (
            left * (1.0 - t) ** 2 + (high - low) * t * (3.0 - 2.0 * t) - right * t * (1.0 - t)
        )
    inside = (cubic > low) & (cubic < high)
    return low, high, np.where(inside, cubic, low + (high - low) * np.clip(t, 0.01, 0.99))
