"""Rows of the summary of a likelihood estimate, and what is to be said of its intervals."""

import math
from collections.abc import Iterator

import numpy as np

from bayes_mlm.base import Finding, wald_reach
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    EstimateRow,
    GeneralisedFit,
    Interval,
    PooledResult,
    PooledSeveralFit,
    SeveralFactorsFit,
)
from bayes_mlm.fitting import derived
from bayes_mlm.fitting.predictions import Solution
from bayes_mlm.likelihood import effect_pairs


def shown_ends(span: Interval | None) -> tuple[float | None, float | None]:
    """Return the ends that are shown: none of an interval of which one was not found."""
    if span is None or math.isnan(span.lower) or math.isnan(span.upper):
        return None, None
    return span.lower, span.upper


def interval_findings(rows: list[EstimateRow]) -> Iterator[Finding]:
    """Report why an end of an interval is infinite or missing, with the end that is known."""
    by_note: dict[str, list[str]] = {}
    for quantity, _, _, span in rows:
        if span is None or not span.note:
            continue
        known = [
            f"{name} end {end:.4g}"
            for name, end in (("lower", span.lower), ("upper", span.upper))
            if math.isfinite(end) and None in shown_ends(span)
        ]
        by_note.setdefault(span.note, []).append(" ".join([quantity, *known]))
    for note, names in by_note.items():
        yield Finding("interval", True, f"interval of {', '.join(names)}: {note}")


def coefficient_rows(fit: Solution) -> Iterator[EstimateRow]:
    """Return the coefficients with standard errors and intervals."""
    errors = np.sqrt(np.diagonal(fit.beta_cov))
    for term, beta, error, span in zip(fit.terms, fit.beta, errors, fit.beta_interval, strict=True):
        yield f"beta[{term}]", float(beta), float(error), span


def variance_rows(fit: Solution, design: Design) -> Iterator[EstimateRow]:
    """Return sds and correlations of the group effects, and the residual sd."""
    if isinstance(fit, SeveralFactorsFit | GeneralisedFit | PooledResult):
        yield from fit.variance_rows()
        return
    spans = fit.intervals
    if fit.errors is None:  # least squares has no variance parameter but this
        yield "sigma_e", fit.sigma_e, None, None
        return
    for k, effect in enumerate(fit.effects):
        name = "sigma_u" if design.has_icc else f"sigma_u[{effect}]"
        span = None if spans is None else spans.sigma_u[k]
        yield name, float(fit.sigma_u[k]), float(fit.errors.sigma_u[k]), span
    for pair, (a, b) in zip(effect_pairs(design), design.group_term.pairs, strict=True):
        yield f"rho_u[{pair}]", float(fit.rho_u[a, b]), float(fit.errors.rho_u[a, b]), None
    span = None if spans is None else spans.sigma_e
    yield "sigma_e", fit.sigma_e, fit.errors.sigma_e, span
    if fit.residual is not None:
        yield from fit.residual.rows()


def effect_rows(fit: Solution) -> Iterator[EstimateRow]:
    """Return the group effects: a row a group and effect."""
    prob = fit.beta_interval[0].level
    reach = wald_reach(prob, fit.df)
    if isinstance(fit, SeveralFactorsFit | PooledSeveralFit):
        for one in fit.factors:
            yield from one.effect_rows(prob, reach)
        return
    for label, means, sds in zip(fit.labels.tolist(), fit.u, fit.u_sd, strict=True):
        for k, (u, sd) in enumerate(zip(means.tolist(), sds.tolist(), strict=True)):
            name = f"u[{label}]" if len(means) == 1 else f"u[{label},{fit.effects[k]}]"
            ends = Interval(lower=u - reach * sd, upper=u + reach * sd, level=prob, method="Wald")
            yield name, u, sd, ends


def icc_rows(fit: Solution, design: Design) -> Iterator[EstimateRow]:
    """Return the icc, and what follows from it; of several factors the share of each."""
    if isinstance(fit, SeveralFactorsFit | GeneralisedFit | PooledSeveralFit):
        yield from fit.icc_rows()
        return
    if fit.icc is None or fit.errors is None:
        return
    if isinstance(fit, PooledResult):
        span = fit.icc_interval
    else:
        span = None if fit.intervals is None else fit.intervals.icc
    yield "icc", fit.icc, fit.errors.icc, span
    if fit.residual is not None:
        residual = fit.residual
        for name, share, interval in zip(
            residual.strata, residual.icc, residual.icc_interval, strict=True
        ):
            yield f"icc[{name}]", share, None, interval
        if residual.rho_e is not None:
            yield "corr_next", float(derived.correlation_at(fit.icc, residual.rho_e)), None, None
        return
    values = derived.derived(design, fit.icc)
    for name, value in values.items():
        carried = None
        if span is not None:  # both rise with the icc, so the ends go to the ends
            ends = [float(derived.derived(design, end)[name]) for end in (span.lower, span.upper)]
            carried = Interval(
                lower=ends[0], upper=ends[1], level=span.level, method=f"{span.method}, of the icc"
            )
        yield name, float(value), None, carried
