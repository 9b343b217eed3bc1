"""Every parameter of an ML fit with its covariance, for functions of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats
from bayes_mlm.model import Family


@dataclass(frozen=True, kw_only=True, eq=False)
class RootLayout:
    """Where the parameters of one factor are in the root of the covariance of its effects.

    Attributes
    ----------
    place : int
        Of the factor in the formula, among those with effects.
    free : ndarray of bool, shape (q, q)
    transform : ndarray, shape (q, q)
        The root is this times the matrix of the parameters.
    """

    place: int
    free: Flags
    transform: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class JointEstimate:
    """The parameters of a fit at the maximum, and their covariance.

    Attributes
    ----------
    x : ndarray, shape (P,)
        beta (p,), the entries of the roots by factor and row, and logs of shapes or thresholds.
    covariance : ndarray, shape (P, P)
    p : int
    roots : tuple of RootLayout
    thresholds : str or None
        Name of the thresholds, where the family has them.
    shapes : tuple of str
        Names of its other auxiliary parameters.
    """

    x: Floats
    covariance: Floats
    p: int
    roots: tuple[RootLayout, ...]
    thresholds: str | None
    shapes: tuple[str, ...]

    def at(self, x: Floats) -> tuple[Floats, tuple[Floats, ...], dict[str, Floats]]:
        """Return beta (p,), the covariance of each factor's effects, and auxiliary values."""
        first, found = self.p, []
        for one in self.roots:
            root = np.zeros(one.free.shape)
            root[one.free] = x[first : first + int(one.free.sum())]
            first += int(one.free.sum())
            root = one.transform @ root
            found.append((one.place, root @ root.T))
        covariances = tuple(cov for _, cov in sorted(found, key=lambda pair: pair[0]))
        if self.thresholds is not None:
            return x[: self.p], covariances, {self.thresholds: x[first:]}
        values = np.exp(x[first:]).tolist()
        shapes = {name: np.asarray(one) for name, one in zip(self.shapes, values, strict=True)}
        return x[: self.p], covariances, shapes


def lower_root(free: Flags, q: int) -> tuple[RootLayout, ...]:
    """Return the layout of one factor, free entries (q (q + 1) / 2,) of a lower triangle by rows.

    None without effects.
    """
    if not q:
        return ()
    whole = np.zeros((q, q), dtype=bool)
    whole[np.tril_indices(q)] = free
    return (RootLayout(place=0, free=whole, transform=np.eye(q)),)


def joint_estimate(
    family: Family, x: Floats, covariance: Floats, *, p: int, roots: Sequence[RootLayout]
) -> JointEstimate:
    """Return the parameters of a problem at its maximum, with their covariance."""
    thresholds = family.thresholds
    return JointEstimate(
        x=x,
        covariance=covariance,
        p=p,
        roots=tuple(roots),
        thresholds=None if thresholds is None else thresholds.name,
        shapes=() if thresholds is not None else tuple(one.name for one in family.auxiliary),
    )
