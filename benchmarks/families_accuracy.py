"""Accuracy of the direct engine for outcomes that are not Gaussian: 32 seeds a data set.

One command makes ``benchmarks/families_accuracy.md`` and ``.json`` again, and goes on where it was
stopped::

    PYTHONPATH=. OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/families_accuracy.py --data DIR

The references are long runs of NUTS on the package's PyMC models, under the same default priors;
their moments are kept in ``families_accuracy_nuts.json`` (``--nuts`` runs them again: half an
hour). Each seed gives 4,000 draws. An error in a mean is in posterior sds. DIR has ``cbpp.csv``
(lme4) and ``bacteria.csv`` (MASS), which are not part of the package; without it they are left out.
"""

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm import build_design, load_dataset, model_priors
from bayes_mlm.design import Design
from bayes_mlm.engines.diagnostics import convergence
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.draws import Draws, quantities
from bayes_mlm.engines.nuts import sample_model
from bayes_mlm.engines.settings import Settings

HERE = Path(__file__).parent
SEEDS = 32
# An error beyond which a run is wrong, if its verdict is clean.
MOST_MEAN, MOST_SD = 0.10, 0.06
type Columns = dict[str, Any]
type Moments = dict[str, dict[str, float]]


def bundled(name: str) -> Callable[[Path | None], Columns]:
    def read(_: Path | None) -> Columns:
        return {key: np.array(values) for key, values in load_dataset(name).columns.items()}

    return read


