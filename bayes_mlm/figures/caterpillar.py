"""Group effects in order, by subgroup, with those whose intervals exclude zero."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess import OUTLYING, normal_quantile
from bayes_mlm.base import Ints, count, number, percent, shorten, shorten_all
from bayes_mlm.engines import is_drawing
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.effects import GroupEffect, effects_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name, text_width, wrap
from bayes_mlm.figures.parts import axes_inches, name_ticks, ratio_ticks
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.scales import logarithms, on_scale
from bayes_mlm.figures.style import GREY, INK, SUBGROUP_STYLES, Axes, Figure, new_figure, styled
from bayes_mlm.fitting import Analysis

# Up to so many groups each has its name at the axis; beyond the second number none is named.
MOST_TICKS, MOST_NAMED = 24, 600
_OUTLYING_EACH_END = 3
_POINTS_WIDE, _GAP = 380.0, 0.04
# Beyond so many groups in a panel intervals are a band.
_MOST_LINES = 600
# Points of the names of subgroups; inches of axes in which long names of groups have room.
_NAMES, _ROOMY = 9.0, 4.0
# Part of a panel's width that a name may take.
_NAME_WIDE = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Groups of one subgroup, in order of one effect.

    Parameters
    ----------
    name : str
        Such as ``sector = 1``; empty without a binary group-level predictor.
    order : ndarray of int, shape (J_s,)
        Places among the labels, the lowest effect first.
    """

    name: str
    order: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectPanel:
    """One effect with its groups in order.

    Parameters
    ----------
    effect : GroupEffect
    blocks : tuple of Block
        One, or one a subgroup.
    outlying : ndarray of int
        Places of the groups that lie farther out than chance allows among as many.
    named : ndarray of int
        Places of the groups to name in the figure: those farthest out at either end of a block.
    """

    effect: GroupEffect
    blocks: tuple[Block, ...]
    outlying: Ints
    named: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Caterpillar:
    """Effects of all groups.

    Parameters
    ----------
    model, engine, what, group : str
        What the effects are: "effect on y", "odds ratio to an effect of 0", "share of y".
    labels : ndarray, shape (J,)
    panels : tuple of EffectPanel
        One an effect, at most three.
    prob : float
        Of the intervals.
    zero : float
        Where an effect of zero is: at 1 of ratios.
    scale : {"link", "ratio", "response"}
    """

    model: str
    engine: str
    what: str
    group: str
    labels: np.ndarray
    panels: tuple[EffectPanel, ...]
    prob: float
    zero: float
    scale: str

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        many = count(self.labels.size, "group")
        blocks = [block.name for block in self.panels[0].blocks if block.name]
        by = f", in blocks {' and '.join(blocks)}" if blocks else ""
        return Text(
            title=f"Effects of {many} ({self.group}) in order, {self.model}",
            caption=" ".join(self._describe(panel) for panel in self.panels),
            alt=f"{self.point.capitalize()} and interval of the effect of each {self.group}, "
            f"sorted{by}; the farthest ones are named.",
        )

    @property
    def point(self) -> str:
        """What the points are."""
        return "posterior mean" if is_drawing(self.engine) else "prediction"

    @property
    def _place(self) -> str:
        if self.scale == "response":
            return f"that of a group with an effect of 0 ({number(self.zero, self.zero / 20)})"
        return "zero" if self.scale == "link" else "1"

    @property
    def _noun(self) -> str:
        return {"link": "effects", "ratio": "ratios"}.get(self.scale, f"{self.what.split()[0]}s")

    def _describe(self, panel: EffectPanel) -> str:
        effect, many = panel.effect, self.labels.size
        above = int(np.count_nonzero(effect.lower > self.zero))
        below = int(np.count_nonzero(effect.upper < self.zero))
        what = "" if len(self.panels) == 1 else f"{effect.name}: "
        spread = float(np.median(effect.upper - effect.lower)) / 2
        ends = [int(np.argmin(effect.mean)), int(np.argmax(effect.mean))]
        named = [f"{shorten(self.labels[k])} ({number(effect.mean[k], spread)})" for k in ends]
        out = [shorten(self.labels[k]) for k in panel.outlying]
        if not np.isfinite(effect.standardised).any():
            outlying = f"The data on single {self.group}s are too few for any to be outlying."
        elif not out:
            outlying = "None lies farther out than chance allows among as many normal effects."
        else:
            more = f" and {len(out) - 6} more" if len(out) > 6 else ""
            outlying = (
                f"Ringed, for {'it lies' if len(out) == 1 else 'they lie'} farther out than chance "
                f"allows among as many normal effects: {', '.join(out[:6])}{more}."
            )
        return (
            f"{what}{percent(self.prob)} intervals lie wholly above {self._place} for {above:,} "
            f"and wholly below for {below:,} of {many:,}; the {self._noun} run from {named[0]} to "
            f"{named[1]}. {outlying}"
        )


