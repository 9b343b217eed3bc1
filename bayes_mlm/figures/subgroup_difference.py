"""Difference between the two subgroups along the slope."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, count, estimate, number, percent
from bayes_mlm.design import Design, predictor_name
from bayes_mlm.engines import ENGINES, samples
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.lines import rows_of_x
from bayes_mlm.figures.parts import legend_above, legend_key, legend_outside, legend_patch
from bayes_mlm.figures.roles import Roles, base_columns, roles_of
from bayes_mlm.figures.style import (
    BLUE,
    INK,
    LIKELIHOOD_STYLE,
    SUBGROUP_STYLES,
    Figure,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis, shortest_interval
from bayes_mlm.formula import label

_POINTS, _BINS = 401, 40


@dataclass(frozen=True, kw_only=True, eq=False)
class SubgroupDifference:
    """Difference between the two subgroups at each value of the slope's predictor.

    Parameters
    ----------
    model, outcome, slope, moderator : str
    subgroups : tuple of str
        The difference is that of the second less the first.
    x : ndarray, shape (m,)
        Over the range of the data.
    centre, lower, upper : ndarray, shape (m,)
        Posterior mean and interval of the difference, in units of `outcome`.
    positive : ndarray, shape (m,)
        Posterior probability that the difference is above zero.
    likelihood : ndarray, shape (m,)
        By REML or OLS.
    likelihood_engine : str
    bins : ndarray, shape (k + 1,)
    rows : ndarray, shape (2, k)
        Proportion of each subgroup's rows in the bins.
    n : int
        Rows of both subgroups.
    rows_excluding_zero : tuple of int
        Rows at whose value the interval lies above zero, and below.
    change, change_lower, change_upper : float
        By how much the difference changes with one unit of the predictor.
    prob : float
        Of the intervals.
    """

    model: str
    outcome: str
    slope: str
    moderator: str
    subgroups: tuple[str, ...]
    x: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    positive: Floats
    likelihood: Floats
    likelihood_engine: str
    bins: Floats
    rows: Floats
    n: int
    rows_excluding_zero: tuple[int, int]
    change: float
    change_lower: float
    change_upper: float
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        change = estimate(self.change, self.change_lower, self.change_upper)
        return Text(
            title=f"{self.subgroups[1]} less {self.subgroups[0]}, along {self.slope} "
            f"({self.model})",
            caption=f"The difference in expected {self.outcome} changes by {change} with each "
            f"unit of {self.slope} ({percent(self.prob)} interval). {self._where}",
            alt=f"Line with band of the difference in {self.outcome} against {self.slope}, shaded "
            "where the band excludes zero; below, where the rows of each subgroup lie.",
        )

    @property
    def excludes_zero(self) -> np.ndarray:
        """Where the interval excludes zero, of shape (m,)."""
        return np.asarray((self.lower > 0) | (self.upper < 0))

    @property
    def _where(self) -> str:
        """Between which values of the predictor one subgroup is credibly above the other."""
        found = []
        first, second = self.subgroups
        for bound, (above, below), many in zip(
            (self.lower, -self.upper),
            ((second, first), (first, second)),
            self.rows_excluding_zero,
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
            found.append(
                f"{above} is credibly above {below} {where} ({count(many, 'row')} of {self.n:,})"
            )
        if not found:
            return "Nowhere is one subgroup credibly above the other."
        return f"{'; '.join(found)}."


def _zero(x: Floats, bound: Floats, inside: int, outside: int) -> float:
    """Return where a bound crosses zero between two values of x; the end of x if it does not."""
    if not 0 <= outside < x.size:
        return float(x[inside])
    share = bound[inside] / (bound[inside] - bound[outside])
    return float(x[inside] + share * (x[outside] - x[inside]))


def subgroup_difference(analysis: Analysis) -> SubgroupDifference | None:
    """Compute the difference of the subgroups along the slope, other predictors at their means.

    None unless the model has a posterior and a product of the slope and the moderator.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    design, roles = fit.design, roles_of(fit.design)
    if roles.slope is None or roles.subgroup is None or not _crossed(design, roles):
        return None
    values = roles.x
    x = np.linspace(float(values.min()), float(values.max()), _POINTS)
    first, second = (rows_of_x(design, roles, x, None, k, follow=False) for k in (0, 1))
    rows = second - first
    drawn = samples(fit.draws, "beta") @ rows.T
    # Equal tails, as bands have everywhere and as `effects` finds its stretches.
    tail = 0.5 * (1.0 - analysis.prob)
    lower, upper = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    changes = (drawn[:, -1] - drawn[:, 0]) / (x[-1] - x[0])
    change_lower, change_upper = shortest_interval(changes[:, None], analysis.prob)
    bins = np.linspace(x[0], x[-1], _BINS + 1)
    on = design.group_term.by_row(roles.subgroup)
    counts = [np.histogram(values[on == k], bins)[0] for k in (0, 1)]
    return SubgroupDifference(
        model=analysis.spec.name,
        outcome=predictor_name(design),
        slope=design.encoding.title(str(roles.slope)),
        moderator=str(roles.moderator),
        subgroups=roles.subgroup_labels,
        x=x,
        centre=drawn.mean(axis=0),
        lower=lower,
        upper=upper,
        positive=(drawn > 0).mean(axis=0),
        likelihood=rows @ analysis.estimate.solution.beta,
        likelihood_engine=ENGINES[analysis.estimate.engine].label,
        bins=bins,
        rows=np.array([found / max(1, found.sum()) for found in counts]),
        n=design.n,
        rows_excluding_zero=(_rows_where(values, x, lower > 0), _rows_where(values, x, upper < 0)),
        change=float(changes.mean()),
        change_lower=float(change_lower[0]),
        change_upper=float(change_upper[0]),
        prob=analysis.prob,
    )


