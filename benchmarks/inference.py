"""Time and check inference from many fits: ``python benchmarks/inference.py``.

Satterthwaite and Kenward-Roger next to lmerTest and pbkrtest, a thousand bootstrap refits next to
bootMer (20, scaled), power of thirty designs, calibration of a thousand posteriors; and, by
simulation, type I errors of tests of coefficients and of a variance, and coverage of bootstrap
intervals of the icc. One BLAS thread, warm; processor seconds. Results go to
``benchmarks/inference.json`` and ``.md``.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from measuring import machine, row as compared, save, table_lines, versions

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MODELS = {"intercept": "(1 | schoolid)", "slope": "(ses | schoolid)"}
FIXED = "mathach ~ ses*sector + "
REFITS, THEIRS = 1000, 20
R = """
suppressMessages({library(lmerTest); library(pbkrtest)}); a <- commandArgs(TRUE)
d <- read.csv(a[1]); d$schoolid <- factor(d$schoolid)
cpu <- function(what) sum(system.time(what())[c("user.self", "sys.self")])
for (bar in c("(1 | schoolid)", "(ses | schoolid)")) {
  f <- as.formula(paste("mathach ~ ses*sector +", bar))
  plain <- lme4::lmer(f, d); m <- lmerTest::lmer(f, d)
  fit <- cpu(function() lme4::lmer(f, d))
  satt <- cpu(function() coef(summary(lmerTest::lmer(f, d)))) - fit
  kr <- cpu(function() { v <- vcovAdj(m); for (k in 1:4) get_Lb_ddf(m, diag(4)[k, ]) })
  boot <- cpu(function() suppressWarnings(suppressMessages(
    lme4::bootMer(plain, lme4::fixef, nsim = as.integer(a[2]), seed = 1))))
  cat(sprintf('{"fit": %.4f, "satterthwaite": %.4f, "kenward_roger": %.4f, "bootstrap": %.4f}\\n',
    fit, max(satt, 1e-3), kr, boot))
}
"""


def seconds(what: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median of processor seconds, after one call that compiles."""
    what()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        what()
        found.append(time.process_time() - began)
    return float(np.median(found))


def ours() -> dict[str, dict[str, float]]:
    from bayes_mlm import bootstrap, coefficient_tests, fit

    found = {}
    for name, bar in MODELS.items():
        estimate = fit(FIXED + bar, "hsb", engine="reml")
        found[name] = {
            "satterthwaite": seconds(lambda e=estimate: coefficient_tests(e)),
            "kenward_roger": seconds(lambda e=estimate: coefficient_tests(e, df="kenward-roger")),
            "bootstrap": seconds(lambda e=estimate: bootstrap(e, REFITS)),
        }
    return found


