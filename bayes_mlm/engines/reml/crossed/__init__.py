"""REML and maximum likelihood of two crossed random intercepts, without a factorisation."""

import math

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Floats,
    check_choice,
    check_prob,
    one_thread,
    scaled,
    tiny,
)
from bayes_mlm.design import Design
from bayes_mlm.engines.reml.certificate import Certificate
from bayes_mlm.engines.reml.crossed.effects import CrossedEquations, conditional_sds
from bayes_mlm.engines.reml.crossed.search import (
    MAX_ERROR,
    CrossedOptimum,
    deviance,
    maximise_crossed,
)
from bayes_mlm.engines.reml.inference import VarianceErrors, wald_intervals
from bayes_mlm.engines.reml.several.intervals import interval_of_log, interval_of_share
from bayes_mlm.engines.reml.several.result import FactorEstimates, SeveralFactorsFit
from bayes_mlm.likelihood import Method, group_parameters
from bayes_mlm.moments import CrossedTable

# Eigenvalue of the sweeps above which a few chains tell little of the slowest direction.
SLOW = 0.9


def fit_crossed(
    table: CrossedTable, design: Design, *, method: Method = "REML", level: float = DEFAULT_PROB
) -> SeveralFactorsFit:
    """Fit two crossed random intercepts by REML or maximum likelihood, by conjugate gradients.

    The estimates have a Monte Carlo error of less than a hundredth of their standard errors, in 95
    of 100 cases; the certificate reports it, and that of the log-likelihood, of some units.

    Parameters
    ----------
    table : CrossedTable
        Of the design.
    design : Design
        For its names and labels.
    method : {"REML", "ML"}
    level : float
        Coverage of the intervals.

    Returns
    -------
    SeveralFactorsFit

    Raises
    ------
    EngineError
        If conjugate gradients, or the search, do not converge.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> from bayes_mlm.moments import crossed_table
    >>> codes = np.arange(480)
    >>> y = np.sin(codes) + codes % 16 / 8 + np.cos(codes // 16)
    >>> design = build_design("y ~ 1 + (1 | g) + (1 | h)",
    ...                       {"y": y, "g": codes // 16, "h": codes % 16})
    >>> table = crossed_table(y, design.X, (codes // 16, codes % 16), (30, 16),
    ...                       factors=("g", "h"), terms=design.terms)
    >>> fit_crossed(table, design).certificate.ok
    True
    """
    check_choice("method", method, ("REML", "ML"))
    check_prob(level)
    with one_thread():
        optimum = maximise_crossed(table, method)
        minus_twice, error = deviance(table, optimum, method)
        *sds_of_effects, slowest = conditional_sds(table, optimum)
    at, unit = optimum.point, table.y_scale
    df = table.n - (table.p if method == "REML" else 0)
    loglik = -0.5 * minus_twice - df * math.log(unit)
    if method == "REML":
        loglik += table.log_det
    sds = optimum.sds * unit
    beta = table.original_beta(at.found.beta[:, 0])
    beta_cov = table.original_covariance(at.coefficients.beta * optimum.sds[2] ** 2)
    n_par = table.p + 3

    errors = np.where(sds > 0.0, sds * np.sqrt(np.diagonal(optimum.covariance)), np.nan)
    estimates = [
        _factor(design, optimum, place, sds_of_effects[place] * unit, errors, level, unit)
        for place in (0, 1)
    ]
    return SeveralFactorsFit(
        method=method,
        n=table.n,
        loglik=loglik,
        aic=-2.0 * loglik + 2.0 * n_par,
        bic=-2.0 * loglik + math.log(table.n) * n_par,
        terms=design.terms,
        beta=beta,
        beta_cov=beta_cov,
        beta_interval=wald_intervals(beta, beta_cov, level),
        sigma_e=float(sds[2]),
        sigma_e_se=float(errors[2]),
        sigma_e_interval=interval_of_log(float(sds[2]), float(errors[2]), level),
        factors=table.in_formula_order(estimates[0], estimates[1]),
        singular=bool((sds == 0.0).any()),
        certificate=_certify(optimum, 0.5 * error, slowest),
        equations=CrossedEquations(equations=at.equations),
    )


