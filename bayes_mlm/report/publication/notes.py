"""Notes below a table for a paper."""

from collections.abc import Callable, Iterator, Sequence

from bayes_mlm.engines import ENGINES, is_drawing
from bayes_mlm.fitting import Analysis
from bayes_mlm.likelihood import group_views
from bayes_mlm.report.publication.sources import Source, drawn_effects, name_of


def notes_of(sources: Sequence[Source], interval: bool, *, wide: bool = False) -> Iterator[str]:
    """Return the notes below a table: models, estimates, cautions, failed checks.

    Parameters
    ----------
    sources : sequence of Source
    interval : bool
        Whether intervals stand below the estimates, or in place of the errors.
    wide : bool
        Whether errors and intervals have columns of their own.
    """
    for number, analysis in enumerate(_models(sources), start=1):
        name, model = name_of(analysis), analysis.spec
        kind = model.kind.replace("_", " ")
        text = analysis.design.errors_text
        yield f"({number}) {name + ': ' if name else ''}{model.formula} [{kind}]{text}."
    yield _about_estimates(sources, interval, wide)
    yield from filter(None, (remark(sources) for remark in _REMARKS))
    yield from dict.fromkeys(f"{note}." for one in sources for note in one.summary.notes)
    for source in sources:
        if not source.summary.verdict.ok:
            yield (
                f"({source.number}) by {source.summary.engine}: NOT reliable: "
                f"{source.summary.verdict}."
            )


def _models(sources: Sequence[Source]) -> list[Analysis]:
    return list({source.number: source.analysis for source in sources}.values())


def _about_estimates(sources: Sequence[Source], interval: bool, wide: bool) -> str:
    """Describe the estimates, and what is printed below or next to them."""
    by = {source.summary.engine: source.summary for source in sources}
    drawn = [summary for engine, summary in by.items() if is_drawing(engine)]
    likelihood = [summary for engine, summary in by.items() if not is_drawing(engine)]
    fitted = [one for source in sources for one in source.analysis.estimates]
    errors, spans = [], []
    if drawn:
        errors.append("sd of the posterior")
        spans.append(f"{drawn[0].interval} (highest density interval) of the posterior")
    if likelihood:
        named = " and ".join(ENGINES[summary.engine].label for summary in likelihood)
        kinds = " or ".join(dict.fromkeys(one.interval_method for one in fitted))
        several = any(source.analysis.design.imputations for source in sources)
        how = "Rubin's rules on variances" if several else "profile"
        kind = f"{kinds} for coefficients, {how} for σ and ICC"
        errors.append(f"standard error of {named}")
        spans.append(f"{likelihood[0].interval} ({kind}) of {named}")
    shown = []
    if not interval:
        shown.append(f"{'Errors' if wide else 'In parentheses'}: {'; '.join(errors)}.")
    if interval or wide:
        shown.append(f"In brackets: {'; '.join(spans)}.")
    estimates = "; ".join(
        f"{one.label}: {one.estimates}" for name, one in ENGINES.items() if name in by
    )
    return f"{estimates}. {' '.join(shown)}"


def _about_variation(sources: Sequence[Source]) -> str:
    models = _models(sources)
    residual = any(one.design.family.is_additive for one in models)
    groups = dict.fromkeys(
        factor for one in models if drawn_effects(one) for factor in one.design.factors
    )
    if not groups:
        return "σ_e: sd of the residuals." if residual else ""
    text = f"σ_u: sd between groups ({', '.join(groups)})"
    text += "; σ_e: sd of the residuals within them" if residual else ""
    if any("icc" in source.summary for source in sources):
        latent = "" if residual else " of the latent outcome"
        text += (
            f"; ICC: share of the variance{latent} that lies between groups, given the predictors"
        )
    if any(view.q > 1 for one in models for view in group_views(one.design)):
        text += (
            "; with random slopes, σ_u (Intercept) is that where the predictors are zero, and the "
            "ICC is not constant"
        )
    return f"{text}."


def _about_residuals(sources: Sequence[Source]) -> str:
    structures = [one.design.residual.spec for one in _models(sources) if one.design.residual]
    parts = []
    if any(one.sigma for one in structures):
        parts.append("σ_e by level, and over all rows (the root of their mean variance)")
    if any(one.ar for one in structures):
        parts.append("ρ_e: correlation of residuals one step of time apart")
    families = {one.design.family.name: one.design.family for one in _models(sources)}
    for family in families.values():
        parts += [one.note for one in family.auxiliary if one.note]
    return f"{'; '.join(parts)}." if parts else ""


def _about_explained(sources: Sequence[Source]) -> str:
    measured = [one for one in sources if "r2_between" in one.summary]
    nulls = dict.fromkeys(one.analysis.null for one in measured)
    if not measured:
        return ""
    named = ", ".join(str(null) for null in nulls)
    text = f"R²: proportional reduction of the variance of {named} at that level"
    if any(is_drawing(one.summary.engine) for one in measured):
        text += "; the draws of the two models are treated as independent, so its sd is overstated"
    return f"{text}."


def _about_likelihood(sources: Sequence[Source]) -> str:
    """Warn that log-likelihoods by REML are not comparable."""
    engines = {source.likelihood.engine for source in sources if source.likelihood is not None}
    if "reml" not in engines or len(_models(sources)) < 2:
        return ""
    return (
        "Log-likelihoods are at the maximum; restricted ones (REML) of models with other fixed "
        "effects are not comparable, nor with those of OLS."
    )


def _about_draws(sources: Sequence[Source]) -> str:
    fits = [fit for analysis in _models(sources) for fit in analysis.fits]
    if not fits:
        return ""
    # Of imputations there are not as many chains as settings, but one for each imputation.
    sizes = dict.fromkeys(
        f"{fit.draws.n_chains} × {fit.draws.n_draws}"
        if fit.design.imputations
        else f"{fit.settings.chains} × {fit.settings.draws}"
        for fit in fits
    )
    seeds = dict.fromkeys(str(fit.settings.random_seed) for fit in fits)
    version = fits[0].versions.get("bayes-mlm", "")
    return (
        f"Made with bayes-mlm {version}: {', '.join(sizes)} draws of each posterior, seed "
        f"{', '.join(seeds)}."
    )


_REMARKS: tuple[Callable[[Sequence[Source]], str], ...] = (
    _about_variation,
    _about_residuals,
    _about_explained,
    _about_likelihood,
    _about_draws,
)
