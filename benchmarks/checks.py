"""Measure the model checks: false alarms on right models, power on wrong ones.

One command makes ``benchmarks/checks.md`` and ``benchmarks/checks.json`` again, the same to the
last digit on any machine (ten to twenty minutes on one core)::

    OMP_NUM_THREADS=1 nice -n 10 .venv/bin/python benchmarks/checks.py

Every data set is simulated from its own seed, fitted by REML (two models also by the direct
engine) and put through the tests of `check`. A false alarm is a data set on which any check fails.
Next to each check stands the standard test of the same departure, on the same data and at the same
level: 0.05 for each test, and for the page 0.04 over the number of tests (Bonferroni). `check` uses
Holm with p a quarter higher, for what it is uncertain by: 0.04 for the page.
"""

import argparse
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bayes_mlm import build_design, fit, fit_reml, for_kind, hausman
from bayes_mlm.criticism import Judgement, assess
from bayes_mlm.data import as_table
from bayes_mlm.design import Design
from bayes_mlm.design_priors import model_priors
from bayes_mlm.draws import Draws, Variable
from bayes_mlm.fitted import Fit
from bayes_mlm.fitting import as_record, make_settings
from bayes_mlm.reml import RemlFit
from bayes_mlm.verdict import Finding, Verdict

HERE = Path(__file__).parent
SEED, LEVEL, PAGE = 20_260_000, 0.05, 0.04
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


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A departure of the data from the model ``y ~ x + (1 | g)``, at three strengths."""

    name: str
    topic: str
    standard: tuple[str, ...]
    strengths: tuple[float, float, float]
    unit: str
    draw: Callable[[Rng, float], Columns]


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


def fitted(model: Model, columns: Columns, seed: int) -> Fit:
    """Fit by REML, with the estimates as draws, or as a user does."""
    design = model.design(columns)
    if model.posterior:
        return fit(design, random_seed=seed, draws=250)
    return at_estimates(design, fit_reml(design, profile=False), seed)


def at_estimates(design: Design, reml: Any, seed: int) -> Fit:
    """Make a fit whose few draws are all the REML estimate."""
    record = as_record(design)
    settings = make_settings(record, draws=4, chains=2, random_seed=seed)
    values: dict[str, tuple[tuple[str, ...], Any]] = {
        "beta": (("term",), reml.beta),
        "sigma_e": ((), reml.sigma_e),
    }
    if design.q:
        values["sigma_u"] = (("effect",), reml.sigma_u)
        values["u"] = (("group", "effect"), reml.u)
    if design.effect_pairs:
        values["rho_u"] = (("effect_pair",), [reml.rho_u[a, b] for a, b in design.effect_pairs])
    residual = reml.residual
    if residual is not None and residual.strata:
        values["sigma_e_by"] = (("sigma_level",), residual.sigma_e)
    if residual is not None and residual.rho_e is not None:
        values["rho_e"] = ((), residual.rho_e)
    posterior = {
        name: Variable(
            ("chain", "draw", *dims),
            np.broadcast_to(np.asarray(value, dtype=float), (2, 4, *np.shape(value))).copy(),
        )
        for name, (dims, value) in values.items()
    }
    return Fit(
        record=record,
        design=design,
        priors=model_priors(design, record.priors),
        draws=Draws(posterior=posterior, sample_stats={}, coords={}),
        engine="reml",
        why="a simulation",
        report=None,
        settings=settings,
        versions={},
        verdict=Verdict((Finding("optimum", reml.certificate.ok, reml.certificate.message),)),
        seconds=0.0,
    )


def conditional(columns: Columns) -> tuple[Design, RemlFit, np.ndarray]:
    """Fit ``y ~ x + (1 | g)`` by REML: design, fit and conditional residuals."""
    design = build_design(PLAIN.formula, as_table(columns))
    reml = fit_reml(design, profile=False)
    return design, reml, design.y - design.X @ reml.beta - reml.u[design.codes, 0]


def mundlak_f(columns: Columns) -> float:
    test = hausman(build_design(PLAIN.formula, as_table(columns)))
    n_groups = np.unique(columns["g"]).size
    return float(stats.f.sf(test.wald / test.df, test.df, n_groups - 1 - test.df))


def likelihood_ratio(columns: Columns) -> float:
    """Test a random slope: REML likelihood ratio, half chi² on 1 and half on 2 df."""
    _, reml, _ = conditional(columns)
    wider = fit_reml(build_design("y ~ x + (x | g)", as_table(columns)), profile=False)
    ratio = max(2.0 * (wider.loglik - reml.loglik), 0.0)
    return float(0.5 * stats.chi2.sf(ratio, 1) + 0.5 * stats.chi2.sf(ratio, 2))


def breusch_pagan(columns: Columns) -> float:
    from statsmodels.stats.diagnostic import het_breuschpagan

    design, _, left = conditional(columns)
    return float(het_breuschpagan(left, design.X)[1])


def levene(columns: Columns) -> float:
    design, _, left = conditional(columns)
    return float(stats.levene(*(left[design.codes == j] for j in range(design.J))).pvalue)


def lag_one(columns: Columns) -> float:
    design, _, left = conditional(columns)
    order = np.argsort(design.codes, kind="stable")
    pairs, e = np.flatnonzero(np.diff(design.codes[order]) == 0), left[order]
    lag = float((e[pairs] * e[pairs + 1]).mean() / np.square(e).mean())
    return 2.0 * float(stats.norm.sf(abs(lag) * math.sqrt(pairs.size)))


def wald_of_square(columns: Columns) -> float:
    table = as_table(columns)
    found = fit_reml(build_design("y ~ x + I(x ** 2) + (1 | g)", table), profile=False)
    return 2.0 * float(stats.norm.sf(abs(found.beta[2]) / math.sqrt(found.beta_cov[2, 2])))


STANDARD: dict[str, Callable[[Columns], float]] = {
    "Mundlak Wald, chi²": lambda c: hausman(build_design(PLAIN.formula, as_table(c))).wald_p,
    "Mundlak Wald, F": mundlak_f,
    "likelihood ratio": likelihood_ratio,
    "Breusch-Pagan (Koenker)": breusch_pagan,
    "Levene": levene,
    "lag-1 correlation": lag_one,
    "skewness of residuals": lambda c: float(stats.skewtest(conditional(c)[2]).pvalue),
    "kurtosis of residuals": lambda c: float(stats.kurtosistest(conditional(c)[2]).pvalue),
    "skewness of modes": lambda c: float(stats.skewtest(conditional(c)[1].u[:, 0]).pvalue),
    "kurtosis of modes": lambda c: float(stats.kurtosistest(conditional(c)[1].u[:, 0]).pvalue),
    "Wald of x²": wald_of_square,
}


def pages(
    model: Model, draw: Callable[[Rng], Columns], n: int, stream: int
) -> Iterator[tuple[tuple[Judgement, ...], Columns]]:
    """Simulate, fit and check n data sets."""
    for k in range(n):
        columns = draw(np.random.default_rng([SEED, stream, k]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield assess(fitted(model, columns, SEED + k)), columns


def error(share: float, n: int) -> float:
    """Give the Monte Carlo standard error of a share."""
    return math.sqrt(share * (1.0 - share) / n)


def false_alarms(n: int, stream: int) -> dict[str, Any]:
    """Count the pages of a right model on which any check fails."""
    right, found = RIGHT[stream], Counter[str]()
    alarms, tested = 0, 0
    for page, _ in pages(right.model, right.draw, n, stream):
        bad = [one.topic for one in page if one.fine is False]
        alarms += bool(bad)
        tested = max(tested, sum(one.p is not None for one in page))
        found.update(bad)
    return {
        "model": right.name,
        "formula": right.model.formula,
        "data_sets": n,
        "tests": tested,
        "any_alarm": alarms / n,
        "error": error(alarms / n, n),
        "by_check": dict(sorted(found.items())),
    }


def levels(n: int, name: str, test: Callable[[Columns], float]) -> dict[str, Any]:
    """Measure how often a standard test itself rejects a right model, at both levels."""
    p = np.array([test(departing(np.random.default_rng([SEED, 99, k]))) for k in range(n)])
    page = PAGE / len({wrong.topic for wrong in WRONG})
    return {
        "standard": name,
        "data_sets": n,
        "alone": float(np.mean(p < LEVEL)),
        "page": float(np.mean(p < page)),
    }


def power(n: int, stream: int, level: int) -> list[dict[str, Any]]:
    """Count how often a departure's check and the standard tests of it reject."""
    wrong = WRONG[stream]
    strength = wrong.strengths[level]
    counts, theirs = np.zeros(3), {name: np.zeros(2) for name in wrong.standard}
    drawn = pages(PLAIN, lambda rng: wrong.draw(rng, strength), n, 1000 + 10 * stream + level)
    for page, columns in drawn:
        (own,) = (each for each in page if each.topic == wrong.topic)
        many = sum(each.p is not None for each in page)
        assert own.p is not None
        any_fails = any(each.fine is False for each in page)
        counts += [own.p < LEVEL, own.fine is False, any_fails]
        for name, found in theirs.items():
            p = STANDARD[name](columns)
            found += [p < LEVEL, p < PAGE / many]
    alone, family, anything = (counts / n).tolist()
    return [
        {
            "departure": wrong.name,
            "unit": wrong.unit,
            "strength": strength,
            "data_sets": n,
            "standard": name,
            "check_alone": alone,
            "standard_alone": float(found[0] / n),
            "check_page": family,
            "standard_page": float(found[1] / n),
            "any_check": anything,
        }
        for name, found in theirs.items()
    ]


