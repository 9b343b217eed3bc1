"""Draw the effects of the groups: in order, and as partial pooling moves them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import count, percent, shorten, shorten_all
from bayes_mlm.figures.caterpillar import MOST_TICKS, Caterpillar, EffectPanel
from bayes_mlm.figures.drawing.parts import legend_above
from bayes_mlm.figures.drawing.style import GREY, INK, SIDES, new_figure, styled
from bayes_mlm.figures.shrinkage import Shrinkage, ShrunkEffect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS_WIDE, _GAP = 380.0, 0.04
# Beyond so many groups in a panel intervals are a band.
_MOST_LINES = 600
_MOST_LEVEL = 90
# Part of a panel's width that a name may take.
_NAME_WIDE = 0.3


@styled
def plot_caterpillar(picture: Caterpillar) -> "Figure":
    """Draw the effect of every group with its interval, the lowest first.

    Parameters
    ----------
    picture : Caterpillar

    Returns
    -------
    matplotlib.figure.Figure
        A panel an effect; in it a block a side.
    """
    many = len(picture.panels)
    ticks = picture.labels.size <= MOST_TICKS
    figure = new_figure(0.5 + (3.3 if many == 1 else 2.55 * many) + (0.3 if ticks else 0.0))
    axes = figure.subplots(many, 1, squeeze=False).ravel()
    for ax, panel in zip(axes, picture.panels, strict=True):
        starts = _draw_effect(ax, picture, panel)
        _name_groups(ax, picture, panel, starts)
        what = f"effect on {shorten(picture.outcome, 28)}"
        alone = many == 1 and panel.effect.name == "Intercept"
        of = "" if alone else f"\n({shorten(panel.effect.name, 28)})"
        ax.set_ylabel(f"{what}{of}")
    axes[-1].set_xlabel(
        f"{shorten(picture.group)}, in order of its effect ({count(picture.labels.size, 'group')}; "
        f"posterior mean, {percent(picture.prob)} interval)"
    )
    return figure


def _draw_effect(ax: "Axes", picture: Caterpillar, panel: EffectPanel) -> list[float]:
    """Draw the blocks of one panel side by side; give where each starts."""
    effect, many = panel.effect, picture.labels.size
    room = _POINTS_WIDE / many
    line, dot = float(np.clip(0.3 * room, 0.4, 1.6)), float(np.clip(1.1 * room, 1.0, 4.5))
    gap = max(1.0, _GAP * many)
    starts, at = [], 0.0
    out = np.zeros(many, dtype=bool)
    out[panel.outlying] = True
    for block, style in zip(panel.blocks, SIDES, strict=False):
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
    ax.axhline(0.0, color=INK, lw=0.8, zorder=0)
    ax.set_xlim(-max(0.6, 0.01 * many), at - gap - 1 + max(0.6, 0.01 * many))
    low, high = ax.get_ylim()
    if len(panel.blocks) > 1:
        high += 0.1 * (high - low)
        for block, start, style in zip(panel.blocks, starts, SIDES, strict=False):
            ax.text(
                start,
                high,
                f"{shorten(block.name, 30)} ({count(block.order.size, 'group')})",
                color=style.colour,
                va="top",
            )
        ax.set_ylim(low, high)
    return starts


def _name_groups(ax: "Axes", picture: Caterpillar, panel: EffectPanel, starts: list[float]) -> None:
    """Name every group at the axis where there are few; else those far out, beside the points."""
    place = {
        int(group): start + rank
        for block, start in zip(panel.blocks, starts, strict=True)
        for rank, group in enumerate(block.order)
    }
    if picture.labels.size <= MOST_TICKS:
        names = shorten_all((picture.labels[k] for k in place), 18)
        level = sum(len(name) + 2 for name in names) <= _MOST_LEVEL
        ax.set_xticks(list(place.values()), names, rotation=0 if level else 90)
        ax.tick_params(axis="x", length=0)
        return
    ax.set_xticks([])
    for sign in (-1, 1):
        _name_ends(ax, picture, panel, place, sign)


def _name_ends(
    ax: "Axes", picture: Caterpillar, panel: EffectPanel, place: dict[int, float], sign: int
) -> None:
    """Name the lowest (sign -1) or the highest groups, clear of all intervals.

    Effects rise from left to right, so there is room below to the right of the lowest, and above
    to the left of the highest.
    """
    effect = panel.effect
    at = np.array([place[k] for k in range(picture.labels.size)])
    ends = effect.lower if sign < 0 else effect.upper
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    line, margin, wide = 0.062 * (high - low), 0.02 * (high - low), _NAME_WIDE * (right - left)
    taken: list[tuple[float, float, float]] = []
    chosen = panel.named.tolist()
    names = dict(zip(chosen, shorten_all((picture.labels[k] for k in chosen), 22), strict=True))
    for block in panel.blocks:
        rank = {int(k): r for r, k in enumerate(block.order)}
        own = [k for k in panel.named.tolist() if k in rank]
        own = [k for k in own if (2 * rank[k] < block.order.size) is (sign < 0)]
        if not own:
            continue
        # From the far end inwards; the farthest is named farthest out.
        own.sort(key=lambda k: sign * rank[k], reverse=True)
        x = place[own[-1]] - sign * 0.03 * (right - left)
        start = x if sign < 0 else x - wide
        start = float(np.clip(start, left, right - wide))
        over = (at >= start) & (at <= start + wide)
        edge = sign * (float(np.max(sign * ends[over])) if over.any() else 0.0)
        beside = [y for first, last, y in taken if first < start + wide and start < last]
        edge = sign * max([sign * edge, *(sign * y for y in beside)]) + sign * margin
        for j, k in enumerate(reversed(own)):
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
        last = edge + sign * line * len(own)
        taken.append((start, start + wide, last))
        low, high = min(low, last), max(high, last)
    ax.set_ylim(low, high)


@styled
def plot_group_shrinkage(picture: Shrinkage) -> "Figure":
    """Draw each group's own effect and its partially pooled one, the smallest group first.

    Parameters
    ----------
    picture : Shrinkage

    Returns
    -------
    matplotlib.figure.Figure
        A panel an effect.
    """
    many = len(picture.effects)
    figure = new_figure(0.5 + (3.4 if many == 1 else 2.5 * many))
    axes = figure.subplots(many, 1, squeeze=False, sharex=True).ravel()
    for ax, effect in zip(axes, picture.effects, strict=True):
        handles = _draw_shrunk(ax, picture, effect)
        alone = many == 1 and effect.name == "Intercept"
        name = "" if alone else f"\n({shorten(effect.name, 28)})"
        ax.set_ylabel(f"effect on {shorten(picture.outcome, 28)}{name}")
        if ax is axes[0]:
            legend_above(ax, handles, columns=2 if len(handles) > 3 else 3)
    _size_ticks(axes[-1], picture)
    return figure


def _draw_shrunk(ax: "Axes", picture: Shrinkage, effect: ShrunkEffect) -> list[Any]:
    from matplotlib.lines import Line2D

    many = picture.sizes.size
    x = np.arange(many)
    room = _POINTS_WIDE / many
    dot = float(np.clip(1.2 * room, 0.9, 5.0))
    known = np.isfinite(effect.own)
    ax.axhline(0.0, color=INK, lw=0.9, zorder=1)
    ax.vlines(
        x[known],
        effect.own[known],
        effect.partial[known],
        color=GREY,
        lw=float(np.clip(0.25 * room, 0.3, 1.2)),
        zorder=2,
    )
    sides = picture.side_labels or ("",)
    side = np.zeros(many, dtype=np.int64) if picture.side is None else picture.side
    handles: list[Any] = []
    for k, (name, style) in enumerate(zip(sides, SIDES, strict=False)):
        on = side == k
        ax.plot(
            x[on],
            effect.own[on],
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
        end = f", {shorten(name)}" if name else ""
        for full, text in ((False, f"own estimate{end}"), (True, f"partial pooling{end}")):
            handles.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker=style.marker,
                    ms=4.5,
                    mec=style.colour,
                    mfc=style.colour if full else "white",
                    label=text,
                )
            )
    return handles


def _size_ticks(ax: "Axes", picture: Shrinkage) -> None:
    """Mark where groups of some sizes stand, in a row ordered by size."""
    sizes, many = picture.sizes, picture.sizes.size
    places = np.unique(np.linspace(0, many - 1, min(many, 7)).round().astype(int))
    ax.set_xlim(-0.02 * many - 0.4, 1.02 * many - 0.6)
    if many <= MOST_TICKS and sizes[0] == sizes[-1]:
        names = shorten_all(picture.labels, 18)
        level = sum(len(name) + 2 for name in names) <= _MOST_LEVEL
        ax.set_xticks(range(many), names, rotation=0 if level else 90)
        each = count(int(sizes[0]), "row")
        ax.set_xlabel(f"{shorten(picture.group)} ({count(many, 'group')} of {each})")
        return
    if sizes[0] == sizes[-1]:
        each = count(int(sizes[0]), "row")
        ax.set_xticks([])
        ax.set_xlabel(f"{count(many, 'group')} of {each}, in order of their own estimate")
        return
    ax.set_xticks(places, [f"{sizes[k]:,}" for k in places])
    ax.set_xlabel(
        f"rows of the group, the smallest first ({count(many, 'group')}, "
        f"{count(int(sizes.sum()), 'row')})"
    )