def theirs() -> dict[str, dict[str, float]]:
    import tempfile
    from pathlib import Path

    from bayes_mlm import load_hsb

    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder) / "hsb.csv", Path(folder) / "inference.R"
        load_hsb().to_csv(data, index=False)
        script.write_text(R, encoding="utf-8")
        command = ["Rscript", str(script), str(data), str(THEIRS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(one) for one in done.stdout.splitlines() if one.startswith("{")]
    for one in lines:
        one["bootstrap"] *= REFITS / THEIRS
    return dict(zip(MODELS, lines, strict=True))


def calibration() -> dict[str, dict[str, float]]:
    """Return seconds a thousand posteriors of simulated HSBs, and what calibrates them worst."""
    from bayes_mlm import fit, simulation_based_calibration

    found = {}
    for name, bar in MODELS.items():
        many = 1000 if name == "intercept" else 200
        drawn = fit(FIXED + bar, "hsb", random_seed=1)
        began = time.process_time()
        table = simulation_based_calibration(drawn, many)
        spent = (time.process_time() - began) * 1000.0 / many
        found[name] = {"seconds": spent, "least p": min(row.p for row in table)}
    return found


def power() -> tuple[float, float, float]:
    """Return seconds of 30 designs x 1,000, by the clock too, and root mean square z."""
    from bayes_mlm import plan_study

    sizes = {"groups": [50, 80, 100, 120, 150, 200], "size": [10, 15, 20, 30, 40]}
    asked = {"icc": 0.1, "effect": 0.2, "compared": "slopes", "slope_sd": 0.3}
    plan_study(**{**sizes, "groups": 50, "size": 10}, **asked, predictor="normal", n=100)
    began, clock = time.process_time(), time.perf_counter()
    plan = plan_study(**sizes, **asked, predictor="normal", n=1000)
    spent, clock = time.process_time() - began, time.perf_counter() - clock
    z = [(row.power - row.closed_form) / row.mcse for row in plan]
    return spent, clock, float(np.sqrt(np.mean(np.square(z))))


DESIGNS = {
    "6 groups of 10": [10] * 6,
    "10 groups of 10": [10] * 10,
    "6 groups of 3 to 40": [3, 5, 8, 12, 25, 40],
    "10 groups of 3 to 40": [3, 3, 4, 5, 8, 12, 18, 25, 33, 40],
}


def type_one(sizes: list[int], icc: float, size: int, seed: int) -> dict[str, float]:
    """Return rejections at 5 % of a group-level contrast and of a variance, in null data."""
    from scipy import stats

    from bayes_mlm.assess.variance_tests import exact_null
    from bayes_mlm.engines import OutcomeDistribution, Simulation
    from bayes_mlm.engines.reml.kenward_roger import kenward_roger
    from bayes_mlm.likelihood import profiled_loglik
    from bayes_mlm.moments import from_rows, rotate_moments

    groups, rng = len(sizes), np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), sizes)
    X = np.column_stack([np.ones(g.size), g % 2 - 0.5])
    names = {"terms": ["1", "w"], "effects": ["1"]}
    reduced = rotate_moments(from_rows(rng.normal(size=g.size), X, X[:, :1], g, groups, **names))
    simulation, weights = Simulation(reduced=reduced), np.array([[0.0, 1.0]])
    sigma, s2 = np.array([[icc]]), 1.0 - icc
    law = OutcomeDistribution.of(reduced, sigma, s2)
    drawn = law.draw(size, rng)
    found = simulation.refit(simulation.designs, drawn, np.zeros(2), sigma, s2, weights)
    t = np.abs(found.beta[:, 1]) / np.sqrt(found.variance[:, 0])
    null = np.sort(exact_null(reduced, 20_000, rng)) if icc == 0.0 else None
    kr, exact, mixture = [], [], []
    for k in range(size):
        c, rest = reduced.c.copy(), reduced.rest.copy()
        c[:, :, 2], rest[2, :2], rest[2, 2] = drawn.c_y[k], drawn.x_y[k], drawn.y_y[k]
        rest[:2, 2] = rest[2, :2]
        data = replace(reduced, c=c, rest=rest, y_mean=0.0)
        tests = kenward_roger(data)
        se, df = np.sqrt(tests.covariance[1, 1]), float(tests.df(weights)[0])
        kr.append(2 * stats.t.sf(abs(found.beta[k, 1]) / se, max(df, 1.0)) < 0.05)
        if null is not None:
            at = np.array([0.0, found.cov_u[k, 0, 0] / found.sigma2[k]])[:, None, None]
            none, best = profiled_loglik(data, at, "REML")
            ratio = max(2 * (best - none), 0.0)
            p = (len(null) - np.searchsorted(null, ratio)) / len(null) if ratio > 0 else 1.0
            exact.append(p < 0.05)
            mixture.append(ratio > stats.chi2.isf(0.1, 1))

    def rejected(df: Any) -> float:
        return float(np.mean(2 * stats.t.sf(t, df) < 0.05))

    rates = {
        "singular": float(found.singular.mean()),
        "normal": rejected(np.inf),
        "t(J - 2)": rejected(groups - 2),
        "Satterthwaite": rejected(np.maximum(found.df[:, 0], 1.0)),
        "Kenward-Roger": float(np.mean(kr)),
    }
    if null is not None:
        rates |= {"variance, exact": float(np.mean(exact)), "mixture": float(np.mean(mixture))}
    return rates