def table(data: dict[str, Any]) -> str:
    """Write the tables in Markdown."""
    alarms, found, levels_found = (
        [row for name in order if name in data[part] for row in data[part][name]]
        for part, order in (
            ("false_alarms", [right.name for right in RIGHT]),
            ("power", [wrong.name for wrong in WRONG]),
            ("standard_levels", list(STANDARD)),
        )
    )
    lines = [
        "# Model checks: false alarms and power",
        "",
        f"Made by `benchmarks/checks.py`, seed {SEED}. Shares of simulated data sets, with their "
        "Monte Carlo standard errors.",
        "",
        "## False alarms: any check fails on a right model (at most 0.05)",
        "",
        "| model | tests | data sets | any alarm |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row['model']} | {row['tests']} | {row['data_sets']} | "
        f"{row['any_alarm']:.3f} ± {row['error']:.3f} |"
        for row in alarms
    ]
    total = sum(row["data_sets"] for row in alarms)
    share = sum(row["any_alarm"] * row["data_sets"] for row in alarms) / max(total, 1)
    lines += [
        f"| **all** | | {total:,} | **{share:.3f} ± {error(share, max(total, 1)):.3f}** |",
        "",
        "## Power: the check of the departure fails",
        "",
        "Of `y ~ x + (1 | g)` fitted to 40 groups of 15. *Alone*: each test at 0.05. *Page*: 0.04",
        "for all tests of the page together (0.05 less what p values are uncertain by), `check` by",
        "Holm, the standard test by Bonferroni over as many. *Any*: some check of the page fails.",
        "",
        "| departure | strength | standard test | data sets | alone: check | standard "
        "| page: check | standard | any |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['departure']} | {row['unit']} {row['strength']:g} | {row['standard']} | "
        f"{row['data_sets']} | {row['check_alone']:.2f} | {row['standard_alone']:.2f} | "
        f"{row['check_page']:.2f} | {row['standard_page']:.2f} | {row['any_check']:.2f} |"
        for row in found
    ]
    worst = error(0.5, min((row["data_sets"] for row in found), default=1))
    lines += [
        "",
        f"Monte Carlo standard error of a share: {worst:.2f} at most.",
        "",
        "## The standard tests on a right model (40 groups of 15): how often each rejects",
        "",
        "| standard test | data sets | at 0.05 | at 0.004 |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row['standard']} | {row['data_sets']} | {row['alone']:.3f} | {row['page']:.4f} |"
        for row in levels_found
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--right", type=int, default=300, help="data sets of each right model")
    parser.add_argument("--wrong", type=int, default=100, help="data sets of each departure")
    parser.add_argument("--only", default="", help="rows whose name holds this; others are kept")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the two files")
    asked = parser.parse_args()
    data: dict[str, Any] = {"seed": SEED, "level": LEVEL}
    data |= {name: {} for name in ("false_alarms", "power", "standard_levels")}
    path = asked.out / "checks.json"
    if asked.only:
        data = json.loads(path.read_text())

    def keep(part: str, name: str, rows: list[dict[str, Any]]) -> None:
        data[part][name] = rows
        print(name, rows, flush=True)
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        asked.out.joinpath("checks.md").write_text(table(data))

    for stream, right in enumerate(RIGHT):
        if asked.only in right.name:
            keep("false_alarms", right.name, [false_alarms(asked.right, stream)])
    for stream, wrong in enumerate(WRONG):
        if asked.only in wrong.name:
            rows = [power(asked.wrong, stream, level) for level in range(3)]
            keep("power", wrong.name, [row for level in rows for row in level])
    for name, test in STANDARD.items():
        if asked.only in name:
            keep("standard_levels", name, [levels(asked.right, name, test)])


if __name__ == "__main__":
    main()