def _crossed(design: Design, roles: Roles) -> bool:
    """Test whether some term is a product of the slope and the moderator."""
    both = {roles.slope, roles.moderator}
    columns = base_columns(design)
    return any(both <= {label(factor) for factor, _ in column.parts} for column in columns)


def _rows_where(values: Floats, x: Floats, sign: np.ndarray) -> int:
    """Count the rows whose nearest point has a sign."""
    nearest = np.rint((values - x[0]) / (x[1] - x[0])).astype(np.int64)
    return int(np.count_nonzero(sign[nearest]))


@styled
def plot_subgroup_difference(data: SubgroupDifference) -> Figure:
    """Draw the difference with its band, and where the rows of each subgroup lie."""
    figure = new_figure(4.5)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1.0))
    x, excludes_zero = data.x, data.excludes_zero
    top.fill_between(x, data.lower, data.upper, color=BLUE, alpha=0.15, lw=0)
    top.fill_between(
        x,
        data.lower,
        data.upper,
        where=excludes_zero.tolist(),
        color=BLUE,
        alpha=0.3,
        lw=0,
        hatch="////",
        edgecolor=BLUE,
    )
    top.plot(x, data.centre, color=BLUE, lw=1.8)
    other = LIKELIHOOD_STYLE
    top.plot(x, data.likelihood, color=other.colour, lw=0.9, ls=other.line)
    top.axhline(0.0, color=INK, lw=0.9)
    for k in range(1, x.size):
        if excludes_zero[k] != excludes_zero[k - 1]:
            for ax in (top, bottom):
                ax.axvline(x[k] if excludes_zero[k] else x[k - 1], color=INK, lw=0.8, ls=":")
    top.set_ylabel(f"difference in {axis_name(data.outcome)}")
    figure.suptitle(
        f"{axis_name(data.subgroups[1])} less {axis_name(data.subgroups[0])}",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    prob = percent(data.prob)
    legend_above(
        top,
        [
            legend_key(color=BLUE, lw=1.8, label="posterior mean"),
            legend_patch(facecolor=BLUE, alpha=0.2, label=f"{prob} interval"),
            legend_key(color=other.colour, lw=0.9, ls=other.line, label=data.likelihood_engine),
            legend_patch(facecolor="#B3D0E4", hatch="////", edgecolor=BLUE, label="excludes zero"),
        ],
        columns=4,
    )
    for shares, style in zip(data.rows, SUBGROUP_STYLES, strict=True):
        bottom.stairs(
            100 * shares,
            data.bins,
            color=style.colour,
            ls=style.line,
            lw=1.3,
        )
    bottom.set_ylabel("% of rows")
    bottom.set_ylim(bottom=0.0)
    keys = [
        legend_key(color=style.colour, ls=style.line, lw=1.3, label=f"rows, {axis_name(name)}")
        for name, style in zip(data.subgroups, SUBGROUP_STYLES, strict=True)
    ]
    legend_outside(figure, keys, columns=2, handlelength=2.8)
    bottom.set_xlabel(axis_name(data.slope))
    bottom.set_xlim(x[0], x[-1])
    return figure


FIGURE = Entry(
    name="subgroup-difference",
    title="Difference between the subgroups along the slope",
    shows="difference with its band, and where it is credibly not zero",
    applies="the model has a product of the slope and a two-valued predictor of groups",
    prepare=subgroup_difference,
    draw=plot_subgroup_difference,
    section="posterior",
)
