"""Summary of a likelihood estimate: its rows, and what limits their interpretation."""

import math

from bayes_mlm.base import Finding, Verdict, level
from bayes_mlm.design import Design
from bayes_mlm.engines import PooledResult, cautions_on_model
from bayes_mlm.fitting import derived
from bayes_mlm.fitting.estimate_rows import (
    coefficient_rows,
    effect_rows,
    icc_rows,
    interval_findings,
    shown_ends,
    variance_rows,
)
from bayes_mlm.fitting.estimates import QuantityRow, Summary
from bayes_mlm.fitting.predictions import Solution
from bayes_mlm.fitting.ratios import exponentiated_rows, latent_notes, latent_rows, ratio_note

_GAUSSIAN = "the posterior has Student-t residuals; REML takes them as normal"
_SINGULAR = (
    "singular: the most likely value of an sd of the group effects is 0, or of a correlation 1 or "
    "-1; the intervals and the posterior say what else is likely"
)
_HANG = (
    "the degrees of freedom hang on the singular estimate: compare coefficient_tests with "
    "df='kenward-roger'"
)


def summarise_solution(
    fit: Solution,
    design: Design,
    *,
    name: str,
    engine: str,
    null: Solution | None = None,
    groups: bool = False,
    exponentiate: bool = False,
) -> Summary:
    """Summarise a likelihood estimate of a design, as `Estimate.summary` describes."""
    rows = [*coefficient_rows(fit), *variance_rows(fit, design)]
    rows += icc_rows(fit, design)
    rows += latent_rows(rows, design)
    notes = (*latent_notes(design, [row[0] for row in rows]), *fit.summary_notes)
    if (
        fit.icc is not None
        and null is not None
        and null.icc is not None
        and fit.terms != null.terms
    ):
        sds = [(float(one.covariances_u[0][0, 0]) ** 0.5, one.sigma_e) for one in (fit, null)]
        explained = derived.r_squared(*sds[0], *sds[1])
        rows += [(key, float(value), None, None) for key, value in explained.items()]
    findings = list(fit.verdict.findings)
    if fit.errors is not None:
        if design.family.residual_sd is not None and not design.family.gaussian_moments:
            findings.append(Finding("family", True, _GAUSSIAN))
        # Ordinary with few or similar groups, and no fault of the fit; pooled ones say it already.
        if fit.singular and not isinstance(fit, PooledResult):
            findings.append(Finding("singular", True, _SINGULAR))
            if fit.tests is not None:
                notes = (*notes, _HANG)
        findings += [*cautions_on_model(design), *interval_findings(rows)]
    if not math.isnan(fit.loglik):  # several imputations have none
        rows.append(("loglik", fit.loglik, None, None))
    if groups:
        rows += effect_rows(fit)
    if exponentiate:
        rows = exponentiated_rows(rows, design.family)
        notes = (*notes, ratio_note(design.family, drawn=False))
    return Summary(
        rows=tuple(
            QuantityRow(
                model=name,
                engine=engine,
                quantity=quantity,
                estimate=estimate,
                sd=None if error is None or math.isnan(error) else error,
                lower=lower,
                upper=upper,
            )
            for quantity, estimate, error, span in rows
            for lower, upper in [shown_ends(span)]
        ),
        interval=f"{level(fit.beta_interval[0].level)} CI",
        method=fit.beta_interval[0].method,
        verdict=Verdict(tuple(findings)),
        notes=notes,
    )
