"""Every parameter of an ML fit with its covariance, for functions of all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats
from bayes_mlm.engines.generalised.problem import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class JointEstimate:
    """The parameters x of a `Problem` at the maximum.

    Attributes
    ----------
    x : ndarray, shape (P,)
        beta (p,), the free entries of a root of cov_u, and logs of shapes or thresholds.
    covariance : ndarray, shape (P, P)
    p, q : int
    free : ndarray of bool, shape (q (q + 1) / 2,)
        Which entries of the root are parameters.
    thresholds : str or None
        Name of the thresholds, where the family has them.
    shapes : tuple of str
        Names of its other auxiliary parameters.
    """

    x: Floats
    covariance: Floats
    p: int
    q: int
    free: NDArray[np.bool_]
    thresholds: str | None
    shapes: tuple[str, ...]

    def at(self, x: Floats) -> tuple[Floats, tuple[Floats, ...], dict[str, Floats]]:
        """Return beta (p,), the covariance of each factor's effects, and auxiliary values."""
        root, many = np.zeros((self.q, self.q)), int(self.free.sum())
        rows, columns = np.tril_indices(self.q)
        root[rows[self.free], columns[self.free]] = x[self.p : self.p + many]
        rest = x[self.p + many :]
        if self.thresholds is not None:
            auxiliary = {self.thresholds: rest}
        else:
            auxiliary = {name: np.exp(value) for name, value in zip(self.shapes, rest, strict=True)}
        return x[: self.p], (root @ root.T,) if self.q else (), auxiliary


def joint_estimate(problem: Problem, x: Floats, covariance: Floats) -> JointEstimate:
    """Return the parameters of a problem at its maximum, with their covariance."""
    family = problem.design.family
    thresholds = family.thresholds
    return JointEstimate(
        x=x,
        covariance=covariance,
        p=problem.p,
        q=problem.q,
        free=problem.free,
        thresholds=None if thresholds is None else thresholds.name,
        shapes=() if thresholds is not None else tuple(one.name for one in family.auxiliary),
    )
