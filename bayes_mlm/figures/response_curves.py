"""Probabilities, rates or means along a predictor: of each group, and averaged over groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats, count, estimate, number, percent, shorten
from bayes_mlm.design import expected_name
from bayes_mlm.engines import ENGINES, has_random_effects
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.mean_curves import (
    GroupCurve,
    MeanCurve,
    Observed,
    evenly,
    group_curves,
    moderator_of,
    observe,
    parts_of,
    population_curves,
    predictor_of,
)
from bayes_mlm.figures.panels import large_and_small
from bayes_mlm.figures.parts import legend_key, legend_outside, panel_names
from bayes_mlm.figures.scales import ON_LOGS, is_wide, means_on_logs
from bayes_mlm.figures.style import (
    BLACK,
    BLUE,
    GREY,
    INK,
    LIKELIHOOD_STYLE,
    ORANGE,
    SUBGROUP_STYLES,
    Axes,
    Figure,
    Style,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import outcome_rows, read_population

# Small panels and their columns, and in how many parts outcomes of all rows are averaged.
N_PANELS, _BINS = 6, 10
# How u = 0 is drawn.
_ZERO = (0, (5.0, 1.5))


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseCurves:
    """Curves of groups and of the population, on the scale of the outcome.

    Parameters
    ----------
    outcome, along, group, model, engine : str
        `outcome` is what is expected: "probability of use = Y".
    n_groups : int
        Groups of the model.
    averaged, zero : tuple of MeanCurve
        Averaged over the distribution of groups, and of a group with effects of zero; one of each,
        or one for each subgroup of a binary predictor of groups.
    groups : tuple of GroupCurve
        By their level, the lowest first; none along a predictor that is constant within groups.
    panels : tuple of int
        Which of them are shown alone.
    observed : tuple of Observed
        Of all rows by value of the predictor, of each subgroup; along a predictor that is
        constant within groups those of every group.
    others : tuple of str
        Predictors that keep the values of the rows.
    is_wide : bool
        Whether the axis of outcomes is logarithmic.
    prob : float
    """

    outcome: str
    along: str
    group: str
    model: str
    engine: str
    n_groups: int
    averaged: tuple[MeanCurve, ...]
    zero: tuple[MeanCurve, ...]
    groups: tuple[GroupCurve, ...]
    panels: tuple[int, ...]
    observed: tuple[Observed, ...]
    others: tuple[str, ...]
    is_wide: bool
    prob: float

    @property
    def drawn(self) -> bool:
        """Whether curves have bands."""
        return bool(np.isfinite(self.averaged[0].lower).all())

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        x = self.averaged[0].x
        ends = f"{self.along} = {number(x[0], np.ptp(x) / 20)} and {number(x[-1], np.ptp(x) / 20)}"
        said = " and ".join(self._describe(one) for one in self.averaged)
        zero = " and ".join(self._describe(one) for one in self.zero)
        others = (
            f" Other predictors ({', '.join(self.others)}) keep the values of the rows."
            if self.others
            else ""
        )
        groups = self._describe_groups()
        band = f" Bands are {percent(self.prob)} intervals." if self.drawn else ""
        shown = (
            f"left, curves of {len(self.groups):,} groups of {self.group} with the "
            f"population-averaged one and that of a group with effects of zero; right, "
            f"{count(len(self.panels), 'small panel')} of one group each"
            if self.groups
            else "the population-averaged curve, that of a group with effects of zero, and a point "
            f"for each {self.group}"
        )
        return Text(
            title=f"{_first_upper(self.outcome)} along {self.along}, each {self.group} and the "
            "population",
            caption=f"Between {ends} the {self.outcome} goes {said}, averaged over the "
            f"distribution of {self.group} effects (population-averaged); in a {self.group} with "
            f"effects of zero {zero}.{groups}{others}{band}{ON_LOGS * self.is_wide}",
            alt=f"{_first_upper(self.outcome)} over {self.along}: {shown}.",
        )

    def _describe(self, curve: MeanCurve) -> str:
        def at(k: int) -> str:
            if self.drawn:
                return estimate(curve.centre[k], curve.lower[k], curve.upper[k])
            return number(curve.centre[k], float(np.ptp(curve.centre)) / 20 or 0.01)

        spread = float(np.ptp(curve.centre))
        found = f"from {at(0)} to {at(-1)}"
        for what, k in (("highest", np.argmax(curve.centre)), ("lowest", np.argmin(curve.centre))):
            far = min(abs(curve.centre[k] - curve.centre[end]) for end in (0, -1))
            if far > 0.1 * spread:
                where = number(curve.x[k], float(np.ptp(curve.x)) / 10)
                found += f" ({what} {at(int(k))}, at {where})"
        return found + (f" ({curve.name})" if curve.name else "")

    @property
    def _crosses(self) -> str:
        if not self.others or not self.groups:
            return ""
        return (
            f"; crosses are what the model expects of the same rows, whose other predictors may "
            f"change with {self.along}"
        )

    def _describe_groups(self) -> str:
        if not self.groups:
            return (
                f" Points are what was observed in each {self.group}, the larger the more rows"
                f"{self._crosses}."
            )
        low, high = self.groups[0], self.groups[-1]
        middles = [float(np.mean(one.curve.centre)) for one in (low, high)]
        spread = abs(middles[1] - middles[0]) / 10 or 0.01
        of = f" of {self.n_groups:,}" if len(self.groups) < self.n_groups else ""
        return (
            f" Curves of {len(self.groups)}{of} groups run over the range of their rows, and lie "
            f"on average between {number(middles[0], spread)} ({shorten(low.curve.name)}) and "
            f"{number(middles[1], spread)} ({shorten(high.curve.name)}). Points are what was "
            f"observed, the larger the more rows{self._crosses}."
        )


def response_curves(analysis: Analysis) -> ResponseCurves | None:
    """Compute the curves of groups and of the population on the scale of the outcome.

    Parameters
    ----------
    analysis : Analysis
        Of outcomes with a link; its first posterior, else its first estimate is used.

    Returns
    -------
    ResponseCurves or None
        None without random effects, without a numeric predictor of three values, or where the
        rows cannot be taken back out of the model.
    """
    if not has_random_effects(analysis.design):
        return None
    result = analysis.fits[0] if analysis.fits else analysis.estimate
    design = result.design
    try:
        population = read_population(design, analysis.request)
    except DataError:
        return None
    found = predictor_of(population, design.group_terms[0].factor)
    if found is None or design.kind == "between":
        return None
    along, moves = found
    x = np.asarray(population.table.columns[along], dtype=np.float64)
    outcomes = outcome_rows(design)
    averaged, zero, subgroups = population_curves(analysis, result, population, along, x)
    groups = group_curves(result, population, along, x, analysis.prob) if moves else ()
    panels = evenly(len(groups), N_PANELS)
    codes = parts_of(x, _BINS) if moves else design.group_terms[0].codes
    observed = observe(result, outcomes, x, np.column_stack([subgroups, codes]))
    return ResponseCurves(
        outcome=expected_name(design, rate=outcomes.is_rate),
        along=design.encoding.title(along),
        group=design.group_terms[0].factor,
        model=analysis.spec.name,
        engine=result.engine,
        n_groups=design.group_terms[0].J,
        averaged=averaged,
        zero=zero,
        groups=groups,
        panels=tuple(int(k) for k in panels),
        observed=observed,
        others=tuple(
            design.encoding.title(name)
            for name in population.predictors
            if name != along and name != moderator_of(population)
        ),
        is_wide=is_wide(design, (one.y for one in observed)),
        prob=analysis.prob,
    )


def _all_means(data: ResponseCurves) -> Floats:
    curves = [*data.averaged, *data.zero, *(one.curve for one in data.groups)]
    points = [*data.observed, *(one.observed for one in data.groups)]
    return np.concatenate([*(one.centre for one in curves), *(one.y for one in points)])


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


@styled
def plot_response_curves(data: ResponseCurves) -> Figure:
    """Draw the curves of groups under those of the population, and some groups alone."""
    figure = new_figure()
    if not data.groups:
        ax = figure.add_subplot()
    else:
        ax, small = large_and_small(figure, len(data.panels), ratio=2.2)
        panels = [data.groups[k] for k in data.panels]
        names = panel_names(data.group, [one.curve.name for one in panels])
        for panel, one, name in zip(small, panels, names, strict=True):
            _draw_band(panel, one.curve, BLUE)
            panel.plot(one.curve.x, one.curve.centre, color=BLUE, lw=1.6, zorder=4)
            _draw_observed(panel, one.observed, BLACK, crosses=bool(data.others))
            panel.set_title(name, fontsize=8.5, pad=2.5)
    handles = list(_draw_all(ax, data))
    legend_outside(figure, handles, columns=2, loc="outside upper left")
    if data.is_wide:
        means_on_logs(ax, _all_means(data))
    figure.supxlabel(axis_name(data.along), fontsize=9.0)
    ax.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    ax.set_ylabel(axis_name(data.outcome))
    return figure


def _draw_all(ax: Axes, data: ResponseCurves) -> Iterator[Any]:
    """Draw every curve; return the keys of a legend."""
    several = len(data.averaged) > 1
    for one in data.groups:
        ax.plot(one.curve.x, one.curve.centre, color=GREY, lw=0.7, alpha=0.5, zorder=2)
    if data.groups:
        of = f" of {data.n_groups:,}" if len(data.groups) < data.n_groups else ""
        label = f"{len(data.groups)}{of} groups ({axis_name(data.group)})"
        yield legend_key(color=GREY, lw=0.9, label=label)
    looks = SUBGROUP_STYLES if several else (Style(BLUE, "o"),)
    triples = zip(data.averaged, data.zero, data.observed, looks, strict=False)
    for averaged, zero, observed, look in triples:
        name = f", {axis_name(averaged.name)}" if averaged.name else ""
        _draw_band(ax, averaged, look.colour)
        ax.plot(averaged.x, averaged.centre, color=look.colour, lw=2.2, zorder=5)
        yield legend_key(color=look.colour, lw=2.2, label=f"population-averaged{name}")
        colour = look.colour if several else ORANGE
        ax.plot(zero.x, zero.centre, color=colour, ls=_ZERO, lw=1.4, zorder=5.5)
        yield legend_key(
            color=colour, ls=_ZERO, lw=1.4, label=f"{axis_name(data.group)} effects 0{name}"
        )
        crosses = bool(data.others) and bool(data.groups)
        _draw_observed(ax, observed, look.colour if several else BLACK, crosses=crosses)
        if averaged.likelihood is not None:
            style = LIKELIHOOD_STYLE
            ax.plot(
                averaged.x, averaged.likelihood, color=style.colour, ls=style.line, lw=0.8, zorder=6
            )
    if data.averaged[0].likelihood is not None:
        label = f"{ENGINES['ml'].label}, population-averaged"
        yield legend_key(color=BLACK, ls=LIKELIHOOD_STYLE.line, lw=0.8, label=label)
    yield legend_key(ls="", marker="o", ms=4.0, mec=INK, mfc="none", label="observed")
    if data.others and data.groups:
        yield legend_key(ls="", marker="x", ms=4.0, color=INK, label="expected for the same rows")


def _draw_band(ax: Axes, curve: MeanCurve, colour: str) -> None:
    if np.isfinite(curve.lower).all():
        ax.fill_between(curve.x, curve.lower, curve.upper, color=colour, alpha=0.25, lw=0, zorder=3)


def _draw_observed(ax: Axes, observed: Observed, colour: str, *, crosses: bool) -> None:
    """Draw what was observed, in areas that grow with the rows."""
    area = 6.0 + 26.0 * observed.rows / observed.rows.max()
    ax.scatter(
        observed.x, observed.y, s=area, facecolors="none", edgecolors=colour, lw=0.9, zorder=3.5
    )
    if crosses:
        ax.plot(observed.x, observed.expected, "x", ms=3.5, mew=0.9, color=colour, zorder=3.6)


FIGURE = Entry(
    name="trajectories",
    title="Lines of groups and of the population",
    shows="curves of the probability, rate or mean, population-averaged and at group effects of 0",
    applies="random effects and a numeric predictor of three values or more, by draws or by ML",
    prepare=response_curves,
    draw=plot_response_curves,
    section="groups",
)
