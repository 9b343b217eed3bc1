"""Values of all parameters, for quantities that are no linear combination of coefficients."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import JointEstimate
from bayes_mlm.model import Auxiliary

# Of the standard error of a parameter: the step of a central difference.
_STEP = 3e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterPoints:
    """S values of every parameter: draws, or an estimate with the points its gradient needs.

    A quantity is computed at each point, and `errors` makes of the values what they are for: draws
    stay draws; of an estimate the first is its value, and the others its standard error.

    Parameters
    ----------
    beta : ndarray, shape (S, p)
    cov_u : tuple of ndarray, shape (S, q, q)
        Covariance of the group effects of each factor.
    auxiliary : mapping of str to ndarray, shape (S, 1) or (S, 1, k)
        Auxiliary parameters of the family.
    steps : ndarray, shape (P,), or None
        Of an estimate: point 1 + 2k is the estimate with parameter k up by its step, 2 + 2k down.
    covariance : ndarray, shape (P, P), or None
        Of an estimate's parameters.
    """

    beta: Floats
    cov_u: tuple[Floats, ...]
    auxiliary: Mapping[str, Floats]
    steps: Floats | None = None
    covariance: Floats | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether the points are draws."""
        return self.steps is None

    @property
    def size(self) -> int:
        """S."""
        return len(self.beta)

    def auxiliary_of(self, some: slice) -> Auxiliary:
        """Return the auxiliary parameters of some points."""
        return {name: values[some] for name, values in self.auxiliary.items()}

    def errors(self, values: Floats) -> Floats:
        """Return the standard errors (k,) of quantities (S, k), by the delta method.

        Examples
        --------
        >>> points = ParameterPoints(
        ...     beta=np.array([[1.0], [1.1], [0.9]]), cov_u=(), auxiliary={},
        ...     steps=np.array([0.1]), covariance=np.array([[0.04]]),
        ... )
        >>> points.errors(3.0 * points.beta).round(6)
        array([0.6])
        """
        assert self.covariance is not None
        gradient = self._gradient(values)
        found = np.einsum("ik,ij,jk->k", gradient, self.covariance, gradient)
        return np.asarray(np.sqrt(np.maximum(found, 0.0)))

    def joint_covariance(self, values: Floats) -> Floats:
        """Return the covariance (k, k) of quantities (S, k), by the delta method."""
        assert self.covariance is not None
        gradient = self._gradient(values)
        return np.asarray(gradient.T @ self.covariance @ gradient)

    def _gradient(self, values: Floats) -> Floats:
        assert self.steps is not None
        return np.asarray((values[1::2] - values[2::2]) / (2.0 * self.steps[:, None]))


def points_of_estimate(joint: JointEstimate) -> ParameterPoints:
    """Return an estimate and the points about it from which gradients are computed."""
    spread = np.sqrt(np.maximum(np.diagonal(joint.covariance), 0.0))
    usable = np.isfinite(spread) & (spread > 0.0)
    size = 1.0 + np.abs(joint.x)
    steps = np.where(usable, np.minimum(_STEP * np.where(usable, spread, 1.0), size), 1e-5 * size)
    moves = np.diag(steps)
    points = [joint.x]
    for move in moves:
        points += [joint.x + move, joint.x - move]
    parts = [joint.at(x) for x in points]
    covariance = np.where(np.isfinite(joint.covariance), joint.covariance, math.nan)
    return ParameterPoints(
        beta=np.array([beta for beta, _, _ in parts]),
        cov_u=tuple(np.array([covs[k] for _, covs, _ in parts]) for k in range(len(parts[0][1]))),
        auxiliary={
            name: np.array([aux[name] for _, _, aux in parts])[:, None] for name in parts[0][2]
        },
        steps=steps,
        covariance=covariance,
    )
