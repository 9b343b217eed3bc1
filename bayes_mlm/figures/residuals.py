"""Compute residuals of rows and of groups, and compare them with the normal distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.assess import (
    NormalQQ,
    fitted_values,
    normal_qq,
    quantile_residuals,
    standardised_residuals,
)
from bayes_mlm.base import Floats, Ints, Stream, count, number, shorten_all, stream
from bayes_mlm.design import predictor_name
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.effects import effects_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import (
    draw_rows,
    label_points,
    legend_key,
    legend_outside,
    legend_patch,
)
from bayes_mlm.figures.style import BLUE, INK, ORANGE, Axes, Figure, across, new_figure, styled
from bayes_mlm.fitting import Analysis

# Standard errors between the spreads of two thirds of the rows, beyond which they differ.
_CLEAR = 3.0
_LEAST_GROUPS, _BINS = 3, 15
_SHADE = "#D9D9D9"


@dataclass(frozen=True, kw_only=True, eq=False)
class RowResiduals:
    """Residual of each row.

    Parameters
    ----------
    model, outcome : str
    fitted : ndarray, shape (n,)
        Posterior mean of the linear predictor, group effects included, in its units.
    residual : ndarray, shape (n,)
        Outcome less `fitted`, divided by the posterior mean of the residual sd; where residuals
        have a structure, what would be standard normal if it is right. Randomised quantile
        residuals of an outcome without a residual sd.
    quantile : bool
    at, mean, low, high : ndarray, shape (k,)
        In bins of the fitted values: their middle, the mean residual and its ends at two standard
        errors.
    qq : NormalQQ or None
        None for residuals that are all alike.
    sds : tuple of float
        Sd of the residuals in the lowest and in the highest third of the fitted values.
    unequal : bool
        Whether those two differ by more than three standard errors.
    """

    model: str
    outcome: str
    fitted: Floats
    residual: Floats
    quantile: bool
    at: Floats
    mean: Floats
    low: Floats
    high: Floats
    qq: NormalQQ | None
    sds: tuple[float, float]
    unequal: bool

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        first, last = (number(sd, 0.1) for sd in self.sds)
        judged = "more than chance allows" if self.unequal else "no more than chance allows"
        off = int(np.count_nonzero((self.low > 0) | (self.high < 0)))
        bend = (
            f"Their mean leaves zero by more than two standard errors in {off} of "
            f"{count(self.at.size, 'part')} of the fitted values."
        )
        whose = "In units of the residual sd the sd of the residuals"
        if self.quantile:
            whose = (
                "The sd of the randomised quantile residuals (standard normal if the model is "
                "right, whatever the family)"
            )
        shape = f" Against the normal distribution they {self.qq.departure}." if self.qq else ""
        return Text(
            title=f"Residuals of the rows ({self.model})",
            caption=f"{whose} goes from {first} in the lowest third of the fitted values to "
            f"{last} in the highest, {judged}. {bend}{shape}",
            alt="Left, residuals in sds against fitted values with their mean in parts; right, "
            "their quantiles against normal ones with a band."
            if self.qq
            else "Residuals in sds against fitted values, with their mean in parts.",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupResiduals:
    """Standardised effects of the groups against the normal distribution.

    Parameters
    ----------
    model, group : str
    labels : ndarray, shape (J,)
    effects : tuple of str
        At most three.
    curves : tuple of NormalQQ
        One an effect.
    places : tuple of ndarray of int
        Of each curve, the groups of its points.
    named : tuple of tuple of (int, str)
        For each curve, points to name: their place on it and the group's label.
    too_little : tuple of str
        Effects on which single groups have too few data.
    """

    model: str
    group: str
    labels: np.ndarray
    effects: tuple[str, ...]
    curves: tuple[NormalQQ, ...]
    places: tuple[Ints, ...]
    named: tuple[tuple[tuple[int, str], ...], ...]
    too_little: tuple[str, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        many = count(self.labels.size, "group")
        described = " ".join(
            f"{'The group effects' if len(self.effects) == 1 else effect + ' effects'} "
            f"{curve.departure}."
            for effect, curve in zip(self.effects, self.curves, strict=True)
        )
        few = (
            " So few groups would leave the band only if they were very far from normal."
            if self.labels.size < 20
            else ""
        )
        too_little = (
            f" The data on single groups are too few to judge {', '.join(self.too_little)}."
            if self.too_little
            else ""
        )
        return Text(
            title=f"Effects of {many} ({self.group}) against normal ones, {self.model}",
            caption=f"{described}{few}{too_little}".strip(),
            alt=f"Quantiles of the standardised effects of the {self.group}s against normal ones, "
            "with a band from simulation; points outside it are named.",
        )


def row_residuals(analysis: Analysis) -> RowResiduals | None:
    """Compute the residuals at the posterior means; None without a posterior."""
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    fitted = fitted_values(fit)
    additive = fit.design.family.is_additive
    residual = standardised_residuals(fit, fitted) if additive else quantile_residuals(fit)
    order = np.argsort(fitted, kind="stable")
    third = max(2, fitted.size // 3)
    ends = residual[order[:third]], residual[order[-third:]]
    # The log of an sd has variance (kurtosis - 1) / (4 n), about.
    kurtosis = float((residual**4).mean() / np.square(residual).mean() ** 2)
    error = np.sqrt(2 * max(kurtosis - 1.0, 0.1) / (4 * third))
    sds = float(ends[0].std()), float(ends[1].std())
    gap = abs(np.log(max(sds[0], 1e-12) / max(sds[1], 1e-12)))
    bins = np.array_split(order, min(_BINS, max(1, fitted.size // 10)))
    mean = np.array([residual[part].mean() for part in bins])
    reach = np.array([2 * residual[part].std() / np.sqrt(part.size) for part in bins])
    return RowResiduals(
        model=analysis.spec.name,
        outcome=predictor_name(fit.design),
        fitted=fitted,
        residual=residual,
        quantile=not additive,
        at=np.array([fitted[part].mean() for part in bins]),
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        qq=normal_qq(residual, stream(fit.settings.random_seed, Stream.QQ_BAND)),
        sds=sds,
        unequal=bool(gap > _CLEAR * error),
    )


def group_residuals(analysis: Analysis, factor: str | None = None) -> GroupResiduals | None:
    """Compare the standardised group effects with the normal distribution.

    Parameters
    ----------
    analysis : Analysis
    factor : str, optional
        Whose groups, where the model has several grouping factors.

    Returns
    -------
    GroupResiduals or None
        None without a posterior of random effects of three groups or more with data on
        them.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0].of_factor(factor)
    if fit.design.J < _LEAST_GROUPS:
        return None
    names, curves, places, named, too_little = [], [], [], [], []
    for k, effect in enumerate(effects_of(analysis.fits[0], analysis.prob, factor)[:3]):
        known = np.flatnonzero(np.isfinite(effect.standardised))
        curve = normal_qq(
            effect.standardised[known], stream(fit.settings.random_seed, Stream.QQ_BAND, k)
        )
        if curve is None or known.size < max(_LEAST_GROUPS, fit.design.J // 2):
            too_little.append(effect.name)
            continue
        out = np.flatnonzero(curve.outside)
        far = out[np.argsort(-np.abs(curve.found[out]))][:4]
        names.append(effect.name)
        curves.append(curve)
        places.append(known[curve.places])
        far = np.sort(far)
        labels = shorten_all(fit.design.labels[places[-1][far]], 18)
        named.append(tuple(zip(far.tolist(), labels, strict=True)))
    if not curves:
        return None
    return GroupResiduals(
        model=analysis.spec.name,
        group=str(fit.design.group),
        labels=fit.design.labels,
        effects=tuple(names),
        curves=tuple(curves),
        places=tuple(places),
        named=tuple(named),
        too_little=tuple(too_little),
    )


@styled
def plot_row_residuals(data: RowResiduals) -> Figure:
    """Draw residuals against fitted values, and their Q-Q plot."""
    figure = new_figure(3.5)
    ratios = (1.25, 1.0) if data.qq is not None else (1.0,)
    left, *right = across(figure, len(ratios), ratios=ratios)
    rows = draw_rows(left, data.fitted, data.residual)
    left.axhline(0.0, color=INK, lw=0.8)
    left.errorbar(
        data.at,
        data.mean,
        yerr=[data.mean - data.low, data.high - data.mean],
        fmt="o",
        ms=3.5,
        color=ORANGE,
        lw=1.2,
        zorder=5,
    )
    left.set_xlabel(f"fitted {axis_name(data.outcome)}")
    left.set_ylabel("quantile residual" if data.quantile else "residual, in residual sds")
    means = legend_key(marker="o", ms=3.5, color=ORANGE, lw=1.2, label="mean, ± 2 se")
    if data.qq is not None:
        _draw_qq(right[0], data.qq)
        right[0].set_ylabel("quantile residual" if data.quantile else "standardised residual")
        chosen = "" if data.qq.n == data.residual.size else f"{data.qq.n:,} of "
        right[0].set_xlabel(f"normal quantile ({chosen}{count(data.residual.size, 'row')})")
    _legend_below(figure, *([data.qq] if data.qq else []), before=[rows, means])
    return figure


@styled
def plot_group_residuals(data: GroupResiduals) -> Figure:
    """Draw the Q-Q plot of each effect of the groups."""
    many = len(data.curves)
    figure = new_figure(3.6 if many < 3 else 2.9)
    panels = across(figure, many)
    for ax, effect, curve, named in zip(panels, data.effects, data.curves, data.named, strict=True):
        _draw_qq(ax, curve)
        of = "" if many == 1 else f"\n({axis_name(effect)})"
        ax.set_ylabel(f"standardised effect{of}")
        labels = np.full(curve.found.size, "", dtype=object)
        for place, label in named:
            labels[place] = label
        places = np.array([place for place, _ in named], dtype=np.int64)
        label_points(ax, curve.expected, curve.found, places, labels)
        ax.set_xlabel(f"normal quantile ({count(curve.n, 'group')})")
    _legend_below(figure, *data.curves)
    return figure


def _draw_qq(ax: Axes, curve: NormalQQ) -> None:
    ends = [float(curve.expected[0]), float(curve.expected[-1])]
    ax.fill_between(curve.expected, curve.lower, curve.upper, color=_SHADE, lw=0)
    ax.plot(ends, ends, color=INK, lw=0.9)
    out = curve.outside
    ax.plot(curve.expected[~out], curve.found[~out], "o", ms=2.8, color=BLUE, mew=0)
    ax.plot(curve.expected[out], curve.found[out], "D", ms=3.2, color=ORANGE, mew=0)


def _legend_below(figure: Figure, *curves: NormalQQ, before: Sequence[Any] = ()) -> None:
    handles = [*before]
    if curves:
        handles.append(legend_patch(facecolor=_SHADE, label="95 % of normal samples"))
    if any(curve.outside.any() for curve in curves):
        handles.append(
            legend_key(ls="", marker="D", ms=3.2, color=ORANGE, label="outside the band")
        )
    legend_outside(figure, handles, columns=2)


ROW_RESIDUALS = Entry(
    name="row-residuals",
    title="Residuals of the rows",
    shows="residuals against fitted values, and against the normal distribution",
    applies="the model has a posterior",
    prepare=row_residuals,
    draw=plot_row_residuals,
    section="diagnostics",
)


GROUP_RESIDUALS = Entry(
    name="group-residuals",
    title="Residuals of the groups",
    shows="standardised group effects against the normal distribution, with a band",
    applies="the model has random effects, and a posterior of three groups or more",
    prepare=group_residuals,
    draw=plot_group_residuals,
    section="diagnostics",
    by_factor=True,
)
