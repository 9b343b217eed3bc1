"""Solutions of M imputations, by any likelihood engine, as one solution.

What is read of a solution is little: ``terms``, ``beta``, ``beta_cov`` (p, p), ``beta_interval``
(for the coverage), ``sigma_e``, ``n``, ``engine``, ``verdict``, ``singular``, ``tests`` or None;
of one factor at most ``effects``, ``group``, ``labels``, ``u``, ``u_sd``, ``cov_u``, ``sigma_u``,
``rho_u``, ``icc`` and ``errors`` (`VarianceErrors`, or None of least squares); of several
``factors`` (`FactorEstimates`). Another engine's solutions are pooled if they have these.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import EngineError, Floats, UnsupportedModelError
from bayes_mlm.engines.generalised.joint import JointEstimate
from bayes_mlm.engines.pooling.result import PooledFit
from bayes_mlm.engines.pooling.rubin import (
    BarnardRubin,
    Pooled,
    Within,
    check_several,
    harmonic,
    pool,
    total_covariance,
)
from bayes_mlm.engines.pooling.several import PooledSeveralFit
from bayes_mlm.engines.pooling.variances import (
    pool_sds,
    pool_variances,
    transformed_interval,
    variance_interval,
)
from bayes_mlm.engines.reml.coefficient_tests import CoefficientTests, KnownDf, degrees_of
from bayes_mlm.engines.reml.inference import EstimateRow, Interval, effect_name, wald_intervals

if TYPE_CHECKING:
    from bayes_mlm.engines.reml.several.result import FactorEstimates


def pool_solutions(
    solutions: Sequence[Any],
    *,
    df_complete: float | None = None,
    within: Within = "mean",
    level: float | None = None,
) -> PooledFit | PooledSeveralFit:
    """Pool the solutions of M imputations by Rubin's rules.

    Parameters
    ----------
    solutions : sequence
        Of one model and engine, an imputation each, such as `RemlFit`; see the module for what is
        read of them. Their covariances may come from replicate weights.
    df_complete : float, optional
        Degrees of freedom of the complete data, such as the number of replicates. By default
        those of each solution's own tests, as their harmonic mean: Satterthwaite's, the residual
        ones, groups less coefficients of a sandwich; infinite of a solution without.
    within : {"mean", "first"}
        Whether the sampling variance is the mean over the imputations, or that of the first.
    level : float, optional
        Coverage of the intervals; by default that of the solutions.

    Raises
    ------
    EngineError
        If there are fewer than two, or they are of several models.
    UnsupportedModelError
        If they have a residual structure.

    Examples
    --------
    >>> from bayes_mlm.design import build_design
    >>> from bayes_mlm.engines.ols import fit_ols
    >>> x = np.arange(8.0)
    >>> found = pool_solutions(
    ...     [fit_ols(build_design("y ~ x", {"y": np.sin(x + k), "x": x})) for k in (0.0, 0.1)])
    >>> found.m, found.beta.shape, found.tests.label
    (2, (2,), 'Barnard-Rubin')
    """
    parts = tuple(solutions)
    check_several(len(parts))
    _check_alike(parts)
    level = parts[0].beta_interval[0].level if level is None else level
    tests = pooled_tests(
        [_tests_of(one, df_complete) for one in parts],
        np.array([one.beta for one in parts]),
        within=within,
    )
    at_zero = sum(bool(one.singular) for one in parts)
    residual, span = _residual(parts, level, within)
    rows, of_auxiliary = _auxiliary(parts, level, within)
    beta, covariance = tests.estimates.mean(axis=0), tests.covariance
    shared: dict[str, Any] = {
        "parts": parts,
        "engine": parts[0].engine,
        "n": parts[0].n,
        "terms": parts[0].terms,
        "beta": beta,
        "beta_cov": covariance,
        "beta_interval": wald_intervals(beta, covariance, level, tests),
        "sigma_e": math.sqrt(residual.estimate[0]),
        "sigma_e_interval": span,
        "tests": tests,
        "of_beta": tests.pooled(np.eye(len(beta))),
        "of_residual": residual,
        "auxiliary": {
            name: np.mean([one.auxiliary[name] for one in parts], axis=0)
            for name in getattr(parts[0], "auxiliary", {})
        },
        "auxiliary_rows": rows,
        "of_auxiliary": of_auxiliary,
        "joint": _joint(parts, within),
    }
    if hasattr(parts[0], "factors"):
        return _several(parts, residual, shared, level=level, within=within, at_zero=at_zero)
    return _one_factor(parts, residual, shared, level=level, within=within, at_zero=at_zero)


def pooled_tests(
    tests: Sequence[CoefficientTests], estimates: Floats, *, within: Within = "mean"
) -> BarnardRubin:
    """Return the tests of coefficients (M, p) pooled, each with tests of its own.

    By Kenward & Roger's, or with cluster-robust standard errors: whatever the tests of one
    imputation are.
    """
    label = tests[0].label
    return BarnardRubin(
        estimates=estimates,
        covariances=np.array([one.covariance for one in tests]),
        df_complete=_complete_df(tuple(tests)),
        within=within,
        label="Barnard-Rubin" if label in _PLAIN else f"Barnard-Rubin, {label}",
    )


# Tests that a pooled result has by itself, and not by request.
_PLAIN = ("Satterthwaite", "residual", "normal", "known")


def _tests_of(solution: Any, df_complete: float | None) -> CoefficientTests:
    if df_complete is None and solution.tests is not None:
        found: CoefficientTests = solution.tests
        return found
    degrees = np.full(len(solution.beta), math.inf if df_complete is None else df_complete)
    return KnownDf(label="known", covariance=solution.beta_cov, degrees=degrees)


def _complete_df(tests: tuple[CoefficientTests, ...]) -> Callable[[Floats], Floats]:
    return lambda weights: harmonic(np.array([degrees_of(one, weights) for one in tests]))


def _check_alike(parts: tuple[Any, ...]) -> None:
    first = parts[0]
    for k, one in enumerate(parts[1:], start=2):
        if type(one) is not type(first) or one.terms != first.terms or one.n != first.n:
            raise EngineError(
                f"imputation {k} is of another model than imputation 1 ({', '.join(one.terms)}, "
                f"n = {one.n}, by {one.engine}; {', '.join(first.terms)}, n = {first.n}, by "
                f"{first.engine}); pool fits of one formula"
            )
        if one.singular is None:
            raise EngineError(f"imputation {k} has no estimate")
    if getattr(first, "residual", None) is not None:
        raise UnsupportedModelError(
            "likelihood estimates with a residual structure are not pooled; fit with "
            "engine='nuts', whose draws are mixed"
        )


def _residual(
    parts: tuple[Any, ...], level: float, within: Within
) -> tuple[Pooled, Interval | None]:
    """Return the residual variance pooled, and the interval of the sd where it has errors."""
    errors = np.array([[_residual_error(one)] for one in parts])
    df = getattr(getattr(parts[0], "errors", None), "df", math.inf)
    found = pool_sds(np.array([[one.sigma_e] for one in parts]), errors, within, df)
    known = np.isfinite(errors).all()
    return found, variance_interval(found, 0, level, 0) if known else None


def _residual_error(solution: Any) -> float:
    """Return the standard error of the residual sd; of least squares that of the normal."""
    if hasattr(solution, "factors"):
        return float(getattr(solution, "sigma_e_se", math.nan))
    if solution.errors is None:
        return float(solution.sigma_e) / math.sqrt(2.0 * solution.df_resid)
    return float(solution.errors.sigma_e)


def _auxiliary(
    parts: tuple[Any, ...], level: float, within: Within
) -> tuple[tuple[EstimateRow, ...], Pooled | None]:
    """Return further parameters of the family, thresholds by t and shapes by t of the log."""
    rows = [getattr(one, "auxiliary_rows", ()) for one in parts]
    if not rows[0]:
        return (), None
    found = pool(
        np.array([[row[1] for row in one] for one in rows], dtype=float),
        np.square(np.array([[row[2] for row in one] for one in rows], dtype=float)),
        within=within,
    )
    shapes = not parts[0].joint.thresholds
    if shapes:
        spans = tuple(transformed_interval(found, k, level, "log", 0) for k in range(len(rows[0])))
    else:
        spans = wald_intervals(found.estimate, np.diag(found.total), level)
    values = zip(rows[0], found.estimate.tolist(), found.se.tolist(), spans, strict=True)
    return tuple((row[0], value, error, span) for row, value, error, span in values), found


def _joint(parts: tuple[Any, ...], within: Within) -> JointEstimate | None:
    """Return every parameter pooled, for functions of all of them; None without their covariance.

    The roots of the covariances are taken with a diagonal that is not negative: their signs are
    free, and may differ from one imputation to the next.
    """
    known: list[JointEstimate | None] = [getattr(one, "joint", None) for one in parts]
    joints = [one for one in known if one is not None]
    if len(joints) < len(known):
        return None
    turned = [_upright(one) for one in joints]
    points = np.array([x for x, _ in turned])
    covariance = total_covariance(points, np.array([cov for _, cov in turned]), within)
    return replace(joints[0], x=points.mean(axis=0), covariance=covariance)


def _upright(joint: JointEstimate) -> tuple[Floats, Floats]:
    """Return the parameters and their covariance with roots whose diagonal is not negative."""
    sign, first = np.ones(len(joint.x)), joint.p
    for one in joint.roots:
        size = int(one.free.sum())
        root = np.zeros(one.free.shape)
        root[one.free] = joint.x[first : first + size]
        flipped = np.where(np.diagonal(root) < 0.0, -1.0, 1.0)
        sign[first : first + size] = np.broadcast_to(flipped, root.shape)[one.free]
        first += size
    return joint.x * sign, joint.covariance * np.outer(sign, sign)


def _effects(parts: Sequence[Any], within: Within) -> tuple[Floats, Floats]:
    """Return the predicted group effects (J, q), and their sds."""
    shape = parts[0].u.shape
    found = pool(
        np.array([one.u.ravel() for one in parts]),
        np.square(np.array([one.u_sd.ravel() for one in parts])),
        within=within,
    )
    return found.estimate.reshape(shape), found.se.reshape(shape)


def _one_factor(
    parts: tuple[Any, ...],
    residual: Pooled,
    shared: dict[str, Any],
    *,
    level: float,
    within: Within,
    at_zero: int,
) -> PooledFit:
    first, q = parts[0], len(parts[0].effects)
    u, u_sd = _effects(parts, within)
    plain = first.errors is None
    variances = (
        None
        if plain
        else pool_variances(parts, residual, level=level, within=within, at_zero=at_zero)
    )
    pairs = [] if variances is None else list(combinations(range(q), 2))
    pairs = pairs if variances is not None and variances.rho_u_interval else []
    named = first.effects
    return PooledFit(
        **shared,
        effects=named,
        group=first.group,
        labels=first.labels,
        n_groups=len(first.labels),
        cov_u=np.zeros((0, 0)) if variances is None else variances.cov_u,
        rho_u=np.zeros((0, 0)) if variances is None else variances.rho_u,
        sigma_u=np.zeros(0) if variances is None else variances.sigma_u,
        icc=None if variances is None else variances.icc,
        errors=None if variances is None else variances.errors,
        sigma_u_interval=() if variances is None else variances.sigma_u_interval,
        rho_u_interval=() if variances is None else variances.rho_u_interval,
        icc_interval=None if variances is None else variances.icc_interval,
        sd_names=getattr(
            first, "sd_names", tuple(effect_name("sigma_u", named, k) for k in range(q))
        ),
        rho_names=(
            getattr(first, "rho_names", tuple(effect_name("rho_u", named, a, b) for a, b in pairs))
            if pairs
            else ()
        ),
        u=u,
        u_sd=u_sd,
        variance_pools={} if variances is None else variances.pooled,
    )


def _several(
    parts: tuple[Any, ...],
    residual: Pooled,
    shared: dict[str, Any],
    *,
    level: float,
    within: Within,
    at_zero: int,
) -> PooledSeveralFit:
    factors, pools = [], []
    for place, first in enumerate(parts[0].factors):
        each: list[FactorEstimates] = [one.factors[place] for one in parts]
        found = pool_variances(each, residual, level=level, within=within, at_zero=at_zero)
        u, u_sd = _effects(each, within)
        factors.append(
            replace(
                first,
                rho_names=first.rho_names if found.rho_u_interval else (),
                theta=np.full_like(first.theta, np.nan),
                cov_u=found.cov_u,
                rho_u=found.rho_u,
                sigma_u=found.sigma_u,
                errors=found.errors,
                sigma_u_interval=found.sigma_u_interval,
                rho_u_interval=found.rho_u_interval,
                icc=found.icc,
                icc_interval=found.icc_interval,
                u=u,
                u_sd=u_sd,
                u_cov=np.full_like(first.u_cov, np.nan),
            )
        )
        pools.append(found.pooled)
    return PooledSeveralFit(**shared, factors=tuple(factors), factor_pools=tuple(pools))
