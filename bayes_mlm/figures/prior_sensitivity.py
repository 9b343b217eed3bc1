"""Compute how far the posteriors of a ladder move under other priors of sigma_u."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.assess import (
    LITTLE_SHIFT,
    NO_SHIFT,
    Sensitivity,
    SensitivityRow,
    comparable,
    sensitivity_of_fits,
)
from bayes_mlm.base import EngineError, Floats, count, number, shorten
from bayes_mlm.engines import has_random_effects, why_not_direct
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import legend_key, legend_outside
from bayes_mlm.figures.style import (
    BAND,
    GREY,
    INK,
    NARROW,
    Figure,
    across,
    model_styles,
    new_figure,
    styled,
    width_of,
)
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorSensitivity:
    """Shifts of posterior means under each prior.

    Parameters
    ----------
    models : tuple of str
    labels : tuple of str
        Priors of sigma_u, the models' baseline priors first.
    sds : ndarray, shape (models, priors)
        Shift of the sd of group effects that moves most, in sds of the posterior under the model's
        baseline prior; nan where there is no posterior to compare.
    coefficients : ndarray, shape (models, priors)
        The same of the coefficient of groups that moves most; nan also without one.
    sensitivity : Sensitivity
    """

    models: tuple[str, ...]
    labels: tuple[str, ...]
    sds: Floats
    coefficients: Floats
    sensitivity: Sensitivity

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        return Text(
            title="How far the prior of sigma_u moves each posterior mean",
            caption=self._caption,
            alt="For each prior of sigma_u a row of points, one a model "
            f"({', '.join(self.models)}): shift of sigma_u (left) and of the coefficients of "
            "groups (right), in posterior sds.",
        )

    @property
    def _caption(self) -> str:
        """The largest shift, and how many models move by how much."""
        found = [one for one in self.sensitivity.conclusions if one.label]
        if not found:
            return "Under no other prior of sigma_u is there a posterior to compare with."
        most = max(found, key=lambda one: abs(one.shift))
        by_size = {
            how: [one.model for one in found if one.depends == how]
            for how in ("no", "little", "yes")
        }
        described = [
            f"{count(len(models), 'model')} {'moves' if len(models) == 1 else 'move'} {text}"
            for how, text in (
                ("no", "by less than 0.1 posterior sds"),
                ("little", "by 0.1 to 0.5"),
                ("yes", "by 0.5 or more"),
            )
            if (models := by_size[how])
        ]
        beta = np.abs(self.coefficients)
        rest = (
            f" Coefficients of groups move by {number(float(np.nanmax(beta)), 0.5)} at most."
            if np.isfinite(beta).any()
            else ""
        )
        return (
            f"Over {count(len(self.labels), 'prior')} {'; '.join(described)}. The largest shift is "
            f"{number(most.shift, 0.5)} ({most.quantity} of {most.model} under {most.label}).{rest}"
        )


def prior_sensitivity_of(analyses: Sequence[Analysis]) -> PriorSensitivity | None:
    """Refit every model with random effects under the grid of priors.

    None where no such model can be drawn by the direct engine.
    """
    able = {
        one.spec.name: one.fits[0]
        for one in analyses
        if one.fits and has_random_effects(one.design) and not why_not_direct(one.fits[0].priors)
    }
    fits = list(able.values())
    if not fits:
        return None
    # The grid of priors goes by the outcome's spread.
    fits = [fit for fit in fits if fit.design.outcome == fits[0].design.outcome]
    try:
        found = sensitivity_of_fits(fits, prob=analyses[0].prob)
    except EngineError:
        return None
    labels = tuple(dict.fromkeys(row.label for row in found))
    shape = (len(found.models), len(labels))
    sds, coefficients = np.full(shape, np.nan), np.full(shape, np.nan)
    for k, model in enumerate(found.models):
        rows = comparable(found.of(model))
        for j, label in enumerate(labels):
            rows_of_prior = [row for row in rows if row.label == label]
            sds[k, j] = _largest([row for row in rows_of_prior if row.quantity[:7] == "sigma_u"])
            coefficients[k, j] = _largest(
                [row for row in rows_of_prior if row.quantity[:5] == "beta["]
            )
    return PriorSensitivity(
        models=found.models, labels=labels, sds=sds, coefficients=coefficients, sensitivity=found
    )


def _largest(rows: Sequence[SensitivityRow]) -> float:
    """Return the shift that is largest in size; nan for none."""
    shifts = [row.shift for row in rows if row.shift is not None]
    return max(shifts, key=abs, default=float("nan"))


# Characters of a prior that stand on one line in a column of print.
_LONG = 18


@styled
def plot_prior_shifts(data: PriorSensitivity) -> Figure:
    """Draw the shift of each model's posterior means under each prior.

    Left sigma_u, right the coefficients of groups, where there are some.
    """
    panels: list[tuple[str, Any]] = [("sigma_u", data.sds)]
    if np.isfinite(data.coefficients).any():
        panels.append(("coefficients of groups", data.coefficients))
    narrow = width_of(new_figure()) < NARROW
    # Panels that stand one below the other are lower, and names there have two lines.
    row = 0.46 if narrow and len(panels) > 1 else 0.3
    figure = new_figure(1.5 + row * len(data.labels))
    axes = across(figure, len(panels), share=True)
    styles = model_styles(data.models)
    many = len(data.models)
    for ax, (what, shifts) in zip(axes, panels, strict=True):
        for k in range(0, len(data.labels), 2):
            ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
        for limit, dash in ((NO_SHIFT, ":"), (LITTLE_SHIFT, "--")):
            for sign in (-1.0, 1.0):
                ax.axvline(sign * limit, color=GREY, lw=0.8, ls=dash, zorder=1)
        ax.axvline(0.0, color=INK, lw=0.8, zorder=1)
        for k, model in enumerate(data.models):
            style = styles[model]
            y = np.arange(len(data.labels)) + 0.66 * ((k + 0.5) / many - 0.5)
            ax.plot(shifts[k], y, style.marker, color=style.colour, ms=4.0, mew=0, zorder=3)
        ax.set_xlabel(f"shift of {what}\n(posterior sds)")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    widest = max(float(np.nanmax(np.abs(shifts), initial=0.0)) for _, shifts in panels)
    reach = max(1.15 * widest, 1.3 * LITTLE_SHIFT)
    axes[0].set_xlim(-reach, reach)
    names = [shorten(label, 32) for label in data.labels]
    if narrow:
        names = [name.replace("(", "\n(") if len(name) > _LONG else name for name in names]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        legend_key(
            ls="",
            marker=styles[model].marker,
            color=styles[model].colour,
            ms=4.5,
            label=shorten(model, 30),
        )
        for model in data.models
    ]
    handles += [
        legend_key(color=GREY, lw=0.8, ls=dash, label=f"{limit:g} sds")
        for limit, dash in ((NO_SHIFT, ":"), (LITTLE_SHIFT, "--"))
    ]
    legend_outside(figure, handles)
    return figure


FIGURE = Entry(
    name="prior-sensitivity",
    title="Prior sensitivity",
    shows="how far other priors of sigma_u move sigma_u and the coefficients of groups",
    applies="a model has random effects that the direct engine can draw",
    of="ladder",
    prepare=prior_sensitivity_of,
    draw=plot_prior_shifts,
    section="ladder",
)
