"""Measure several factors of other families: ``python benchmarks/families_several.py``.

Needs R with lme4 (apt's r-cran-lme4), whose data set VerbAgg it reads: 316 persons x 24 items of
verbal aggression, 0/1. The others are simulated: crossed matings of the design of the salamanders
(McCullagh & Nelder 1989, sec. 14.5), slopes of 200 subjects over 20 items, counts of 1,000 x 50.
glmer is Laplace's, as it is by default. Seconds are those of the processor, of one process each,
warm: ours the second fit. Results go to ``benchmarks/families_several.md`` and ``.json``.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

R = """
suppressMessages(library(lme4))
d <- read.csv("{data}")
fit <- function() glmer({formula}, d, family = {family})
s <- system.time(m <- suppressWarnings(fit()))
se <- sqrt(diag(as.matrix(vcov(m))))
cat(sprintf("%.10g", c(s[["user.self"]], logLik(m), length(fixef(m)), fixef(m), se,
    as.data.frame(VarCorr(m))$sdcor)))
"""
MATING = "y ~ wf * wm + (1 | female) + (1 | male)"
CASES = (
    ("VerbAgg", "y ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli"),
    ("matings", MATING, "bernoulli"),
    ("slopes", "y ~ x + (x | subject) + (1 | item)", "bernoulli"),
    ("counts", "y ~ x + (1 | a) + (1 | b)", "poisson"),
)


def verb_agg(folder: Path) -> pd.DataFrame:
    path = folder / "VerbAgg.csv"
    code = f'data(VerbAgg, package = "lme4"); write.csv(VerbAgg, "{path}", row.names = FALSE)'
    subprocess.run(["Rscript", "-e", code], check=True, capture_output=True)
    table = pd.read_csv(path)
    return table.assign(y=(table["r2"] == "Y") * 1)


def simulate(name: str) -> pd.DataFrame:
    rng = np.random.default_rng(17)
    if name == "matings":
        pairs = [
            (20 * e + f, 20 * e + m)
            for e in range(3)
            for f in range(20)
            for m in rng.permutation(20)[:6]
        ]
        female, male = np.array(pairs).T
        wf, wm = female % 2, male % 2
        eta = 1.0 - 2.9 * wf - 0.7 * wm + 3.6 * wf * wm
        eta = eta + 1.1 * rng.normal(size=60)[female] + 1.1 * rng.normal(size=60)[male]
        y = (rng.random(eta.size) < 1 / (1 + np.exp(-eta))) * 1
        return pd.DataFrame({"y": y, "wf": wf, "wm": wm, "female": female, "male": male})
    sizes = (200, 20) if name == "slopes" else (1000, 50)
    a, b = (one.ravel() for one in np.indices(sizes))
    x = rng.normal(size=a.size)
    scale = 1.0 if name == "slopes" else 0.5
    eta = 0.5 * x + scale * (rng.normal(size=sizes[0])[a] + rng.normal(size=sizes[1])[b])
    if name == "slopes":
        eta += 0.7 * x * rng.normal(size=sizes[0])[a]
        y = (rng.random(eta.size) < 1 / (1 + np.exp(-eta))) * 1
        return pd.DataFrame({"y": y, "x": x, "subject": a, "item": b})
    return pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "a": a, "b": b})


def by_glmer(path: Path, formula: str, family: str) -> dict[str, Any]:
    law = "binomial" if family == "bernoulli" else family
    code = R.format(data=path, formula=formula, family=law)
    done = subprocess.run(["Rscript", "-e", code], check=True, capture_output=True, text=True)
    numbers = [float(one) for one in done.stdout.split()]
    p = int(numbers[2])
    beta, se, rest = numbers[3 : 3 + p], numbers[3 + p : 3 + 2 * p], numbers[3 + 2 * p :]
    return {"seconds": numbers[0], "loglik": numbers[1], "beta": beta, "se": se, "sds": rest}


def by_us(path: Path, formula: str, family: str) -> dict[str, Any]:
    code = f"import families_several as f; f.one({str(path)!r}, {formula!r}, {family!r})"
    env = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=os.environ | env,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def one(path: str, formula: str, family: str) -> None:
    """Print what a fit finds, and the seconds of its parts, of the second fit of a process."""
    from bayes_mlm import build_design
    from bayes_mlm.engines.generalised.search import without_effects
    from bayes_mlm.engines.generalised.several import fit_generalised_several
    from bayes_mlm.engines.generalised.several.problem import make_joint_problem
    from bayes_mlm.engines.generalised.several.search import maximise

    design = build_design(formula, pd.read_csv(path), family=family)
    for _ in range(2):
        start = time.process_time()
        problem = make_joint_problem(design)
        x, at, _gain = without_effects(problem.base.without_effects())
        x[: problem.p] = np.linalg.solve(problem.transform, x[: problem.p])
        optimum = maximise(problem, (x, at.loglik))
        laplace = time.process_time() - start
        start = time.process_time()
        found = fit_generalised_several(design)
        whole = time.process_time() - start
    print(
        json.dumps(
            {
                "laplace_seconds": laplace,
                "seconds": whole,
                "laplace_loglik": optimum.at.loglik,
                "laplace_beta": (problem.transform @ optimum.x[: problem.p]).tolist(),
                "loglik": found.loglik,
                "error": found.loglik_error,
                "k_hat": None if math.isinf(found.k_hat) else found.k_hat,
                "off": found.off,
                "ok": found.certificate.ok,
                "beta": found.beta.tolist(),
                "se": found.beta_se.tolist(),
                "sds": [sd for part in found.factors for sd in part.sigma_u.tolist()],
            }
        )
    )


def main() -> None:
    found: dict[str, Any] = {}
    lines = [
        "# Several factors, outcomes not Gaussian: ML",
        "",
        "| data | rows | glmer, Laplace: s | here, Laplace: s | here, whole fit: s | "
        "log-likelihood by Laplace less glmer's | corrected less Laplace's | its Monte Carlo error "
        "| k-hat | largest shift of an estimate from glmer's, in se | sds: glmer | sds: here | "
        "certified |",
        "|---|" + "---|" * 12,
    ]
    with tempfile.TemporaryDirectory() as temporary:
        for name, formula, family in CASES:
            path = Path(temporary) / f"{name}.csv"
            table = verb_agg(Path(temporary)) if name == "VerbAgg" else simulate(name)
            table.to_csv(path, index=False)
            glmer, ours = by_glmer(path, formula, family), by_us(path, formula, family)
            found[name] = {"rows": len(table), "glmer": glmer, "here": ours}
            shift = np.abs(np.subtract(ours["beta"], glmer["beta"]) / glmer["se"]).max()
            sds = glmer["sds"] if name != "slopes" else [*glmer["sds"][:2], glmer["sds"][3]]
            k_hat = "" if ours["k_hat"] is None else f"{ours['k_hat']:.2f}"
            cells = (
                *(name, f"{len(table):,}", f"{glmer['seconds']:.2f}"),
                *(f"{ours['laplace_seconds']:.2f}", f"{ours['seconds']:.2f}"),
                f"{ours['laplace_loglik'] - glmer['loglik']:+.1e}",
                *(f"{ours['loglik'] - ours['laplace_loglik']:.3f}", f"{ours['error']:.3f}", k_hat),
                *(f"{shift:.3f}", ", ".join(f"{sd:.3f}" for sd in sds)),
                *(", ".join(f"{sd:.3f}" for sd in ours["sds"]), "yes" if ours["ok"] else "no"),
            )
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "glmer's log-likelihood and estimates are Laplace's; ours are of the likelihood itself, "
        "one factor integrated exactly and the other by importance. MixedModels.jl's fit of "
        "VerbAgg by Laplace takes 0.63 s by its published figure.",
        "",
    ]
    folder = Path(__file__).parent
    (folder / "families_several.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "families_several.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
