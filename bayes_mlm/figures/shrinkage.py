"""Compute how partial pooling moves each group's own estimate, by the size of the group."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints, count, percent
from bayes_mlm.design import Design
from bayes_mlm.engines import samples
from bayes_mlm.figures.effects import effects_of
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.fitting import Analysis

# A group's own estimate needs columns of Z that are not nearly collinear within it.
_CONDITION = 1e6
_LEAST_THIRD = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class ShrunkEffect:
    """Hold one effect of every group, by itself and partially pooled.

    Parameters
    ----------
    name : str
    own : ndarray, shape (J,)
        From the group's own rows, by least squares, given the coefficients; nan where they do not
        tell it.
    partial : ndarray, shape (J,)
        Posterior mean.
    """

    name: str
    own: Floats
    partial: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Shrinkage:
    """Hold each group's own effects and its partially pooled ones, the smallest group first.

    Parameters
    ----------
    model, outcome, group : str
    labels : ndarray, shape (J,)
    sizes : ndarray of int, shape (J,)
        Rows, in rising order; groups of one size are in order of their own first effect.
    side : ndarray of int, shape (J,), or None
        The side of the split that each is on.
    side_labels : tuple of str
    effects : tuple of ShrunkEffect
        At most two.
    """

    model: str
    outcome: str
    group: str
    labels: np.ndarray
    sizes: Ints
    side: Ints | None
    side_labels: tuple[str, ...]
    effects: tuple[ShrunkEffect, ...]

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"What partial pooling does to each {self.group}'s own estimate ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        told = " ".join(self._told(effect) for effect in self.effects)
        return (
            "Zero is what the coefficients alone expect; the open point is the group's own "
            f"estimate, the full one its posterior mean. {told}"
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"For each {self.group}, in order of its number of rows, a line from its own estimate "
            "to its partially pooled one, which lies nearer zero."
            if all(self.kept(e, slice(None)) < 1.0 for e in self.effects)
            else f"For each {self.group}, in order of its number of rows, a line from its own "
            "estimate to its partially pooled one."
        )

    def kept(self, effect: ShrunkEffect, part: slice) -> float:
        """Give the share of their own departures that some groups keep."""
        own, partial = effect.own[part], effect.partial[part]
        known = np.isfinite(own)
        total = float((own[known] ** 2).sum())
        return float((own[known] * partial[known]).sum() / total) if total > 0 else 0.0

    def _told(self, effect: ShrunkEffect) -> str:
        what = "Groups keep" if len(self.effects) == 1 else f"{effect.name}: groups keep"
        unknown = int(np.count_nonzero(~np.isfinite(effect.own)))
        none = f" {count(unknown, 'group')} cannot tell it alone." if unknown else ""
        third = self.sizes.size // 3
        if self.sizes[0] == self.sizes[-1] or self.sizes.size < _LEAST_THIRD:
            rows = (
                f"{self.sizes[0]}"
                if self.sizes[0] == self.sizes[-1]
                else (f"{self.sizes[0]} to {self.sizes[-1]}")
            )
            return (
                f"{what} {percent(self.kept(effect, slice(None)))} of their own departure "
                f"({rows} rows each).{none}"
            )
        small, large = slice(0, third), slice(-third, None)
        return (
            f"{what} {percent(self.kept(effect, small))} of their own departure in the smallest "
            f"third ({self.sizes[0]} to {self.sizes[third - 1]} rows) and "
            f"{percent(self.kept(effect, large))} in the largest ({self.sizes[-third]} to "
            f"{self.sizes[-1]} rows).{none}"
        )


def shrinkage(analysis: Analysis) -> Shrinkage | None:
    """Compute each group's own effects, given the coefficients, beside the partially pooled ones.

    Returns
    -------
    Shrinkage or None
        None without a posterior of random effects.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    found = effects_of(fit, analysis.prob)
    if not found:
        return None
    design, roles = fit.design, roles_of(fit.design)
    own = own_effects(design, samples(fit.draws, "beta").mean(axis=0))
    order = np.lexsort((np.nan_to_num(own[:, 0]), design.group_sizes))
    return Shrinkage(
        model=analysis.spec.name,
        outcome=design.outcome,
        group=str(design.group),
        labels=design.labels[order],
        sizes=design.group_sizes[order],
        side=None if roles.side is None else roles.side[order],
        side_labels=roles.split_labels,
        effects=tuple(
            ShrunkEffect(name=effect.name, own=own[order, k], partial=effect.mean[order])
            for k, effect in enumerate(found[:2])
        ),
    )


def own_effects(design: Design, beta: Floats) -> Floats:
    """Regress what the coefficients leave on Z within each group: (J, q), nan where not known.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("reaction ~ 1 + (1 | subject)", load_dataset("sleepstudy"))
    >>> own_effects(design, np.array([298.5]))[0].round(2)  # subject 308's mean is 342.13
    array([43.63])
    """
    left = design.y - design.X @ beta
    q = design.q
    square = np.empty((design.J, q, q))
    cross = np.empty((design.J, q))
    for a in range(q):
        cross[:, a] = np.bincount(design.codes, design.Z[:, a] * left, design.J)
        for b in range(a + 1):
            product = design.Z[:, a] * design.Z[:, b]
            square[:, a, b] = square[:, b, a] = np.bincount(design.codes, product, design.J)
    sizes = np.sqrt(np.diagonal(square, axis1=1, axis2=2))
    sizes = np.where(sizes > 0, sizes, 1.0)
    scaled = square / (sizes[:, :, None] * sizes[:, None, :])
    known = np.linalg.eigvalsh(scaled)[:, 0] > 1.0 / _CONDITION
    own = np.full((design.J, q), np.nan)
    own[known] = np.linalg.solve(square[known], cross[known][..., None])[..., 0]
    return own
