"""Compute where the variance of the outcome comes from, by Rights & Sterba's decomposition."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import count, percent, shorten
from bayes_mlm.engines import has_random_effects, is_drawing
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import legend_key, legend_patch
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
from bayes_mlm.questions import PARTS, VarianceRow, VarianceTable, variance_by_level

LABELS = {
    "fixed_within": "predictors within groups",
    "fixed_between": "predictors between groups",
    "slopes_within": "varying slopes within groups",
    "slopes_between": "varying slopes between groups",
    "means": "group effects",
    "residual": "residuals",
}

_MEASURES = {
    "total": "whole variance",
    "within": "variance within groups",
    "between": "variance between groups",
}

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
}

_SHORT = {"total": "whole", "within": "within\ngroups", "between": "between\ngroups"}

# A part thinner than this has no room for a number in a bar.
_ROOM = 0.045


@dataclass(frozen=True, kw_only=True)
class Share:
    """Proportion of one variance due to one part.

    Parameters
    ----------
    part : str
        A key of `LABELS`.
    mean : float
        Posterior mean; the REML estimate where there is no posterior.
    lower, upper : float or None
        Of its interval.
    likelihood : float
        By REML.
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
    measure : {"total", "within", "between"}
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

    Parameters
    ----------
    model, outcome, group : str
    n, n_groups : int
    engine : str
        Of the means: a name in `ENGINES`.
    columns : tuple of Column
    prob : float
        Of the intervals.
    notes : tuple of str
        What a reader must know of the predictors.
    """

    model: str
    outcome: str
    group: str
    n: int
    n_groups: int
    engine: str
    columns: tuple[Column, ...]
    prob: float
    notes: tuple[str, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = []
        for column in self.columns:
            named = sorted(column.shares, key=lambda share: -share.mean)
            if len(named) > 1:
                parts = ", ".join(f"{LABELS[one.part]} {_share(one)}" for one in named)
            else:
                parts = f"all of it {LABELS[named[0].part]}"
            described.append(f"Of the {column.label}: {parts}.")
        source = (
            f"Posterior means with {percent(self.prob)} intervals"
            if is_drawing(self.engine)
            else "REML estimates"
        )
        notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in self.notes)
        return Text(
            title=f"Where the variance of {self.outcome} comes from ({self.model})",
            caption=f"{' '.join(described)} {source}, after Rights & Sterba (2019). "
            f"{notes}".strip(),
            alt="Left, stacked bars: the parts of the whole variance, of that within groups and of "
            "that between groups. Right, every part as a point with its interval, and the REML "
            "estimate.",
        )


def variance_parts(analysis: Analysis) -> VarianceParts | None:
    """Decompose the variance that a model implies; None without a distribution of group effects."""
    design = analysis.design
    if not has_random_effects(design):
        return None
    likelihood = variance_by_level(analysis.estimate)
    shown = likelihood
    if analysis.fits:
        shown = variance_by_level(analysis.fits[0], prob=analysis.prob)
    columns = [
        Column(measure=measure, label=label, shares=shares)
        for measure, label in _MEASURES.items()
        if (shares := _shares(measure, shown, likelihood))
    ]
    return VarianceParts(
        model=analysis.spec.name,
        outcome=design.outcome_title,
        group=str(design.group),
        n=design.n,
        n_groups=design.J,
        engine=shown.rows[0].engine,
        columns=tuple(columns),
        prob=analysis.prob,
        notes=shown.notes,
    )


def _shares(measure: str, shown: VarianceTable, likelihood: VarianceTable) -> tuple[Share, ...]:
    found = []
    for part in PARTS[measure]:
        quantity = f"part_{measure}[{part}]"
        if quantity not in shown:
            continue
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
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    for place, column in enumerate(data.columns):
        _draw_bar(left, place, column)
    left.set_xticks(range(len(data.columns)), [_SHORT[column.measure] for column in data.columns])
    left.set_ylim(0.0, 1.0)
    left.set_ylabel(f"share of the variance of {shorten(data.outcome, 20)}")
    left.tick_params(axis="x", length=0)
    left.set_title(
        f"{count(data.n, 'row')}, {count(data.n_groups, 'group')}", fontsize=9, color=INK
    )
    _draw_intervals(right, data)
    used = dict.fromkeys(one.part for column in data.columns for one in column.shares)
    handles = [
        legend_patch(
            facecolor=_LOOK[part][0], hatch=_LOOK[part][1], edgecolor="white", label=LABELS[part]
        )
        for part in LABELS
        if part in used
    ]
    if is_drawing(data.engine):
        handles.append(
            legend_key(
                color=INK,
                lw=2.0,
                marker="o",
                ms=4.5,
                label=f"posterior mean, {percent(data.prob)} interval",
            )
        )
    handles.append(legend_key(color="black", ls="", marker="D", ms=3.8, mfc="white", label="REML"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2)
    return figure


def _draw_bar(ax: Axes, place: int, column: Column) -> None:
    bottom = 0.0
    for one in column.shares:
        colour, hatch, ink = _LOOK[one.part]
        ax.bar(
            place,
            one.mean,
            0.72,
            bottom=bottom,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            lw=0.6,
        )
        if one.mean >= _ROOM:
            # Hatching would run through the number.
            box = {"facecolor": colour, "edgecolor": "none", "pad": 2.0} if hatch else None
            ax.text(
                place,
                bottom + one.mean / 2,
                percent(one.mean),
                ha="center",
                va="center",
                fontsize=8,
                color=ink,
                bbox=box,
            )
        bottom += one.mean


def _draw_intervals(ax: Axes, data: VarianceParts) -> None:
    y, ticks, names = 0.0, [], []
    for k, column in enumerate(data.columns):
        top = y - 0.55
        ax.text(0.0, y, f"of the {column.label}", fontsize=8.5, va="center", color=INK)
        for one in column.shares:
            y += 1.0
            colour = _LOOK[one.part][0] if one.part != "residual" else "#7F7F7F"
            if one.lower is not None and one.upper is not None:
                ax.plot([one.lower, one.upper], [y, y], color=colour, lw=2.4, zorder=3)
                ax.plot(one.mean, y, "o", color=colour, ms=5.0, zorder=4)
            # Below its row, or it would hide the posterior's point.
            below = 0.0 if one.lower is None else 0.3
            ax.plot(
                one.likelihood, y + below, "D", mec="black", mfc="white", mew=0.8, ms=3.8, zorder=5
            )
            ticks.append(y)
            names.append(LABELS[one.part].removesuffix(" groups"))
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
    shows="parts of the variance, whole, within and between groups (Rights & Sterba)",
    applies="the model has random effects",
    prepare=variance_parts,
    draw=plot_variance_parts,
    section="posterior",
)