def _factor(
    design: Design,
    optimum: CrossedOptimum,
    place: int,
    sds_of_effects: Floats,
    errors: Floats,
    level: float,
    unit: float,
) -> FactorEstimates:
    """Return the estimates of the factor of a margin."""
    table = optimum.point.equations.table
    margin, sds = table.margins[place], optimum.sds * unit
    in_formula = table.in_formula_order(0, 1).index(place)
    term = [one for one in design.group_terms if one.q][in_formula]
    name = group_parameters(design)[in_formula]
    sd, error = float(sds[place]), float(errors[place])
    variances = sds**2
    shares = variances / variances.sum()
    share = float(shares[place])
    slope = 2.0 * share * (np.eye(3)[place] - shares)  # in the logs of the sds
    icc_error = math.sqrt(max(float(slope @ optimum.covariance @ slope), 0.0))
    icc_error = icc_error if sd > 0.0 else math.nan
    effects = (optimum.point.found.a, optimum.point.found.b)[place][:, 0] * unit
    effects = margin.in_data_order(effects if sd > 0.0 else np.zeros_like(effects))[:, None]
    u_sd = margin.in_data_order(sds_of_effects if sd > 0.0 else np.zeros(margin.m))[:, None]
    return FactorEstimates(
        factor=term.factor,
        effects=term.effects,
        sd_names=name.sd_names,
        rho_names=(),
        labels=term.labels,
        theta=np.array([[sd / float(sds[2])]]),
        cov_u=np.array([[sd**2]]),
        rho_u=np.ones((1, 1)),
        sigma_u=np.array([sd]),
        errors=VarianceErrors(
            names=(),
            covariance=np.empty((0, 0)),
            sigma_u=np.array([error]),
            sigma_u2=np.array([2.0 * sd * error]),
            rho_u=np.zeros((1, 1)),
            sigma_e=float(errors[2]),
            sigma_e2=2.0 * float(sds[2] * errors[2]),
            icc=icc_error,
        ),
        sigma_u_interval=(interval_of_log(sd, error, level),),
        rho_u_interval=(),
        icc=share,
        icc_interval=interval_of_share(share, icc_error, level),
        u=effects,
        u_sd=u_sd,
        u_cov=u_sd[:, :, None] ** 2,
    )


def _certify(optimum: CrossedOptimum, loglik_error: float, slowest: float) -> Certificate:
    """Return the certificate: the last step and the Monte Carlo errors, in standard errors."""
    free = optimum.sds > 0.0
    relative = optimum.monte_carlo[free] / np.sqrt(np.diagonal(optimum.covariance))[free]
    worst = float(relative.max()) + optimum.step
    ok = worst <= MAX_ERROR
    by = (
        f"the numerical error of an sd is {tiny(worst)} of its standard error at most (in 95 of "
        f"100 cases; {optimum.signs} random signs)"
        if optimum.signs
        else f"traces are exact; further steps would move an sd by {tiny(worst)} of its standard "
        "error"
    )
    text = f"{by}; the Monte Carlo error of the log-likelihood is {scaled(loglik_error, 2)}" + (
        "" if loglik_error < 0.05 else ": too much to compare models by it"
    )
    if slowest > SLOW:
        text += (
            "; levels are linked by few rows, and sds of predicted effects are known to about 15 % "
            f"only (largest eigenvalue {slowest:.3f})"
        )
    return Certificate(
        ok=ok,
        finite=True,
        decrement=0.5 * optimum.step**2,
        kkt=0.0,
        starts=(),
        statsmodels_loglik=None,
        statsmodels_difference=None,
        statsmodels_note="it has no crossed factors",
        message=f"certified by conjugate gradients: {text}" if ok else f"not certified: {text}",
    )
