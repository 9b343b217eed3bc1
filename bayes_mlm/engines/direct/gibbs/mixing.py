"""How fast block Gibbs sampling of crossed effects forgets where it was."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.crossed.one_way import OneWay

_ITERATIONS = 30


def largest_eigenvalue(
    layouts: tuple[OneWay, OneWay], sds: Floats, prior: Floats, *, iterations: int = _ITERATIONS
) -> float:
    """Return the largest eigenvalue of the map of effects to their expectation a sweep later.

    Given the sds, a sweep is a linear map with noise; the autocorrelation of its slowest linear
    function is this eigenvalue (Roberts & Sahu 1997, JRSS B 59(2)). By power iteration, which comes
    from below.

    Parameters
    ----------
    layouts : (OneWay, OneWay)
    sds : ndarray, shape (3,)
        Of the effects of the two margins and of the residuals.
    prior : ndarray, shape (p + 1, p + 1)
        Of the coefficients.
    iterations : int
    """
    v = np.random.Generator(np.random.Philox(key=1)).standard_normal(layouts[1].margin.m)
    # One set of levels against the rest is the slowest direction there is if they are linked by
    # few rows; a vector that varies smoothly along the lists of neighbours has much of it.
    found = 0.0
    for _ in range(iterations):
        v /= np.linalg.norm(v)
        for place in (0, 1):
            v = _expected(layouts[place], layouts[1 - place], v, sds, prior)
        found = float(np.linalg.norm(v))
        if found == 0.0:
            return 0.0
    return found


def _expected(layout: OneWay, other: OneWay, u: Floats, sds: Floats, prior: Floats) -> Floats:
    """Return the effects (m,) that are expected of an outcome ``-Z u``, u of the other margin."""
    margin, p = layout.margin, layout.table.p
    rest = -margin.sums(u)
    vf, ve = float(sds[layout.place]) ** 2, float(sds[2]) ** 2
    weight = vf / (ve + margin.counts * vf)
    X = layout.right[:, :-1]
    precision = (layout.total[:p, :p] - X.T @ (weight[:, None] * X)) / ve + prior[:p, :p]
    on = (-other.right[:, :-1].T @ u - X.T @ (weight * rest)) / ve
    return np.asarray(weight * (rest - X @ np.linalg.solve(precision, on)))
