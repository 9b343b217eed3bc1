"""Well-specified models for the model checks, and how data sets of each are drawn."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayes_mlm import build_design, for_kind
from bayes_mlm.data.table import as_table
from bayes_mlm.design import Design

Rng = np.random.Generator
Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model to be fitted, as `fit` takes it."""

    formula: str
    kind: str | None = None
    residual: Mapping[str, str] = field(default_factory=dict)
    posterior: bool = False

    def design(self, columns: Columns) -> Design:
        group = None if "|" in self.formula else "g"
        made = build_design(self.formula, as_table(columns), group=group, residual=self.residual)
        return made if self.kind is None else for_kind(made, self.kind)


@dataclass(frozen=True, kw_only=True)
class Right:
    """A well-specified model: data that are as it says."""

    name: str
    model: Model
    draw: Callable[[Rng], Columns]


def groups(sizes: Any) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def one_predictor(
    rng: Rng,
    sizes: Any,
    *,
    slope_sd: float = 0.0,
    correlation: float = 0.0,
    between: float = 0.0,
    sigma_u: float = 0.7,
) -> Columns:
    """Draw ``y ~ x`` with random intercepts, and slopes; x varies within and between groups."""
    g = groups(sizes)
    means = rng.normal(0.0, 0.5, len(sizes))
    x = means[g] + rng.normal(size=g.size)
    z = rng.standard_normal((2, len(sizes)))
    u, v = sigma_u * z[0], slope_sd * (correlation * z[0] + math.sqrt(1 - correlation**2) * z[1])
    mean = np.bincount(g, x) / np.bincount(g)
    y = 1.0 + (0.5 + v[g]) * x + between * mean[g] + u[g] + rng.normal(size=g.size)
    return {"y": y, "x": x, "g": g}


def like_hsb(rng: Rng) -> Columns:
    sizes = rng.integers(14, 68, 160)
    g, sector = groups(sizes), rng.integers(0, 2, 160)
    ses = rng.normal(0.0, 0.4, 160)[g] + rng.normal(0.0, 0.65, g.size)
    y = 11.8 + 2.9 * ses + 2.1 * sector[g] - 1.3 * ses * sector[g]
    y = y + rng.normal(0.0, 1.9, 160)[g] + rng.normal(0.0, 6.1, g.size)
    return {"y": y, "ses": ses, "sector": sector[g], "g": g}


def several(rng: Rng, n_groups: int = 50, n: int = 10) -> Columns:
    g = groups([n] * n_groups)
    w = rng.normal(size=n_groups)
    x = rng.normal(size=(3, g.size)) + 0.4 * rng.normal(size=(3, n_groups))[:, g]
    d = rng.integers(0, 2, g.size)
    y = x.T @ [0.4, -0.3, 0.0] + 0.5 * d + 0.4 * w[g]
    y = y + rng.normal(0.0, 0.6, n_groups)[g] + rng.normal(size=g.size)
    return {"y": y, "a": x[0], "b": x[1], "c": x[2], "d": d, "w": w[g], "g": g}


def growth(
    rng: Rng,
    n_groups: int = 50,
    n: int = 6,
    *,
    slope_sd: float = 0.3,
    rho: float = 0.0,
    by: float = 1.0,
) -> Columns:
    """Draw lines in time of persons of two sexes, whose residual sds may differ."""
    g, time = groups([n] * n_groups), np.tile(np.arange(float(n)), n_groups)
    u, v = rng.normal(0.0, 1.0, n_groups), rng.normal(0.0, slope_sd, n_groups)
    sex = np.arange(n_groups) % 2
    e = rng.standard_normal((n_groups, n))
    for k in range(1, n):
        e[:, k] = rho * e[:, k - 1] + math.sqrt(1.0 - rho**2) * e[:, k]
    e = e * np.where(sex == 1, by, 1.0)[:, None]
    y = 2.0 + 0.5 * time + u[g] + v[g] * time + e.ravel()
    return {"y": y, "time": time, "sex": np.array(["f", "m"])[sex[g]], "g": g}


