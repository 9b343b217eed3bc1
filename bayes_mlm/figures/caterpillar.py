"""Compute the group effects in order, by side of the split, and which of them stand out."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import OUTLYING, normal_quantile
from bayes_mlm.base import Ints, count, number, percent, shorten
from bayes_mlm.figures.effects import GroupEffect, effects_of
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.fitting import Analysis

# Up to so many groups each has its name at the axis; beyond the second number none is named.
MOST_TICKS, MOST_NAMED = 24, 600
_OUTLYING_EACH_END = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Hold the groups of one side, in order of one effect.

    Parameters
    ----------
    name : str
        Such as ``sector = 1``; empty where there is no split.
    order : ndarray of int, shape (J_s,)
        Places among the labels, the lowest effect first.
    """

    name: str
    order: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectPanel:
    """Hold one effect with its groups in order.

    Parameters
    ----------
    effect : GroupEffect
    blocks : tuple of Block
        One, or one a side.
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
    """Hold the effects of all groups.

    Parameters
    ----------
    model, engine, outcome, group : str
    labels : ndarray, shape (J,)
    panels : tuple of EffectPanel
        One an effect, at most three.
    prob : float
        Of the intervals.
    """

    model: str
    engine: str
    outcome: str
    group: str
    labels: np.ndarray
    panels: tuple[EffectPanel, ...]
    prob: float

    @property
    def title(self) -> str:
        """What the figure is of."""
        many = count(self.labels.size, "group")
        return f"Effects of {many} ({self.group}) in order, {self.model}"

    @property
    def caption(self) -> str:
        """What there is to see."""
        return " ".join(self._told(panel) for panel in self.panels)

    @property
    def alt(self) -> str:
        """What is drawn."""
        blocks = [block.name for block in self.panels[0].blocks if block.name]
        by = f", in blocks {' and '.join(blocks)}" if blocks else ""
        return (
            f"Posterior mean and interval of the effect of each {self.group}, sorted{by}; the "
            "farthest ones are named."
        )

    def _told(self, panel: EffectPanel) -> str:
        effect, many = panel.effect, self.labels.size
        above = int(np.count_nonzero(effect.lower > 0))
        below = int(np.count_nonzero(effect.upper < 0))
        what = "" if len(self.panels) == 1 else f"{effect.name}: "
        spread = float(np.median(effect.upper - effect.lower)) / 2
        ends = [int(np.argmin(effect.mean)), int(np.argmax(effect.mean))]
        named = [f"{shorten(self.labels[k])} ({number(effect.mean[k], spread)})" for k in ends]
        out = [shorten(self.labels[k]) for k in panel.outlying]
        if not np.isfinite(effect.standardised).any():
            stand = f"The data say too little of single {self.group}s for any to stand out."
        elif not out:
            stand = "None lies farther out than chance allows among as many normal effects."
        else:
            more = f" and {len(out) - 6} more" if len(out) > 6 else ""
            stand = (
                f"Ringed, for {'it lies' if len(out) == 1 else 'they lie'} farther out than chance "
                f"allows among as many normal effects: {', '.join(out[:6])}{more}."
            )
        return (
            f"{what}{percent(self.prob)} intervals lie wholly above zero for {above:,} and wholly "
            f"below for {below:,} of {many:,}; the effects run from {named[0]} to {named[1]}. "
            f"{stand}"
        )


def caterpillar(analysis: Analysis) -> Caterpillar | None:
    """Put the effects of the groups in order.

    A group is outlying if its standardised effect has a two-sided normal probability below
    0.01 / J. Where there is one effect `check` calls the same ones so; it judges several together.

    Returns
    -------
    Caterpillar or None
        None without a posterior of random effects.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    effects = effects_of(fit, analysis.prob)[:3]
    if not effects:
        return None
    roles, many = roles_of(fit.design), fit.design.J
    side = np.zeros(many, dtype=np.int64) if roles.side is None else roles.side
    limit = float(normal_quantile(np.array([1.0 - 0.5 * OUTLYING / many]))[0])
    panels = []
    for effect in effects:
        order = np.argsort(effect.mean, kind="stable")
        blocks = tuple(
            Block(name=name, order=order[side[order] == k])
            for k, name in enumerate(roles.split_labels or ("",))
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
        outcome=fit.design.outcome,
        group=str(fit.design.group),
        labels=fit.design.labels,
        panels=tuple(panels),
        prob=analysis.prob,
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
