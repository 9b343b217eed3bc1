"""Check of the optimum against an independent likelihood: that of statsmodels' MixedLM.

Only its evaluation of the likelihood is used, never its optimiser, which misses the optimum of
the very study this package is about while reporting convergence. The model is handed over as
``Z Lambda`` with identity covariance rather than as Z with ``Lambda Lambda'``: the same model,
but MixedLM inverts the covariance, and below eigenvalues of 1e-10 replaces it by a pseudo-inverse
that stands for an infinite variance. So a singular fit is checked like any other.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import INTERCEPT
from bayes_mlm.likelihood import Method

if TYPE_CHECKING:
    from bayes_mlm.design import Design

# MixedLM loops over rows and groups in Python; past this it takes more than some seconds.
MAX_GROUPS = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class StatsmodelsCheck:
    """Statsmodels' likelihood at the optimum, or the reason why it was not evaluated.

    Attributes
    ----------
    loglik : float or None
        Its profiled log-likelihood (REML or ML) at our relative factor.
    beta_cov_joint : (p, p) array or None
        Covariance of beta from its joint Hessian; None for a singular fit or where it was
        not requested.
    reason : str
        Why there is no `loglik`; empty if there is one.
    rounding : float
        Rounding error of its log-likelihood: it works on cross-products, which squares the
        condition number of the columns.
    """

    loglik: float | None
    beta_cov_joint: Floats | None = None
    reason: str = ""
    rounding: float = 0.0


def statsmodels_check(
    design: "Design", lam: Floats, method: Method, *, joint: bool = False
) -> StatsmodelsCheck:
    """Evaluate MixedLM's likelihood, and on request its Hessian, at a relative factor.

    Parameters
    ----------
    design : Design
        The rows that were fitted.
    lam : (q, q) array
        Relative factor of the fit; q = 0 for a model without group effects.
    method : {"REML", "ML"}
    joint : bool
        Also invert its joint Hessian of (beta, covariance); meaningful at an interior optimum.

    Returns
    -------
    StatsmodelsCheck

    Raises
    ------
    EngineError
        If statsmodels fails on a design that our engine fitted.
    """
    n_groups = len(design.labels)
    if n_groups > MAX_GROUPS:
        return StatsmodelsCheck(
            loglik=None,
            reason=f"{n_groups} groups are more than the {MAX_GROUPS} that MixedLM can go through",
        )
    # Imported here: it costs 6-8 s of CPU, which no other path should pay.
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    q = lam.shape[0]
    effects = design.Z @ lam if q else np.zeros((len(design.y), 1))
    identity = np.eye(max(q, 1))
    # Centring is a transformation of determinant one: it changes neither likelihood, and saves the
    # digits that a large offset would cost in its cross-products.
    transform = np.eye(design.X.shape[1])
    if INTERCEPT in design.terms:
        place = design.terms.index(INTERCEPT)
        transform[place] -= design.X.mean(axis=0)
        transform[place, place] = 1.0
    x = design.X @ transform
    with warnings.catch_warnings():
        # Its warnings concern its optimiser and parametrisation, neither of which is used.
        warnings.simplefilter("ignore")
        try:
            model = MixedLM(design.y_less_offset, x, groups=design.codes, exog_re=effects)
            model.reml, model.cov_pen = method == "REML", None  # `fit` sets these; we do not fit
            beta, _ = model.get_fe_params(identity, np.empty(0))
            params = MixedLMParams.from_components(beta, cov_re=identity)
            loglik = float(model.loglike(params))
            covariance = None
            if joint and q and abs(np.linalg.det(lam)) > 0.0:
                hessian, _ = model.hessian(params)
                covariance = (
                    transform @ np.linalg.inv(-hessian)[: len(beta), : len(beta)] @ transform.T
                )
        except (np.linalg.LinAlgError, ValueError) as error:
            raise EngineError(
                f"statsmodels could not evaluate the likelihood at the optimum ({error}); fit "
                "with check=False to go without its confirmation"
            ) from error
    rounding = float(np.finfo(float).eps * np.linalg.cond(x / np.linalg.norm(x, axis=0)) ** 2)
    return StatsmodelsCheck(loglik=loglik, beta_cov_joint=covariance, rounding=rounding)
