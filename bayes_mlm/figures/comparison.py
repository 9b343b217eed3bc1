"""One quantity by its posterior, REML or OLS, and a publication."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import estimate, number, percent
from bayes_mlm.engines import is_drawing, listed_quantities
from bayes_mlm.figures.density import Density, density_of
from bayes_mlm.figures.parts import legend_key, legend_outside
from bayes_mlm.figures.style import INK, ORANGE, Axes, Figure, engine_style
from bayes_mlm.fitting import Analysis, Fit

# Published figures that print a quantity in another form: its square, or per cent of it.
_FORMS = (("{}", lambda x: x), ("{}^2", math.sqrt), ("{}_percent", lambda x: x / 100))

_SAME = 1e-3
# Heights of the rows below a density of height 1.
_ROW = 0.15
COLUMNS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Posterior of one quantity by one engine.

    Parameters
    ----------
    engine : str
    mean, sd, lower, upper : float
        With the ends of its interval, in the quantity's units.
    density : Density or None
        None where only the summary is at hand.
    """

    engine: str
    mean: float
    sd: float
    lower: float
    upper: float
    density: Density | None


@dataclass(frozen=True, kw_only=True)
class LikelihoodEstimate:
    """REML or OLS estimate of one quantity.

    Parameters
    ----------
    engine : str
        "reml" or "ols".
    estimate : float
    lower, upper : float or None
        Ends of its interval, if there is one.
    """

    engine: str
    estimate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A published figure.

    Parameters
    ----------
    value : float
        In the quantity's units.
    printed : str
        As printed, in whatever form.
    stands : bool
        Whether it is right for the quantity, as recomputed.
    """

    value: float
    printed: str
    stands: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantityEstimates:
    """One quantity from every source.

    Parameters
    ----------
    quantity, unit : str
        Such as ``sigma_u``, and what it is measured in.
    posteriors : tuple of Posterior
        One an engine.
    likelihood : LikelihoodEstimate or None
    published : tuple of Printed
    """

    quantity: str
    unit: str
    posteriors: tuple[Posterior, ...]
    likelihood: LikelihoodEstimate | None
    published: tuple[Printed, ...]

    @property
    def summary(self) -> str:
        """The first posterior in words: ``sigma_u 2.17 (1.86 to 2.48)``."""
        first = self.posteriors[0]
        return f"{self.quantity} {estimate(first.mean, first.lower, first.upper)}"

    @property
    def gap(self) -> float:
        """How far REML or OLS lies from the first posterior's mean, in its sds; 0 without one."""
        first = self.posteriors[0]
        if self.likelihood is None or not first.sd > 0:
            return 0.0
        return (self.likelihood.estimate - first.mean) / first.sd


def estimates_of(
    analysis: Analysis, quantity: str, unit: str, *, densities: bool = True
) -> QuantityEstimates:
    """Collect what is known of a quantity of a model.

    Parameters
    ----------
    analysis : Analysis
        With a posterior, one of whose quantities it is.
    quantity, unit : str
    densities : bool
        Whether curves are wanted too.
    """
    posteriors, likelihood = [], None
    for summary in analysis.summaries:
        row = summary.get(quantity)
        if row is None:
            continue
        if not is_drawing(row.engine):
            likelihood = LikelihoodEstimate(
                engine=row.engine, estimate=row.estimate, lower=row.lower, upper=row.upper
            )
            continue
        fit = next(fit for fit in analysis.fits if fit.engine == row.engine)
        assert row.sd is not None  # for mypy: rows of draws have all three
        assert row.lower is not None
        assert row.upper is not None
        posteriors.append(
            Posterior(
                engine=row.engine,
                mean=row.estimate,
                sd=row.sd,
                lower=row.lower,
                upper=row.upper,
                density=_density(fit, quantity) if densities else None,
            )
        )
    return QuantityEstimates(
        quantity=quantity,
        unit=unit,
        posteriors=tuple(posteriors),
        likelihood=likelihood,
        published=printed_of(analysis, quantity),
    )


def _density(fit: Fit, quantity: str) -> Density | None:
    for one, name, values in listed_quantities(fit.draws):
        if name == quantity:
            lower, upper = one.support
            return density_of(np.ravel(values), lower=lower, upper=upper)
    return None


def printed_of(analysis: Analysis, quantity: str) -> tuple[Printed, ...]:
    """List what was published for a quantity, or in its place, each figure once."""
    found: list[Printed] = []
    for form, convert in _FORMS:
        name = form.format(quantity)
        for row in analysis.printed:
            if name not in (row.quantity, row.corrects):
                continue
            value = _number(row.printed)
            if value is None or (form == "{}^2" and value < 0):
                continue
            value = float(convert(value))
            if any(abs(one.value - value) <= _SAME * abs(value) for one in found):
                continue  # printed at two places, to more digits at one
            stands = row.status == "reproduced" and row.quantity == name
            text = f"{row.printed} %" if form.endswith("percent") else row.printed
            found.append(Printed(value=value, printed=text, stands=stands))
    return tuple(found)


def _number(text: str) -> float | None:
    try:
        return float(text.replace("−", "-").rstrip(" %"))
    except ValueError:
        return None


def describe_published(items: tuple[QuantityEstimates, ...]) -> str:
    """Describe which published figures lie outside the first posterior's interval, if any."""
    outside = [
        f"{item.quantity} {printed.printed}"
        for item in items
        for printed in item.published
        if not item.posteriors[0].lower <= printed.value <= item.posteriors[0].upper
    ]
    total = sum(len(item.published) for item in items)
    if not total:
        return ""
    if not outside:
        return "Every published figure lies inside its interval."
    return f"Published figures outside their interval: {', '.join(outside)}."


