"""Search the residual structure of a REML fit: ratios of residual sds, and their AR(1) correlation.

Given those, whitened rows (`bayes_mlm.model.residual.whiten`) are an ordinary model, whose optimum
`bayes_mlm.engines.reml.search` finds for certain; what is searched here is how high that optimum
lies.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.reml.climb import ascent, climb
from bayes_mlm.engines.reml.factor import make_factor
from bayes_mlm.engines.reml.search import Optimum, Start, maximise
from bayes_mlm.likelihood import Method, Whitened, check_bounded
from bayes_mlm.model import ResidualRows, log_spread
from bayes_mlm.moments import RotatedMoments

# Of the coordinates; the error of a central difference is its square times the third derivative.
STEP = 1e-3
# Longest step of a coordinate, and how far the logs of the sds may be from equality.
LONGEST_STEP, _WIDEST = 1.5, 20.0
# Next to 1 as far as differences of rows can resolve; by log odds, a rho_e of 0 to all intents.
_NEXT_TO_ONE, _NOTHING = 1e-9, -700.0
# A log-likelihood within this of that at an edge counts as the same.
_SAME = 1e-6
# Correlations that the search starts from, as many as may have a maximum each.
_STARTS = (-0.8, -0.5, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97)


@dataclass(frozen=True, kw_only=True, eq=False)
class Structured:
    """The best residual structure and the optimum there.

    Attributes
    ----------
    sds : (n_sds,) array
        Relative residual sds, the first one 1.
    rho : float
        Correlation of residuals one step apart; 0 without AR(1).
    reduced : RotatedMoments
        Of the rows whitened so.
    optimum : Optimum
        Of the rows whitened so.
    loglik : float
        Of the outcome as given.
    decrement : float
        Log-likelihood that a Newton step in the structure would gain.
    starts : tuple of Start
        Of the search over structures.
    free_rho : bool
        Whether `rho` is inside of its range: False where it is 0 because it may not be less.
    """

    sds: Floats
    rho: float
    reduced: RotatedMoments
    optimum: Optimum
    loglik: float
    decrement: float
    starts: tuple[Start, ...]
    free_rho: bool


def maximise_structure(data: Whitened, method: Method) -> Structured:
    """Maximise the likelihood over residual structures, climbing from every peak of a scan.

    Parameters
    ----------
    data : Whitened
    method : {"REML", "ML"}

    Returns
    -------
    Structured

    Raises
    ------
    EngineError
        If the likelihood rises all the way to a correlation of 1 or -1, or to an sd of 0.
    """
    rows, correlated = data.rows, data.design.group_term.correlated
    n_ratios = rows.n_sds - 1

    @cache
    def fit_at(x: tuple[float, ...]) -> tuple[float, RotatedMoments, Optimum]:
        sds, rho = structure_at(rows, np.array(x))
        reduced = data.reduced(sds, rho)
        optimum = maximise(reduced, make_factor(reduced, correlated=correlated), method)
        return optimum.loglik - log_spread(rows, sds, rho), reduced, optimum

    def anywhere(points: Floats) -> Floats:
        return np.array([fit_at(tuple(point.tolist()))[0] for point in points])

    def value(points: Floats) -> Floats:
        found = np.full(len(points), -np.inf)
        inside = _inside(rows, points)
        found[inside] = anywhere(points[inside])
        return found

    def slopes(x: Floats) -> tuple[Floats, Floats]:
        return differences(anywhere, x)

    first = _first_ratios(data)
    # No whitened column is constant in a group, so that tiny residuals are lost to rounding.
    check_bounded(data.reduced(np.exp(np.append(0.0, first)), 0.0 if rows.spec.ar is None else 0.4))
    if rows.spec.ar is None:
        starts = first[None]
    else:
        places = np.array([correlation_place(rows, rho) for rho in _STARTS if rho > rows.least_rho])
        starts = np.column_stack([np.tile(first, (places.size, 1)), places])
        height = np.concatenate([[-np.inf], value(starts), [-np.inf]])
        peaks = (height[1:-1] >= height[:-2]) & (height[1:-1] > height[2:])
        starts = starts[peaks]
    if starts.shape[1] == 0:  # nothing to search: residuals that are plain but for their family
        found, best, decrement, free_rho = [], starts[0], 0.0, True
    else:
        found = [climb(value, slopes, start, LONGEST_STEP) for start in starts]
        best, _ = max(found, key=lambda one: one[1])
        best, free_rho = _off_edges(rows, best, value)
        gradient, hessian = slopes(best)
        free = slice(None if free_rho else best.size - 1)
        gradient, hessian = gradient[free], hessian[free, free]
        decrement = 0.5 * float(gradient @ ascent(gradient, hessian)) if gradient.size else 0.0
    loglik, reduced, optimum = fit_at(tuple(best.tolist()))
    sds, rho = structure_at(rows, best)
    return Structured(
        sds=sds,
        rho=rho if best.size > n_ratios else 0.0,
        reduced=reduced,
        optimum=optimum,
        loglik=loglik,
        decrement=decrement,
        starts=tuple(
            Start(theta=tuple(start.tolist()), loglik=reached)
            for start, (_, reached) in zip(starts, found, strict=False)
        ),
        free_rho=free_rho,
    )


def correlation_edges(rows: ResidualRows) -> tuple[float, float]:
    """Return the lowest and the highest coordinate of a correlation that is searched."""
    high = correlation_place(rows, 1.0 - _NEXT_TO_ONE)
    return (-high if rows.whole else _NOTHING), high


def _inside(rows: ResidualRows, points: Floats) -> npt.NDArray[np.bool_]:
    """Return which of the points (B, m) are searched."""
    low, high = correlation_edges(rows) if rows.spec.ar is not None else (-np.inf, np.inf)
    last = points[:, -1] if rows.spec.ar is not None else np.zeros(len(points))
    sds = np.abs(points[:, : rows.n_sds - 1]).max(axis=1, initial=0.0)
    inside: npt.NDArray[np.bool_] = (sds < _WIDEST) & (last >= low) & (last <= high)
    return inside


def _off_edges(
    rows: ResidualRows, best: Floats, value: Callable[[Floats], Floats]
) -> tuple[Floats, bool]:
    """Raise an error for an optimum at an edge, other than a correlation of 0 as its least."""
    ratios = best[: rows.n_sds - 1]
    if ratios.size and np.ptp(np.append(ratios, 0.0)) > 0.75 * _WIDEST:
        name = rows.strata[int(np.argmin(np.append(0.0, ratios)))]
        raise EngineError(
            f"the likelihood has no maximum: it increases as the residual sd of {name} goes to 0, "
            "whose rows the rest of the model explains; join it to another level, or omit sigma"
        )
    if rows.spec.ar is None:
        return best, True
    reached = float(value(best[None])[0])
    for edge, limit in zip(correlation_edges(rows), (rows.least_rho, 1.0), strict=True):
        at_edge = np.append(best[:-1], edge)
        if float(value(at_edge[None])[0]) < reached - _SAME:
            continue
        if limit == 0.0:
            return at_edge, False
        raise EngineError(
            f"the likelihood has no maximum: it does not fall on the way to rho_e = {limit:.0f} "
            f"(log-likelihood {reached:.2f} at {correlation_at(rows, float(best[-1])):.6f}), where "
            f"the residuals of a group {'alternate' if limit < 0 else 'become one constant'} and "
            "cannot be distinguished from group effects; omit ar, or the group effects"
        )
    return best, True


def structure_at(rows: ResidualRows, x: Floats) -> tuple[Floats, float]:
    """Return relative sds (n_sds,) and correlation at unbounded coordinates.

    The coordinates are the logs of the sds over the first one, then that of the correlation.
    """
    sds = np.exp(np.concatenate([[0.0], x[: rows.n_sds - 1]]))
    return sds, correlation_at(rows, float(x[-1])) if rows.spec.ar is not None else 0.0


def correlation_at(rows: ResidualRows, place: float) -> float:
    """Return the correlation at an unbounded coordinate: Fisher's z, or the log odds above 0."""
    return math.tanh(place) if rows.whole else 1.0 / (1.0 + math.exp(min(-place, 700.0)))


