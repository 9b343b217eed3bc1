"""Fit a design by REML or OLS, whichever it calls for, and summarise the fit as rows."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, Finding, Verdict, check_prob, level
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    EstimateRow,
    Interval,
    OlsFit,
    RemlFit,
    cautions_on_model,
    fit_ols,
    fit_reml,
)
from bayes_mlm.fitting import derived as posterior
from bayes_mlm.fitting.estimates import Estimate, Summary
from bayes_mlm.likelihood import effect_pairs
from bayes_mlm.moments import GroupMoments

type Classical = RemlFit | OlsFit


def has_random_effects(design: Design) -> bool:
    """Tell whether group effects are drawn from a distribution (REML) or not there (OLS)."""
    return design.q > 0 and design.kind != "no_pooling"


def fit_classical(
    design: Design,
    *,
    prob: float = DEFAULT_PROB,
    check: bool = False,
    statistics: GroupMoments | None = None,
) -> Classical:
    """Fit by REML if the design has group effects or a residual structure, else by OLS.

    Parameters
    ----------
    design : Design
        Laid out for its kind. Where its rows are a sample's, the fit is that of all the data.
    prob : float
        Coverage of the intervals.
    check, statistics
        As in `fit_reml`.

    Returns
    -------
    RemlFit or OlsFit

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> print(f"{fit_classical(design).sigma_e:.4f}")
    6.0856
    """
    check_prob(prob)
    if design.sample_of is not None:
        return classical_of_sample(design, fit_classical(design.whole, prob=prob))
    if has_random_effects(design) or design.residual is not None:
        return fit_reml(design, level=prob, check=check, statistics=statistics)
    return fit_ols(design, level=prob)


def classical_of_sample(design: Design, fit: Classical) -> Classical:
    """Keep what is a group's own for the groups of a sample; the estimates stay those of all."""
    if isinstance(fit, RemlFit):
        return fit.of_groups(design.labels)
    if not fit.group_intercepts.size:
        return fit
    places = np.searchsorted(design.whole.labels, design.labels)
    return replace(
        fit,
        group_intercepts=fit.group_intercepts[places],
        group_intercepts_se=fit.group_intercepts_se[places],
    )


def summarise_classical(
    fit: Classical, name: str, design: Design, *, null: Classical | None = None
) -> Summary:
    """Summarise a REML or OLS fit as rows named like those of a posterior.

    Standard errors are those of generalised least squares at the estimate for the coefficients
    (lme4's), and of the observed information for the variance parameters. Intervals are Wald (t
    for OLS) for the coefficients and profile for `sigma_u`, `sigma_e` and `icc`; what follows
    from the icc alone has the icc's interval, carried over.

    Parameters
    ----------
    fit : RemlFit or OlsFit
    name : str
        Of the model.
    design : Design
        That was fitted.
    null : RemlFit, optional
        Of the model without predictors, for R² by level.

    Returns
    -------
    Summary
    """
    engine = "ols" if isinstance(fit, OlsFit) else "reml"
    rows = list(_coefficients(fit))
    if isinstance(fit, RemlFit):
        rows += _variances(fit, design)
        if fit.icc is not None:
            rows += _from_icc(fit, design)
            if isinstance(null, RemlFit) and null.icc is not None and fit.terms != null.terms:
                explained = posterior.r_squared(
                    fit.sigma_u[0], fit.sigma_e, null.sigma_u[0], null.sigma_e
                )
                rows += [(key, float(value), None, None) for key, value in explained.items()]
        verdict = Verdict((Finding("optimum", fit.certificate.ok, fit.certificate.message),))
        if not design.family.gaussian_moments:
            verdict = Verdict((*verdict.findings, Finding("family", True, _GAUSSIAN)))
        if fit.singular:  # an ordinary outcome with few or similar groups, and no fault of the fit
            verdict = Verdict((*verdict.findings, Finding("singular", True, _SINGULAR)))
        of_model = cautions_on_model(design)
        verdict = Verdict((*verdict.findings, *of_model, *_about_intervals(rows)))
        interval = f"{level(_level(fit))} CI"
    else:
        rows.append(("sigma_e", fit.sigma_e, None, None))
        verdict = Verdict((Finding("optimum", True, "closed form"),))
        interval = f"{level(_level(fit))} CI"
    rows.append(("loglik", fit.loglik, None, None))
    return Summary(
        rows=tuple(
            Estimate(
                model=name,
                engine=engine,
                quantity=quantity,
                estimate=estimate,
                sd=None if error is None or math.isnan(error) else error,
                lower=lower,
                upper=upper,
            )
            for quantity, estimate, error, span in rows
            for lower, upper in [_ends(span)]
        ),
        interval=interval,
        verdict=verdict,
    )


