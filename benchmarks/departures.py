"""Departures from ``y ~ x + (1 | g)``, each at three strengths, and the data sets with them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from right_models import Columns, Rng, groups


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A departure of the data from the model ``y ~ x + (1 | g)``, at three strengths."""

    name: str
    topic: str
    standard: tuple[str, ...]
    strengths: tuple[float, float, float]
    unit: str
    draw: Callable[[Rng, float], Columns]


def skewed_gamma(rng: Rng, shape: float, size: int) -> np.ndarray:
    """Draw gamma variables of mean 0 and sd 1; their skewness is 2 / sqrt(shape)."""
    return (rng.gamma(shape, size=size) - shape) / math.sqrt(shape)


def departing(
    rng: Rng,
    *,
    scale_of: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    noise: Callable[[int], np.ndarray] | None = None,
    effects: Callable[[int], np.ndarray] | None = None,
    bend: float = 0.0,
    rho: float = 0.0,
    between: float = 0.0,
    slope_sd: float = 0.0,
) -> Columns:
    """Draw 40 groups of 15 that depart from ``y ~ x + (1 | g)`` in one respect."""
    n_groups, n = 40, 15
    g = groups([n] * n_groups)
    x = rng.normal(0.0, 0.5, n_groups)[g] + rng.normal(size=g.size)
    u = 0.7 * (rng.standard_normal(n_groups) if effects is None else effects(n_groups))
    e = (rng.standard_normal(g.size) if noise is None else noise(g.size)).reshape(n_groups, n)
    for k in range(1, n if rho else 0):
        e[:, k] = rho * e[:, k - 1] + math.sqrt(1.0 - rho**2) * e[:, k]
    e = e.ravel() * (1.0 if scale_of is None else scale_of(x, g))
    mean = np.bincount(g, x) / n
    slope = 0.5 + slope_sd * rng.standard_normal(n_groups)
    y = 1.0 + slope[g] * x + bend * x**2 + between * mean[g] + u[g] + e
    return {"y": y, "x": x, "g": g}


WRONG = (
    Wrong(
        name="slopes within and between groups differ",
        topic="Slopes within and between groups",
        standard=("Mundlak Wald, F", "Mundlak Wald, chi²"),
        strengths=(0.4, 0.7, 1.0),
        unit="difference",
        draw=lambda r, s: departing(r, between=s),
    ),
    Wrong(
        name="random slope omitted",
        topic="Omitted group effects",
        standard=("likelihood ratio",),
        strengths=(0.15, 0.25, 0.4),
        unit="sd of slopes",
        draw=lambda r, s: departing(r, slope_sd=s),
    ),
    Wrong(
        name="residual variance along x",
        topic="Residual variance along predictors",
        standard=("Breusch-Pagan (Koenker)",),
        strengths=(0.08, 0.15, 0.25),
        unit="change of log sd",
        draw=lambda r, s: departing(r, scale_of=lambda x, _: np.exp(s * x)),
    ),
    Wrong(
        name="residual variance by group",
        topic="Residual variance by group",
        standard=("Levene",),
        strengths=(0.15, 0.25, 0.4),
        unit="sd of log sds",
        draw=lambda r, s: departing(r, scale_of=lambda _, g: np.exp(s * r.standard_normal(40))[g]),
    ),
    Wrong(
        name="AR(1) residuals",
        topic="Residual autocorrelation",
        standard=("lag-1 correlation",),
        strengths=(0.1, 0.2, 0.7),
        unit="rho",
        draw=lambda r, s: departing(r, rho=s),
    ),
    Wrong(
        name="skewed residuals (gamma)",
        topic="Skewness of residuals",
        standard=("skewness of residuals",),
        strengths=(0.2, 0.4, 1.0),
        unit="skewness",
        draw=lambda r, s: departing(r, noise=lambda n: skewed_gamma(r, 4.0 / s**2, n)),
    ),
    Wrong(
        name="heavy-tailed residuals (t)",
        topic="Tails of residuals",
        standard=("kurtosis of residuals",),
        strengths=(20.0, 10.0, 4.0),
        unit="df",
        draw=lambda r, s: departing(
            r, noise=lambda n: r.standard_t(s, n) * math.sqrt((s - 2.0) / s)
        ),
    ),
    Wrong(
        name="skewed group effects (gamma)",
        topic="Skewness of group effects",
        standard=("skewness of modes",),
        strengths=(1.0, 2.0, 4.0),
        unit="skewness",
        draw=lambda r, s: departing(r, effects=lambda n: skewed_gamma(r, 4.0 / s**2, n)),
    ),
    Wrong(
        name="outlying groups (t effects)",
        topic="Tails of group effects",
        standard=("kurtosis of modes",),
        strengths=(5.0, 3.5, 2.5),
        unit="df",
        draw=lambda r, s: departing(
            r, effects=lambda n: r.standard_t(s, n) * math.sqrt((s - 2.0) / s)
        ),
    ),
    Wrong(
        name="outcome curved along x",
        topic="Curvature",
        standard=("Wald of x²",),
        strengths=(0.06, 0.1, 0.15),
        unit="coefficient of x²",
        draw=lambda r, s: departing(r, bend=s),
    ),
)
