"""REML and maximum likelihood of models with several grouping factors."""

import math
from itertools import combinations

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    DesignError,
    Floats,
    check_choice,
    check_prob,
    one_thread,
    tiny,
)
from bayes_mlm.design import Design
from bayes_mlm.engines.reml.certificate import STATIONARY, Certificate
from bayes_mlm.engines.reml.inference import VarianceErrors, wald_intervals
from bayes_mlm.engines.reml.several.deviance import coordinates, residual_df
from bayes_mlm.engines.reml.several.held import lower
from bayes_mlm.engines.reml.several.inference import Variances, standard_error, variances_at
from bayes_mlm.engines.reml.several.profile import (
    MAX_SECONDS,
    SeveralIntervals,
    profile_several,
    seconds,
)
from bayes_mlm.engines.reml.several.result import (
    FactorEstimates,
    FactorisedEquations,
    SeveralFactorsFit,
)
from bayes_mlm.engines.reml.several.search import Optimum, maximise
from bayes_mlm.engines.reml.several.wald import wald_several
from bayes_mlm.likelihood import (
    GroupParameters,
    Method,
    check_bounded_outcome,
    explained_effects,
    group_parameters,
    make_plan,
)

_WALD = (
    "Wald, as profiling would take about {seconds:.0f} s; fit_several(..., profile=True) does it"
)


def fit_several(
    design: Design,
    *,
    method: Method = "REML",
    level: float = DEFAULT_PROB,
    profile: bool | None = None,
) -> SeveralFactorsFit:
    """Fit a Gaussian model with several grouping factors by REML or maximum likelihood.

    Parameters
    ----------
    design : Design
        With independent residuals of one sd.
    method : {"REML", "ML"}
    level : float
        Coverage of the intervals.
    profile : bool, optional
        Whether to compute the profile intervals of sds, correlations and shares. By default they
        are where that takes about a second at most; else the intervals are Wald's, on the scale of
        logs, Fisher's z and log odds, and their notes say so.

    Returns
    -------
    SeveralFactorsFit

    Raises
    ------
    DesignError
        If there are no more rows than coefficients, or fixed effects explain every difference
        between the groups of a factor.
    EngineError
        If the outcome has no residual variation, the factorisation is too large, or the likelihood
        is not finite.

    References
    ----------
    Bates et al. (2015), J. Stat. Softw. 67(1), secs 2-3.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> codes = np.arange(48)
    >>> table = {"y": np.sin(codes) + codes % 4 + codes // 4 % 6, "g": codes // 4, "h": codes % 4}
    >>> found = fit_several(build_design("y ~ 1 + (1 | g) + (1 | h)", table))
    >>> found.certificate.ok, [one.factor for one in found.factors]
    (True, ['g', 'h'])
    """
    check_choice("method", method, ("REML", "ML"))
    check_prob(level)
    products = design.cross_products()
    if products.n <= products.p:
        raise DesignError(
            f"{products.n} rows for {products.p} coefficients leave nothing to estimate variances "
            "from; drop predictors, or add rows"
        )
    explained = explained_effects(products)
    if explained:
        raise DesignError(
            f"the fixed effects explain every difference between groups in {', '.join(explained)}, "
            "so the variance is not identified; drop a predictor of that level, or the effect"
        )
    plan = make_plan(products)
    check_bounded_outcome(plan)
    optimum = maximise(plan, method)
    df = residual_df(plan, method)
    loglik = -0.5 * optimum.deviance - df * math.log(products.y_scale)
    if method == "REML":
        loglik += products.log_det
    variances = variances_at(optimum, method)
    sigma_e = math.sqrt(variances.sigma2)
    n_par = products.p + len(coordinates(plan)) + 1
    scale = products.y_scale**2 * optimum.factor.r2 / df
    beta = products.original_beta(optimum.factor.beta)
    beta_cov = products.original_covariance(optimum.factor.beta_cov) * optimum.factor.r2 / df

    shares = _has_shares(design)
    errors = tuple(_errors(f, variances, shares=shares) for f in range(len(optimum.lam)))
    expected = seconds(plan, shares=shares)
    if profile or (profile is None and expected <= MAX_SECONDS):
        intervals = profile_several(optimum, method, level, shares=shares)
    else:
        note = _WALD.format(seconds=expected) if profile is None else ""
        intervals = wald_several(variances, errors, level, note)
    sigma_e_se = errors[0].sigma_e
    return SeveralFactorsFit(
        method=method,
        n=products.n,
        loglik=loglik,
        aic=-2.0 * loglik + 2.0 * n_par,
        bic=-2.0 * loglik + math.log(products.n) * n_par,
        terms=design.terms,
        beta=beta,
        beta_cov=beta_cov,
        beta_interval=wald_intervals(beta, beta_cov, level, variances.tests),
        tests=variances.tests,
        sigma_e=sigma_e,
        sigma_e_se=sigma_e_se,
        sigma_e_interval=intervals.sigma_e,
        factors=_factors(design, optimum, variances, scale, errors, intervals),
        singular=any(optimum.singular),
        certificate=_certify(optimum),
        equations=FactorisedEquations(plan=plan, lam=tuple(optimum.lam)),
    )


def _has_shares(design: Design) -> bool:
    """Return whether every factor has a random intercept alone, so that shares are numbers."""
    return all(term.effects == ("Intercept",) for term in design.group_terms if term.q)


