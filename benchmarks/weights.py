"""Time fits under survey weights: ``python benchmarks/weights.py``.

A weighted fit of High School and Beyond with its sums and standard errors; and a survey shaped as
PISA's, 100,000 students in 4,000 schools with 10 plausible values and 80 replicate weights, from a
Parquet file to the pooled estimates: 810 fits, also with a random slope, and the mixed posterior.
Each survey is a process of its own, after one that compiles; seconds are by the clock without
imports and of the processor. R's WeMix takes about a minute for the first (it is not in CRAN's
Debian packages, so not in this run). Results go to ``benchmarks/weights.json`` and ``.md``.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import save

SCHOOLS, STUDENTS = 4000, 25
RIGHT = "ESCS + female + immigrant + between(ESCS) + private + "
SURVEYS = {
    "random intercept": ("(1 | CNTSCHID)", "pml"),
    "random slope": ("(1 + ESCS | CNTSCHID)", "pml"),
    "posterior, random intercept": ("(1 | CNTSCHID)", "pseudo"),
}
ASKED = {
    "HSB, one fit, sandwich": "5 ms",
    "random intercept": "3 s, 1 GB",
    "random slope": "10 s",
    "posterior, random intercept": "5 s",
}


def hadamard() -> np.ndarray:
    """Return a Hadamard matrix of order 80, by Paley's construction with the squares modulo 79."""
    q = 79
    squares = np.isin(np.arange(q), np.arange(1, q) ** 2 % q)
    sign = np.where(np.arange(q) == 0, 0, np.where(squares, 1, -1))
    found = np.ones((80, 80))
    found[1:, 0] = -1.0
    found[1:, 1:] = sign[(np.arange(q)[:, None] - np.arange(q)) % q] + np.eye(q)
    return found


def make(path: Path) -> None:
    """Write a survey: unequal weights of schools and students, replicates by Fay."""
    import pandas as pd

    rng, n = np.random.default_rng(20261130), SCHOOLS * STUDENTS
    at = np.repeat(np.arange(SCHOOLS), STUDENTS)
    private = (rng.random(SCHOOLS) < 0.25).astype(float)
    w2 = np.exp(0.5 * rng.standard_normal(SCHOOLS)) * np.where(private == 1.0, 8.0, 20.0)
    escs = (0.6 * rng.standard_normal(SCHOOLS) + 0.2 * private)[at] + 0.8 * rng.standard_normal(n)
    mean = np.bincount(at, escs)[at] / STUDENTS
    female, immigrant = (rng.random((2, n)) < [[0.5], [0.13]]).astype(float)
    score = 480.0 + 20.0 * escs - 8.0 * female - 15.0 * immigrant + 45.0 * mean
    slope = 6.0 * rng.standard_normal(SCHOOLS)[at] * escs
    score += 10.0 * private[at] + 35.0 * rng.standard_normal(SCHOOLS)[at] + slope
    score += 68.0 * rng.standard_normal(n)
    w = np.exp(0.3 * rng.standard_normal(n)) * (1.0 + 0.3 * immigrant) * 4.0 * w2[at]
    pair, first = at // 2, np.where(at % 2 == 0, 1.0, -1.0)
    matrix, columns = hadamard(), {}
    for k in range(80):
        up = 1.0 + 0.5 * first * matrix[pair % 80, k]
        columns[f"W_FSTURWT{k + 1}"] = w * up * (1.0 + 0.03 * rng.standard_normal(n))
    for k in range(10):
        columns[f"PV{k + 1}MATH"] = score + 30.0 * rng.standard_normal(n)
    frame = {"CNTSCHID": at, "W_SCHGRNRABWT": w2[at], "W_FSTUWT": w, "ESCS": escs}
    frame |= {"female": female, "immigrant": immigrant, "private": private[at]}
    pd.DataFrame(frame | columns).to_parquet(path, index=False)


def one(path: str, bar: str, engine: str) -> dict[str, Any]:
    """Fit a survey in this process."""
    from bayes_mlm import fit

    formula = f"pv(PV1MATH..PV10MATH) ~ {RIGHT}{bar}"
    clock, processor = time.perf_counter(), time.process_time()
    found = fit(formula, path, weights="pisa", engine=engine, random_seed=1)
    return {
        "seconds": time.perf_counter() - clock,
        "processor": time.process_time() - processor,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "ok": found.verdict.ok,
    }


def hsb() -> dict[str, Any]:
    """Fit High School and Beyond, rows to sandwich, and by the jackknife over 160 schools."""
    from bayes_mlm import build_design, load_hsb
    from bayes_mlm.engines.pseudo import fit_pseudo
    from bayes_mlm.model import as_weights

    students = load_hsb()
    place = students.groupby("schoolid").cumcount() + 1
    students["w1"] = 1.0 + place % 4 / 2 + 0.5 * students["female"]
    students["w2"] = 1.0 + students["schoolid"] % 7 / 3 + students["sector"]
    found = {}
    for errors in ("sandwich", "jackknife"):
        weights = as_weights({"level1": "w1", "schoolid": "w2"}, standard_errors=errors)
        design = build_design("mathach ~ ses + (1 | schoolid)", students, weights=weights)
        fit_pseudo(design)
        times = []
        for _ in range(15):
            began = time.process_time()
            fit_pseudo(design)
            times.append(time.process_time() - began)
        found[errors] = float(np.median(times))
    return found


def measured() -> dict[str, Any]:
    found: dict[str, Any] = {"HSB": hsb()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey.parquet"
        make(path)
        for name, (bar, engine) in SURVEYS.items():
            command = [sys.executable, __file__, "--one", str(path), bar, engine]
            for _ in range(2):  # the first compiles
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = json.loads(done.stdout)
    return found


def text_of(found: dict[str, Any]) -> str:
    lines = [
        "# Fits under survey weights",
        "",
        "Made by `python benchmarks/weights.py`, which says what is measured.",
        "",
        "| | by the clock | processor | memory | asked |",
        "|---|--:|--:|--:|--:|",
    ]
    for errors, seconds in found["HSB"].items():
        name = f"HSB, one fit, {errors}"
        lines.append(f"| {name} | | {1000 * seconds:.1f} ms | | {ASKED.get(name, '')} |")
    for name in SURVEYS:
        row = found[name]
        lines.append(
            f"| 100,000 students, 10 x 81, {name} | {row['seconds']:.1f} s | "
            f"{row['processor']:.1f} s | {row['gigabytes']:.2f} GB | {ASKED[name]} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(one(*sys.argv[2:])))
    else:
        results = measured()
        save("weights", results, text_of(results))
