"""Fit a Gaussian model with one grouping factor under survey weights."""

import math
from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, DesignError, Floats, expect, wald_reach
from bayes_mlm.design import Design, GroupWeights
from bayes_mlm.engines.pseudo.jackknife import jackknife, refit_one
from bayes_mlm.engines.pseudo.maximum import Maximum, maximum_of_weights
from bayes_mlm.engines.pseudo.replicates import replicate_covariances
from bayes_mlm.engines.pseudo.result import ESTIMATED, FEW_GROUPS, PseudoFit, Variances
from bayes_mlm.engines.pseudo.scores import joint_scores
from bayes_mlm.engines.reml.coefficient_tests import KnownDf
from bayes_mlm.engines.reml.inference import (
    Interval,
    VarianceErrors,
    inverse_information,
    variance_slopes,
    wald_intervals,
)
from bayes_mlm.engines.reml.profile import ProfileIntervals
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.engines.reml.search import Optimum
from bayes_mlm.moments import GroupMoments, RotatedMoments, rotate_moments


def fit_pseudo(
    design: Design, *, level: float = DEFAULT_PROB, statistics: GroupMoments | None = None
) -> PseudoFit:
    """Fit a design with survey weights by pseudo-maximum likelihood.

    Parameters
    ----------
    design : Design
        With weights, a Gaussian outcome and one grouping factor.
    level : float
        Coverage of the intervals.
    statistics : GroupMoments, optional
        Weighted, of the design; computed by default.

    Returns
    -------
    PseudoFit

    Raises
    ------
    DesignError
        If the design has no weights, or the group variance is not identified.
    EngineError
        If the likelihood is not finite, or without some group the jackknife has no estimate.

    References
    ----------
    Pfeffermann, Skinner, Holmes, Goldstein & Rasbash (1998), J. R. Stat. Soc. B 60(1):23-40;
    Rabe-Hesketh & Skrondal (2006), J. R. Stat. Soc. A 169(4):805-827.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_hsb
    >>> students = load_hsb()
    >>> students["w1"] = 1.0 + students["female"]
    >>> design = build_design(
    ...     "mathach ~ ses + (1 | schoolid)", students, weights={"level1": "w1"}
    ... )
    >>> found = fit_pseudo(design)
    >>> found.standard_errors, found.beta.round(3), found.beta_se.round(3)
    ('sandwich', array([12.522,  2.425]), array([0.189, 0.135]))
    """
    expect("fit_pseudo", design, Design)
    weights = design.weights
    if weights is None:
        raise DesignError(
            "the design has no weights; build it with weights={'level1': COLUMN, FACTOR: COLUMN}, "
            "or use fit_reml"
        )
    s = design.moments() if statistics is None else statistics
    found = maximum_of_weights(design, s, level)
    covariance = None
    if weights.spec.replicates is not None:
        (covariance,) = replicate_covariances([design], [found])
    return _finished(design, weights, found, level, covariance)


def fit_imputations(designs: Sequence[Design], *, level: float = DEFAULT_PROB) -> list[PseudoFit]:
    """Fit designs of one model that differ in imputed values, such as plausible values.

    Replicate weights of all are fitted in one pass; the search for one starts at the maximum of the
    first.

    Parameters
    ----------
    designs : sequence of Design
        With weights.
    level : float
        Coverage of the intervals.
    """
    maxima: list[Maximum] = []
    for one in designs:
        maxima.append(maximum_of_weights(one, one.moments(), level, maxima[0] if maxima else None))
    covariances: list[Floats | None] = [None] * len(designs)
    first = designs[0].weights
    if first is not None and first.spec.replicates is not None:
        covariances = [*replicate_covariances(designs, maxima)]
    return [
        _finished(one, one.weights, at, level, covariance)
        for one, at, covariance in zip(designs, maxima, covariances, strict=True)
        if one.weights is not None
    ]


def _finished(
    design: Design,
    weights: GroupWeights,
    found: Maximum,
    level: float,
    covariance: Floats | None,
) -> PseudoFit:
    """Return the fit at a maximum, with a covariance of replicates or, without, that chosen."""
    s, reduced, optimum, plain = found.statistics, found.reduced, found.optimum, found.plain
    correlated, spec = design.group_term.correlated, weights.spec
    v, joint = len(plain.errors.names), joint_scores(s, reduced, optimum)
    model = _in_parameters(reduced, optimum, inverse_information(joint.information), v)
    constant = group_level_columns(s)
    df, label = float(max(s.J - constant, 1)), f"J - {constant}"
    chosen: str = spec.standard_errors or ("jackknife" if s.J <= FEW_GROUPS else "sandwich")
    if covariance is not None and spec.replicates is not None:
        chosen, count = "replicates", weights.n_replicates
        df = float(spec.replicates.df or (weights.n_zones or count))
        label = f"replicates' {df:g}"
    elif chosen == "jackknife":
        covariance = jackknife(s, reduced, plain, correlated=correlated)
    else:
        covariance = _in_parameters(reduced, optimum, joint.sandwich(), v)
    if chosen == "fixed":
        fixed = joint.sandwich(fixed=True)
        covariance[v:, v:] = _in_parameters(reduced, optimum, fixed, v)[v:, v:]
    if plain.singular:
        covariance[: v - 1] = covariance[:, : v - 1] = np.nan
    errors = _errors_of(plain, covariance[:v, :v], df, correlated=correlated)
    tests = KnownDf(label=label, covariance=covariance[v:, v:], degrees=np.full(reduced.p, df))
    kept = {one.name: getattr(plain, one.name) for one in fields(RemlFit)}
    return PseudoFit(
        **kept
        | {
            "n": weights.n,
            "aic": math.nan,
            "bic": math.nan,
            "beta_cov": covariance[v:, v:],
            "beta_cov_joint": covariance[v:, v:],
            "beta_interval": wald_intervals(plain.beta, covariance[v:, v:], level, tests),
            "tests": tests,
            "errors": errors,
            "intervals": _intervals(plain, errors, level, df),
        },
        weights=weights,
        standard_errors=chosen,
        covariance=covariance,
        model_covariance=model,
        others=_others(weights, found, correlated=correlated),
    )


