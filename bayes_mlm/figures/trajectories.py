"""Compute the lines of individuals, and of the population, along what their slopes vary in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DataError,
    Floats,
    Ints,
    count,
    estimate,
    number,
    percent,
    rounded,
    shorten,
)
from bayes_mlm.data import Table
from bayes_mlm.design import Design
from bayes_mlm.engines import has_random_effects
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.panels import large_and_small
from bayes_mlm.figures.parts import legend_key, legend_outside, panel_names
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.style import (
    BLUE,
    GREY,
    INK,
    LIKELIHOOD_STYLE,
    SUBGROUP_STYLES,
    Artist,
    Axes,
    Figure,
    Style,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import LinePoint, along_of, group_lines, population_line, read_population

# As many lines as are distinguishable in half a page, and as many small panels.
MOST_LINES = 60
N_PANELS = 6
_POINTS = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One line with its band.

    Parameters
    ----------
    name : str
        A group's label, or which part of the population it is of.
    x : ndarray, shape (m,)
    centre, lower, upper : ndarray, shape (m,)
        Posterior mean of the expected outcome, and the ends of its central interval.
    reml : ndarray, shape (m,), or None
    """

    name: str
    x: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    reml: Floats | None

    @property
    def change(self) -> float:
        """From the first to the last point."""
        return float(self.centre[-1] - self.centre[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Individual:
    """One group: its line, its rows (x, y), and its subgroup of the population."""

    curve: Curve
    x: Floats
    y: Floats
    subgroup: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectories:
    """Lines of individuals and of the population.

    Parameters
    ----------
    outcome, along, group, model : str
        Names; `along` is the column that the lines run along.
    n_groups : int
        Groups of the model; more than have lines if there are many.
    individuals : tuple of Individual
        By their change over the range of `along`, the least first.
    panels : tuple of int
        Which of them are shown alone.
    population : tuple of Curve
        One, or one for each subgroup of a binary moderator.
    prob : float
    """

    outcome: str
    along: str
    group: str
    model: str
    n_groups: int
    individuals: tuple[Individual, ...]
    panels: tuple[int, ...]
    population: tuple[Curve, ...]
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = []
        for curve in self.population:
            first, last = (
                estimate(curve.centre[end], curve.lower[end], curve.upper[end]) for end in (0, -1)
            )
            of = f" ({curve.name})" if len(self.population) > 1 else ""
            described.append(f"from {first} to {last}{of}")
        x = self.population[0].x
        flat, steep = self.individuals[0].curve, self.individuals[-1].curve
        spread = abs(steep.change - flat.change) / 10
        of = f" of {self.n_groups:,}" if len(self.individuals) < self.n_groups else ""
        return Text(
            title=f"{self.outcome} along {self.along}, each {self.group} and the population",
            caption=f"Between {self.along} = {_at(x[0], x)} and {_at(x[-1], x)} "
            f"the expected {self.outcome} of the "
            f"population goes {' and '.join(described)}. Over the same range the lines of single "
            f"groups of {self.group} change by {number(flat.change, spread)} "
            f"({shorten(flat.name)}) to {number(steep.change, spread)} ({shorten(steep.name)}). "
            f"Bands contain {percent(self.prob)} of the posterior of the expected outcome; rows "
            "scatter about it.",
            alt=f"Left, the fitted lines of {len(self.individuals)}{of} groups of {self.group} "
            f"over {self.along}, with the line of the population and its band on top. Right, "
            f"{count(len(self.panels), 'small panel')}: the rows of one group each, with its line "
            "and band, from the least change to the greatest.",
        )


def trajectories(analysis: Analysis) -> Trajectories | None:
    """Compute the lines of individuals and of the population.

    Parameters
    ----------
    analysis : Analysis

    Returns
    -------
    Trajectories or None
        None without a posterior, without a numeric slope that varies between groups, or where the
        rows cannot be taken back out of the model.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> model = load_record("sleepstudy_growth").request
    >>> found = trajectories(analyse(model, make_settings(model, random_seed=1)))
    >>> len(found.individuals), len(found.panels), found.along
    (18, 6, 'days')
    """
    design = analysis.design
    if not analysis.fits or not has_random_effects(design) or not _varying_slopes(design):
        return None
    along = along_of(design)
    try:
        table = read_population(design, analysis.request).table
    except DataError:
        return None
    x = np.asarray(table.columns[along], dtype=np.float64)
    grid = np.linspace(x.min(), x.max(), _POINTS)
    subgroups, lines = _population(analysis, table, along, grid)
    individuals = _individuals(analysis, table, along, grid, subgroups)
    individuals.sort(key=lambda one: one.curve.change)
    panels = _evenly(len(individuals), N_PANELS)
    return Trajectories(
        outcome=design.outcome_title,
        along=design.encoding.title(along),
        group=str(design.group),
        model=analysis.spec.name,
        n_groups=design.J,
        individuals=tuple(individuals),
        panels=tuple(int(k) for k in panels),
        population=lines,
        prob=analysis.prob,
    )


def seen(individual: Individual) -> Curve:
    """Cut an individual's line to the range of its rows, and no further than a step beyond."""
    curve = individual.curve
    first = max(int(np.searchsorted(curve.x, individual.x.min(), side="right")) - 1, 0)
    last = min(int(np.searchsorted(curve.x, individual.x.max())), curve.x.size - 1)
    part = slice(max(min(first, last - 1), 0), last + 1)
    return replace(
        curve,
        x=curve.x[part],
        centre=curve.centre[part],
        lower=curve.lower[part],
        upper=curve.upper[part],
        reml=None if curve.reml is None else curve.reml[part],
    )


def _varying_slopes(design: Design) -> bool:
    categorical = {item.factor for item in design.encoding.levels}
    effects = design.formula.effects
    return any(len(term) == 1 and str(term[0]) not in categorical for term in effects)


def _individuals(
    analysis: Analysis, table: Table, along: str, grid: Floats, subgroups: Ints
) -> list[Individual]:
    design = analysis.design
    places = _evenly(design.J, MOST_LINES)
    names = design.group_term.names(places)
    lines = group_lines(
        analysis.fits[0],
        along=along,
        x=grid,
        groups=names,
        prob=analysis.prob,
        estimate=analysis.estimate,
    )
    x = np.asarray(table.columns[along], dtype=np.float64)
    found = []
    for k, (place, name) in enumerate(zip(places, names, strict=True)):
        rows = design.group_term.rows_of(place)
        points = lines.points[k * grid.size : (k + 1) * grid.size]
        curve = _curve(str(name), points)
        found.append(
            Individual(curve=curve, x=x[rows], y=design.y[rows], subgroup=int(subgroups[place]))
        )
    return found


def _evenly(n: int, most: int) -> Ints:
    """Select at most so many of n indices, evenly, the first and the last among them."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.linspace(0, n - 1, most).round().astype(np.int64)


def _curve(name: str, points: Sequence[LinePoint]) -> Curve:
    def column(field: str) -> Floats:
        return np.array([getattr(point, field) for point in points], dtype=np.float64)

    return Curve(
        name=name,
        x=column("x"),
        centre=column("estimate"),
        lower=column("lower"),
        upper=column("upper"),
        reml=None if points[0].reml is None else column("reml"),
    )


def _population(
    analysis: Analysis, table: Table, along: str, grid: Floats
) -> tuple[Ints, tuple[Curve, ...]]:
    """Return the subgroup (J,) of each group, and the population line of each subgroup."""
    design = analysis.design
    roles = roles_of(design)
    name, subgroups = roles.moderator, np.zeros(design.J, dtype=np.int64)
    given: list[tuple[str, dict[str, Any]]] = [("population", {})]
    if name is not None and name in table.columns and roles.subgroup is not None:
        subgroups, rows = roles.subgroup, design.group_term.by_row(roles.subgroup)
        values = [table.columns[name][rows == k][0] for k in (0, 1)]
        given = [
            (described, {name: one})
            for described, one in zip(roles.subgroup_labels, values, strict=True)
        ]
    curves = []
    for described, at in given:
        line = population_line(
            analysis.fits[0],
            along,
            grid,
            at=at,
            prob=analysis.prob,
            estimate=analysis.estimate,
            data=table,
        )
        curves.append(_curve(described, line.rows))
    return subgroups, tuple(curves)


def _at(value: float, x: Floats) -> str:
    """Write a value of x with the digits that its range needs."""
    width = float(np.ptp(x))
    apart = np.log10(max(float(np.max(np.abs(x))) / width, 1.0)) if width > 0.0 else 0.0
    return rounded(float(value), min(int(np.ceil(apart)) + 4, 15), style="table")


@styled
def plot_trajectories(data: Trajectories) -> Figure:
    """Draw the lines of individuals under that of the population, and some individuals alone.

    Left all lines, right a small panel an individual, from the least change to the greatest.
    """
    figure = new_figure()
    ax, small = large_and_small(figure, len(data.panels), ratio=2.0)
    looks = SUBGROUP_STYLES if len(data.population) > 1 else (Style(BLUE, "o", "-"),)
    handles = _draw_all(ax, data, looks)
    panels = [data.individuals[k] for k in data.panels]
    names = panel_names(data.group, [one.curve.name for one in panels])
    for panel, one, name in zip(small, panels, names, strict=True):
        _draw_one(panel, one, looks[one.subgroup])
        panel.set_title(name, fontsize=8.5, pad=2.5)
    legend_outside(figure, handles, columns=2, loc="outside upper left")
    figure.supxlabel(axis_name(data.along), fontsize=9.0)
    left, right = ax.get_xlim()
    # Long labels, as of years and days: only a few fit. Of wide ranges a power of ten is apart.
    far = max(abs(left), abs(right)) >= max(1e4, 10.0 * (right - left))
    ax.locator_params(axis="x", nbins=1 if far else 5, steps=[1, 2, 5, 10])
    if far:
        ax.ticklabel_format(axis="x", style="plain", useOffset=False)
        for one_ax in figure.axes:
            one_ax.tick_params(axis="x", labelrotation=30)
    ax.set_ylabel(axis_name(data.outcome))
    return figure


def _draw_all(ax: Axes, data: Trajectories, looks: tuple[Style, ...]) -> list[Artist]:
    """Draw every line, thin, and the population's over them; return the handles for a legend."""
    several = len(looks) > 1
    for one in data.individuals:
        line, look = seen(one), looks[one.subgroup]
        colour = look.colour if several else GREY
        ax.plot(line.x, line.centre, color=colour, lw=0.7, alpha=0.5, zorder=2)
    n = len(data.individuals)
    of = f" of {data.n_groups:,}" if n < data.n_groups else ""
    handles = [_sample(GREY, 0.9, f"{n}{of} groups ({axis_name(data.group)})")]
    for curve, look in zip(data.population, looks, strict=True):
        ax.fill_between(curve.x, curve.lower, curve.upper, color=look.colour, alpha=0.25, lw=0)
        ax.plot(curve.x, curve.centre, color=look.colour, ls=look.line, lw=2.2, zorder=5)
        name = axis_name(curve.name)
        handles.append(_sample(look.colour, 2.2, f"{name}, {percent(data.prob)} band", look))
        _draw_reml(ax, curve, 6)
    if data.population[0].reml is not None:
        handles.append(_sample(LIKELIHOOD_STYLE.colour, 0.8, "REML", LIKELIHOOD_STYLE))
    return handles


def _draw_one(ax: Axes, one: Individual, look: Style) -> None:
    """Draw one individual's rows, and its line with its band."""
    line = seen(one)
    alpha = 0.9 if one.x.size <= 30 else 0.4
    ax.plot(one.x, one.y, look.marker, ms=3.4, mew=0.0, color=INK, alpha=alpha, zorder=3.5)
    ax.fill_between(line.x, line.lower, line.upper, color=look.colour, alpha=0.25, lw=0, zorder=3)
    ax.plot(line.x, line.centre, color=look.colour, lw=1.6, zorder=4)
    _draw_reml(ax, line, 5)


def _draw_reml(ax: Axes, curve: Curve, zorder: float) -> None:
    if curve.reml is not None:
        style = LIKELIHOOD_STYLE
        ax.plot(curve.x, curve.reml, color=style.colour, ls=style.line, lw=0.8, zorder=zorder)


def _sample(colour: str, width: float, label: str, look: Style | None = None) -> Artist:
    """Return a line for the legend."""
    return legend_key(color=colour, lw=width, ls="-" if look is None else look.line, label=label)


FIGURE = Entry(
    name="trajectories",
    title="Lines of individuals and of the population",
    shows="fitted lines of individuals, the population's with its band, and some individuals' rows",
    applies="the model has a numeric slope that varies between groups, and a posterior",
    prepare=trajectories,
    draw=plot_trajectories,
    additive=True,
    section="groups",
)
