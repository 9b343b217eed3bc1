"""Measure the accuracy of the direct engine with several grouping factors: 32 seeds, six data sets.

One command makes ``benchmarks/several_accuracy.md`` and ``.json`` again::

    PYTHONPATH=. OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/several_accuracy.py

The references are independent of the engine's sampler: a grid of dense covariance matrices where
the factors have intercepts alone and few rows (``tests/helpers/dense.py``), else long runs of NUTS
on the package's PyMC models (``--nuts`` runs them again: an hour; their moments are kept in
``several_accuracy_nuts.json``), or many random walks on the exact density. Each seed gives 4,000
draws, by exact evaluations and from interpolated sums. An error in a mean is in posterior sds.

`scotssec` is not part of the package; it is left out unless ``--data`` names a directory with
``scotssec.csv`` (columns attain, sex, social, primary, second).
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
from scipy import stats

from bayes_mlm import build_design, load_dataset, model_priors
from bayes_mlm.engines.diagnostics import convergence
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.density import draw_beta
from bayes_mlm.engines.direct.initialisation import typical_scale
from bayes_mlm.engines.direct.mode import find_mode
from bayes_mlm.engines.direct.parametrisation import log_density, variances_at
from bayes_mlm.engines.direct.several import sampling
from bayes_mlm.engines.direct.several.exact import SeveralDraws
from bayes_mlm.engines.direct.several.problem import make_several
from bayes_mlm.engines.direct.several.start import choose_start
from bayes_mlm.engines.draws import Draws, quantities
from bayes_mlm.engines.nuts import sample_model
from bayes_mlm.engines.settings import Settings
from bayes_mlm.likelihood import parameters_of
from tests.helpers.dense import posterior_on_grid

HERE = Path(__file__).parent
SEEDS = 32
# Of draws from interpolated sums, which are forced here.
FORCED_SEEDS = 12
# An error beyond which a run is wrong, if its verdict is clean.
MOST_MEAN, MOST_SD = 0.10, 0.06
type Columns = dict[str, Any]


def columns_of(name: str) -> Columns:
    columns = load_dataset(name).columns
    return {key: np.array(values) for key, values in columns.items()}


def pastes(_: Path | None) -> Columns:
    return columns_of("pastes")


def penicillin(_: Path | None) -> Columns:
    return columns_of("penicillin")


def scotssec(directory: Path | None) -> Columns | None:
    if directory is None or not (directory / "scotssec.csv").exists():
        return None
    with (directory / "scotssec.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: Columns = {name: np.array([row[name] for row in rows]) for name in ("sex",)}
    for name in ("attain", "social", "primary", "second"):
        found[name] = np.array([float(row[name]) for row in rows])
    return found


def sleepstudy(_: Path | None) -> Columns:
    """Slopes by subject, and a day effect near zero crossed with them."""
    found = columns_of("sleepstudy")
    return found | {"day": np.array([f"day{int(day)}" for day in found["days"]])}


def hsb(_: Path | None) -> Columns:
    """Slopes by school near zero, and schools in 20 districts of a simulated effect."""
    found, rng = columns_of("hsb"), np.random.default_rng(5)
    schools, place = np.unique(found["schoolid"], return_inverse=True)
    district = rng.integers(0, 20, len(schools))
    effect = 1.5 * rng.normal(size=20)
    found["district"] = np.array([f"d{k:02}" for k in district])[place]
    found["mathach"] = found["mathach"] + effect[district][place]
    return found


def near_zero(_: Path | None) -> Columns:
    """Simulated: 48 classes without an effect, in 12 schools with one."""
    rng = np.random.default_rng(11)
    school = np.repeat(np.arange(12), 20)
    kind = np.tile(np.repeat(np.arange(4), 5), 12)
    y = 0.8 * rng.normal(size=12)[school] + rng.normal(size=240)
    return {"y": y, "school": school, "class": [f"{a}:{b}" for a, b in zip(school, kind)]}  # noqa: B905


SETS: dict[str, tuple[str, Callable[[Path | None], Columns | None]]] = {
    "pastes": ("strength ~ 1 + (1 | sample) + (1 | batch)", pastes),
    "penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", penicillin),
    "scotssec": ("attain ~ sex + social + (1 | primary) + (1 | second)", scotssec),
    "sleepstudy": ("reaction ~ days + (days | subject) + (1 | day)", sleepstudy),
    "hsb": ("mathach ~ ses + (ses | schoolid) + (1 | district)", hsb),
    "near_zero": ("y ~ 1 + (1 | school) + (1 | class)", near_zero),
}
# Of the grids: factors, and the ranges of log(sd / sigma_e).
GRIDS = {
    "pastes": (("sample", "batch"), ((0.0, 2.6), (-9.0, 3.0))),
    "penicillin": (("plate", "sample"), ((-1.2, 2.2), (-0.6, 4.5))),
    "near_zero": (("school", "class"), ((-2.2, 1.6), (-10.0, 0.0))),
}
# Where NUTS takes hours.
WALKS = ("hsb",)
type Moments = dict[str, tuple[float, float]]


def grid(name: str, data: Columns) -> Moments:
    """Return the moments of a dense grid."""
    design = build_design(SETS[name][0], data)
    priors, (factors, ranges) = model_priors(design), GRIDS[name]
    places = [design.factors.index(factor) for factor in factors]
    beta = priors.beta[0]

    def half_t(prior: Any) -> Callable[[Any], Any]:
        return lambda sd: stats.t(prior["nu"], scale=prior["sigma"]).logpdf(sd) + np.log(2.0)

    moments, _ = posterior_on_grid(
        design.y,
        design.X,
        [design.of_factor(place).codes for place in places],
        [*(half_t(priors.groups[place].sigma_u[0]) for place in places), half_t(priors.sigma_e)],
        np.array([beta["mu"]]),
        np.array([beta["sigma"]]),
        [np.linspace(low, high, 45) for low, high in ranges],
    )
    names = [*(f"sigma_u[{factor}]" for factor in factors), "sigma_e", "beta[Intercept]"]
    return dict(zip(names, moments, strict=True))


def nuts(name: str, data: Columns) -> dict[str, Any]:
    """Return the moments of a long run of NUTS, with their Monte Carlo errors."""
    design = build_design(SETS[name][0], data)
    settings = Settings(draws=8000, tune=2000, chains=4, random_seed=7, target_accept=0.9)
    found = {}
    for quantity, values in quantities(sample_model(design, model_priors(design), settings)):
        one = convergence(values)
        found[quantity] = {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "mcse": float(one.mcse_mean),
            "ess": float(one.ess_bulk),
        }
    return found


def metropolis(name: str, data: Columns) -> Moments:
    """Return the moments of 200 random walks of 5,000 steps on the exact density."""
    design = build_design(SETS[name][0], data)
    problem = make_several(design, model_priors(design))
    rng, start = np.random.default_rng(3), choose_start(problem)
    mode = find_mode(lambda x: log_density(problem, x), start, typical_scale(problem))
    d, n = len(start), 200
    root = np.linalg.cholesky(mode.covariance)
    x = mode.x + rng.standard_normal((n, d)) @ root.T
    value, kept = log_density(problem, x), []
    for step in range(5000):
        # Sizes of steps vary, so that neither the body nor the long tails are slow.
        size = 2.4 / np.sqrt(d) * np.exp(rng.uniform(-1.2, 1.2, (n, 1)))
        trial = x + size * (rng.standard_normal((n, d)) @ root.T)
        new = log_density(problem, trial)
        better = np.log(rng.uniform(size=n)) < new - value
        x[better], value[better] = trial[better], new[better]
        if step >= 500 and step % 20 == 0:
            kept.append(x.copy())
    at = variances_at(problem, np.concatenate(kept))
    drawn = SeveralDraws(
        at=at,
        log_density=np.zeros(len(at.log_sigma_e)),
        log_weight=np.zeros(len(at.log_sigma_e)),
        beta=draw_beta(problem, at, rng),
        report=sample_direct(design, problem.priors, random_seed=0, effects=False).report,
    )
    draws = Draws(
        posterior=sampling._variables(problem, drawn, (1, len(at.log_sigma_e)), effects=False),
        sample_stats={},
        coords=sampling._coords(design, problem),
        parameters=parameters_of(design),
    )
    return {key: (float(one.mean()), float(one.std())) for key, one in quantities(draws)}


def errors(draws: Draws, reference: Moments) -> dict[str, tuple[float, float]]:
    """Return the error of each mean, in sds, and of each sd, as a part of it."""
    found = {}
    for name, values in quantities(draws):
        if name in reference:
            mean, sd = reference[name]
            found[name] = float(values.mean() - mean) / sd, float(values.std()) / sd - 1.0
    return found


def measure(
    name: str, data: Columns, reference: Moments, source: str, *, interpolated: bool
) -> dict[str, Any]:
    """Return the errors of every seed."""
    design = build_design(SETS[name][0], data)
    priors = model_priors(design)
    default = sampling.EXACT_SECONDS, sampling.FALLBACK_SECONDS
    if interpolated:
        sampling.EXACT_SECONDS = sampling.FALLBACK_SECONDS = 0.0
    runs = []
    try:
        sample_direct(design, priors, random_seed=0)  # compiled, or read from the cache
        for seed in range(FORCED_SEEDS if interpolated else SEEDS):
            wall, cpu = time.perf_counter(), time.process_time()
            found = sample_direct(design, priors, random_seed=seed)
            runs.append(
                {
                    "wall": time.perf_counter() - wall,
                    "cpu": time.process_time() - cpu,
                    "clean": found.report.trusted,
                    "n_evaluations": found.report.n_evaluations,
                    "errors": errors(found.draws, reference),
                }
            )
    finally:
        sampling.EXACT_SECONDS, sampling.FALLBACK_SECONDS = default
    return {"source": source, "interpolated": interpolated, "runs": runs}


def summary(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    runs = found["runs"]
    clean = [one for one in runs if one["clean"]]
    means = np.array([[abs(m) for m, _ in one["errors"].values()] for one in clean])
    sds = np.array([[abs(s) for _, s in one["errors"].values()] for one in clean])
    wrong = int(((means > MOST_MEAN) | (sds > MOST_SD)).any(axis=1).sum())
    how = "interpolated" if found["interpolated"] else "exact"
    evaluations = np.median([one["n_evaluations"] for one in runs])
    return (
        f"| {name} | {found['source']} | {how} | {evaluations:,.0f} "
        f"| {np.median([one['cpu'] for one in runs]):.3f} | {len(clean)} of {len(runs)} "
        f"| {np.sqrt((means**2).mean()):.3f} | {means.max():.3f} "
        f"| {100 * np.sqrt((sds**2).mean()):.1f} | {100 * sds.max():.1f} | **{wrong}** |"
    )


def reference_of(name: str, data: Columns, *, again: bool) -> tuple[Moments, str]:
    """Return the moments to compare with, and where they are from."""
    if name in GRIDS:
        return grid(name, data), "grid"
    if name in WALKS:
        return metropolis(name, data), "random walks"
    kept = HERE / "several_accuracy_nuts.json"
    references = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if again or name not in references:
        references[name] = nuts(name, data)
        kept.write_text(json.dumps(references, indent=1) + "\n", encoding="utf-8")
    moments = {key: (one["mean"], one["sd"]) for key, one in references[name].items()}
    least = min(one["ess"] for one in references[name].values())
    return moments, f"NUTS, ESS ≥ {least:,.0f}"


def write(name: str, found: list[dict[str, Any]]) -> None:
    """Add a data set's runs to what is kept, and make the table of all."""
    kept = HERE / "several_accuracy.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    known[name] = found
    kept.write_text(json.dumps(known) + "\n", encoding="utf-8")
    head = [
        "# Accuracy of the direct engine with several grouping factors",
        "",
        f"Made by `benchmarks/several_accuracy.py`: {SEEDS} seeds ({FORCED_SEEDS} of interpolated "
        "draws), 4,000 draws each, default priors. Errors over all parameters of the tables "
        "(coefficients, sds, correlations): of a mean in posterior sds, of a posterior sd in "
        "percent; root mean square and largest, of the runs with a clean verdict. Wrong: any of "
        f"them above {MOST_MEAN} sd or {100 * MOST_SD:.0f} %. *Interpolated* is what models with a "
        "dear factorisation get, forced here on models that are evaluated exactly by default. Of "
        "4,000 independent draws of a normal posterior the root mean squares would be 0.016 and "
        "1.1 %.",
        "",
        "| data | reference | draws | factorisations | CPU, s | clean | mean, rms | largest "
        "| sd, rms % | largest % | wrong |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    rows = [summary(one, run) for one in SETS if one in known for run in known[one]]
    tail = [
        "",
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, 2 "
        "cores that other work shared; one BLAS thread.",
    ]
    text = "\n".join([*head, *rows, *tail]) + "\n"
    (HERE / "several_accuracy.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy of direct draws, several factors.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--nuts", action="store_true", help="run the references anew")
    options = parser.parse_args()
    for name in options.only:
        data = SETS[name][1](options.data)
        if data is None:
            continue
        reference, source = reference_of(name, data, again=options.nuts)
        found = []
        for interpolated in (False, True):
            found.append(measure(name, data, reference, source, interpolated=interpolated))
            print(summary(name, found[-1]), flush=True)
        write(name, found)


if __name__ == "__main__":
    main()
