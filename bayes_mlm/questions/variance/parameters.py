"""Hold the parameters that variances are made of, draw by draw or as one estimate."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import DesignError, Floats
from bayes_mlm.design import INTERCEPT, Design, GroupMeans, sums_of_null
from bayes_mlm.engines import Draws, OlsFit
from bayes_mlm.fitting import Classical, Fit, has_random_effects
from bayes_mlm.formula import Name, parse_formula


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """Hold S values of every parameter: posterior draws, or one estimate (S = 1).

    Parameters
    ----------
    beta : ndarray, shape (S, p)
        Fixed effects.
    cov_u : ndarray, shape (S, q, q)
        Covariance of the group effects, in squared units of the outcome; q = 0 without any.
    sigma_e2 : ndarray, shape (S,)
        Residual variance.
    own : ndarray, shape (S, J, k), or None
        What each group adds: draws of its effects, their predictions by REML, or (`no_pooling`)
        its own intercept. None where the model has none, or has too many groups to keep draws.
    """

    beta: Floats
    cov_u: Floats
    sigma_e2: Floats
    own: Floats | None


def parameters_of_fit(fit: Fit) -> Parameters:
    """Take the parameters out of posterior draws, chains joined."""
    draws, design = fit.draws, fit.design
    beta = _joined(draws, "beta")
    size = beta.shape[0]
    cov = np.zeros((size, 0, 0))
    if has_random_effects(design):
        sds = _joined(draws, "sigma_u").reshape(size, design.q)
        cov = np.zeros((size, design.q, design.q))
        cov[:, range(design.q), range(design.q)] = np.square(sds)
        if "rho_u" in draws.posterior:
            rho = _joined(draws, "rho_u").reshape(size, -1)
            for k, (a, b) in enumerate(design.effect_pairs):
                cov[:, a, b] = cov[:, b, a] = rho[:, k] * sds[:, a] * sds[:, b]
    return Parameters(
        beta=beta,
        cov_u=cov,
        sigma_e2=np.square(_joined(draws, "sigma_e")),
        own=_joined(draws, "u") if "u" in draws.posterior else None,
    )


def parameters_of_classical(fit: Classical) -> Parameters:
    """Take the parameters out of a REML or OLS fit."""
    if isinstance(fit, OlsFit):
        own = fit.group_intercepts[None, :, None] if fit.group_intercepts.size else None
        cov = np.zeros((1, 0, 0))
    else:
        own, cov = fit.u[None], fit.cov_u[None]
    return Parameters(beta=fit.beta[None], cov_u=cov, sigma_e2=np.array([fit.sigma_e**2]), own=own)


def turned(parameters: Parameters) -> Parameters:
    """Shift draws by half a turn, so that those of two fits from one seed are independent."""

    def roll(values: Floats) -> Floats:
        return np.roll(values, len(values) // 2, axis=0)

    return Parameters(
        beta=roll(parameters.beta),
        cov_u=roll(parameters.cov_u),
        sigma_e2=roll(parameters.sigma_e2),
        own=None,
    )


def is_null(design: Design) -> bool:
    """Tell whether a design is that of a null model: a random intercept and no predictors."""
    return has_random_effects(design) and design.has_icc and design.p == 1 and design.has_intercept


def null_design(design: Design) -> Design:
    """Lay out the null model of a design: a random intercept and no predictors, the same rows.

    Raises
    ------
    DesignError
        If the design has no groups of rows.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> null_design(build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))).terms
    ('Intercept',)
    """
    design = design.whole
    if design.group is None or design.kind == "between":
        raise DesignError("a null model needs groups of rows; name their column: (1 | group)")
    if not design.has_rows:
        null = design.with_moments(sums_of_null(design.moments()))
    else:
        ones = np.ones((design.n, 1))
        null = design.with_arrays(X=ones, Z=ones, terms=(INTERCEPT,), effects=(INTERCEPT,))
    return replace(
        null,
        kind="partial_pooling",
        formula=parse_formula(f"{Name(design.outcome)} ~ 1 + (1 | {Name(design.group)})"),
        base=GroupMeans(
            terms=(INTERCEPT,), means=np.ones((design.J, 1)), varies=np.zeros(1, dtype=np.bool_)
        ),
    )


def _joined(draws: Draws, name: str) -> Floats:
    values = draws[name]
    return np.asarray(values, dtype=np.float64).reshape(-1, *values.shape[2:])
