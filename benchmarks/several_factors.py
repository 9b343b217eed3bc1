"""Measure several grouping factors: ``python benchmarks/several_factors.py FOLDER``.

REML and ML of Pastes, Penicillin, ScotsSec and InstEval, 4,000 direct draws of every parameter and
group effect, and the whole process from CSV to table; lme4 in the same run. FOLDER has the CSV
files (the package embeds Pastes and Penicillin; the others are lme4's and mlmRev's). One BLAS
thread, caches warm, medians. Results go to ``benchmarks/several_factors.json`` and ``.md``.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

from measuring import (
    in_turns,
    last_json,
    machine,
    ours_command,
    r_command,
    row as compared,
    save,
    table_lines,
    versions,
)

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MODELS = {
    "Pastes": ("pastes", "strength ~ 1 + (1 | batch) + (1 | sample)", "REML"),
    "Penicillin": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "REML"),
    "ScotsSec": ("scotssec", "attain ~ verbal + (1 | primary) + (1 | second)", "REML"),
    "InstEval": ("insteval", "y ~ 1 + (1 | s) + (1 | d)", "REML"),
    "InstEval, dept and slope": (
        "insteval",
        "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept) + (0 + service | dept)",
        "ML",
    ),
}
DRAWS = {"Pastes": 0.1, "Penicillin": 0.1, "ScotsSec": 0.2, "InstEval": 3.0}
R = """
suppressMessages(library(lme4)); a <- commandArgs(TRUE); d <- read.csv(a[1])
f <- as.formula(a[2])
for (g in unique(sapply(findbars(f), function(b) all.vars(b[[3]])))) d[[g]] <- factor(d[[g]])
one <- function() system.time(m <<- lmer(f, d, REML = a[3] == "REML",
  control = lmerControl(calc.derivs = FALSE)))["elapsed"]
s <- replicate(as.integer(a[4]), one())
cat(sprintf('{"seconds": %.4f, "deviance": %.9f}\\n', median(s), -2 * as.numeric(logLik(m))))
"""


def ours(path: Path, formula: str, method: str, repeats: int, *, draws: bool) -> dict[str, float]:
    """Time the estimate from the design's rows in memory, and the draws; in this process."""
    import math

    import pandas as pd

    from bayes_mlm import build_design, fit
    from bayes_mlm.engines.reml.several.search import maximise, residual_df
    from bayes_mlm.likelihood import make_plan

    table = pd.read_csv(path)
    design = build_design(formula, table)
    seconds, deviance = [], math.nan
    for _ in range(repeats + 1):
        began = time.perf_counter()
        products = design.cross_products()
        optimum = maximise(make_plan(products), method)
        seconds.append(time.perf_counter() - began)
        df = residual_df(optimum.factor.plan, method)
        deviance = optimum.deviance + 2.0 * df * math.log(products.y_scale)
        deviance -= 2.0 * products.log_det if method == "REML" else 0.0
    found = {"seconds": statistics.median(seconds[1:]), "deviance": deviance}
    if draws:
        made = []
        for seed in range(repeats + 1):
            began = time.perf_counter()
            fit(formula, table, engine="direct", random_seed=seed)
            made.append(time.perf_counter() - began)
        found["draws"] = statistics.median(made[1:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    os.environ |= ONE_THREAD
    script = Path(asked.folder) / "_lme4.R"
    found, rows = {}, []
    try:
        script.write_text(R, encoding="utf-8")
        for name, (file, formula, method) in MODELS.items():
            path = asked.folder / f"{file}.csv"
            if not path.exists():
                print(f"no {path}; {name} is left out")
                continue
            repeats = asked.repeats if file != "insteval" else min(asked.repeats, 3)
            mine = ours(path, formula, method, asked.repeats, draws=name in DRAWS)
            peer = last_json(["Rscript", str(script), str(path), formula, method, str(repeats)])
            found[name] = {"bayes_mlm": mine, "lme4": peer}
            a, b = mine["seconds"], peer["seconds"]
            what = f"{name}, {method}: deviance {mine['deviance'] - peer['deviance']:+.1e}"
            target = 0.1 if file != "insteval" else None
            rows.append(compared(what, f"{a * 1e3:.2f} ms", f"{b * 1e3:.0f} ms", a / b, target))
            if name in DRAWS:
                met = f"{mine['draws']:.2f} s (asked {DRAWS[name]} s)"
                rows.append(compared(f"{name}, 4,000 draws", met, "", mine["draws"], None))
        pastes, formula = asked.folder / "pastes.csv", MODELS["Pastes"][1]
        commands = {
            "bayes_mlm": ours_command(formula, pastes),
            "lme4": r_command("whole", formula, pastes),
        }
        turns = in_turns(commands, asked.repeats)
        whole = {k: statistics.median(one["seconds"] for one in v) for k, v in turns.items()}
        found["whole process, Pastes"] = whole
        a, b = whole["bayes_mlm"], whole["lme4"]
        rows.append(
            compared("whole process, CSV to table, Pastes", f"{a:.2f} s", f"{b:.2f} s", a / b, None)
        )
    finally:
        script.unlink(missing_ok=True)
    found |= {"load": os.getloadavg()[1], "machine": machine()}
    text = "\n".join(
        [
            "# Several grouping factors",
            "",
            *table_lines("lme4", rows),
            "",
            f"{machine()}. " + ", ".join(f"{name} {one}" for name, one in versions().items()),
            "",
        ]
    )
    save("several_factors", found, text)


if __name__ == "__main__":
    main()