def without_effects(rng: Rng, *, within: bool = False) -> Columns:
    found = one_predictor(rng, [15] * 40, sigma_u=0.0)
    if within:  # nothing of x between groups
        found["y"] = found["y"] - 0.5 * (np.bincount(found["g"], found["x"]) / 15)[found["g"]]
    return found


PLAIN = Model(formula="y ~ x + (1 | g)")
RIGHT = (
    Right(
        name="like HSB: 160 groups of 14-67, ses * sector",
        model=Model(formula="y ~ ses * sector + (1 | g)"),
        draw=like_hsb,
    ),
    Right(name="40 groups of 15", model=PLAIN, draw=lambda r: one_predictor(r, [15] * 40)),
    Right(
        name="40 groups of 15, at the posterior (direct)",
        model=Model(formula=PLAIN.formula, posterior=True),
        draw=lambda r: one_predictor(r, [15] * 40),
    ),
    Right(name="few groups: 8 of 20", model=PLAIN, draw=lambda r: one_predictor(r, [20] * 8)),
    Right(
        name="few groups: 8 of 20, at the posterior (direct)",
        model=Model(formula=PLAIN.formula, posterior=True),
        draw=lambda r: one_predictor(r, [20] * 8),
    ),
    Right(name="small groups: 80 of 3", model=PLAIN, draw=lambda r: one_predictor(r, [3] * 80)),
    Right(
        name="unbalanced: 40 groups of 2-60",
        model=PLAIN,
        draw=lambda r: one_predictor(r, np.maximum(r.geometric(1 / 14, 40), 2).clip(2, 60)),
    ),
    Right(
        name="next to no group variance (sigma_u = 0.1)",
        model=PLAIN,
        draw=lambda r: one_predictor(r, [10] * 30, sigma_u=0.1),
    ),
    Right(
        name="random slopes: 40 groups of 12",
        model=Model(formula="y ~ x + (x | g)"),
        draw=lambda r: one_predictor(r, [12] * 40, slope_sd=0.4, correlation=0.4),
    ),
    Right(
        name="random slopes, few groups: 12 of 15",
        model=Model(formula="y ~ x + (x | g)"),
        draw=lambda r: one_predictor(r, [15] * 12, slope_sd=0.4),
    ),
    Right(
        name="growth: 50 persons, 6 times, (time | g)",
        model=Model(formula="y ~ time + (time | g)"),
        draw=growth,
    ),
    Right(
        name="five predictors, 50 groups of 10",
        model=Model(formula="y ~ a + b + c + d + w + (1 | g)"),
        draw=several,
    ),
    Right(
        name="five predictors, 12 groups of 10",
        model=Model(formula="y ~ a + b + c + d + w + (1 | g)"),
        draw=lambda r: several(r, 12),
    ),
    Right(
        name="within(x) + between(x), slopes differ",
        model=Model(formula="y ~ within(x) + between(x) + (1 | g)"),
        draw=lambda r: one_predictor(r, [12] * 40, between=1.0),
    ),
    Right(
        name="kind mundlak, slopes differ",
        model=Model(formula="y ~ x + (1 | g)", kind="mundlak"),
        draw=lambda r: one_predictor(r, [12] * 40, between=1.0),
    ),
    Right(
        name="kind no_pooling",
        model=Model(formula="y ~ x", kind="no_pooling"),
        draw=lambda r: one_predictor(r, [12] * 30, between=1.0),
    ),
    Right(
        name="kind within, no group effects",
        model=Model(formula="y ~ x", kind="within"),
        draw=lambda r: without_effects(r, within=True),
    ),
    Right(
        name="kind pooled, no group effects",
        model=Model(formula="y ~ x", kind="pooled"),
        draw=without_effects,
    ),
    Right(
        name="residual sd by sex (REML)",
        model=Model(formula="y ~ time + (time | g)", residual={"sigma": "sex"}),
        draw=lambda r: growth(r, by=2.0),
    ),
    Right(
        name="AR(1) residuals, rho 0.5 (REML)",
        model=Model(formula="y ~ time + (1 | g)", residual={"ar": "time"}),
        draw=lambda r: growth(r, 40, 10, rho=0.5, slope_sd=0.0),
    ),
)
