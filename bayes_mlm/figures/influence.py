"""Outlying and influential groups, and the spread of the rows of each."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Check, check, most_shift, standardised_effects
from bayes_mlm.base import Floats, Ints, count, number, percent, scaled, shorten
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import label_points, legend_above, legend_key, legend_patch
from bayes_mlm.figures.style import (
    BLUE,
    INK,
    MANY_GROUPS,
    ORANGE,
    Axes,
    Figure,
    across,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis, Fit

_NAMED = 4
# Beyond so many groups leaving each out takes seconds: `bayes-mlm check` does any number.
_MOST_GROUPS = 2_000
# Of the ratio of a group's sd to the model's.
_LEVEL = 0.95
_SHADE = "#D9D9D9"
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0, 3.0, 5.0, 10.0)

_COARSE = (0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupInfluence:
    """Outlyingness, influence and spread of each group.

    Parameters
    ----------
    model, group : str
    labels : ndarray, shape (J,)
    effect : ndarray, shape (J,)
        Standardised group effect; nan where the rows do not identify it.
    n_effects : int
        Effects that it is made of: signed for one.
    shift : ndarray, shape (J,)
        Size of the largest move of a posterior mean without the group, in posterior sds.
    moved : tuple of str
        Which quantity moves so.
    reliable : ndarray of bool, shape (J,)
    df : ndarray of int, shape (J,)
        Degrees of freedom of the spread: rows less group effects.
    ratio : ndarray, shape (J,)
        Sd of the group's rows about its line over the model's; nan where there is none.
    band_df, lower, upper : ndarray, shape (m,)
        Where 95 % of the ratios lie if the model is right, by degrees of freedom.
    limit : float
        The shift beyond which a group decides a result.
    influential, unlike : ndarray of int
        Groups to name in either panel.
    """

    model: str
    group: str
    labels: np.ndarray
    effect: Floats
    n_effects: int
    shift: Floats
    moved: tuple[str, ...]
    reliable: np.ndarray
    df: Ints
    ratio: Floats
    band_df: Floats
    lower: Floats
    upper: Floats
    limit: float
    influential: Ints
    unlike: Ints

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        most = int(self.influential[0])
        strong = int(np.count_nonzero(self.shift > self.limit))
        inside = (
            np.interp(self.df, self.band_df, self.lower),
            np.interp(self.df, self.band_df, self.upper),
        )
        known = np.isfinite(self.ratio)
        out = int(np.count_nonzero(known & ((self.ratio < inside[0]) | (self.ratio > inside[1]))))
        within = {0: "no group's sd lies", 1: "the sd of 1 group lies"}.get(
            out, f"the sds of {out} groups lie"
        )
        expected = number((1.0 - _LEVEL) * np.count_nonzero(known), 10.0)
        left, right = "Without", ""
        if known.any():
            left = "Left: without"
            right = (
                f" Right: {within} outside of where {percent(_LEVEL)} lie if all spread alike; "
                f"by chance about {expected} would."
            )
        return Text(
            title=f"Outlying and influential groups ({self.group}), {self.model}",
            caption=f"{left} {shorten(self.labels[most])} the posterior mean of "
            f"{self.moved[most]} moves by {number(float(self.shift[most]), 0.1)} posterior sds, "
            f"the furthest of all; {strong or 'none'} of the {self.labels.size} "
            f"{'moves' if strong < 2 else 'move'} one by more than the limit of "
            f"{scaled(self.limit, 1)}.{right}",
            alt=f"A point for each {self.group}: left, the largest shift of a posterior mean "
            "without it against its standardised effect; right, the ratio of its sd to the "
            "model's against its degrees of freedom, with a band."
            if known.any()
            else f"A point for each {self.group}: the largest shift of a posterior mean without "
            "it against its standardised effect.",
        )


def group_influence(analysis: Analysis) -> GroupInfluence | None:
    """Leave each group out in turn, and compare their spreads.

    None without a posterior of random effects, for very many groups, or where a group cannot be
    left out.
    """
    if not analysis.fits or not 3 <= analysis.design.J <= _MOST_GROUPS:
        return None
    fit = analysis.fits[0]
    if not fit.design.q or not fit.priors.sigma_u:
        return None
    found = check(fit)
    shifts = _column(found, "shift")
    if not np.isfinite(shifts).all():
        return None
    ratio, q = _column(found, "spread"), fit.design.q
    df = np.maximum(fit.design.group_sizes - q, 0)
    # Beyond the last group too, so that the band does not end at it.
    band = np.unique(np.concatenate([np.linspace(0.5, 1.2 * df.max() + 2, 80), df[df > 0]]))
    lower, upper = _band(band)
    spread_p = _column(found, "spread_p")
    unlike = np.argsort(np.where(np.isfinite(spread_p), spread_p, 1.0), kind="stable")[:_NAMED]
    return GroupInfluence(
        model=analysis.spec.name,
        group=str(fit.design.group),
        labels=fit.design.labels,
        effect=_effects(fit, found),
        n_effects=q,
        shift=np.abs(shifts),
        moved=tuple(row.moved for row in found.groups),
        reliable=np.array([row.reliable for row in found.groups]),
        df=df,
        ratio=ratio,
        band_df=band,
        lower=lower,
        upper=upper,
        limit=most_shift(len(found.groups)),
        influential=np.argsort(-np.abs(shifts), kind="stable")[:_NAMED],
        unlike=unlike[np.isfinite(ratio[unlike])],
    )


def _effects(fit: Fit, found: Check) -> Floats:
    """Return the size of each group's effects, also where no check judges it."""
    judged = _column(found, "effect")
    if np.isfinite(judged).any():
        return judged
    effects = standardised_effects(fit)
    return effects[:, 0] if fit.design.q == 1 else np.sqrt(np.square(effects).sum(axis=1))


