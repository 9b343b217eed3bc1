"""Measure outcomes that are not Gaussian: ``python benchmarks/families.py FOLDER``.

ML of contraception, cbpp, bacteria and epil, with glmer (25 quadrature points, where it allows
them) and, where it is installed, glmmTMB (Laplace) in the same run; and of simulated data: a
million rows in 10,000 groups, and 100,000 rows with a random slope. FOLDER has the CSV files of
lme4, mlmRev and MASS. One BLAS thread, warm; medians of processor seconds of a fit from a table in
memory, the formula included: of ours also the profile intervals of the sds, which the peers leave
out. Results go to ``benchmarks/families.json`` and ``.md``.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import last_json, machine, row as compared, save, table_lines, versions

PATIENCE = 1200.0  # seconds by the clock that glmer may take for one fit
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CONTRACEPTION = "yes ~ a + a2 + urban + livch + (%s | district)"
# File, our formula and family, R's formula and family, quadrature points that glmer allows.
MODELS = {
    "contraception": (
        *("contraception", CONTRACEPTION % "1", "bernoulli"),
        *(CONTRACEPTION % "1", "binomial", 25),
    ),
    "contraception, slope": (
        *("contraception", CONTRACEPTION % "1 + urban", "bernoulli"),
        *(CONTRACEPTION % "1 + urban", "binomial", 1),
    ),
    "cbpp": (
        *("cbpp", "incidence | trials(size) ~ period + (1 | herd)", "binomial"),
        *("cbind(incidence, size - incidence) ~ period + (1 | herd)", "binomial", 25),
    ),
    "bacteria": (
        *("bacteria", "yes ~ trt + late + (1 | ID)", "bernoulli"),
        *("yes ~ trt + late + (1 | ID)", "binomial", 25),
    ),
    "epil": (
        *("epil", "y ~ lbase*trt + lage + V4 + (1 | subject)", "poisson"),
        *("y ~ lbase*trt + lage + V4 + (1 | subject)", "poisson", 25),
    ),
}
LARGE = {
    "100,000 rows, 1,000 groups, random slope": (100_000, 1_000, 1, True),
    "1,000,000 rows, 10,000 groups, 5 predictors": (1_000_000, 10_000, 5, False),
}
R = """
suppressMessages(library(lme4)); a <- commandArgs(TRUE)
d <- read.csv(a[1], stringsAsFactors = TRUE)
for (g in intersect(c("district", "herd", "period", "ID", "subject"), names(d)))
  d[[g]] <- factor(d[[g]])
f <- as.formula(a[2]); family <- a[3]; k <- as.integer(a[4]); times <- as.integer(a[5])
cpu <- function(what) sum(system.time(what())[c("user.self", "sys.self")])
mg <- NULL; mt <- NULL; t <- NULL
g <- replicate(times + 1, cpu(function() mg <<- suppressMessages(suppressWarnings(
  glmer(f, d, family = family, nAGQ = k)))))
median_of <- function(x) median(if (length(x) > 1) x[-1] else x)
cat(sprintf('{"glmer": %.5f, "glmer_sd": %.7f, "glmer_loglik": %.8f', median_of(g),
  as.data.frame(VarCorr(mg))$sdcor[1], as.numeric(logLik(mg))))
