"""Coordinates of a model in which the quantity that is held in a profile is the first one.

Relative factors are ``Lambda_f = W_f L_f`` with L_f lower triangular. The first column of the
orthogonal W_f lies along the effect in question, so that its sd is ``sigma_e |L_00|`` up to a
constant, whatever columns the sufficient statistics were centred and scaled to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.reml.several.deviance import profiled
from bayes_mlm.likelihood import Method, Plan, evaluate

# Of points (N, d) the relative factors (N, k), and logs of the residual variance (N,); None where
# it is profiled out.
type Expand = Callable[[Floats], tuple[Floats, Floats | None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Coordinates:
    """Coordinates of which the first is the quantity, as a function of the quantity and the rest.

    Attributes
    ----------
    plan : Plan
    method : {"REML", "ML"}
    expand : callable
    start : ndarray, shape (d,)
        The estimate.
    signs : ndarray of bool, shape (d,)
        Which of them change sign where correlations do.
    sizes : ndarray of bool, shape (d,)
        Which of them are diagonal elements of a relative factor, which may stick at zero.
    """

    plan: Plan
    method: Method
    expand: Expand
    start: Floats
    signs: Flags
    sizes: Flags

    def deviances(self, points: Floats) -> Floats:
        """Return minus twice the log-likelihood (N,) at points (N, d); infinite where it fails."""
        lam, log_s2 = self.expand(points)
        return profiled(self.plan, self.method, *evaluate(self.plan, lam), log_s2)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """Lower-triangular factors L, ``Lambda = W L``, by their free entries."""

    plan: Plan
    bases: tuple[Floats, ...]
    places: tuple[tuple[int, int, int], ...]
    flat: Ints
    start: Floats

    @property
    def sizes(self) -> Flags:
        return np.array([a == b for _, a, b in self.places])

    def place(self, f: int, a: int, b: int) -> int:
        return self.places.index((f, a, b))

    def lam(self, entries: Floats) -> Floats:
        """Return the relative factors (N, k) of entries (N, d)."""
        ends = self.plan.arrays.lam_start
        found = np.zeros((len(entries), int(ends[-1])))
        found[:, self.flat] = entries
        for f, basis in enumerate(self.bases):
            if len(basis) > 1:
                part = found[:, ends[f] : ends[f + 1]].reshape(-1, *basis.shape)
                found[:, ends[f] : ends[f + 1]] = (basis @ part).reshape(len(entries), -1)
        return found


def _layout(plan: Plan, lam: Sequence[Floats], first: Sequence[tuple[int, int]]) -> _Layout:
    """Return the layout with some effects (factor, effect) first in their factors."""
    bases, places, flat, start = [], [], [], []
    for f, (one, root) in enumerate(zip(plan.products.factors, lam, strict=True)):
        chosen = [k for g, k in first if g == f]
        others = [k for k in range(one.q) if k not in chosen]
        rows = np.vstack([one.transform[chosen], np.eye(one.q)[others]])
        # Of independent effects the transformation is diagonal, and this a permutation.
        basis = np.linalg.qr(rows.T)[0] if one.q > 1 else np.eye(1)
        link = one.free | one.free.T
        order = [*chosen, *others]
        L = lower(basis.T @ root)
        bases.append(basis)
        for b in range(one.q):
            for a in range(b, one.q):
                if link[order[a], order[b]]:
                    places.append((f, a, b))
                    flat.append(int(plan.arrays.lam_start[f]) + a * one.q + b)
                    start.append(float(L[a, b]))
    return _Layout(
        plan=plan,
        bases=tuple(bases),
        places=tuple(places),
        flat=np.array(flat, dtype=np.int64),
        start=np.array(start),
    )


def lower(root: Floats) -> Floats:
    """Return the lower triangular factor, of non-negative diagonal, with the same product."""
    if len(root) == 1:
        return np.abs(root)
    R = np.linalg.qr(root.T, mode="r")
    signs = np.where(np.diagonal(R) < 0.0, -1.0, 1.0)
    return np.asarray(R.T * signs)


def hold_sigma(plan: Plan, lam: Sequence[Floats], log_s2: float, method: Method) -> Coordinates:
    """Return coordinates whose first is the log of the residual variance."""
    layout = _layout(plan, lam, ())
    return Coordinates(
        plan=plan,
        method=method,
        expand=lambda points: (layout.lam(points[:, 1:]), points[:, 0]),
        start=np.append(log_s2, layout.start),
        signs=np.append(False, ~layout.sizes),
        sizes=np.append(False, layout.sizes),
    )


def hold_sd(
    plan: Plan, lam: Sequence[Floats], log_s2: float, method: Method, f: int, k: int
) -> Coordinates:
    """Return coordinates whose first is an effect's sd; the log residual variance comes last."""
    layout = _layout(plan, lam, ((f, k),))
    unit = float(np.linalg.norm(plan.products.factors[f].transform[k]))
    at = layout.place(f, 0, 0)
    rest = np.delete(np.arange(len(layout.places)), at)

    def expand(points: Floats) -> tuple[Floats, Floats]:
        entries = np.empty((len(points), len(layout.places)))
        entries[:, rest] = points[:, 1:-1]
        with np.errstate(over="ignore"):  # far from the optimum, where the deviance is infinite
            entries[:, at] = points[:, 0] / unit * np.exp(-0.5 * points[:, -1])
        return layout.lam(entries), points[:, -1]

    sd = layout.start[at] * unit * np.exp(0.5 * log_s2)
    return Coordinates(
        plan=plan,
        method=method,
        expand=expand,
        start=np.concatenate([[sd], layout.start[rest], [log_s2]]),
        signs=np.concatenate([[False], ~layout.sizes[rest], [False]]),
        sizes=np.concatenate([[False], layout.sizes[rest], [False]]),
    )