def caterpillar(
    analysis: Analysis, factor: str | None = None, scale: str = "link"
) -> Caterpillar | None:
    """Order the effects of the groups.

    A group is outlying if its standardised effect has a two-sided normal probability below
    0.01 / J. Where there is one effect `check` calls the same ones so; it judges several together.

    Parameters
    ----------
    analysis : Analysis
    factor : str, optional
        Whose groups, where the model has several grouping factors.
    scale : {"link", "ratio", "response"}
        As `on_scale`.

    Returns
    -------
    Caterpillar or None
        None without random effects.
    """
    result = next(iter(analysis.results), None)
    effects = () if result is None else effects_of(result, analysis.prob, factor)[:3]
    if result is None or not effects:
        return None
    fit = result.of_factor(factor)
    effects, what, zero = on_scale(effects, fit, scale)
    roles, many = roles_of(fit.design), fit.design.J
    subgroup = np.zeros(many, dtype=np.int64) if roles.subgroup is None else roles.subgroup
    limit = float(normal_quantile(np.array([1.0 - 0.5 * OUTLYING / many]))[0])
    panels = []
    for effect in effects:
        order = np.argsort(effect.mean, kind="stable")
        blocks = tuple(
            Block(name=name, order=order[subgroup[order] == k])
            for k, name in enumerate(roles.subgroup_labels or ("",))
        )
        far = np.nan_to_num(np.abs(effect.standardised)) > limit
        panels.append(
            EffectPanel(
                effect=effect,
                blocks=blocks,
                outlying=order[far[order]],
                named=_named(blocks, far, many),
            )
        )
    return Caterpillar(
        model=analysis.spec.name,
        engine=fit.engine,
        what=what,
        group=str(fit.design.group),
        labels=fit.design.labels,
        panels=tuple(panels),
        prob=analysis.prob,
        zero=zero,
        scale=scale,
    )


def _named(blocks: tuple[Block, ...], far: np.ndarray, many: int) -> Ints:
    """Choose whom to name: the outlying, and the first and last of each block."""
    if many <= MOST_TICKS or many > MOST_NAMED:
        return np.zeros(0, dtype=np.int64)
    chosen: list[int] = []
    for block in blocks:
        low = block.order[:_OUTLYING_EACH_END]
        high = block.order[::-1][:_OUTLYING_EACH_END]
        for end in (low, high):
            chosen += [int(k) for place, k in enumerate(end) if place == 0 or far[k]]
    return np.array(list(dict.fromkeys(chosen)), dtype=np.int64)


@styled
def plot_caterpillar(data: Caterpillar) -> Figure:
    """Draw the effect of every group with its interval, the lowest first.

    A panel an effect; in it a block a subgroup. Ratios are on a logarithmic axis.
    """
    if data.scale == "ratio":
        logs = tuple(replace(one, effect=logarithms(one.effect)) for one in data.panels)
        data = replace(data, panels=logs, zero=0.0)
    many = len(data.panels)
    ticks = data.labels.size <= MOST_TICKS
    figure = new_figure(0.5 + (3.3 if many == 1 else 2.55 * many) + (0.3 if ticks else 0.0))
    axes = figure.subplots(many, 1, squeeze=False).ravel()
    for ax, panel in zip(axes, data.panels, strict=True):
        what = axis_name(data.what)
        alone = many == 1 and panel.effect.name == "Intercept"
        of = "" if alone else f"\n({axis_name(panel.effect.name)})"
        ax.set_ylabel(f"{what}{of}")
        starts = _draw_effect(ax, data, panel)
        _name_groups(ax, data, panel, starts)
        _name_blocks(ax, panel, starts)
        if data.scale == "ratio":
            ratio_ticks(ax.yaxis)
    axes[-1].set_xlabel(
        f"{axis_name(data.group)}, in order of its effect ({count(data.labels.size, 'group')}; "
        f"{data.point}, {percent(data.prob)} interval)"
    )
    return figure


def _draw_effect(ax: Axes, data: Caterpillar, panel: EffectPanel) -> list[float]:
    """Draw the blocks of one panel from left to right; return where each begins."""
    effect, many = panel.effect, data.labels.size
    room = _POINTS_WIDE / many
    line, dot = float(np.clip(0.3 * room, 0.4, 1.6)), float(np.clip(1.1 * room, 1.0, 4.5))
    gap = max(1.0, _GAP * many)
    starts, at = [], 0.0
    out = np.zeros(many, dtype=bool)
    out[panel.outlying] = True
    for block, style in zip(panel.blocks, SUBGROUP_STYLES, strict=False):
        order, x = block.order, at + np.arange(block.order.size)
        if order.size > _MOST_LINES:
            ax.fill_between(
                x, effect.lower[order], effect.upper[order], color=style.colour, alpha=0.3, lw=0
            )
            ax.plot(x, effect.mean[order], color=style.colour, lw=1.3)
        else:
            ax.vlines(
                x, effect.lower[order], effect.upper[order], color=style.colour, lw=line, alpha=0.75
            )
            ax.plot(x, effect.mean[order], style.marker, color=style.colour, ms=dot, mew=0)
        far = out[order]
        ax.plot(
            x[far],
            effect.mean[order][far],
            style.marker,
            ms=max(dot + 2.0, 4.0),
            mec="black",
            mfc="none",
            mew=0.8,
        )
        starts.append(at)
        at += order.size + gap
    ax.axhline(data.zero, color=INK, lw=0.8, zorder=0)
    ax.set_xlim(-max(0.6, 0.01 * many), at - gap - 1 + max(0.6, 0.01 * many))
    return starts