if (times > 0 && suppressWarnings(suppressMessages(require(glmmTMB)))) {
  t <- replicate(times + 1, cpu(function() mt <<- glmmTMB(f, d, family = family)))
  cat(sprintf(', "glmmTMB": %.5f, "glmmTMB_loglik": %.8f', median(t[-1]), as.numeric(logLik(mt))))
}
cat("}\\n")
"""


def prepared(folder: Path, file: str) -> dict[str, Any]:
    """Return a table with the columns that the models name."""
    import pandas as pd

    table = pd.read_csv(folder / f"{file}.csv")
    if file == "contraception":
        table["yes"] = (table["use"] == "Y") * 1
        table["a"] = table["age"] / 10
        table["a2"] = table["a"] ** 2
    if file == "bacteria":
        table["yes"], table["late"] = (table["y"] == "y") * 1, (table["week"] > 2) * 1
    for name in ("period", "district", "herd"):
        if name in table:
            table[name] = "c" + table[name].astype(str)
    return table


def ours(table: Any, formula: str, family: str, repeats: int) -> dict[str, float]:
    """Time fits from a table, in this process, after one that loads what is compiled."""
    from bayes_mlm import fit

    seconds = []
    for _ in range(repeats + 1):
        began = time.process_time()
        found = fit(formula, table, family=family, engine="ml")
        seconds.append(time.process_time() - began)
    solution = found.solution
    return {
        "seconds": statistics.median(seconds[1:]),
        "loglik": solution.loglik,
        "sd": float(solution.sigma_u[0]),
        "certified": bool(solution.certificate.ok),
    }


def simulated(n: int, groups: int, predictors: int, *, slope: bool) -> tuple[str, dict[str, Any]]:
    """Return the formula and the columns of a large problem."""
    import numpy as np

    rng = np.random.default_rng(1)
    g, X = rng.integers(0, groups, n), rng.normal(size=(n, predictors))
    eta = -0.5 + X @ np.linspace(0.5, -0.2, predictors) + 0.8 * rng.normal(size=groups)[g]
    if slope:
        eta += 0.4 * rng.normal(size=groups)[g] * X[:, 0]
    data = {f"x{k}": X[:, k] for k in range(predictors)}
    data |= {"y": (rng.random(n) < 1 / (1 + np.exp(-eta))) * 1.0, "g": g}
    names = " + ".join(f"x{k}" for k in range(predictors))
    return f"y ~ {names} + ({'x0' if slope else '1'} | g)", data


def large(name: str) -> dict[str, float]:
    """Fit simulated data; run in a process of its own, for its memory."""
    from bayes_mlm import build_design
    from bayes_mlm.engines.generalised import fit_generalised

    *size, slope = LARGE[name]
    formula, data = simulated(*size, slope=slope)
    small = {name: values[data["g"] < 5] for name, values in data.items()}
    fit_generalised(build_design(formula, small, family="bernoulli"))
    began = time.process_time()
    found = fit_generalised(build_design(formula, data, family="bernoulli"))
    return {
        "seconds": time.process_time() - began,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "loglik": found.loglik,
        "certified": bool(found.certificate.ok),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    import pandas as pd

    os.environ |= ONE_THREAD
    if asked.large:
        print(json.dumps(large(asked.large)))
        return
    found: dict[str, Any] = {}
    rows = []
    apart = Path(tempfile.mkdtemp())
    script, data = apart / "glmer.R", apart / "data.csv"
    try:
        script.write_text(R, encoding="utf-8")
        for name, (file, formula, family, theirs, their_family, points) in MODELS.items():
            table = prepared(asked.folder, file)
            table.to_csv(data, index=False)
            mine = ours(table, formula, family, asked.repeats)
            peer = last_json(
                ["Rscript", *map(str, (script, data, theirs, their_family, points, asked.repeats))]
            )
            found[name] = {"bayes_mlm": mine, **peer}
            shown = f"{mine['seconds'] * 1e3:.1f} ms"
            what = f"{name}: glmer, {points} point{'s' * (points > 1)}"
            a, b = mine["seconds"], peer["glmer"]
            target = 0.1 if points > 1 else None
            rows.append(compared(what, shown, f"{b * 1e3:.0f} ms", a / b, target))
            if "glmmTMB" in peer:
                b = peer["glmmTMB"]
                rows.append(compared(f"{name}: glmmTMB", shown, f"{b * 1e3:.0f} ms", a / b, None))
        for name, (*size, slope) in LARGE.items():
            command = [sys.executable, __file__, "--large", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = json.loads(done.stdout.splitlines()[-1])
            one = found[name]
            shown = f"{one['seconds']:.1f} s, {one['gigabytes']:.2f} GB"
            asked_for = " (asked: 15 s, 3 GB)" if name.startswith("1,000,000") else ""
            formula, columns = simulated(*size, slope=slope)
            pd.DataFrame(columns).to_csv(data, index=False)
            # Once, and by the approximation of Laplace: glmer takes minutes.
            command = ["Rscript", *map(str, (script, data, formula, "binomial", 1, 0))]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=True, timeout=PATIENCE
                )
                peer = json.loads(done.stdout.splitlines()[-1])
                theirs = f"glmer, 1 point: {peer['glmer']:.0f} s"
            except subprocess.TimeoutExpired:
                peer = {"glmer": PATIENCE}
                theirs = f"glmer, 1 point: not done after {PATIENCE:.0f} s"
            found[name] |= peer
            ratio = one["seconds"] / peer["glmer"]
            rows.append(compared(f"{name}{asked_for}", shown, theirs, ratio, None))
    finally:
        shutil.rmtree(apart)
    lines = ["", "| | log-likelihood | sd | sd, glmer less ours |", "|---|--:|--:|--:|"]
    for name in MODELS:
        one = found[name]
        mine, apart = one["bayes_mlm"], one["glmer_sd"] - one["bayes_mlm"]["sd"]
        lines.append(f"| {name} | {mine['loglik']:.7f} | {mine['sd']:.6f} | {apart:+.1e} |")
    lines += ["", f"{machine()}. " + ", ".join(f"{k} {v}" for k, v in versions().items()), ""]
    title = "# Maximum likelihood of outcomes that are not Gaussian"
    text = "\n".join([title, "", *table_lines("ML", rows), *lines])
    save("families", found, text)


if __name__ == "__main__":
    main()
