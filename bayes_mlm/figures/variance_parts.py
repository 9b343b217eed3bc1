"""Compute where the variance of the outcome comes from, by Rights & Sterba's decomposition."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from bayes_mlm.base import count, percent, rounded, shorten
from bayes_mlm.engines import ENGINES, has_random_effects, is_drawing
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.panels import apart
from bayes_mlm.figures.parts import legend_key, legend_outside, legend_patch
from bayes_mlm.figures.style import (
    BAND,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    Axes,
    Figure,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import VarianceRow, VarianceTable, scale_of, variance_by_level

LABELS = {
    "fixed_within": "predictors within groups",
    "fixed_between": "predictors between groups",
    "slopes_within": "varying slopes within groups",
    "slopes_between": "varying slopes between groups",
    "means": "group effects",
    "residual": "residuals",
    "fixed": "predictors",
    "distribution": "distribution-specific",
}

# The variances that are partitioned, and what the rows of their parts begin with in the table.
_MEASURES = {
    "total": ("whole variance", "part_total["),
    "within": ("variance within groups", "part_within["),
    "between": ("variance between groups", "part_between["),
    "unexplained": ("unexplained variance", "share["),
}

type _Looks = Mapping[str, tuple[str, str, str]]
# A share this small is rounding of one that is nothing.
_NOTHING = 1e-9
# A share below this is written as nothing: a ten-thousandth.
_LEAST = 1e-4
# Colour, hatch that distinguishes the part in grey, and colour of a number written on it.
_LOOK = {
    "fixed_within": (BLUE, "", "white"),
    "fixed_between": (ORANGE, "", "white"),
    "slopes_within": (SKY, "///", "black"),
    "slopes_between": (PINK, "\\\\\\", "black"),
    "means": (GREEN, "..", "white"),
    "residual": ("#D9D9D9", "", "black"),
    "fixed": (BLUE, "", "white"),
    "distribution": ("#D9D9D9", "", "black"),
}
# The same of grouping factors, in the order of the model.
_FACTORS = (
    (GREEN, "..", "white"),
    (ORANGE, "", "white"),
    (SKY, "///", "black"),
    (PINK, "\\\\\\", "black"),
)

_SHORT = {
    "total": "whole",
    "within": "within\ngroups",
    "between": "between\ngroups",
    "unexplained": "un-\nexplained",
}

# A part thinner than this has no room for a number in a bar.
_ROOM = 0.045


@dataclass(frozen=True, kw_only=True)
class Share:
    """Proportion of one variance due to one part.

    Parameters
    ----------
    part : str
        A key of `LABELS`, or one of several grouping factors.
    mean : float
        Posterior mean; the likelihood estimate where there is no posterior.
    lower, upper : float or None
        Of its interval.
    likelihood : float
        By REML or ML.
    """

    part: str
    mean: float
    lower: float | None
    upper: float | None
    likelihood: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """Parts of one variance, which add up to 1.

    Parameters
    ----------
    measure : str
        "total", "within" or "between" groups, "unexplained", or where: ``x = 1``.
    label : str
    shares : tuple of Share
        In the order in which they are stacked.
    """

    measure: str
    label: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, kw_only=True)
class VarianceParts:
    """Decomposition of the total variance, and of that within and between groups.

    With several grouping factors, of the total and of the unexplained variance by factor; with
    random slopes also of the unexplained variance at values of a predictor.

    Parameters
    ----------
    model, outcome : str
    factors : tuple of str
        The grouping factors.
    n : int
    sizes : tuple of int
        Groups of each factor.
    engine : str
        Of the means: a name in `ENGINES`.
    columns : tuple of Column
    prob : float
        Of the intervals.
    notes : tuple of str
        What a reader must know of the predictors.
    likelihood, scale : str
        Of the estimates: "REML"; of an outcome that is not Gaussian: "latent scale".
    """

    model: str
    outcome: str
    factors: tuple[str, ...]
    n: int
    sizes: tuple[int, ...]
    engine: str
    columns: tuple[Column, ...]
    prob: float
    notes: tuple[str, ...]
    likelihood: str = "REML"
    scale: str = ""

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = []
        for column in self.columns:
            named = sorted(column.shares, key=lambda share: -share.mean)
            if len(named) > 1:
                parts = ", ".join(f"{_label(one.part)} {_share(one)}" for one in named)
            else:
                parts = f"all of it {_label(named[0].part)}"
            described.append(f"Of the {column.label}: {parts}.")
        source = (
            f"Posterior means with {percent(self.prob)} intervals"
            if is_drawing(self.engine)
            else f"{self.likelihood} estimates"
        )
        notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in self.notes)
        return Text(
            title=f"Where the variance of {self.outcome} comes from{self._scale} ({self.model})",
            caption=f"{' '.join(described)} {source}{self._after}. {notes}".strip(),
            alt=f"Left, stacked bars: the parts of {self._wholes}. Right, every part as a point "
            f"with its interval, and the {self.likelihood} estimate.",
        )

    @property
    def _scale(self) -> str:
        return f", on the {self.scale}" if self.scale else ""

    @property
    def _after(self) -> str:
        return "" if len(self.factors) > 1 else ", after Rights & Sterba (2019)"

    @property
    def _wholes(self) -> str:
        if len(self.factors) == 1:
            return "the whole variance, of that within groups and of that between groups"
        return ", and of ".join(f"the {column.label}" for column in self.columns)


def _label(part: str) -> str:
    return LABELS.get(part, part)


def variance_parts(analysis: Analysis) -> VarianceParts | None:
    """Decompose the variance that a model implies; None without a distribution of group effects."""
    design = analysis.design
    if not has_random_effects(design):
        return None
    likelihood = variance_by_level(analysis.estimate)
    shown, scale = likelihood, scale_of(design.family)
    if analysis.fits:
        shown = variance_by_level(analysis.fits[0], prob=analysis.prob)
    columns = [
        Column(measure=measure, label=label, shares=shares)
        for measure, (label, prefix) in _MEASURES.items()
        if (shares := _shares(_named(prefix, shown), shown, likelihood, scale))
    ]
    if not any(one.part == "fixed" for column in columns for one in column.shares):
        columns = [column for column in columns if column.measure != "unexplained"]  # the whole
    parts = (*design.factors, "residual")
    for where in _along(shown, parts[0]):
        rows = {part: f"vpc[{part},{where}]" for part in parts}
        at = where.replace("=", " = ")
        label = f"unexplained variance at {at}"
        columns.append(
            Column(measure=at, label=label, shares=_shares(rows, shown, likelihood, scale))
        )
    return VarianceParts(
        model=analysis.spec.name,
        outcome=design.outcome_title,
        factors=design.factors,
        n=design.n,
        sizes=tuple(term.J for term in design.group_terms),
        engine=shown.rows[0].engine,
        columns=tuple(columns),
        prob=analysis.prob,
        notes=tuple(
            note.replace("fixed_within and fixed_between", "those within and between groups")
            for note in shown.notes
            if not note.startswith("observation scale")
        ),
        likelihood=ENGINES[likelihood.rows[0].engine].label,
        scale=scale,
    )


def _named(prefix: str, table: VarianceTable) -> dict[str, str]:
    """Return the quantities of a table that begin so, by what is in their brackets."""
    found = (row.quantity for row in table.rows if row.quantity.startswith(prefix))
    return {quantity[len(prefix) : -1]: quantity for quantity in found}


def _along(table: VarianceTable, factor: str) -> list[str]:
    """Return where the table has the shares of several factors along a slope: ``x=1``."""
    return list(_named(f"vpc[{factor},", table))


def _shares(
    quantities: Mapping[str, str], shown: VarianceTable, likelihood: VarianceTable, scale: str
) -> tuple[Share, ...]:
    found = []
    for named, quantity in quantities.items():
        part = "distribution" if scale and named == "residual" else named
        row = shown[quantity]
        if row.estimate is None:  # no variance between groups at all
            return ()
        plug_in = _estimate(likelihood[quantity]) if quantity in likelihood else 0.0
        if max(row.estimate, plug_in) < _NOTHING:  # predictors that have nothing at this level
            continue
        found.append(
            Share(
                part=part, mean=row.estimate, lower=row.lower, upper=row.upper, likelihood=plug_in
            )
        )
    return tuple(found)


def _estimate(row: VarianceRow) -> float:
    return np.nan if row.estimate is None else row.estimate


def _share(one: Share) -> str:
    if one.lower is None or one.upper is None:
        return percent(one.mean)
    lower = percent(one.lower) if one.lower >= _LEAST else "0 %"
    return f"{percent(one.mean)} ({lower} to {percent(one.upper)})"


@styled
def plot_variance_parts(data: VarianceParts) -> Figure:
    """Draw the decomposition of the variance.

    Left a stacked bar for the whole variance, that within and that between groups; right each part
    as a point with its interval, and its REML estimate.
    """
    rows = sum(len(column.shares) for column in data.columns)
    figure = new_figure(max(3.4, 1.35 + 0.27 * (rows + len(data.columns))))
    looks = {**_LOOK, **dict(zip(data.factors, cycle(_FACTORS), strict=False))}
    left, right = apart(figure, ratios=(1.0, 1.15))
    for place, column in enumerate(data.columns):
        _draw_bar(left, place, column, looks, 8 if len(data.columns) < 4 else 6.5)
    names = [_SHORT.get(column.measure) or _place(column.measure) for column in data.columns]
    left.set_xticks(range(len(data.columns)), names, fontsize=8 if len(names) > 3 else None)
    left.set_ylim(0.0, 1.0)
    scale = f" ({data.scale})" if data.scale else ""
    left.set_ylabel(f"share of the variance of {axis_name(data.outcome)}{scale}")
    left.tick_params(axis="x", length=0)
    groups = ", ".join(count(size, "group") for size in data.sizes)
    left.set_title(f"{count(data.n, 'row')}, {groups}", fontsize=9, color=INK)
    _draw_intervals(right, data, looks)
    used = dict.fromkeys(one.part for column in data.columns for one in column.shares)
    handles = [
        legend_patch(facecolor=colour, hatch=hatch, edgecolor="white", label=_label(part))
        for part in (*LABELS, *data.factors)
        if part in used
        for colour, hatch, _ in [looks[part]]
    ]
    if is_drawing(data.engine):
        text = f"posterior mean, {percent(data.prob)} interval"
        handles.append(legend_key(color=INK, lw=2.0, marker="o", ms=4.5, label=text))
    handles.append(
        legend_key(color="black", ls="", marker="D", ms=3.8, mfc="white", label=data.likelihood)
    )
    legend_outside(figure, handles)
    return figure


def _place(measure: str) -> str:
    """Return where a share is, under its bar: the predictor above its value."""
    effect, _, value = measure.rpartition(" = ")
    return f"{shorten(effect, 9)}\n{rounded(float(value), 2)}"


def _draw_bar(ax: Axes, place: int, column: Column, looks: _Looks, size: float) -> None:
    bottom = 0.0
    for one in column.shares:
        colour, hatch, ink = looks[one.part]
        edge: dict[str, Any] = {"hatch": hatch, "edgecolor": "white", "lw": 0.6}
        ax.bar(place, one.mean, 0.72, bottom=bottom, color=colour, **edge)
        if one.mean >= _ROOM:
            # Hatching would run through the number.
            box = {"facecolor": colour, "edgecolor": "none", "pad": 2.0} if hatch else None
            look: dict[str, Any] = {
                "ha": "center",
                "va": "center",
                "fontsize": size,
                "color": ink,
                "bbox": box,
            }
            ax.text(place, bottom + one.mean / 2, percent(one.mean), **look)
        bottom += one.mean


def _draw_intervals(ax: Axes, data: VarianceParts, looks: _Looks) -> None:
    y, ticks, names = 0.0, [], []
    for k, column in enumerate(data.columns):
        top = y - 0.55
        look: dict[str, Any] = {"ha": "right", "va": "center", "color": INK, "fontsize": 8.5}
        ax.text(1.0, y, f"of the {column.label}", transform=ax.get_yaxis_transform(), **look)
        for one in column.shares:
            y += 1.0
            colour = looks[one.part][0] if looks[one.part][0] != "#D9D9D9" else "#7F7F7F"
            if one.lower is not None and one.upper is not None:
                ax.plot([one.lower, one.upper], [y, y], color=colour, lw=2.4, zorder=3)
                ax.plot(one.mean, y, "o", color=colour, ms=5.0, zorder=4)
            # Below its row, or it would hide the posterior's point.
            below = 0.0 if one.lower is None else 0.3
            ax.plot(
                one.likelihood, y + below, "D", mec="black", mfc="white", mew=0.8, ms=3.8, zorder=5
            )
            ticks.append(y)
            names.append(_label(one.part).removesuffix(" groups"))
        if k % 2 == 0:
            ax.axhspan(top, y + 0.5, color=BAND, zorder=0, lw=0)
        y += 1.05
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_ylim(y - 0.5, -0.6)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("share")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


FIGURE = Entry(
    name="variance-parts",
    title="Where the variance comes from",
    shows="parts of the variance, whole, within and between groups (Rights & Sterba), or by factor",
    applies="the model has random effects",
    prepare=variance_parts,
    draw=plot_variance_parts,
    section="posterior",
)