def hold_correlation(
    plan: Plan, lam: Sequence[Floats], method: Method, f: int, pair: tuple[int, int]
) -> Coordinates:
    """Return coordinates whose first is the arc sine of the correlation of two effects.

    With the row of the second effect ``t (sin, cos)`` of it, an end at a correlation of one is an
    ordinary point. Both sds are squares of coordinates: that they are not negative, which would
    turn the correlation round, leaves the deviance smooth.
    """
    layout = _layout(plan, lam, ((f, pair[0]), (f, pair[1])))
    unit = plan.products.factors[f].transform[list(pair)] @ layout.bases[f][:, :2]
    one, cross, two = float(unit[0, 0]), float(unit[1, 0]), float(unit[1, 1])
    places = [layout.place(f, *entry) for entry in ((0, 0), (1, 0), (1, 1))]
    rest = np.delete(np.arange(len(layout.places)), places[1:])

    def expand(points: Floats) -> tuple[Floats, None]:
        entries = np.empty((len(points), len(layout.places)))
        entries[:, rest] = points[:, 1:-1]
        t = np.square(points[:, -1])
        entries[:, places[0]] **= 2
        first = entries[:, places[0]]
        along = np.sign(one) * t * np.sin(points[:, 0])
        entries[:, places[1]] = (along - cross * first) / two
        entries[:, places[2]] = t * np.cos(points[:, 0]) / two
        return layout.lam(entries), None

    L = layout.start[places]
    along, across = np.sign(one) * (cross * L[0] + two * L[1]), abs(two) * L[2]
    start = layout.start.copy()
    start[places[0]] = np.sqrt(L[0])
    return Coordinates(
        plan=plan,
        method=method,
        expand=expand,
        start=np.concatenate(
            [[np.arctan2(along, across)], start[rest], [np.sqrt(np.hypot(along, across))]]
        ),
        signs=np.concatenate([[False], ~layout.sizes[rest], [False]]),
        sizes=np.concatenate([[False], layout.sizes[rest], [True]]),
    )


def hold_share(plan: Plan, lam: Sequence[Floats], method: Method, f: int) -> Coordinates:
    """Return coordinates whose first is the arc sine of the root of a factor's share.

    Every effect is an intercept.
    """
    layout = _layout(plan, lam, ())
    units = np.array([float(one.transform[0, 0]) for one in plan.products.factors])
    rest = np.delete(np.arange(len(units)), f)

    def expand(points: Floats) -> tuple[Floats, None]:
        entries = np.empty((len(points), len(units)))
        entries[:, rest] = points[:, 1:]
        others = 1.0 + np.square(points[:, 1:] * units[rest]).sum(axis=1)
        entries[:, f] = np.tan(points[:, 0]) * np.sqrt(others) / units[f]
        return layout.lam(entries), None

    ratio = np.square(layout.start * units)
    angle = np.arctan(np.sqrt(ratio[f] / (1.0 + ratio[rest].sum())))
    return Coordinates(
        plan=plan,
        method=method,
        expand=expand,
        start=np.append(angle, layout.start[rest]),
        signs=np.zeros(len(units), dtype=bool),
        sizes=np.append(False, np.ones(len(rest), dtype=bool)),
    )