_GAUSSIAN = "the posterior has Student-t residuals; REML takes them as normal"
_SINGULAR = (
    "singular: the most likely value of an sd of the group effects is 0, or of a correlation +-1; "
    "the intervals and the posterior say what else is likely"
)


def _ends(span: Interval | None) -> tuple[float | None, float | None]:
    """Return the ends that are shown: none of an interval of which one was not found."""
    if span is None or math.isnan(span.lower) or math.isnan(span.upper):
        return None, None
    return span.lower, span.upper


def _about_intervals(rows: list[EstimateRow]) -> Iterator[Finding]:
    """Report why an end of an interval is infinite or missing, with the end that is known."""
    by_note: dict[str, list[str]] = {}
    for quantity, _, _, span in rows:
        if span is None or not span.note:
            continue
        known = [
            f"{name} end {end:.4g}"
            for name, end in (("lower", span.lower), ("upper", span.upper))
            if math.isfinite(end) and None in _ends(span)
        ]
        by_note.setdefault(span.note, []).append(" ".join([quantity, *known]))
    for note, names in by_note.items():
        yield Finding("interval", True, f"interval of {', '.join(names)}: {note}")


def _level(fit: Classical) -> float:
    return fit.beta_interval[0].level


def _coefficients(fit: Classical) -> Iterator[EstimateRow]:
    errors = np.sqrt(np.diagonal(fit.beta_cov))
    for term, beta, error, span in zip(fit.terms, fit.beta, errors, fit.beta_interval, strict=True):
        yield f"beta[{term}]", float(beta), float(error), span


def _variances(fit: RemlFit, design: Design) -> Iterator[EstimateRow]:
    spans = fit.intervals
    for k, effect in enumerate(fit.effects):
        name = "sigma_u" if design.has_icc else f"sigma_u[{effect}]"
        span = None if spans is None else spans.sigma_u[k]
        yield name, float(fit.sigma_u[k]), float(fit.errors.sigma_u[k]), span
    for pair, (a, b) in zip(effect_pairs(design), design.effect_pairs, strict=True):
        yield f"rho_u[{pair}]", float(fit.rho_u[a, b]), float(fit.errors.rho_u[a, b]), None
    span = None if spans is None else spans.sigma_e
    yield "sigma_e", fit.sigma_e, fit.errors.sigma_e, span
    if fit.residual is not None:
        yield from fit.residual.rows()


def _from_icc(fit: RemlFit, design: Design) -> Iterator[EstimateRow]:
    assert fit.icc is not None  # for mypy: the caller looked
    span = None if fit.intervals is None else fit.intervals.icc
    yield "icc", fit.icc, fit.errors.icc, span
    if fit.residual is not None:
        own = fit.residual
        for name, share, interval in zip(own.strata, own.icc, own.icc_interval, strict=True):
            yield f"icc[{name}]", share, None, interval
        if own.rho_e is not None:
            yield "corr_next", float(posterior.correlation_at(fit.icc, own.rho_e)), None, None
        return
    values = posterior.derived(design, fit.icc)
    for name, value in values.items():
        carried = None
        if span is not None:  # both rise with the icc, so the ends go to the ends
            ends = [float(posterior.derived(design, end)[name]) for end in (span.lower, span.upper)]
            carried = Interval(
                lower=ends[0], upper=ends[1], level=span.level, method=f"{span.method}, of the icc"
            )
        yield name, float(value), None, carried
