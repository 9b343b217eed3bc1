"""Maximum likelihood of a regression whose predictors have latent group means.

K columns x that vary within groups and the outcome y are normal at two levels, with residuals of
the means given group-level columns w:

    x_ij = B'w_j + U_j + R_ij,            U_j ~ N(0, S_b),  R_ij ~ N(0, S_w)
    y_ij = a'w_j + b'R_ij + (b + D c)'U_j + u_j + e_ij

where D selects the columns that have a slope between groups of their own. The likelihood depends on
the rows through counts, means and scatter by group; the coefficients of w are profiled out.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Flags, Floats
from bayes_mlm.engines.joint_normal.likelihood import LatentModel
from bayes_mlm.moments import GroupMoments

_TOLERANCE = 1e-11
_MAX_STEPS = 100
# Largest change of a logarithm of an sd in one step.
_MAX_LOG_STEP = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentMeans:
    """Maximum of the joint likelihood, in the units of the columns.

    Parameters
    ----------
    terms : tuple of str
        The K columns that vary within groups.
    paired : tuple of int
        Places, among those, of the P whose slope between groups is free.
    within : ndarray, shape (K,)
        Slopes b on the deviations from the latent group means.
    contextual : ndarray, shape (P,)
        c: slopes on the latent means less those within.
    cov : ndarray, shape (K + P, K + P)
        Of `within` and `contextual`, from the observed information.
    x_within, x_between : ndarray, shape (K, K)
        Covariance of the columns within groups, and of their latent means given the columns w.
    sigma2_e, sigma2_u : float
        Residual variances of the outcome within and between groups.
    sizes : ndarray, shape (J,)
        Rows in each group.
    loglik : float
    """

    terms: tuple[str, ...]
    paired: tuple[int, ...]
    within: Floats
    contextual: Floats
    cov: Floats
    x_within: Floats
    x_between: Floats
    sigma2_e: float
    sigma2_u: float
    sizes: Floats
    loglik: float

    @property
    def reliability(self) -> Floats:
        """Reliability of the observed mean of each column given w, shape (J, K)."""
        between = np.diag(self.x_between)
        return np.asarray(between / (between + np.diag(self.x_within) / self.sizes[:, None]))

    def expected_of_observed(self) -> tuple[Floats, Floats]:
        """Return the slopes (K,) and (P,) that observed group means estimate, at these values.

        The weighted least-squares equations with the expected products of the observed means. Of
        one predictor in groups of one size the contextual effect is the reliability times the
        true one, the formula of Lüdtke et al. (2008).
        """
        # Groups weigh as in generalised least squares, up to a factor.
        weights = self.sizes / (self.sigma2_e + self.sizes * self.sigma2_u)
        mean_error = float(np.sum(weights / self.sizes))
        between = self.x_between * weights.sum()
        of_means = between + self.x_within * mean_error
        inside = self.x_within * (float(self.sizes.sum()) - len(self.sizes)) / self.sigma2_e
        some, b = list(self.paired), self.within
        slope = b.copy()
        slope[some] += self.contextual
        products = inside @ b + between @ slope + self.x_within @ b * mean_error
        right = np.concatenate([products, (products - inside @ b)[some]])
        left = np.block(
            [
                [inside + of_means, of_means[:, some]],
                [of_means[some], of_means[np.ix_(some, some)]],
            ]
        )
        found = np.linalg.solve(left, right)
        return found[: len(b)], found[len(b) :]


def fit_latent_means(s: GroupMoments, columns: list[int], paired: list[int]) -> LatentMeans:
    """Fit the model by maximum likelihood.

    Parameters
    ----------
    s : GroupMoments
        With an intercept in X; Z is not read.
    columns : list of int
        Places in X of the K columns that vary within groups; the others are w.
    paired : list of int
        Places in `columns` of those whose slope between groups is free.

    Returns
    -------
    LatentMeans

    Raises
    ------
    EngineError
        If the search does not converge.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> found = fit_latent_means(design.moments(), [1], [0])
    >>> print(f"{found.within[0]:.3f} {found.contextual[0]:.3f}")
    2.191 3.904
    """
    order = [k for k in range(len(columns)) if k not in paired] + list(paired)
    model = LatentModel.of(s, [columns[k] for k in order], len(paired))
    theta, active, value, hessian = _minimise(model)
    free = np.flatnonzero(~active)
    cov = np.zeros((len(theta), len(theta)))
    cov[np.ix_(free, free)] = 2.0 * np.linalg.inv(hessian[np.ix_(free, free)])
    turn = model.slopes_by_parameters(theta)
    cov = turn @ cov @ turn.T
    K = model.K
    b, c, sigma2_e, sigma2_u, root_w, root_b = model.unpack(theta)
    back = np.argsort(order)
    every = [*back, *range(K, K + model.P)]
    scale = model.scale[-1] / np.concatenate([model.scale[:K], model.scale[K - model.P : K]])
    units, outcome = model.scale[:K], float(model.scale[-1]) ** 2
    inside, between = (
        (root @ root.T * np.outer(units, units))[np.ix_(back, back)] for root in (root_w, root_b)
    )
    return LatentMeans(
        terms=tuple(s.terms[k] for k in columns),
        paired=tuple(paired),
        within=(b * scale[:K])[back],
        contextual=c * scale[K:],
        cov=(cov * np.outer(scale, scale))[np.ix_(every, every)],
        x_within=inside,
        x_between=between,
        sigma2_e=float(sigma2_e) * outcome,
        sigma2_u=float(sigma2_u) * outcome,
        sizes=model.sizes,
        loglik=-0.5 * value - float(model.sizes.sum() * np.log(model.scale).sum()),
    )


def _minimise(model: LatentModel) -> tuple[Floats, Flags, float, Floats]:
    """Minimise by Newton's method within bounds.

    Returns the parameters, which of them are at a bound, the value and the Hessian.
    """
    theta, lower = model.start(), model.lower
    value = _value(model, theta)
    for _ in range(_MAX_STEPS):
        gradient, hessian = model.derivatives(theta)
        active = (theta <= lower) & (gradient > 0.0)
        flat = active[model.diagonal_between][model.K - model.P :]
        active[model.K : model.K + model.P] |= flat  # a mean without variance has no slope
        free = np.flatnonzero(~active)
        roots, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
        size = np.maximum(np.abs(roots), 1e-6 * np.abs(roots).max())
        step = np.zeros(len(theta))
        step[free] = -vectors @ ((vectors.T @ gradient[free]) / size)
        longest = np.abs(step[model.logarithms]).max()
        step /= max(1.0, longest / _MAX_LOG_STEP)
        decrement = float(-gradient @ step)
        if decrement < _TOLERANCE and roots[0] > 0.0:
            return theta, active, value, hessian
        for halving in range(40):
            moved = np.maximum(theta + step * 0.5**halving, lower)
            new = _value(model, moved)
            if new <= value + 1e-4 * float(gradient @ (moved - theta)):
                break
        else:
            if decrement < 1e-5 and roots[0] > 0.0:  # no digit is left to gain
                return theta, active, value, hessian
            break
        theta, value = moved, new
    raise EngineError(
        "the likelihood of the model with latent group means has no maximum that the search "
        "finds; the groups may be too few for the covariance of the group means"
    )


def _value(model: LatentModel, theta: Floats) -> float:
    """Return minus twice the log-likelihood, infinite where a covariance has no root."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(model.value(theta[None])[0][0])
    except np.linalg.LinAlgError:
        return np.inf
    return value if np.isfinite(value) else np.inf
