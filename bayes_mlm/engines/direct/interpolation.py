"""Draw from a density that is dear to evaluate and nearly normal: interpolate, weigh exactly.

With very many groups the posterior of the variance parameters is close to a normal distribution,
and every evaluation of it passes over all groups. A polynomial in standardised coordinates is
fitted to what the log-density differs from the normal's by; draws from that interpolant are
accepted with a probability proportional to the exact density over the interpolated one. The density
is evaluated little more than once a draw, and the draws are as exact as by importance sampling.
Where the density is not so (an arm towards a variance of zero, correlations near one, an
interpolant that does not predict the density) there are no draws, and the caller samples by
importance.

References: von Neumann (1951), "Various techniques used in connection with random digits"; Box &
Draper (2007), Response Surfaces, Mixtures, and Ridge Analyses, 2nd ed., ch. 3, on the design.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.importance import ImportanceDraws
from bayes_mlm.engines.direct.mixture import draw_mixture, make_mixture, mixture_log_density
from bayes_mlm.engines.direct.mode import Mode
from bayes_mlm.engines.direct.pareto import smooth_weights
from bayes_mlm.engines.direct.posterior import Sums, join_sums

# Degree of the polynomial, by the number of coordinates up to which it is affordable.
_QUARTIC_UP_TO = 7
# Nodes a coefficient, and points at which the interpolant is tested.
_NODES, _TESTS = 2.5, 200
# Sd of the error in the log-density, over points of a normal distribution.
_LARGEST_ERROR = 0.05
# Effective share of draws from the interpolant, by their exact weights, and of the proposals from
# which the interpolant was sampled: below these it may have a maximum that the density has not.
_LEAST_SHARE, _LEAST_PROPOSED = 0.98, 0.3
# Points beyond the nodes, as multiples of the standard deviation, where the density must be low.
_BEYOND = (2.0, 3.0)
# Draws are made of so many times their number, as some are rejected.
_SPARE, _ROUNDS = 1.06, 6
# Proposals a draw from the interpolant.
_PROPOSALS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Interpolated:
    """Draws (S) by an interpolant, as of importance sampling, with the sums over groups at them.

    `log_weight_sd` is the sd of the logs of the exact density over the one interpolated.
    """

    draws: ImportanceDraws
    sums: Sums
    log_weight_sd: float


def sample_interpolated(
    log_density: Callable[[Floats], tuple[Floats, Sums]],
    mode: Mode,
    n_draws: int,
    rng: np.random.Generator,
) -> Interpolated | None:
    """Draw from a nearly normal density; None where it is not, or the interpolant does not fit.

    Parameters
    ----------
    log_density : callable
        Takes (B, d) points and gives (B,) values, minus infinity allowed, and sums over groups.
    mode : Mode
    n_draws : int
        S.
    rng : numpy.random.Generator
    """
    d = len(mode.x)
    root = np.linalg.cholesky(mode.covariance)
    count = 0

    def with_sums(z: Floats) -> tuple[Floats, Sums]:
        """Evaluate the log-density over the mode's, at standardised points."""
        nonlocal count
        count += len(z)
        value, sums = log_density(mode.x + z @ root.T)
        return value - mode.value, sums

    def exact(z: Floats) -> Floats:
        return with_sums(z)[0]

    if not _falls_off(exact, d, rng):
        return None
    surface = _fit(exact, d, rng)
    if surface is None:
        return None
    z, target, ratio, known = np.empty((0, d)), np.empty(0), np.empty(0), []
    first = None
    for _ in range(_ROUNDS):
        wanted = math.ceil(_SPARE * n_draws) if first is None else max(n_draws // 5, 50)
        found = _sample(surface, d, wanted, rng)
        if found is None:
            return None
        first = found if first is None else first
        value, sums = with_sums(found.z)
        known.append(sums)
        z, target = np.concatenate([z, found.z]), np.append(target, value)
        ratio = np.append(ratio, value - found.log_density)
        if not np.isfinite(ratio).all():
            return None
        # Accepted anew at every round, by the largest ratio seen.
        accepted = np.flatnonzero(np.log(rng.random(len(ratio))) < ratio - ratio.max())
        if len(accepted) >= n_draws:
            break
    else:
        return None
    weight = np.exp(ratio - ratio.max())
    share = float(weight.sum() ** 2 / (weight**2).sum()) / len(weight)
    if share < _LEAST_SHARE:
        return None
    chosen = accepted[:n_draws]
    mean = float(np.exp(ratio).mean())
    noise = float(np.exp(ratio).std()) / mean / math.sqrt(len(ratio))
    log_jacobian = float(np.log(np.diagonal(root)).sum())
    return Interpolated(
        draws=ImportanceDraws(
            x=mode.x + z[chosen] @ root.T,
            log_density=target[chosen] + mode.value,
            log_weight=ratio[chosen] - math.log(mean),
            k_hat=first.k_hat,
            ess=share * n_draws,
            log_integral=mode.value + first.log_integral + math.log(mean) + log_jacobian,
            log_integral_error=math.hypot(first.error, noise),
            n_proposals=len(ratio),
            n_unique=n_draws,
            n_evaluations=count,
        ),
        sums=join_sums(known).part(chosen),
        log_weight_sd=float(ratio.std()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sample:
    """Draws (S, d) from an interpolant, its log-density at them, and the log of its integral.

    `error` is the standard error of the latter; `k_hat` is of the weights of the proposals.
    """

    z: Floats
    log_density: Floats
    log_integral: float
    error: float
    k_hat: float


def _sample(surface: "_Surface", d: int, n: int, rng: np.random.Generator) -> _Sample | None:
    """Draw from an interpolant by rejection; None where it is far from a normal density."""
    wide = np.array([1.0, 4.0])[:, None, None] * np.eye(d)
    mixture = make_mixture(np.array([0.9, 0.1]), np.zeros((2, d)), wide)
    z, target, ratio = np.empty((0, d)), np.empty(0), np.empty(0)
    for _ in range(_ROUNDS):
        fresh = draw_mixture(mixture, _PROPOSALS * n, rng)
        value = surface.log_density(fresh)
        z, target = np.concatenate([z, fresh]), np.append(target, value)
        ratio = np.append(ratio, value - mixture_log_density(mixture, fresh))
        accepted = np.flatnonzero(np.log(rng.random(len(ratio))) < ratio - ratio.max())
        if len(accepted) >= n:
            break
    else:
        return None
    weight = np.exp(ratio - ratio.max())
    if float(weight.sum() ** 2 / (weight**2).sum()) < _LEAST_PROPOSED * len(weight):
        return None
    mean = float(weight.mean())
    return _Sample(
        z=z[accepted[:n]],
        log_density=target[accepted[:n]],
        log_integral=float(ratio.max()) + math.log(mean),
        error=float(weight.std()) / mean / math.sqrt(len(weight)),
        k_hat=smooth_weights(ratio).k_hat,
    )


def _falls_off(exact: Callable[[Floats], Floats], d: int, rng: np.random.Generator) -> bool:
    """Return whether the density, a little and far out, is near a normal's, and has no arms."""
    axes = np.concatenate([np.eye(d), -np.eye(d)])
    near = exact(2.0 * axes)
    far = np.concatenate([4.5 * axes, *(k * rng.standard_normal((30 * d, d)) for k in _BEYOND)])
    squares = np.square(far).sum(axis=1)
    return bool((np.abs(near + 2.0) < 1.0).all() and (exact(far) < 1.0 - 0.25 * squares).all())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Surface:
    """A polynomial's coefficients (c,), the powers (c, d) they are of, and its reach."""

    powers: tuple[tuple[int, ...], ...]
    coefficients: Floats
    reach: float

    def log_density(self, z: Floats) -> Floats:
        """Evaluate the interpolant at standardised points (B, d)."""
        squares = np.square(z).sum(axis=1)
        value = _monomials(z, self.powers) @ self.coefficients - 0.5 * squares
        return np.where(squares <= self.reach**2, value, -np.inf)


def _fit(exact: Callable[[Floats], Floats], d: int, rng: np.random.Generator) -> _Surface | None:
    """Fit a polynomial to the log-density's difference from the normal's, and test it."""
    degree = 4 if d <= _QUARTIC_UP_TO else 3
    powers = tuple(
        one for k in range(degree + 1) for one in combinations_with_replacement(range(d), k)
    )
    nodes = 1.2 * rng.standard_normal((math.ceil(_NODES * len(powers)) + 50, d))
    tests = rng.standard_normal((_TESTS, d))
    value = exact(np.concatenate([nodes, tests]))
    left = value + 0.5 * np.square(np.concatenate([nodes, tests])).sum(axis=1)
    if not np.isfinite(left).all():
        return None
    n = len(nodes)
    columns = _monomials(np.concatenate([nodes, tests]), powers)
    # The density decides where the fit has to be close.
    root = np.exp(0.5 * np.clip(value[:n] - np.median(value[:n]), -5.0, 1.0))
    size = np.linalg.norm(columns[:n] * root[:, None], axis=0)
    found = np.linalg.lstsq(columns[:n] * root[:, None] / size, left[:n] * root, rcond=1e-10)[0]
    miss = left[n:] - columns[n:] @ (found / size)
    if not float(np.sqrt(np.square(miss).mean())) < _LARGEST_ERROR:
        return None
    return _Surface(powers=powers, coefficients=found / size, reach=math.sqrt(d) + 4.0)


def _monomials(z: Floats, powers: tuple[tuple[int, ...], ...]) -> Floats:
    """Evaluate monomials at points (B, d), each from one of a degree less: (B, c)."""
    columns: dict[tuple[int, ...], Floats] = {(): np.ones(len(z))}
    for power in powers[1:]:
        columns[power] = columns[power[:-1]] * z[:, power[-1]]
    return np.column_stack([columns[power] for power in powers])