def group_level_columns(s: GroupMoments) -> int:
    """Count the columns of X that do not vary within any group, the constant among them."""
    within = np.einsum("jkk->k", s.scatter)[: s.p]
    spread = s.moments[1][: s.p]
    return int(np.count_nonzero(within <= 1e-12 * s.n * np.maximum(spread, 1e-300) ** 2))


def _in_parameters(reduced: RotatedMoments, optimum: Optimum, covariance: Floats, v: int) -> Floats:
    """Return the covariance of variance parameters and coefficients of X as given.

    From that of (theta, log sigma_e^2, beta of the centred columns).
    """
    m, p = len(optimum.theta), reduced.p
    jacobian = np.zeros((v + p, m + 1 + p))
    jacobian[:v, : m + 1] = variance_slopes(reduced, optimum)
    jacobian[v:, m + 1 :] = reduced.beta_transform
    found: Floats = jacobian @ covariance @ jacobian.T
    return found


def _errors_of(
    plain: RemlFit, covariance: Floats, df: float, *, correlated: bool
) -> VarianceErrors:
    """Return standard errors of the variance parameters from their covariance (v, v)."""
    q, error = len(plain.effects), np.sqrt(np.diagonal(covariance))
    rho = np.zeros((q, q))
    if correlated:
        a, b = np.triu_indices(q, 1)
        rho[a, b] = rho[b, a] = error[q:-1]
    icc = None
    if plain.icc is not None:
        u, e = plain.sigma_u[0], plain.sigma_e
        slope = 2.0 * u * e / (u**2 + e**2) ** 2 * np.array([e, -u])
        icc = float(np.sqrt(slope @ covariance @ slope))
    return VarianceErrors(
        names=plain.errors.names,
        covariance=covariance,
        sigma_u=error[:q],
        sigma_u2=2.0 * plain.sigma_u * error[:q],
        rho_u=rho,
        sigma_e=float(error[-1]),
        sigma_e2=float(2.0 * plain.sigma_e * error[-1]),
        icc=icc,
        df=df,
    )


def _intervals(
    plain: RemlFit, errors: VarianceErrors, level: float, df: float
) -> ProfileIntervals | None:
    """Return intervals of the sds on the scale of logs, and of the icc on that of log odds."""
    if plain.singular:
        return None
    reach = wald_reach(level, df)

    def ends(value: float, error: float) -> Interval:
        factor = math.exp(reach * error / value)
        return Interval(
            lower=value / factor, upper=value * factor, level=level, method="t of the log"
        )

    icc = None
    if plain.icc is not None and errors.icc is not None:
        half = reach * errors.icc / (plain.icc * (1.0 - plain.icc))
        odds = plain.icc / (1.0 - plain.icc)
        low, high = odds * math.exp(-half), odds * math.exp(half)
        icc = Interval(
            lower=low / (1.0 + low),
            upper=high / (1.0 + high),
            level=level,
            method="t of the log odds",
        )
    return ProfileIntervals(
        sigma_u=tuple(
            ends(float(sd), float(error))
            for sd, error in zip(plain.sigma_u, errors.sigma_u, strict=True)
        ),
        sigma_e=ends(plain.sigma_e, errors.sigma_e),
        icc=icc,
    )


def _others(weights: GroupWeights, found: Maximum, *, correlated: bool) -> tuple[Variances, ...]:
    """Return the estimates by size or effective, whichever was not chosen, if rows have weights."""
    if not weights.spec.rows:
        return ()
    others = []
    for scaling in ESTIMATED:
        if scaling == weights.spec.scaling:
            continue
        reduced = rotate_moments(weights.scaled(found.statistics, scaling))
        other = refit_one(reduced, found.plain, correlated=correlated)
        others.append(
            Variances(
                scaling=scaling,
                sigma_u=np.sqrt(np.maximum(np.diagonal(other.cov_u[0]), 0.0)),
                sigma_e=math.sqrt(other.sigma2[0]),
                beta=other.beta[0],
            )
        )
    return tuple(others)