def _column(found: Check, name: str) -> Floats:
    values = [getattr(row, name) for row in found.groups]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _band(df: Floats) -> tuple[Floats, Floats]:
    from scipy.special import chdtri

    tail = (1.0 - _LEVEL) / 2.0
    return np.sqrt(chdtri(df, 1.0 - tail) / df), np.sqrt(chdtri(df, tail) / df)


@styled
def plot_influence(data: GroupInfluence) -> Figure:
    """Draw shifts against standardised effects, and spreads against degrees of freedom."""
    figure = new_figure(3.6)
    has_spread = bool(np.isfinite(data.ratio).any())  # families with a residual sd have it
    left, *right = across(figure, 2 if has_spread else 1)
    dot = 4.0 if data.labels.size <= MANY_GROUPS else 2.2
    _draw_shifts(left, data, dot)
    for ax in right:
        _draw_spread(ax, data, dot)
    return figure


def _draw_shifts(ax: Axes, data: GroupInfluence, dot: float) -> None:
    # A group whose rows do not inform the effect is drawn where its effect is expected.
    effect = np.nan_to_num(data.effect)
    reliable = data.reliable
    ax.plot(effect[reliable], data.shift[reliable], "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.plot(effect[~reliable], data.shift[~reliable], "X", ms=6.0, color=ORANGE, mew=0)
    handles = [legend_key(ls="", marker="o", ms=dot, color=BLUE, label=count(effect.size, "group"))]
    if not reliable.all():
        handles.append(
            legend_key(ls="", marker="X", ms=6.0, color=ORANGE, label="weights not reliable")
        )
    if data.shift.max() > 0.6 * data.limit:
        ax.axhline(data.limit, color=INK, lw=1.0, ls="--")
        handles.append(legend_key(color=INK, lw=1.0, ls="--", label="more than chance does"))
    ax.set_ylim(0.0, 1.12 * float(max(data.shift.max(), 0.1)))
    ax.margins(x=0.12)
    size = "standardised group effect" if data.n_effects == 1 else "size of the effects, in sds"
    ax.set_xlabel(size)
    ax.set_ylabel("largest shift of a posterior mean\nwithout the group, in posterior sds")
    legend_above(ax, handles, columns=1)
    label_points(ax, effect, data.shift, data.influential, data.labels)


def _draw_spread(ax: Axes, data: GroupInfluence, dot: float) -> None:
    known = np.flatnonzero(np.isfinite(data.ratio) & (data.ratio > 0))
    df, size = data.df[known].astype(np.float64), np.log(data.ratio[known])
    edge = 0.15 * float(np.ptp(df)) or 1.0
    left, right = max(float(df.min()) - edge, 0.5), float(df.max()) + edge
    inside = (data.band_df >= left) & (data.band_df <= right)
    ax.fill_between(
        data.band_df[inside],
        np.log(data.lower[inside]),
        np.log(data.upper[inside]),
        color=_SHADE,
        lw=0,
    )
    ax.axhline(0.0, color=INK, lw=0.8)
    ax.plot(df, size, "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.set_xlim(left, right)
    reach = max(float(np.abs(size).max()), 0.1) * 1.15
    ax.set_ylim(-reach if size.min() < 0 else -0.1, reach if size.max() > 0 else 0.1)
    low, high = ax.get_ylim()
    ticks = np.array([t for t in _TICKS if low <= np.log(t) <= high])
    ticks = ticks if ticks.size <= 9 else np.array([t for t in _COARSE if low <= np.log(t) <= high])
    ax.set_yticks(np.log(ticks), [f"{tick:g}" for tick in ticks])
    ax.set_xlabel("degrees of freedom")
    ax.set_ylabel("sd within the group over the model's")
    legend_above(
        ax,
        [
            legend_patch(color=_SHADE, label="95 % of groups, if sds are equal"),
            legend_key(ls="", marker="o", ms=dot, color=BLUE, label="a group"),
        ],
        columns=1,
    )
    named = np.flatnonzero(np.isin(known, data.unlike))
    label_points(ax, df, size, named, data.labels[known])


FIGURE = Entry(
    name="group-influence",
    title="Outlying and influential groups",
    shows="how far posterior means move without each group, and how its rows spread",
    applies="the model has random effects of 3 to 2,000 groups, and a posterior",
    prepare=group_influence,
    draw=plot_influence,
    section="diagnostics",
)
