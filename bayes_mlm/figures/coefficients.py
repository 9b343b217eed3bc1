"""Coefficients of a ladder of models, by engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_mlm.base import count, number, percent, shorten
from bayes_mlm.design import INTERCEPT, event_name, predictor_name
from bayes_mlm.engines import ENGINES
from bayes_mlm.figures.comparison import QuantityEstimates, estimates_of
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name, text_width, wrap
from bayes_mlm.figures.parts import legend_key, legend_outside, ratio_ticks
from bayes_mlm.figures.style import (
    BAND,
    GREY,
    NARROW,
    Axes,
    Figure,
    engine_style,
    new_figure,
    styled,
    width_of,
)
from bayes_mlm.fitting import Analysis

# Rows that fit one page.
_MOST_ROWS = 36
# Coefficients that stand one below the other, if there is the width for two columns.
_MOST_TALL = 12
# The part of the width that names of models may take, and the width of a letter in inches.
_NAMES_PART, _LETTER = 0.4, 0.085


@dataclass(frozen=True, kw_only=True, eq=False)
class TermRows:
    """One coefficient in every model that has it.

    Parameters
    ----------
    term : str
    models : tuple of str
    items : tuple of QuantityEstimates
        One a model.
    ratio : str
        What exp() of the coefficient is, as whose logarithm it is then drawn: "odds ratio of y".
    """

    term: str
    models: tuple[str, ...]
    items: tuple[QuantityEstimates, ...]
    ratio: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Coefficients:
    """Coefficients across a ladder.

    Parameters
    ----------
    outcome : str
    terms : tuple of TermRows
    prob : float
        Of the intervals.
    omitted : tuple of str
        Terms not shown: intercepts, which depend on where the predictors are zero, and those
        there was no room for.
    """

    outcome: str
    terms: tuple[TermRows, ...]
    prob: float
    omitted: tuple[str, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        moves = [text for text in map(self._moves, self.terms) if text]
        excluding = [
            row.term
            for row in self.terms
            if all(i.posteriors[0].lower > 0 or i.posteriors[0].upper < 0 for i in row.items)
        ]
        some = [row.term for row in self.terms if row.term not in excluding]
        none = "1" if all(row.ratio for row in self.terms) else "0"
        every = f"Every {percent(self.prob)} interval of {_listed(excluding)} excludes {none}."
        signs = every if excluding else ""
        includes = f" At least one interval of {_listed(some)} includes {none}." if some else ""
        worst = max(
            (item for row in self.terms for item in row.items), key=lambda item: abs(item.gap)
        )
        known = {i.likelihood.engine for row in self.terms for i in row.items if i.likelihood}
        named = " or ".join(one.upper() for one in ENGINES if one in known)
        likelihood = (
            f" Posterior means and {named} agree to within "
            f"{number(abs(worst.gap), 0.5)} posterior sds."
            if worst.likelihood is not None
            else ""
        )
        missing = f" Not shown: {_listed(self.omitted)}." if self.omitted else ""
        changes = f" {'; '.join(moves)}." if moves else ""
        scale = " Ratios are exp(β), on logarithmic axes." if none == "1" else ""
        n = sum(len(row.items) for row in self.terms)
        return Text(
            title=f"Coefficients of {self.outcome} across the models, engine next to engine",
            caption=f"{signs}{includes}{changes}{likelihood}{scale}{missing}".strip(),
            alt=f"{count(n, 'row')} of points with intervals, grouped by coefficient "
            f"({', '.join(row.term for row in self.terms)}), one a model, marked by engine.",
        )

    @staticmethod
    def _moves(row: TermRows) -> str:
        """Describe how a coefficient changes over the models."""
        if len(row.items) < 2:
            return ""
        ordered = sorted(zip(row.models, row.items, strict=True), key=_mean_of)
        (low, first), (high, last) = ordered[0], ordered[-1]
        spread = min(item.posteriors[0].sd for item in row.items) * 2
        ends = [number(item.posteriors[0].mean, spread) for item in (first, last)]
        if ends[0] == ends[1]:
            return f"{row.term} is {ends[0]} in every model"
        return f"{row.term} goes from {ends[0]} ({low}) to {ends[1]} ({high})"


def _mean_of(pair: tuple[str, QuantityEstimates]) -> float:
    return pair[1].posteriors[0].mean


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def ladder_coefficients(analyses: Sequence[Analysis]) -> Coefficients | None:
    """Collect the coefficients of every model of the first one's outcome, by term.

    None where no model has coefficients and a posterior.
    """
    fitted = [one for one in analyses if one.fits and one.design.p]
    if not fitted:
        return None
    # Coefficients of different outcomes are not comparable.
    fitted = [one for one in fitted if one.design.outcome == fitted[0].design.outcome]
    terms = list(dict.fromkeys(term for one in fitted for term in one.design.terms))
    slopes = [term for term in terms if term != INTERCEPT]
    wanted = slopes or terms
    rows: list[TermRows] = []
    n_rows, omitted = 0, [term for term in terms if term not in wanted]
    for term in wanted:
        having = [one for one in fitted if term in one.design.terms]
        if rows and n_rows + len(having) > _MOST_ROWS:
            omitted.append(term)
            continue
        n_rows += len(having)
        design = having[0].design
        scale, ratio = predictor_name(design), design.family.ratio_name
        rows.append(
            TermRows(
                term=design.encoding.term_title(term),
                ratio=f"{ratio} of {event_name(design)}" if ratio and term != INTERCEPT else "",
                models=tuple(one.spec.name for one in having),
                items=tuple(
                    estimates_of(one, f"beta[{term}]", scale, densities=False) for one in having
                ),
            )
        )
    return Coefficients(
        outcome=fitted[0].design.outcome_title,
        terms=tuple(rows),
        prob=fitted[0].prob,
        omitted=tuple(omitted),
    )


@styled
def plot_coefficients(data: Coefficients) -> Figure:
    """Draw each coefficient in every model that has it, by engine.

    A panel a coefficient, a row a model.
    """
    wide = width_of(new_figure())
    alone = len({name for row in data.terms for name in row.models}) == 1  # the caption names it
    most = 0 if alone else min(int(_NAMES_PART * wide / _LETTER), 30)
    names = [[shorten(name, most) if most else "" for name in row.models] for row in data.terms]
    taken = max(text_width(name, 8.5) for one in names for name in one)
    columns = 2 if wide >= NARROW and len(data.terms) > _MOST_TALL else 1
    titles = [_title(row) for row in data.terms]
    broken = [wrap(title, 0.94 * wide / columns - taken - 0.15, 9.0) for title in titles]
    figure, panels = _panels(data.terms, broken, columns)
    engines: dict[str, None] = {}
    for ax, row, title, models in zip(panels, data.terms, broken, names, strict=True):
        for k, item in enumerate(row.items):
            if k % 2 == 0:
                ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
            engines |= dict.fromkeys(_draw(ax, item, k))
        ax.axvline(0.0, color=GREY, lw=0.9, zorder=1)
        ax.set_yticks(range(len(models)), models)
        ax.set_ylim(len(row.models) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        if row.ratio:
            ratio_ticks(ax.xaxis)
        ax.set_title(title, fontsize=9)
    found = [(name, one) for name, one in ENGINES.items() if name in engines]
    named = {name: name for name, one in found if one.draws}
    others = [(name, one.label) for name, one in found if not one.draws]
    named |= {others[0][0]: " or ".join(label for _, label in others)} if others else {}
    handles = [
        legend_key(
            color=engine_style(engine).colour,
            marker=engine_style(engine).marker,
            ms=4.0,
            lw=1.4,
            label=label,
        )
        for engine, label in named.items()
    ]
    legend_outside(
        figure,
        handles,
        columns=len(handles),
        title=f"estimate with {percent(data.prob)} interval",
        title_fontsize=8.5,
    )
    return figure


def _title(row: TermRows) -> str:
    return f"{axis_name(row.term)} ({axis_name(row.ratio or row.items[0].unit)})"


def _panels(
    terms: Sequence[TermRows], titles: Sequence[str], columns: int
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel a term, as tall as its rows and its title need."""
    heights = [
        0.19 * len(row.items) + 0.62 + 0.16 * title.count("\n")
        for row, title in zip(terms, titles, strict=True)
    ]
    deep = -(-len(heights) // columns)
    # The first column is filled first.
    level = [max(heights[k::deep]) for k in range(deep)]
    figure = new_figure(0.6 + sum(level))
    grid = figure.subplots(deep, columns, squeeze=False, height_ratios=level)
    panels = list(grid.T.ravel())
    for ax in panels[len(heights) :]:
        ax.remove()
    return figure, panels[: len(heights)]


def _draw(ax: Axes, item: QuantityEstimates, y: float) -> list[str]:
    """Draw the engines of one row one below the other; return their names."""
    rows: list[tuple[str, float, float | None, float | None]] = [
        (one.engine, one.mean, one.lower, one.upper) for one in item.posteriors
    ]
    if item.likelihood is not None:
        known = item.likelihood
        rows.append((known.engine, known.estimate, known.lower, known.upper))
    step = 0.62 / len(rows)
    for k, (engine, middle, lower, upper) in enumerate(rows):
        style = engine_style(engine)
        at = y + step * (k - (len(rows) - 1) / 2)
        if lower is not None and upper is not None:
            ax.plot([lower, upper], [at, at], color=style.colour, lw=1.3, zorder=2)
        ax.plot(middle, at, style.marker, color=style.colour, ms=3.4, zorder=3)
    return [engine for engine, *_ in rows]


FIGURE = Entry(
    name="coefficients",
    title="Coefficients across the models",
    shows="every coefficient in every model that has it, engine next to engine",
    applies="a model has coefficients, and a posterior",
    of="ladder",
    prepare=ladder_coefficients,
    draw=plot_coefficients,
    section="ladder",
)
