"""Compute what each model of a ladder explains of the null model's variance at either level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import percent, shorten
from bayes_mlm.engines import samples
from bayes_mlm.figures.comparison import (
    QuantityEstimates,
    describe_published,
    draw_ridge,
    estimates_of,
    legend_below,
)
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.density import Density, density_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.style import GREY, Figure, across, is_stacked, new_figure, styled
from bayes_mlm.fitting import Analysis, Fit, derived as posterior
from bayes_mlm.likelihood import parameters_of

_LEVELS = (("r2_between", "between groups"), ("r2_within", "within groups"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """R² by level for every model that has it.

    Parameters
    ----------
    outcome : str
    models : tuple of str
    between, within : tuple of QuantityEstimates
        One a model.
    prob : float
        Of the intervals.
    """

    outcome: str
    models: tuple[str, ...]
    between: tuple[QuantityEstimates, ...]
    within: tuple[QuantityEstimates, ...]
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = "; ".join(
            f"{model} {percent(b.posteriors[0].mean)} between and "
            f"{percent(w.posteriors[0].mean)} within groups"
            for model, b, w in zip(self.models, self.between, self.within, strict=True)
        )
        return Text(
            title=f"Share of the variance of {self.outcome} that predictors explain, by level",
            caption=(
                f"Of the null model's variance, by posterior mean: {described}. The intervals are "
                "outer bounds, because the draws of two models are paired at random. "
                f"{describe_published((*self.between, *self.within))}"
            ).strip(),
            alt=f"For {', '.join(self.models)}: posterior densities of the share of variance "
            "explained between groups (left) and within groups (right), with the REML estimate "
            "and published figures.",
        )


def explained_by_level(analyses: Sequence[Analysis]) -> Explained | None:
    """Collect R² by level of the models that were measured against a null model.

    None where no model is compared with a null model.
    """
    found = [one for one in analyses if one.fits and one.summaries[0].get("r2_between")]
    if not found:
        return None
    found = [one for one in found if one.design.outcome == found[0].design.outcome]
    levels = []
    for name, unit in _LEVELS:
        marked = [estimates_of(one, name, unit, densities=False) for one in found]
        pairs = zip(marked, found, strict=True)
        levels.append(tuple(_with_density(item, one, analyses) for item, one in pairs))
    return Explained(
        outcome=found[0].design.outcome_title,
        models=tuple(one.spec.name for one in found),
        between=levels[0],
        within=levels[1],
        prob=found[0].prob,
    )


def _with_density(
    item: QuantityEstimates, analysis: Analysis, analyses: Sequence[Analysis]
) -> QuantityEstimates:
    """Add the density, where the null model's draws are in the ladder too."""
    null = next((one for one in analyses if one.spec.name == analysis.null), None)
    if null is None:
        return item
    posteriors = []
    for one in item.posteriors:
        fit = next(drawn for drawn in analysis.fits if drawn.engine == one.engine)
        other = next((fit for fit in null.fits if fit.engine == one.engine), None)
        density = None if other is None else _density(fit, other, item.quantity)
        posteriors.append(replace(one, density=density))
    return replace(item, posteriors=tuple(posteriors))


def _density(fit: Fit, null: Fit, quantity: str) -> Density | None:
    (sigma_u,) = parameters_of(fit.design).role("group sd")
    names = (sigma_u.name, str(fit.design.family.residual_sd))
    drawn = [samples(fit.draws, name) for name in names]
    # Turned by half, as in `bayes_mlm.fitting.summary`: draws from one seed are not independent.
    turned = [samples(null.draws, name) for name in names]
    if turned[0].size != drawn[0].size:
        return None
    turned = [np.roll(values, values.size // 2) for values in turned]
    values = posterior.r_squared(*drawn, *turned)[quantity]
    values = values[np.isfinite(values)]
    # A null model without variance between groups has draws near 0, and R² a tail without end.
    low = np.quantile(values, 0.005) if values.size else 0.0
    return density_of(values[values >= low], upper=1.0) if values.size > 1 else None


@styled
def plot_explained(data: Explained) -> Figure:
    """Draw R² by level for each model of a ladder."""
    many = len(data.models)
    figure = new_figure(1.3 + 0.62 * many)
    left, right = across(figure, 2)
    for ax, items, level in (
        (left, data.between, "between groups"),
        (right, data.within, "within groups"),
    ):
        for k, item in enumerate(items):
            draw_ridge(ax, item, many - 1 - k)
        ax.set_xlabel(f"share explained {level}")
        ax.axvline(0.0, color=GREY, lw=0.8, zorder=0)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    for ax in (left, right):
        names = [shorten(name, 26) for name in data.models[::-1]]
        ax.set_yticks(range(many), names if ax is left or is_stacked(left, right) else [])
        ax.set_ylim(-0.45, many - 0.1)
    legend_below(figure, (*data.between, *data.within), data.prob)
    return figure


FIGURE = Entry(
    name="explained",
    title="R² by level",
    shows="posterior share of variance explained between and within groups, model by model",
    applies="a model has a null model next to it, and one icc",
    of="ladder",
    prepare=explained_by_level,
    draw=plot_explained,
    section="ladder",
)
