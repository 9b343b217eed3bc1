"""How fast block Gibbs sampling of crossed effects forgets where it was."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.crossed.one_way import OneWay

_ITERATIONS = 40
# The iteration is over when so many ratios in a row differ by less than this part, and are below
# the value above which directions are told apart slowly.
_STILL, _ENOUGH, _FAST = 0.005, 4, 0.7


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
    maps = [_Expectation(one, other, sds, prior) for one, other in (layouts, layouts[::-1])]
    found, still = 0.0, 0
    for _ in range(iterations):
        v /= np.linalg.norm(v)
        for one in maps:
            v = one(v)
        before, found = found, float(np.linalg.norm(v))
        # A slow direction that is small at first is large before long, if others are fast.
        still = still + 1 if abs(found - before) <= _STILL * found else 0
        if found == 0.0 or (still == _ENOUGH and found < _FAST):
            break
    return found


class _Expectation:
    """The effects (m,) that are expected of an outcome ``-Z u``, u of the other margin."""

    def __init__(self, layout: OneWay, other: OneWay, sds: Floats, prior: Floats) -> None:
        self.margin, p = layout.margin, layout.table.p
        ve = float(sds[2]) ** 2
        self.weight = 1.0 / (self.margin.counts + ve / float(sds[layout.place]) ** 2)
        self.X = np.ascontiguousarray(layout.right[:, :-1].T)
        self.theirs = np.ascontiguousarray(other.right[:, :-1].T)
        self.weighted = self.weight * self.X
        self.precision = layout.total[:p, :p] - self.weighted @ self.X.T + ve * prior[:p, :p]

    def __call__(self, u: Floats) -> Floats:
        rest = -self.margin.sums(u)
        on = -self.theirs @ u - self.weighted @ rest
        return np.asarray(self.weight * rest - np.linalg.solve(self.precision, on) @ self.weighted)
