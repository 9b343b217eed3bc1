"""Show which combinations of two crossed grouping factors have rows, and how far off they are."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import standardised_residuals
from bayes_mlm.base import Floats, count, shorten_all
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.style import Axes, Figure, across, is_stacked, new_figure, styled
from bayes_mlm.fitting import Analysis, Fit, linear_predictors

# Levels of a factor beyond which neighbours in size share a row or column of the map.
_MOST = 60
# Levels whose names are written.
_NAMED = 20
# Draws whose mean is taken for the fitted values.
_DRAWS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossedCells:
    """Rows of each cell of two crossed factors, and the mean residual of its rows.

    Parameters
    ----------
    model : str
    factors : (str, str)
        Down and across.
    labels : (tuple of str, tuple of str)
        Of the levels, largest first; empty where several share a place.
    counts : ndarray, shape (a, b)
        Rows of each cell.
    residual : ndarray, shape (a, b), or None
        Sum of the standardised residuals over the root of the rows: about standard normal if the
        factors have no interaction; nan where there are no rows.
    levels : (int, int)
    n : int
    filled : int
        Combinations of levels that have rows.
    """

    model: str
    factors: tuple[str, str]
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    counts: Floats
    residual: Floats | None
    levels: tuple[int, int]
    n: int
    filled: int

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        first, second = self.factors
        whole = self.levels[0] * self.levels[1]
        binned = (
            " Levels are sorted by their rows, and neighbours share a place."
            if max(self.levels) > _MOST
            else " Levels are sorted by their rows."
        )
        off = ""
        if self.residual is not None:
            known = self.residual[np.isfinite(self.residual)]
            far = int(np.count_nonzero(np.abs(known) > 3.0))
            off = (
                f" {count(far, 'cell')} of {known.size:,} are off by more than three standard "
                f"errors ({0.0027 * known.size:.1f} by chance): an interaction of {first} and "
                f"{second} would show there."
            )
        return Text(
            title=f"Rows by {first} and {second} ({self.model})",
            caption=f"{count(self.n, 'row')} lie in {self.filled:,} of {whole:,} combinations of "
            f"{self.levels[0]:,} {first} and {self.levels[1]:,} {second} "
            f"({self.filled / whole:.0%}).{binned}{off}",
            alt=f"A map of {first} by {second}: how many rows each combination has, and its mean "
            "residual.",
        )


def crossed_cells(analysis: Analysis) -> CrossedCells | None:
    """Count rows by the first two factors that cross; None without such, or without rows."""
    design = analysis.design
    terms = design.group_terms
    if len(terms) < 2 or not design.has_rows:
        return None
    for a in range(len(terms)):
        for b in range(a + 1, len(terms)):
            if not (design.is_nested(a, b) or design.is_nested(b, a)):
                return _cells(analysis, a, b)
    return None


def _cells(analysis: Analysis, a: int, b: int) -> CrossedCells:
    design = analysis.design
    pair = (design.group_terms[a], design.group_terms[b])
    places, labels = [], []
    for term in pair:
        order = np.argsort(-term.sizes, kind="stable")
        rank = np.empty(term.J, dtype=np.int64)
        rank[order] = np.arange(term.J) // math.ceil(term.J / _MOST)
        places.append(rank[term.codes])
        named = term.J <= _MOST
        labels.append(tuple(shorten_all(term.labels[order], 14)) if named else ())
    shape = tuple(math.ceil(term.J / math.ceil(term.J / _MOST)) for term in pair)
    at = places[0] * shape[1] + places[1]
    counts = np.bincount(at, minlength=shape[0] * shape[1]).astype(float)
    residual = None
    fit = analysis.fits[0] if analysis.fits else None
    if fit is not None and design.family.is_additive and _has_effects(fit):
        chosen = np.linspace(0, fit.draws.n_chains * fit.draws.n_draws - 1, _DRAWS).astype(np.int64)
        fitted = np.mean(
            [linear_predictors(fit, part).mean(axis=0) for part in np.array_split(chosen, 8)],
            axis=0,
        )
        sums = np.bincount(at, standardised_residuals(fit, fitted), counts.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            residual = (sums / np.sqrt(counts)).reshape(shape)
    return CrossedCells(
        model=analysis.spec.name,
        factors=(pair[0].factor, pair[1].factor),
        labels=(labels[0], labels[1]),
        counts=counts.reshape(shape),
        residual=residual,
        levels=(pair[0].J, pair[1].J),
        n=design.n,
        filled=np.unique(pair[0].codes * pair[1].J + pair[1].codes).size,
    )


def _has_effects(fit: Fit) -> bool:
    return all("u" in fit.of_factor(name).draws.posterior for name in fit.design.factors)


@styled
def plot_crossed_cells(data: CrossedCells) -> Figure:
    """Draw the rows of each cell, and its residual."""
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(4.3)
    panels = across(figure, 1 if data.residual is None else 2)
    shown = np.where(data.counts > 0, data.counts, np.nan)
    many = np.nanmax(shown) > 20 * np.nanmin(shown)
    norm = LogNorm() if many else Normalize(vmin=0.0, vmax=max(float(np.nanmax(shown)), 1.0))
    blues = {"cmap": "Blues", "norm": norm}
    ticks = None if many else MaxNLocator(5, integer=True)
    _draw(panels[0], shown, data, blues, "rows in a cell", ticks)
    panels[0].set_ylabel(_name(data, 0))
    if data.residual is not None:
        far = max(3.0, float(np.nanmax(np.abs(data.residual))))
        scale = {"cmap": "PuOr", "vmin": -far, "vmax": far}
        _draw(panels[1], data.residual, data, scale, "residual of a cell, in standard errors")
        if is_stacked(*panels):
            panels[1].set_ylabel(_name(data, 0))
        else:
            panels[1].set_yticks([])
    return figure


def _draw(
    ax: Axes,
    values: Floats,
    data: CrossedCells,
    scale: dict[str, object],
    what: str,
    ticks: object = None,
) -> None:
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **scale)  # type: ignore[arg-type]
    bar = ax.figure.colorbar(
        image, ax=ax, orientation="horizontal", fraction=0.06, pad=0.14, ticks=ticks
    )
    bar.set_label(what)
    bar.outline.set_visible(False)
    ax.set_xlabel(_name(data, 1))
    for axis, labels in ((ax.yaxis, data.labels[0]), (ax.xaxis, data.labels[1])):
        named = 0 < len(labels) <= _NAMED
        axis.set_ticks(range(len(labels)) if named else [], labels if named else [])
    if len(data.labels[1]) <= _NAMED and max(map(len, data.labels[1]), default=0) > 2:
        ax.tick_params(axis="x", labelrotation=90)


def _name(data: CrossedCells, place: int) -> str:
    name = axis_name(data.factors[place])
    return name if data.labels[place] else f"{name}, most rows first"


FIGURE = Entry(
    name="crossed-cells",
    title="cells of crossed factors",
    shows="which combinations of two crossed factors have rows, and their mean residual",
    applies="models of two grouping factors that cross, with rows",
    prepare=crossed_cells,
    draw=plot_crossed_cells,
    section="groups",
)
