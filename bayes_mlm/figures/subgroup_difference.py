"""Difference between the two subgroups along the slope."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats, count, estimate, number, percent, shorten
from bayes_mlm.design import Column, Design
from bayes_mlm.engines import ENGINES, samples
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.roles import Roles, base_columns, roles_of
from bayes_mlm.figures.style import BLACK, BLUE, INK, SIDES, new_figure, styled
from bayes_mlm.fitting import Analysis, shortest_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS, _BINS = 401, 40


@dataclass(frozen=True, kw_only=True, eq=False)
class SideDifference:
    """Difference between the two subgroups at each value of the slope's predictor.

    Parameters
    ----------
    model, outcome, slope, split : str
    sides : tuple of str
        The difference is that of the second less the first.
    x : ndarray, shape (m,)
        Over the range of the data.
    centre, lower, upper : ndarray, shape (m,)
        Posterior mean and interval of the difference, in outcome units.
    positive : ndarray, shape (m,)
        Posterior probability that the difference is above zero.
    classical : ndarray, shape (m,)
        By REML or OLS.
    classical_engine : str
    bins : ndarray, shape (k + 1,)
    rows : ndarray, shape (2, k)
        Proportion of each subgroup's rows in the bins.
    n : int
        Rows of both sides.
    rows_away : tuple of int
        Rows at whose value the interval lies above zero, and below.
    change, change_lower, change_upper : float
        By how much the difference changes with one unit of the predictor.
    prob : float
        Of the intervals.
    """

    model: str
    outcome: str
    slope: str
    split: str
    sides: tuple[str, ...]
    x: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    positive: Floats
    classical: Floats
    classical_engine: str
    bins: Floats
    rows: Floats
    n: int
    rows_away: tuple[int, int]
    change: float
    change_lower: float
    change_upper: float
    prob: float

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"{self.sides[1]} less {self.sides[0]}, along {self.slope} ({self.model})"

    @property
    def away(self) -> np.ndarray:
        """Where the interval excludes zero, of shape (m,)."""
        return np.asarray((self.lower > 0) | (self.upper < 0))

    @property
    def caption(self) -> str:
        """Caption: what the figure shows."""
        change = estimate(self.change, self.change_lower, self.change_upper)
        return (
            f"The difference in expected {self.outcome} changes by {change} with each unit of "
            f"{self.slope} ({percent(self.prob)} interval). {self._where}"
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"Line with band of the difference in {self.outcome} against {self.slope}, shaded "
            "where the band excludes zero; below, where the rows of each side lie."
        )

    @property
    def _where(self) -> str:
        """Between which values of the predictor one side is credibly above the other."""
        told = []
        first, second = self.sides
        for bound, (above, below), many in zip(
            (self.lower, -self.upper),
            ((second, first), (first, second)),
            self.rows_away,
            strict=True,
        ):
            places = np.flatnonzero(bound > 0)
            if not places.size:
                continue
            start = _zero(self.x, bound, int(places[0]), int(places[0]) - 1)
            stop = _zero(self.x, bound, int(places[-1]), int(places[-1]) + 1)
            spread = float(self.x[-1] - self.x[0]) / 20
            where = f"for {self.slope} from {number(start, spread)} to {number(stop, spread)}"
            if places.size == self.x.size:
                where = "everywhere"
            elif places[0] == 0:
                where = f"below {self.slope} {number(stop, spread)}"
            elif places[-1] == self.x.size - 1:
                where = f"above {self.slope} {number(start, spread)}"
            told.append(
                f"{above} is credibly above {below} {where} ({count(many, 'row')} of {self.n:,})"
            )
        if not told:
            return "Nowhere is one side credibly above the other."
        return f"{'; '.join(told)}."


def _zero(x: Floats, bound: Floats, inside: int, outside: int) -> float:
    """Return where a bound crosses zero between two values of x; the end of x if it does not."""
    if not 0 <= outside < x.size:
        return float(x[inside])
    share = bound[inside] / (bound[inside] - bound[outside])
    return float(x[inside] + share * (x[outside] - x[inside]))


def side_difference(analysis: Analysis) -> SideDifference | None:
    """Compute the difference of the subgroups along the slope, other predictors at their means.

    Returns
    -------
    SideDifference or None
        None unless the model has a posterior and a product of the slope and the split.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    design, roles = fit.design, roles_of(fit.design)
    if roles.slope is None or roles.side is None or not _crossed(design, roles):
        return None
    values = roles.x
    x = np.linspace(float(values.min()), float(values.max()), _POINTS)
    rows = _difference_rows(design, roles, x)
    drawn = samples(fit.draws, "beta") @ rows.T
    # Equal tails, as bands have everywhere and as `effects` finds its stretches.
    tail = 0.5 * (1.0 - analysis.prob)
    lower, upper = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    changes = (drawn[:, -1] - drawn[:, 0]) / (x[-1] - x[0])
    change_lower, change_upper = shortest_interval(changes[:, None], analysis.prob)
    bins = np.linspace(x[0], x[-1], _BINS + 1)
    on = design.by_row(roles.side)
    counts = [np.histogram(values[on == k], bins)[0] for k in (0, 1)]
    return SideDifference(
        model=analysis.spec.name,
        outcome=design.outcome,
        slope=str(roles.slope),
        split=str(roles.split_name),
        sides=roles.split_labels,
        x=x,
        centre=drawn.mean(axis=0),
        lower=lower,
        upper=upper,
        positive=(drawn > 0).mean(axis=0),
        classical=rows @ analysis.estimate.solution.beta,
        classical_engine=ENGINES[analysis.estimate.engine].label,
        bins=bins,
        rows=np.array([found / max(1, found.sum()) for found in counts]),
        n=design.n,
        rows_away=(_rows_where(values, x, lower > 0), _rows_where(values, x, upper < 0)),
        change=float(changes.mean()),
        change_lower=float(change_lower[0]),
        change_upper=float(change_upper[0]),
        prob=analysis.prob,
    )