def coverage(sizes: list[int], icc: float, data_sets: int) -> dict[str, float]:
    """Return how often 95 % intervals of the icc hold it: 300 refits of each data set."""
    from bayes_mlm import bootstrap, fit

    rng, held = np.random.default_rng(7), dict.fromkeys(("percentile", "bca", "profile"), 0)
    g = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(data_sets):
        u = np.sqrt(icc) * rng.normal(size=len(sizes))
        y = u[g] + np.sqrt(1 - icc) * rng.normal(size=g.size)
        found = fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, engine="reml")
        for kind in ("percentile", "bca"):
            one = bootstrap(found, 300, interval=kind, random_seed=seed)["icc"]
            held[kind] += one.lower <= icc <= one.upper
        ends = found.solution.intervals.icc
        held["profile"] += (not ends.lower > icc) and (not ends.upper < icc)
    return {kind: many / data_sets for kind, many in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=2000)
    asked = parser.parse_args()
    mine, peers = ours(), theirs()
    rows = []
    for name in MODELS:
        for what, peer, target in (
            ("satterthwaite", "lmerTest", 0.01),
            ("kenward_roger", "pbkrtest", 0.01),
            ("bootstrap", f"bootMer ({THEIRS} refits, scaled)", None),
        ):
            a, b = mine[name][what], peers[name][what]
            label = f"HSB, {name}: {what.replace('_', '-')}"
            label += f", {REFITS:,} refits" if what == "bootstrap" else ""
            rows.append(
                compared(f"{label}: {peer}", f"{a * 1e3:.1f} ms", f"{b:.3f} s", a / b, target)
            )
    spent, clock, z = power()
    posteriors = calibration()
    lines = table_lines("inference", rows)
    lines += [
        "",
        "Asked of the bootstrap: 0.1 s (intercept) and 0.4 s (slope).",
        "",
        f"Power of a cross-level interaction with a random slope, 30 designs x 1,000 studies: "
        f"{spent:.1f} s of processor, {clock:.1f} s by the clock (asked 5 s); root mean square of "
        f"z between simulation and closed form {z:.2f}.",
        "",
        "Simulation-based calibration of HSB, posteriors by direct draws, for 1,000 data sets: "
        + "; ".join(
            f"{name} {one['seconds']:.0f} s (asked {limit} s), least p of {quantities} quantities "
            f"{one['least p']:.2f}"
            for (name, one), limit, quantities in zip(
                posteriors.items(), (10, 60), (7, 8), strict=True
            )
        )
        + ".",
        "",
        f"Type I error at 5 %, {asked.data_sets:,} null data sets of each design (Monte Carlo "
        f"error {np.sqrt(0.05 * 0.95 / asked.data_sets):.4f}): a contrast of two halves of the "
        "groups, and, where the icc is 0, the test of the variance:",
        "",
        "| design | icc | singular | normal | t(J - 2) | Satterthwaite | Kenward-Roger "
        "| variance, exact | mixture |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    errors: dict[str, Any] = {}
    for name, sizes in DESIGNS.items():
        for icc in (0.0, 0.02, 0.15):
            one = type_one(sizes, icc, asked.data_sets, seed=len(errors))
            errors[f"{name}, icc {icc:g}"] = one
            cells = [f"{one[key]:.3f}" if key in one else "" for key in (
                "singular", "normal", "t(J - 2)", "Satterthwaite", "Kenward-Roger",
                "variance, exact", "mixture")]  # fmt: skip
            lines.append(f"| {name} | {icc:g} | " + " | ".join(cells) + " |")
    title = "Coverage of 95 % intervals of the icc, 300 bootstrap refits of each of 200 data sets:"
    heading = "| design | icc | percentile | BCa | profile likelihood |"
    lines += ["", title, "", heading, "|---|--:|--:|--:|--:|"]
    held = {}
    for groups, icc in ((30, 0.1), (30, 0.3), (10, 0.3)):
        one = coverage([10] * groups, icc, 200)
        held[f"{groups} groups of 10, icc {icc:g}"] = one
        lines.append(f"| {groups} groups of 10 | {icc:g} | {one['percentile']:.3f} | "
                     f"{one['bca']:.3f} | {one['profile']:.3f} |")  # fmt: skip
    lines += ["", f"{machine()}. " + ", ".join(f"{k} {v}" for k, v in versions().items()), ""]
    found = {
        "bayes_mlm": mine,
        "R": peers,
        "power": [spent, clock, z],
        "type I": errors,
        "icc": held,
    }
    found["calibration"] = posteriors
    save("inference", found, "\n".join(["# Inference from many fits", "", *lines]))


if __name__ == "__main__":
    os.environ |= ONE_THREAD
    main()