def from_file(name: str) -> Callable[[Path | None], Columns | None]:
    def read(directory: Path | None) -> Columns | None:
        if directory is None or not (directory / f"{name}.csv").exists():
            return None
        with (directory / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {key: [row[key] for row in rows] for key in rows[0]}

    return read


def cbpp(directory: Path | None) -> Columns | None:
    found = from_file("cbpp")(directory)
    numbers = ("incidence", "size")
    return found and found | {name: np.array(found[name], dtype=float) for name in numbers}


def bacteria(directory: Path | None) -> Columns | None:
    found = from_file("bacteria")(directory)
    return found and found | {
        "yes": np.array([one == "y" for one in found["y"]]) * 1,
        "late": (np.array(found["week"], dtype=float) > 2) * 1,
    }


def contraception(_: Path | None) -> Columns:
    found = bundled("contraception")(None)
    a = found["age"].astype(float) / 10
    return found | {"yes": (found["use"] == "Y") * 1, "a": a, "a2": a**2}


def ordered(_: Path | None) -> Columns:
    """Simulated: four ordered categories, 60 groups of 3 to 17 rows."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(60), rng.integers(3, 18, 60))
    x = rng.normal(size=g.size)
    eta = 0.7 * x + rng.normal(size=60)[g] + rng.logistic(size=g.size)
    return {"y": np.searchsorted([-1.5, 0.0, 2.0], eta) + 1, "x": x, "g": g}


def small_groups(_: Path | None) -> Columns:
    """Simulated: 0/1 outcomes in 150 groups of one to three rows that differ by 3 log odds."""
    rng = np.random.default_rng(9)
    g = np.repeat(np.arange(150), rng.integers(1, 4, 150))
    x = rng.normal(size=g.size)
    eta = -1.0 + x + 3.0 * rng.normal(size=150)[g]
    return {"y": (rng.random(g.size) < 1 / (1 + np.exp(-eta))) * 1, "x": x, "g": g}


WOMEN = "yes ~ a + a2 + urban + livch + (%s | district)"
SETS: dict[str, tuple[str, str, Callable[[Path | None], Columns | None]]] = {
    "contraception": (WOMEN % "1", "bernoulli", contraception),
    "contraception, slope": (WOMEN % "1 + urban", "bernoulli", contraception),
    "cbpp": ("incidence | trials(size) ~ period + (1 | herd)", "binomial", cbpp),
    "epil": ("y ~ lbase*trt + lage + V4 + (1 | subject)", "poisson", bundled("epil")),
    "ordered": ("y ~ x + (1 | g)", "cumulative", ordered),
    "small groups": ("y ~ x + (1 | g)", "bernoulli", small_groups),
    "bacteria": ("yes ~ trt + late + (1 | ID)", "bernoulli", bacteria),
}


def nuts(design: Design) -> Moments:
    """Return the moments of a long run of NUTS, with their effective sample sizes."""
    settings = Settings(draws=5000, tune=1500, chains=4, random_seed=7, target_accept=0.95)
    found = {}
    for quantity, values in quantities(sample_model(design, model_priors(design), settings)):
        one = convergence(values)
        found[quantity] = {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "ess": float(one.ess_bulk),
        }
    return found


def reference_of(name: str, design: Design, *, again: bool) -> Moments:
    """Return the moments to compare with."""
    path = HERE / "families_accuracy_nuts.json"
    kept: dict[str, Moments] = json.loads(path.read_text()) if path.exists() else {}
    if again or name not in kept:
        moments = nuts(design)
        kept = json.loads(path.read_text()) if path.exists() else {}
        kept[name] = moments
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return kept[name]


def errors(draws: Draws, reference: Moments) -> dict[str, tuple[float, float]]:
    """Return the error of each mean, in sds, and of each sd, as a part of it."""
    found = {}
    for name, values in quantities(draws):
        if name in reference:
            one = reference[name]
            shift = float(values.mean() - one["mean"]) / one["sd"]
            found[name] = shift, float(values.std()) / one["sd"] - 1.0
    return found


def measure(design: Design, reference: Moments) -> list[dict[str, Any]]:
    """Return the errors of every seed."""
    runs, priors = [], model_priors(design)
    sample_direct(design, priors, random_seed=0)  # compiled, or read from the cache
    for seed in range(SEEDS):
        began = time.process_time()
        found = sample_direct(design, priors, random_seed=seed)
        runs.append(
            {
                "cpu": time.process_time() - began,
                "clean": found.report.trusted,
                "k": found.report.k_hat,
                "violations": found.report.n_violations / max(found.report.n_trials, 1),
                "errors": errors(found.draws, reference),
            }
        )
    return runs


def summary(name: str, runs: list[dict[str, Any]], least: float) -> str:
    """Return a row of the table."""
    clean = [one for one in runs if one["clean"]]
    means = np.array([[abs(m) for m, _ in one["errors"].values()] for one in clean])
    sds = np.array([[abs(s) for _, s in one["errors"].values()] for one in clean])
    wrong = int(((means > MOST_MEAN) | (sds > MOST_SD)).any(axis=1).sum())
    shift = np.array([[m for m, _ in one["errors"].values()] for one in runs]).mean(axis=0)
    ks = np.array([one["k"] for one in runs])
    return (
        f"| {name} | {least:,.0f} | {np.median([one['cpu'] for one in runs]):.2f} "
        f"| {len(clean)} of {len(runs)} | {np.median(ks):.2f} | {ks.max():.2f} "
        f"| {np.sqrt((means**2).mean()):.3f} | {means.max():.3f} | {np.abs(shift).max():.3f} "
        f"| {100 * np.sqrt((sds**2).mean()):.1f} | {100 * sds.max():.1f} "
        f"| {1e6 * max(one['violations'] for one in runs):.0f} | **{wrong}** |"
    )


def table(known: dict[str, Any]) -> str:
    """Return the text of the table."""
    head = [
        "# Accuracy of the direct engine for outcomes that are not Gaussian",
        "",
        f"Made by `benchmarks/families_accuracy.py`: {SEEDS} seeds, 4,000 draws each, default "
        "priors; against long runs of NUTS under the same priors, whose least effective sample "
        "size is given. Errors over all coefficients, thresholds, sds and correlations: of a mean "
        "in posterior sds, of a posterior sd in percent; root mean square and largest, of the runs "
        "with a clean verdict. *Average*: the largest error of a mean that is averaged over the "
        "seeds, the reference's own error included. *Bound*: most violations of the bounds of the "
        "rejection draws of group effects, per million trials. Wrong: any error above "
        f"{MOST_MEAN} sd or {100 * MOST_SD:.0f} %. Of 4,000 independent draws of a normal "
        "posterior the root mean squares would be 0.016 and 1.1 %.",
        "",
        "| data | NUTS, ESS ≥ | CPU, s | clean | k̂, median | largest | mean, rms | largest "
        "| average | sd, rms % | largest % | bound | wrong |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    rows = [summary(one, known[one]["runs"], known[one]["ess"]) for one in SETS if one in known]
    tail = [
        "",
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, 2 "
        "cores that other work shared; one BLAS thread.",
    ]
    return "\n".join([*head, *rows, *tail]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy of direct draws, other families.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--nuts", action="store_true", help="run the references anew")
    parser.add_argument("--references", action="store_true", help="run what references lack only")
    options = parser.parse_args()
    path = HERE / "families_accuracy.json"
    for name in options.only:
        formula, family, read = SETS[name]
        data = read(options.data)
        if data is None:
            continue
        design = build_design(formula, data, family=family)
        reference = reference_of(name, design, again=options.nuts)
        if options.references:
            continue
        runs, least = measure(design, reference), min(one["ess"] for one in reference.values())
        print(summary(name, runs, least), flush=True)
        known = json.loads(path.read_text()) if path.exists() else {}
        known[name] = {"runs": runs, "ess": least}
        path.write_text(json.dumps(known) + "\n", encoding="utf-8")
        (HERE / "families_accuracy.md").write_text(table(known), encoding="utf-8")


if __name__ == "__main__":
    main()