def _crossed(design: Design, roles: Roles) -> bool:
    """Test whether some term is a product of the slope and the moderator."""
    both = {roles.slope, roles.split_name}
    return any(both <= _factors(column) for column in base_columns(design))


def _factors(column: Column) -> set[str | None]:
    return {str(factor) for factor, _ in column.parts}


def _difference_rows(design: Design, roles: Roles, x: Floats) -> Floats:
    """Return the change in X from the first subgroup to the second, at each x: (m, p)."""
    assert roles.side is not None
    known = {column.name: column for column in base_columns(design)}
    rows = np.zeros((x.size, design.p))
    for k, term in enumerate(design.terms):
        # A Mundlak model's group mean of a column stays where it is for all.
        of_means = term not in known
        column = known[term.removeprefix("between(").removesuffix(")") if of_means else term]
        factors = _factors(column)
        if roles.split_name not in factors:
            continue
        low, high = _split_values(design, roles, column)
        divisor = design.by_row(np.where(roles.side == 0, low, high))
        wanted = np.full_like(x, high - low)
        if roles.slope in factors:
            divisor = divisor * roles.x
            wanted = wanted * (float(roles.x.mean()) if of_means else x)
        # What is left of a product of more factors is taken at its mean.
        values = design.X[:, design.terms.index(column.name)]
        used = np.abs(divisor) > 0.0
        rows[:, k] = wanted * float((values[used] / divisor[used]).mean()) if used.any() else 0.0
    return rows


def _split_values(design: Design, roles: Roles, column: Column) -> tuple[float, float]:
    """Return the moderator's factor in a column in either subgroup: a number, or a dummy."""
    place = next(place for factor, place in column.parts if str(factor) == roles.split_name)
    if place is None:
        return roles.split_values[0], roles.split_values[1]
    own = next(other for other in base_columns(design) if other.name == roles.split)
    return (0.0, 1.0) if place == own.parts[0][1] else (1.0, 0.0)


def _rows_where(values: Floats, x: Floats, sign: np.ndarray) -> int:
    """Count the rows whose nearest point has a sign."""
    nearest = np.rint((values - x[0]) / (x[1] - x[0])).astype(np.int64)
    return int(np.count_nonzero(sign[nearest]))


@styled
def plot_side_difference(picture: SideDifference) -> "Figure":
    """Draw the difference with its band, and where the rows of each subgroup lie."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = new_figure(4.5)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1.0))
    x, away = picture.x, picture.away
    top.fill_between(x, picture.lower, picture.upper, color=BLUE, alpha=0.15, lw=0)
    top.fill_between(
        x,
        picture.lower,
        picture.upper,
        where=away.tolist(),
        color=BLUE,
        alpha=0.3,
        lw=0,
        hatch="////",
        edgecolor=BLUE,
    )
    top.plot(x, picture.centre, color=BLUE, lw=1.8)
    top.plot(x, picture.classical, color=BLACK, lw=0.9, ls=(0, (3.5, 2.0)))
    top.axhline(0.0, color=INK, lw=0.9)
    for k in range(1, x.size):
        if away[k] != away[k - 1]:
            for ax in (top, bottom):
                ax.axvline(x[k] if away[k] else x[k - 1], color=INK, lw=0.8, ls=":")
    top.set_ylabel(f"difference in {shorten(picture.outcome, 30)}")
    figure.suptitle(
        f"{shorten(picture.sides[1], 40)} less {shorten(picture.sides[0], 40)}",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    prob = percent(picture.prob)
    top.legend(
        handles=[
            Line2D([], [], color=BLUE, lw=1.8, label="posterior mean"),
            Patch(facecolor=BLUE, alpha=0.2, label=f"{prob} interval"),
            Line2D([], [], color=BLACK, lw=0.9, ls=(0, (3.5, 2.0)), label=picture.classical_engine),
            Patch(facecolor="#B3D0E4", hatch="////", edgecolor=BLUE, label="excludes zero"),
        ],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        borderaxespad=0.2,
        columnspacing=1.2,
    )
    for shares, name, style in zip(picture.rows, picture.sides, SIDES, strict=True):
        bottom.stairs(
            100 * shares,
            picture.bins,
            color=style.colour,
            ls=style.line,
            lw=1.3,
            label=f"rows, {shorten(name, 30)}",
        )
    bottom.set_ylabel("% of rows")
    bottom.set_ylim(bottom=0.0)
    figure.legend(
        handles=bottom.get_legend_handles_labels()[0],
        loc="outside lower center",
        ncols=2,
        handlelength=2.8,
    )
    bottom.set_xlabel(shorten(picture.slope, 60))
    bottom.set_xlim(x[0], x[-1])
    return figure


FIGURE = Entry(
    name="side-difference",
    title="Difference between the sides along the slope",
    shows="difference with its band, and where it is credibly not zero",
    applies="the model has a product of the slope and a two-valued predictor of groups",
    of="model",
    prepare=side_difference,
    draw=plot_side_difference,
    section="posterior",
)