def describe_likelihood(items: tuple[QuantityEstimates, ...]) -> str:
    """Describe the largest deviation of REML or OLS from the posterior means."""
    known = [item for item in items if item.likelihood is not None]
    if not known:
        return ""
    far = max(known, key=lambda item: abs(item.gap))
    assert far.likelihood is not None  # for mypy
    engine = far.likelihood.engine.upper()
    sds = number(abs(far.gap), 0.5)
    if len(known) == 1:
        return f"{engine} lies {sds} posterior sds from the mean."
    return f"{engine} lies at most {sds} posterior sds from the means ({far.quantity})."


def draw_estimates(ax: Axes, item: QuantityEstimates) -> None:
    """Draw the densities of a quantity; below them a row for each estimate of it."""
    top = max(
        (float(one.density.y.max()) for one in item.posteriors if one.density is not None),
        default=1.0,
    )
    y = -0.12
    for one in item.posteriors:
        style = engine_style(one.engine)
        if one.density is not None:
            ax.plot(one.density.x, one.density.y / top, color=style.colour, ls=style.line, lw=1.4)
            if one is item.posteriors[0]:
                _fill(ax, one, top)
        _draw_row(ax, y, one.mean, one.lower, one.upper, one.engine)
        y -= _ROW
    if item.likelihood is not None:
        known = item.likelihood
        _draw_row(ax, y, known.estimate, known.lower, known.upper, known.engine)
        y -= _ROW
    if item.published:
        _draw_published(ax, item, y)
        y -= _ROW
    ax.axhline(0.0, color=INK, lw=0.6)
    ax.set_ylim(y + 0.02, 1.06)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)


def _fill(ax: Axes, one: Posterior, top: float) -> None:
    """Shade the density, darker inside the interval."""
    assert one.density is not None  # for mypy: the caller looked
    x, y, colour = one.density.x, one.density.y / top, engine_style(one.engine).colour
    ax.fill_between(x, y, color=colour, alpha=0.12, lw=0)
    inside = (x >= one.lower) & (x <= one.upper)
    ax.fill_between(x, y, where=inside.tolist(), color=colour, alpha=0.22, lw=0)


def _draw_row(
    ax: Axes, y: float, middle: float, lower: float | None, upper: float | None, engine: str
) -> None:
    style = engine_style(engine)
    if lower is not None and upper is not None:
        ax.plot([lower, upper], [y, y], color=style.colour, lw=1.6, solid_capstyle="butt")
    ax.plot(middle, y, style.marker, color=style.colour, ms=4.5, zorder=4)


def _draw_published(ax: Axes, item: QuantityEstimates, y: float) -> None:
    style = engine_style("published")
    for one in item.published:
        ax.plot(
            one.value,
            y,
            style.marker,
            ms=6.0,
            mec=style.colour,
            mfc=style.colour if one.stands else "white",
            mew=0.9,
            zorder=4,
        )


def draw_ridge(ax: Axes, item: QuantityEstimates, base: float) -> None:
    """Draw one quantity on one line: density above, estimates below."""
    for k, one in enumerate(item.posteriors):
        style = engine_style(one.engine)
        if one.density is not None and k == 0:
            y = base + 0.62 * one.density.y / one.density.y.max()
            ax.fill_between(one.density.x, base, y, color=style.colour, alpha=0.25, lw=0)
            ax.plot(one.density.x, y, color=style.colour, lw=1.1)
        _draw_row(ax, base - 0.07 - 0.11 * k, one.mean, one.lower, one.upper, one.engine)
    below = base - 0.07 - 0.11 * len(item.posteriors)
    if item.likelihood is not None:
        known = item.likelihood
        _draw_row(ax, below, known.estimate, known.lower, known.upper, known.engine)
    if item.published:
        _draw_published(ax, item, below)


def legend_below(figure: Figure, items: Iterable[QuantityEstimates], prob: float) -> None:
    """Add a legend of all markers below the figure."""
    items = list(items)
    engines = dict.fromkeys(one.engine for item in items for one in item.posteriors)
    handles: list[Any] = []
    for engine in engines:
        style = engine_style(engine)
        text = f"posterior mean, {percent(prob)} HDI ({engine})"
        handles.append(
            legend_key(color=style.colour, marker=style.marker, ms=4.5, lw=1.6, label=text)
        )
    for engine in dict.fromkeys(item.likelihood.engine for item in items if item.likelihood):
        style = engine_style(engine)
        span = any(item.likelihood.lower is not None for item in items if item.likelihood)
        text = f"{engine.upper()}, {percent(prob)} interval" if span else engine.upper()
        handles.append(
            legend_key(
                color=style.colour,
                marker=style.marker,
                ms=4.5,
                ls="-" if span else "",
                lw=1.6,
                label=text,
            )
        )
    style = engine_style("published")
    for stands, text in ((True, "published"), (False, "published, and corrected here")):
        if any(one.stands is stands for item in items for one in item.published):
            handles.append(
                legend_key(
                    ls="",
                    marker=style.marker,
                    ms=6.0,
                    mec=ORANGE,
                    mfc=ORANGE if stands else "white",
                    label=text,
                )
            )
    legend_outside(figure, handles, columns=min(len(handles), 2))