def correlation_place(rows: ResidualRows, rho: float) -> float:
    """Return the unbounded coordinate of a correlation."""
    return math.atanh(rho) if rows.whole else math.log(rho / (1.0 - rho))


def differences(value: Callable[[Floats], Floats], x: Floats) -> tuple[Floats, Floats]:
    """Return gradient (m,) and Hessian (m, m) of a smooth function by central differences."""
    m = x.size
    step = STEP * np.eye(m)
    pairs = [(a, b) for a in range(m) for b in range(a)]
    points = [x, *(x + step), *(x - step)]
    for a, b in pairs:
        points += [x + sa * step[a] + sb * step[b] for sa in (1, -1) for sb in (1, -1)]
    found = value(np.array(points))
    up, down = found[1 : m + 1], found[m + 1 : 2 * m + 1]
    gradient = (up - down) / (2 * STEP)
    hessian = np.diag((up - 2 * found[0] + down) / STEP**2)
    for k, (a, b) in enumerate(pairs):
        corner = found[2 * m + 1 + 4 * k : 2 * m + 5 + 4 * k]
        hessian[a, b] = hessian[b, a] = (corner @ [1, -1, -1, 1]) / (4 * STEP**2)
    return gradient, hessian


def _first_ratios(data: Whitened) -> Floats:
    """Start from the sds of least-squares residuals within groups."""
    design, rows = data.design, data.rows
    if rows.n_sds == 1:
        return np.zeros(0)
    y = design.y_less_offset
    residual = y - design.X @ np.linalg.lstsq(design.X, y, rcond=None)[0]
    squares = np.bincount(rows.stratum, residual**2, minlength=rows.n_sds)
    sds = np.sqrt(squares / np.bincount(rows.stratum, minlength=rows.n_sds))
    return np.asarray(np.log(sds[1:] / sds[0]))
