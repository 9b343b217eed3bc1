"""Find the relative covariance that maximises the profiled likelihood, and prove it did.

One group effect is a search in one dimension: the whole half-line is scanned at once, every local
maximum is refined by safeguarded Newton steps and compared with sigma_u = 0. More effects are
searched by Newton steps with exact second derivatives from the best of a grid of starts. In both
the parameters are the coefficients of a relative factor, L(theta) = sum theta_k basis_k, so that
a singular covariance is an ordinary point, reached without constraints.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.reml.climb import MAX_STEPS, ascent, climb, eliminate
from bayes_mlm.engines.reml.derivatives import Derivatives, derivatives
from bayes_mlm.engines.reml.factor import SINGULAR, Factor
from bayes_mlm.engines.reml.grid_start import FEW_GROUPS, peaks, scan
from bayes_mlm.likelihood import Method, profiled_loglik
from bayes_mlm.moments import RotatedMoments

# Log-likelihood a group that a variance at zero might still gain per unit of relative variance.
KKT_TOLERANCE = 1e-6
# Groups of a part on which the search begins where there are this many parts: they find the
# maxima, to a few standard errors of all groups' estimates.
_PART, _MANY_PARTS = 4_000, 4
# Relative covariances of a part's maxima that differ by less are one maximum.
_ALIKE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Start:
    """One initialisation of the search: theta there, and the log-likelihood it led to."""

    theta: tuple[float, ...]
    loglik: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """Maximum of a log-likelihood.

    Attributes
    ----------
    theta : (m,) array
        Coefficients of `factor`.
    factor : Factor
    loglik : float
    gradient : (m+1,) array
        In theta and log sigma_e^2.
    hessian : (m+1, m+1) array
        In the same coordinates.
    decrement : float
        Log-likelihood that a Newton step would gain: 0 at an exact optimum.
    kkt : float
        Largest slope of the log-likelihood into the directions where theta is zero, a
        group; positive if the boundary is not the optimum, 0 where there is no boundary.
    starts : tuple of Start
    point : Derivatives
        Derivatives along the directions of theta at the optimum.
    """

    theta: Floats
    factor: Factor
    loglik: float
    gradient: Floats
    hessian: Floats
    decrement: float
    kkt: float
    starts: tuple[Start, ...]
    point: Derivatives


def maximise(reduced: RotatedMoments, factor: Factor, method: Method) -> Optimum:
    """Maximise the log-likelihood over the relative covariance.

    Parameters
    ----------
    reduced : RotatedMoments
    factor : Factor
        The coordinates, of `make_factor`.
    method : {"REML", "ML"}

    Returns
    -------
    Optimum

    Raises
    ------
    EngineError
        If no start has a finite likelihood.
    """
    starts: tuple[Start, ...] = ()
    if reduced.q == 0:
        theta = np.zeros(0)
    elif reduced.q == 1:
        theta, starts = _search_line(reduced, factor, method)
    else:
        theta, starts = _search_newton(reduced, factor, method)
    return _describe(reduced, factor, theta, method, starts)


def maximise_near(reduced: RotatedMoments, factor: Factor, method: Method, lam: Floats) -> Optimum:
    """Maximise from the one start that a relative factor (q, q) of the centred effects is."""
    flat = factor.basis.reshape(len(factor.basis), -1)
    start = np.linalg.lstsq(flat.T, lam.ravel())[0]
    theta, _ = _climb_free(reduced, factor, method, start)
    return _describe(reduced, factor, theta, method, ())


def _describe(
    reduced: RotatedMoments,
    factor: Factor,
    theta: Floats,
    method: Method,
    starts: tuple[Start, ...],
) -> Optimum:
    """Differentiate at theta and measure how stationary it is."""
    point, gradient, hessian = differentiate(reduced, factor, theta, method)
    free, slope = eliminate(gradient, hessian)
    decrement = 0.5 * float(free @ ascent(free, slope)) if len(theta) else 0.0
    return Optimum(
        theta=theta,
        factor=factor,
        loglik=point.loglik,
        gradient=gradient,
        hessian=hessian,
        decrement=decrement,
        kkt=boundary_slope(reduced, factor, theta, point.slope),
        starts=starts,
        point=point,
    )


def differentiate(
    reduced: RotatedMoments,
    factor: Factor,
    theta: Floats,
    method: Method,
    sigma_e2: float | None = None,
) -> tuple[Derivatives, Floats, Floats]:
    """Differentiate in (theta, log sigma_e^2), at the best sigma_e given theta or a given one.

    Returns the derivatives along the directions of the covariance, the gradient (m+1,) and the
    Hessian (m+1, m+1) in theta and log sigma_e^2.
    """
    lam = factor.lam(theta)
    half = factor.basis @ lam.T
    directions = half + half.swapaxes(1, 2)
    point = derivatives(reduced, lam @ lam.T, directions, method, sigma_e2=sigma_e2)
    m = len(theta)
    hessian = point.hessian.copy()
    # The covariance is quadratic in theta: its curvature meets the slope.
    flat = factor.basis.reshape(m, reduced.q**2)
    bent = (point.slope @ factor.basis).reshape(m, reduced.q**2)
    hessian[:m, :m] += 2.0 * flat @ bent.T
    return point, point.gradient, hessian


def boundary_slope(reduced: RotatedMoments, factor: Factor, theta: Floats, slope: Floats) -> float:
    """Find the steepest ascent into covariance directions that are zero at theta, a group."""
    if len(theta) == 0:
        return 0.0
    scale = 1.0 / factor.scaling
    scaled = slope * np.outer(scale, scale) / len(reduced.c)
    if len(theta) == reduced.q > 1:  # independent effects: each has a boundary
        size = np.abs(theta)
        at_zero = size < SINGULAR
        along = np.einsum("kab,ac,kcb->k", factor.basis, slope, factor.basis) / len(reduced.c)
        return float(np.max(along[at_zero], initial=0.0))
    u, size, _ = np.linalg.svd(factor.scaling[:, None] * factor.lam(theta))
    null = u[:, size < SINGULAR]
    if null.shape[1] == 0:
        return 0.0
    return float(max(0.0, np.linalg.eigvalsh(null.T @ scaled @ null)[-1]))


def _search_line(
    reduced: RotatedMoments, factor: Factor, method: Method
) -> tuple[Floats, tuple[Start, ...]]:
    """Scan sigma_u^2 / sigma_e^2 over [0, infinity), refine every local maximum, keep the best."""
    # theta = 1 has the group effect as large as the residual for a typical row.
    grid = np.concatenate([[0.0], 10.0 ** np.linspace(-7.0, 6.0, 53)])
    loglik = profiled_loglik(reduced, factor.covariance(grid[:, None]), method)
    if loglik.argmax() == grid.size - 1:  # residuals of a millionth of the group effects, or less
        beyond = 10.0 ** np.linspace(6.25, 18.0, 48)
        grid = np.concatenate([grid, beyond])
        more = profiled_loglik(reduced, factor.covariance(beyond[:, None]), method)
        loglik = np.concatenate([loglik, more])
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf)
    if not np.isfinite(loglik).any():
        raise EngineError(_NOT_FINITE)
    padded = np.concatenate([[-np.inf], loglik, [-np.inf]])
    peaks = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]))
    found: list[tuple[float, float, float]] = []
    for peak in peaks.tolist():
        low, high = grid[max(peak - 1, 0)], grid[min(peak + 1, len(grid) - 1)]
        theta, value = _refine(reduced, factor, method, float(low), float(grid[peak]), float(high))
        found.append((value, theta, float(grid[peak])))
    if 0 not in peaks:
        found.append((float(loglik[0]), 0.0, 0.0))
    starts = tuple(Start(theta=(start,), loglik=value) for value, _, start in found)
    return np.array([max(found)[1]]), starts


def _refine(
    reduced: RotatedMoments, factor: Factor, method: Method, low: float, theta: float, high: float
) -> tuple[float, float]:
    """Refine a local maximum in [low, high] by Newton steps in theta, bisecting where they stray.

    The derivative in s = theta^2 decides the direction, so that theta = 0 is a maximum only where
    the likelihood falls as the variance increases from zero.
    """
    for _ in range(MAX_STEPS):
        point, gradient, hessian = differentiate(reduced, factor, np.array([theta]), method)
        rise = float(point.slope[0, 0])
        if theta == 0.0 and rise <= 0.0:
            break
        low, high = (theta, high) if rise > 0.0 else (low, theta)
        free, curve = eliminate(gradient, hessian)
        step = -float(free[0] / curve[0, 0]) if curve[0, 0] < 0.0 else np.inf
        target = theta + step
        if not low <= target <= high:
            target = 0.5 * (low + high)
        if abs(target - theta) <= 1e-13 * theta or target < 1e-12:
            theta = target if target >= 1e-12 else 0.0
            break
        # A quadratic step this small lands within rounding of the root.
        done = abs(step) < 1e-7 * theta
        theta = target
        if done:
            break
    value = profiled_loglik(reduced, factor.covariance(np.array([[theta]])), method)
    return theta, float(value[0])


def _search_newton(
    reduced: RotatedMoments, factor: Factor, method: Method
) -> tuple[Floats, tuple[Start, ...]]:
    """Climb from the best point of each part of a scan.

    With few groups the likelihood does have several maxima; they differ in the sign of the
    correlation and in which sd is the larger, so that is how the scan is divided.
    """
    found = None
    if reduced.many_designs and len(reduced.c) >= _MANY_PARTS * _PART:
        found = _climb_part(reduced, factor, method)
    if found is None:
        found = _climb_all(reduced, factor, method)
    # Starts that tie to rounding stop at different distances; from the best, one step settles it.
    theta, _ = _climb_free(reduced, factor, method, max(found, key=lambda one: one.loglik).theta)
    return theta, tuple(Start(theta=one.start, loglik=one.loglik) for one in found)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Climb:
    """A start (m) of the search, and the maximum that it led to."""

    start: tuple[float, ...]
    theta: Floats
    loglik: float


def _climb_all(reduced: RotatedMoments, factor: Factor, method: Method) -> list[_Climb]:
    """Climb from each of the chosen points of a scan."""
    points = scan(reduced, factor)
    thetas, part = points.theta, points.part
    loglik = profiled_loglik(reduced, factor.covariance(thetas), method)
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf)
    if not np.isfinite(loglik).any():
        raise EngineError(_NOT_FINITE)
    order: list[int] = np.argsort(-loglik).tolist()
    best_of_part: dict[int, int] = {}
    for k in order:
        best_of_part.setdefault(int(part[k]), k)
    # The best parts come first; with many groups they all lead to one maximum, so four will do.
    parts = list(best_of_part.values())[: None if len(reduced.c) <= FEW_GROUPS else 4]
    chosen = [*parts, *peaks(points.direction, loglik), order[len(order) // 2]]
    found = []
    for i in dict.fromkeys(chosen):
        theta, value = _climb_free(reduced, factor, method, thetas[i])
        found.append(_Climb(start=tuple(thetas[i].tolist()), theta=theta, loglik=value))
    return found


def _climb_part(reduced: RotatedMoments, factor: Factor, method: Method) -> list[_Climb] | None:
    """Climb on a part of the groups, and on all of them from each maximum found there.

    None where the part does not identify what all of the groups do.
    """
    try:
        found = _climb_all(reduced.every(len(reduced.c) // _PART), factor, method)
    except EngineError:
        return None
    maxima: list[tuple[Floats, Floats, float]] = []
    out = []
    for one in found:
        # Covariances decide: the factor's signs do not matter.
        at = factor.covariance(one.theta[None])[0] * np.outer(factor.scaling, factor.scaling)
        known = [k for k, (s, *_) in enumerate(maxima) if np.abs(at - s).max() < _ALIKE]
        if not known:
            theta, loglik = _climb_free(reduced, factor, method, one.theta)
            maxima.append((at, theta, loglik))
        _, theta, loglik = maxima[known[0] if known else -1]
        out.append(_Climb(start=one.start, theta=theta, loglik=loglik))
    return out


def _climb_free(
    reduced: RotatedMoments, factor: Factor, method: Method, theta: Floats
) -> tuple[Floats, float]:
    """Climb in theta, stepping off a boundary that is not the optimum (a saddle in theta)."""

    def value(thetas: Floats) -> Floats:
        return profiled_loglik(reduced, factor.covariance(thetas), method)

    def slopes(at: Floats) -> tuple[Floats, Floats]:
        return eliminate(*differentiate(reduced, factor, at, method)[1:])

    best = -np.inf
    for _ in range(3):
        theta, best = climb(value, slopes, theta)
        point = differentiate(reduced, factor, theta, method)[0]
        if boundary_slope(reduced, factor, theta, point.slope) <= KKT_TOLERANCE:
            break
        theta = theta + 0.1
    return theta, best


_NOT_FINITE = (
    "the likelihood is not finite at any start: the outcome may be an exact linear function of "
    "the predictors, or vary by more than a factor 1e300; check the outcome column"
)