def _factors(
    design: Design,
    optimum: Optimum,
    variances: Variances,
    scale: float,
    errors: tuple[VarianceErrors, ...],
    intervals: SeveralIntervals,
) -> tuple[FactorEstimates, ...]:
    """Return the estimates of each factor, in the order of the formula."""
    plan = optimum.factor.plan
    with one_thread():
        means = optimum.factor.effects()
        blocks = optimum.factor.inverse_blocks(with_x=False)
    names, terms = group_parameters(design), [term for term in design.group_terms if term.q]
    found: list[tuple[int, FactorEstimates]] = []
    for f, place in enumerate(plan.products.places):
        one, term, name = plan.products.factors[f], terms[place], names[place]
        root = one.transform @ optimum.lam[f]
        cov_u, u_cov = variances.covariances[f], scale * root @ blocks[f] @ root.T
        pairs = tuple(combinations(range(one.q), 2)) if term.correlated else ()
        share = None if errors[f].icc is None else float(cov_u[0, 0]) / variances.total
        found.append(
            (
                place,
                FactorEstimates(
                    factor=term.factor,
                    effects=term.effects,
                    sd_names=name.sd_names,
                    rho_names=_rho_names(name, term.effects, pairs),
                    labels=term.labels,
                    theta=lower(root),
                    cov_u=cov_u,
                    rho_u=variances.correlations(f),
                    sigma_u=np.sqrt(np.diagonal(cov_u)),
                    errors=errors[f],
                    sigma_u_interval=intervals.factors[f].sigma_u,
                    rho_u_interval=intervals.factors[f].rho_u,
                    icc=share,
                    icc_interval=intervals.factors[f].icc,
                    u=plan.products.original_effects(f, means[f]),
                    u_sd=np.sqrt(np.maximum(np.diagonal(u_cov, axis1=1, axis2=2), 0.0)),
                    u_cov=u_cov,
                ),
            )
        )
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _rho_names(
    name: GroupParameters, effects: tuple[str, ...], pairs: tuple[tuple[int, int], ...]
) -> tuple[str, ...]:
    return tuple(name.rho_u.element(f"{effects[a]},{effects[b]}") for a, b in pairs)


def _errors(f: int, variances: Variances, *, shares: bool) -> VarianceErrors:
    """Return the standard errors of one factor's sds and correlations, and of its share."""
    cov, covariance = variances.covariances[f], variances.covariance
    q, rho = len(cov), variances.correlations(f)

    def along(a: int, b: int) -> Floats:
        weights = [np.zeros_like(one) for one in variances.covariances]
        weights[f][a, b] = 1.0
        return variances.gradient(weights, 0.0)

    sd = np.sqrt(np.diagonal(cov))
    of_sd = [along(a, a) / (2.0 * sd[a]) if sd[a] > 0.0 else along(a, a) * np.nan for a in range(q)]
    sigma_u = np.array([standard_error(one, covariance) for one in of_sd])
    rho_u = np.zeros((q, q))
    for a, b in combinations(range(q), 2):
        if not cov[a, b] and not along(a, b).any():
            continue  # independent
        relative = of_sd[a] / sd[a] + of_sd[b] / sd[b] if sd[a] * sd[b] > 0.0 else np.nan
        slope = (
            along(a, b) / (sd[a] * sd[b]) - rho[a, b] * relative
            if sd[a] * sd[b]
            else np.full(len(covariance), np.nan)
        )
        rho_u[a, b] = rho_u[b, a] = standard_error(slope, covariance)
    icc = None
    if shares:
        total = variances.total
        ones = [np.ones_like(one) for one in variances.covariances]
        slope = along(0, 0) / total - cov[0, 0] / total**2 * variances.gradient(ones, 1.0)
        icc = standard_error(slope, covariance)
    sigma_e = math.sqrt(variances.sigma2)
    of_e = np.append(np.zeros(len(covariance) - 1), 0.5 * sigma_e)
    error = standard_error(of_e, covariance)
    return VarianceErrors(
        names=(),
        covariance=np.empty((0, 0)),
        sigma_u=sigma_u,
        sigma_u2=2.0 * sd * sigma_u,
        rho_u=rho_u,
        sigma_e=error,
        sigma_e2=2.0 * sigma_e * error,
        icc=icc,
    )


def _certify(optimum: Optimum) -> Certificate:
    """Return the certificate of an optimum."""
    loglik = -0.5 * optimum.deviance
    finite = math.isfinite(loglik) and math.isfinite(optimum.gain)
    slack = 1e-9 * (1.0 + abs(loglik))
    faults = []
    if not finite:
        faults.append("the log-likelihood is not finite: check the outcome and rescale predictors")
    elif optimum.gain > STATIONARY:
        faults.append(
            f"a Newton step would still gain {tiny(optimum.gain)} log-likelihood: rescale "
            "predictors that differ by many orders of magnitude, or drop a group effect"
        )
    if any(start.loglik > loglik + slack for start in optimum.starts):
        faults.append("another start did better: report this as a bug")
    count = len(optimum.starts)
    searched = f", the highest of {count} starts" if count > 1 else ""
    message = (
        "not certified: " + "; ".join(faults)
        if faults
        else f"certified: a Newton step would gain {tiny(optimum.gain)}{searched}"
    )
    return Certificate(
        ok=not faults,
        finite=finite,
        decrement=optimum.gain,
        kkt=0.0,
        starts=(),
        statsmodels_loglik=None,
        statsmodels_difference=None,
        statsmodels_note="it has no crossed factors",
        message=message,
    )
