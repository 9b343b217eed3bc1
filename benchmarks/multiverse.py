"""Time a multiverse of 4,096 models of HSB: ``python benchmarks/multiverse.py``.

By REML, and with posteriors, marginal likelihoods and leave-one-group-out; and once more with every
row repeated 100 times within its group (718,500 rows), which changes the one pass over the rows and
nothing after it. One BLAS thread, warm; processor seconds. Results go to
``benchmarks/multiverse.json`` and ``.md``.
"""

import os
import time
from typing import Any

import numpy as np
from measuring import machine, save, versions

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
BASE = "mathach ~ ses + sector + minority + female + (1 | schoolid)"
OPTIONAL = [
    *("size", "pracad", "disclim", "himinty", "meanses", "I(ses ** 2)", "ses:sector"),
    *("ses:minority", "ses:female", "sector:minority", "sector:female", "minority:female"),
]
REPEATS, CHECKED = 100, 40


def timed(data: Any, *, posterior: bool = True) -> tuple[float, float, Any]:
    """Return processor seconds of the pass over the rows and of the rest, and the result."""
    from bayes_mlm.assess.specifications import _universe, fit_universe
    from bayes_mlm.assess.specifications.choices import read_choices

    began = time.process_time()
    universe = _universe(read_choices(BASE, OPTIONAL, {}), data)
    assert universe.statistics.n
    reading = time.process_time() - began
    began = time.process_time()
    found = fit_universe(universe, universe.focal(["ses", "sector"]), posterior, None, 0.95, 1)
    return reading, time.process_time() - began, found


def largest_difference(found: Any) -> float:
    """Return the largest difference of log-likelihood from certified fits, of some models."""
    from bayes_mlm import build_design, fit_reml, load_hsb

    rows, rng = load_hsb(), np.random.default_rng(1)
    worst = 0.0
    for place in rng.choice(len(found.models), CHECKED, replace=False).tolist():
        model = found.models[place]
        one = fit_reml(build_design(model.formula, rows), profile=False)
        worst = max(worst, abs(one.loglik - model.reml_loglik))
    return worst


def main() -> None:
    from bayes_mlm import load_hsb, multiverse

    rows = load_hsb()
    load = os.getloadavg()[0]
    multiverse(BASE, rows, OPTIONAL[:1])  # compiles
    reading, reml, plain = timed(rows, posterior=False)
    assert len(plain.models) == 4096
    worst = largest_difference(plain)
    _, whole, full = timed(rows)
    many = {name: np.tile(np.asarray(rows[name]), REPEATS) for name in rows.columns}
    pass_many, reml_many, _ = timed(many, posterior=False)
    lines = [
        "# Multiverse",
        "",
        f"4,096 models of HSB: `{BASE}`, and twelve optional terms ({', '.join(OPTIONAL)}). "
        "Processor seconds, one thread.",
        "",
        "| | 7,185 rows | 718,500 rows | asked |",
        "|---|--:|--:|--:|",
        f"| the pass over the rows (reading, checks, sums) | {reading:.2f} | {pass_many:.2f} | |",
        f"| REML of all models, after it | {reml:.1f} | {reml_many:.1f} | ≤ 10 |",
        "| with posteriors, marginal likelihoods and leave-one-group-out "
        f"| {whole:.1f} | | ≤ 120 |",
        "",
        f"Restricted log-likelihoods of {CHECKED} of the models, drawn at random, differ from "
        f"those of the certified `fit_reml` from the rows by {worst:.1e} at most.",
        "",
        *full.sentences,
        "",
        "```",
        str(full),
        "```",
        "",
        f"{machine()}; load {load:.1f} when it began. "
        + ", ".join(f"{k} {v}" for k, v in versions().items()),
        "",
    ]
    found = {
        "pass": [reading, pass_many],
        "reml": [reml, reml_many],
        "posterior": whole,
        "loglik difference": worst,
    }
    save("multiverse", found, "\n".join(lines))


if __name__ == "__main__":
    os.environ |= ONE_THREAD
    main()