def _name_blocks(ax: Axes, panel: EffectPanel, starts: list[float]) -> None:
    """Name several blocks, above all that is drawn."""
    if len(panel.blocks) < 2:
        return
    wide, tall = axes_inches(ax)
    many = sum(block.order.size for block in panel.blocks)
    names = [f"{shorten(one.name, 30)} ({count(one.order.size, 'group')})" for one in panel.blocks]
    rooms = [0.85 * wide * one.order.size / many for one in panel.blocks]
    if any(text_width(name, _NAMES) > room for name, room in zip(names, rooms, strict=True)):
        most = 60 if wide > _ROOMY else 30
        names = [
            wrap(f"{shorten(one.name, most)}\n({count(one.order.size, 'group')})", room, _NAMES)
            for one, room in zip(panel.blocks, rooms, strict=True)
        ]
    low, high = ax.get_ylim()
    part = 1.3 * (1 + max(name.count("\n") for name in names)) * _NAMES / 72.0 / tall
    ax.set_ylim(low, high + part / max(1.0 - part, 0.2) * (high - low))
    for name, start, style in zip(names, starts, SUBGROUP_STYLES, strict=False):
        ax.text(
            start,
            0.995,
            name,
            transform=ax.get_xaxis_transform(),
            fontsize=_NAMES,
            color=style.colour,
            va="top",
        )


def _name_groups(ax: Axes, data: Caterpillar, panel: EffectPanel, starts: list[float]) -> None:
    """Label every group at the axis where there are few; else the extremes, next to the points."""
    place = {
        int(group): start + rank
        for block, start in zip(panel.blocks, starts, strict=True)
        for rank, group in enumerate(block.order)
    }
    if data.labels.size <= MOST_TICKS:
        name_ticks(ax, list(place.values()), (data.labels[k] for k in place))
        ax.tick_params(axis="x", length=0)
        return
    ax.set_xticks([])
    for sign in (-1, 1):
        _name_ends(ax, data, panel, place, sign)


def _name_ends(
    ax: Axes, data: Caterpillar, panel: EffectPanel, place: dict[int, float], sign: int
) -> None:
    """Label the lowest (sign -1) or the highest groups, clear of all intervals.

    Effects rise from left to right, so there is room below to the right of the lowest, and above
    to the left of the highest.
    """
    effect = panel.effect
    at = np.array([place[k] for k in range(data.labels.size)])
    ends = effect.lower if sign < 0 else effect.upper
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    line, margin, wide = 0.062 * (high - low), 0.02 * (high - low), _NAME_WIDE * (right - left)
    taken: list[tuple[float, float, float]] = []
    chosen = panel.named.tolist()
    most = 22 if axes_inches(ax)[0] > _ROOMY else 10
    names = dict(zip(chosen, shorten_all((data.labels[k] for k in chosen), most), strict=True))
    for block in panel.blocks:
        rank = {int(k): r for r, k in enumerate(block.order)}
        members = [k for k in panel.named.tolist() if k in rank]
        members = [k for k in members if (2 * rank[k] < block.order.size) is (sign < 0)]
        if not members:
            continue
        # From the far end inwards; the farthest is named farthest out.
        members.sort(key=lambda k: sign * rank[k], reverse=True)
        x = place[members[-1]] - sign * 0.03 * (right - left)
        start = x if sign < 0 else x - wide
        start = float(np.clip(start, left, right - wide))
        over = (at >= start) & (at <= start + wide)
        edge = sign * (float(np.max(sign * ends[over])) if over.any() else sign * data.zero)
        near = [y for first, last, y in taken if first < start + wide and start < last]
        edge = sign * max([sign * edge, *(sign * y for y in near)]) + sign * margin
        for j, k in enumerate(reversed(members)):
            y = edge + sign * line * (j + 0.5)
            ax.annotate(
                names[k],
                (place[k], float(effect.mean[k])),
                (start if sign < 0 else start + wide, y),
                ha="left" if sign < 0 else "right",
                va="center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": GREY, "shrinkB": 2.0},
            )
        last = edge + sign * line * len(members)
        taken.append((start, start + wide, last))
        low, high = min(low, last), max(high, last)
    ax.set_ylim(low, high)


FIGURE = Entry(
    name="caterpillar",
    title="Group effects in order",
    shows="every group's effect with its interval, by subgroup, the outlying ones named",
    applies="the model has random effects",
    prepare=caterpillar,
    draw=plot_caterpillar,
    section="groups",
    by_factor=True,
    by_scale=True,
)
