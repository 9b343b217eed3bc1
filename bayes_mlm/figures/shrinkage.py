"""Shrinkage of each group's unpooled estimate by partial pooling, by the size of the group."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, Ints, count, percent
from bayes_mlm.design import Design
from bayes_mlm.engines import samples
from bayes_mlm.figures.caterpillar import MOST_TICKS
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.effects import effects_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import legend_key, legend_outside, name_ticks, on_logs
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.style import GREY, INK, SUBGROUP_STYLES, Axes, Figure, new_figure, styled
from bayes_mlm.fitting import Analysis, Fit

# A group's unpooled estimate needs columns of Z that are not nearly collinear within it.
_CONDITION = 1e6
_LEAST_THIRD = 9
_POINTS_WIDE = 380.0
# Part of the distance of two sizes that groups of one size take; and sizes so many times apart are
# on a logarithmic axis.
_TIES, _WIDE = 0.8, 8


@dataclass(frozen=True, kw_only=True, eq=False)
class ShrunkEffect:
    """One effect of every group, unpooled and partially pooled.

    Parameters
    ----------
    name : str
    unpooled : ndarray, shape (J,)
        From the group's rows, by least squares, given the coefficients; nan where they do not
        identify it.
    partial : ndarray, shape (J,)
        Posterior mean.
    """

    name: str
    unpooled: Floats
    partial: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Shrinkage:
    """Unpooled and partially pooled effects of each group, the smallest group first.

    Parameters
    ----------
    model, outcome, group : str
    labels : ndarray, shape (J,)
    sizes : ndarray of int, shape (J,)
        Rows, in rising order; groups of one size are in order of their first unpooled effect.
    subgroup : ndarray of int, shape (J,), or None
        The subgroup of each.
    subgroup_labels : tuple of str
    effects : tuple of ShrunkEffect
        At most two.
    """

    model: str
    outcome: str
    group: str
    labels: np.ndarray
    sizes: Ints
    subgroup: Ints | None
    subgroup_labels: tuple[str, ...]
    effects: tuple[ShrunkEffect, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = " ".join(self._describe(effect) for effect in self.effects)
        return Text(
            title=f"Shrinkage of each {self.group}'s estimate by partial pooling ({self.model})",
            caption="Zero is the expectation from the coefficients alone; the open point is the "
            f"group's unpooled estimate, the filled one its posterior mean. {described}",
            alt=f"For each {self.group}, in order of its number of rows, a line from its unpooled "
            "estimate to its partially pooled one, which lies nearer zero."
            if all(self.kept(e, slice(None)) < 1.0 for e in self.effects)
            else f"For each {self.group}, in order of its number of rows, a line from its unpooled "
            "estimate to its partially pooled one.",
        )

    def kept(self, effect: ShrunkEffect, part: slice) -> float:
        """Return the shrinkage factor of some groups: the part of their deviations that is kept."""
        unpooled, partial = effect.unpooled[part], effect.partial[part]
        known = np.isfinite(unpooled)
        total = float((unpooled[known] ** 2).sum())
        return float((unpooled[known] * partial[known]).sum() / total) if total > 0 else 0.0

    def _describe(self, effect: ShrunkEffect) -> str:
        what = "Groups keep" if len(self.effects) == 1 else f"{effect.name}: groups keep"
        unknown = int(np.count_nonzero(~np.isfinite(effect.unpooled)))
        none = f" It is not identified in {count(unknown, 'group')} alone." if unknown else ""
        third = self.sizes.size // 3
        if self.sizes[0] == self.sizes[-1] or self.sizes.size < _LEAST_THIRD:
            rows = " to ".join(dict.fromkeys(str(self.sizes[end]) for end in (0, -1)))
            return (
                f"{what} {percent(self.kept(effect, slice(None)))} of their unpooled deviation "
                f"({rows} rows each).{none}"
            )
        small, large = slice(0, third), slice(-third, None)
        return (
            f"{what} {percent(self.kept(effect, small))} of their unpooled deviation in the "
            f"smallest third ({self.sizes[0]} to {self.sizes[third - 1]} rows) and "
            f"{percent(self.kept(effect, large))} in the largest ({self.sizes[-third]} to "
            f"{self.sizes[-1]} rows).{none}"
        )


def shrinkage(analysis: Analysis, factor: str | None = None) -> Shrinkage | None:
    """Compute each group's unpooled effects, given the coefficients, and the partially pooled ones.

    Parameters
    ----------
    analysis : Analysis
    factor : str, optional
        Whose groups, where the model has several grouping factors.

    Returns
    -------
    Shrinkage or None
        None without a posterior of random effects.
    """
    if not analysis.fits:
        return None
    found = effects_of(analysis.fits[0], analysis.prob, factor)
    if not found:
        return None
    design = analysis.fits[0].of_factor(factor).design
    roles = roles_of(design)
    unpooled = unpooled_effects(design, _rest(analysis.fits[0], factor))
    order = np.lexsort((np.nan_to_num(unpooled[:, 0]), design.group_sizes))
    return Shrinkage(
        model=analysis.spec.name,
        outcome=design.outcome_title,
        group=str(design.group),
        labels=design.labels[order],
        sizes=design.group_sizes[order],
        subgroup=None if roles.subgroup is None else roles.subgroup[order],
        subgroup_labels=roles.subgroup_labels,
        effects=tuple(
            ShrunkEffect(name=effect.name, unpooled=unpooled[order, k], partial=effect.mean[order])
            for k, effect in enumerate(found[:2])
        ),
    )


def _rest(fit: Fit, factor: str | None) -> Floats:
    """Return what the coefficients leave of the outcome, and the effects of other factors."""
    left = fit.design.y_less_offset - fit.design.X @ samples(fit.draws, "beta").mean(axis=0)
    for name in fit.design.factors:
        if factor not in (None, name):
            one = fit.of_factor(name)
            left = left - one.design.group_term.sum_effects(samples(one.draws, "u").mean(axis=0))
    return left


def unpooled_effects(design: Design, left: Floats) -> Floats:
    """Regress what else the model leaves (n,) on Z by group: (J, q), nan where not known.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("reaction ~ 1 + (1 | subject)", load_dataset("sleepstudy"))
    >>> unpooled_effects(design, design.y - 298.5)[0].round(2)  # subject 308's mean is 342.13
    array([43.63])
    """
    term, q = design.group_term, design.q
    square, cross = term.products(), term.cross(left)
    sizes = np.sqrt(np.diagonal(square, axis1=1, axis2=2))
    sizes = np.where(sizes > 0, sizes, 1.0)
    scaled = square / (sizes[:, :, None] * sizes[:, None, :])
    known = np.linalg.eigvalsh(scaled)[:, 0] > 1.0 / _CONDITION
    unpooled = np.full((design.J, q), np.nan)
    unpooled[known] = np.linalg.solve(square[known], cross[known][..., None])[..., 0]
    return unpooled


@styled
def plot_group_shrinkage(data: Shrinkage) -> Figure:
    """Draw each group's unpooled effect and its partially pooled one, by number of rows.

    A panel an effect.
    """
    many = len(data.effects)
    figure = new_figure(0.5 + (3.4 if many == 1 else 2.5 * many))
    axes = figure.subplots(many, 1, squeeze=False, sharex=True).ravel()
    for ax, effect in zip(axes, data.effects, strict=True):
        handles = _draw_shrunk(ax, data, effect)
        alone = many == 1 and effect.name == "Intercept"
        name = "" if alone else f"\n({axis_name(effect.name)})"
        ax.set_ylabel(f"effect on {axis_name(data.outcome)}{name}")
    legend_outside(figure, handles, columns=2, loc="outside upper left")
    _size_axis(axes[-1], data, _places(data.sizes))
    return figure


def _draw_shrunk(ax: Axes, data: Shrinkage, effect: ShrunkEffect) -> list[Any]:
    many = data.sizes.size
    x = _places(data.sizes)
    room = _POINTS_WIDE / many
    dot = float(np.clip(1.2 * room, 0.9, 5.0))
    known = np.isfinite(effect.unpooled)
    ax.axhline(0.0, color=INK, lw=0.9, zorder=1)
    ax.vlines(
        x[known],
        effect.unpooled[known],
        effect.partial[known],
        color=GREY,
        lw=float(np.clip(0.25 * room, 0.3, 1.2)),
        zorder=2,
    )
    subgroups = data.subgroup_labels or ("",)
    subgroup = np.zeros(many, dtype=np.int64) if data.subgroup is None else data.subgroup
    handles: list[Any] = []
    for k, (name, style) in enumerate(zip(subgroups, SUBGROUP_STYLES, strict=False)):
        on = subgroup == k
        ax.plot(
            x[on],
            effect.unpooled[on],
            style.marker,
            ms=dot,
            mfc="white",
            mec=style.colour,
            mew=min(0.9, dot / 4),
            zorder=3,
        )
        ax.plot(
            x[on], effect.partial[on], style.marker, ms=dot, color=style.colour, mew=0, zorder=4
        )
        end = f", {axis_name(name)}" if name else ""
        for full, text in ((False, f"unpooled{end}"), (True, f"partial pooling{end}")):
            handles.append(
                legend_key(
                    ls="",
                    marker=style.marker,
                    ms=4.5,
                    mec=style.colour,
                    mfc=style.colour if full else "white",
                    label=text,
                )
            )
    return handles


def _places(sizes: Ints) -> Floats:
    """Return where groups are on the axis: at their numbers of rows, those of one size in a row.

    Groups that are all of one size are at their ranks.

    Examples
    --------
    >>> _places(np.array([3, 5, 5])).round(2), _places(np.array([4, 4]))
    (array([3. , 4.8, 5.2]), array([0., 1.]))
    """
    if sizes[0] == sizes[-1]:
        return np.arange(sizes.size, dtype=np.float64)
    _, first, ties = np.unique(sizes, return_index=True, return_counts=True)
    rank = np.arange(sizes.size) - np.repeat(first, ties)
    return np.asarray(sizes + _TIES * ((rank + 0.5) / np.repeat(ties, ties) - 0.5))


def _size_axis(ax: Axes, data: Shrinkage, x: Floats) -> None:
    """Scale and label the axis of the groups' numbers of rows."""
    sizes, many = data.sizes, data.sizes.size
    groups = count(many, "group")
    if sizes[0] < sizes[-1]:
        if sizes[-1] > _WIDE * sizes[0]:
            on_logs(ax, "x")
            ends = np.log(x[[0, -1]]) + np.array([-0.02, 0.02]) * np.log(x[-1] / x[0])
            ax.set_xlim(*np.exp(ends))
        else:
            room = 0.02 * (x[-1] - x[0])
            ax.set_xlim(x[0] - room, x[-1] + room)
        ax.set_xlabel(f"rows of each {axis_name(data.group)} ({groups}, {_rows(int(sizes.sum()))})")
        return
    ax.set_xlim(-0.02 * many - 0.4, 1.02 * many - 0.6)
    each = _rows(int(sizes[0]))
    if many <= MOST_TICKS:
        name_ticks(ax, range(many), data.labels)
        ax.set_xlabel(f"{axis_name(data.group)} ({groups} of {each})")
        return
    ax.set_xticks([])
    ax.set_xlabel(f"{groups} of {each}, in order of their unpooled estimate")


def _rows(many: int) -> str:
    return count(many, "row")


FIGURE = Entry(
    name="shrinkage",
    title="Shrinkage by partial pooling",
    shows="each group's unpooled estimate and its partially pooled one, by size",
    applies="the model has random effects, and a posterior",
    prepare=shrinkage,
    draw=plot_group_shrinkage,
    additive=True,
    section="groups",
    by_factor=True,
)
