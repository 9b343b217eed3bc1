"""Fit with bayes_mlm: direct draws and REML in process, and the fit after the pass over the rows.

    python ours.py inner FORMULA CSV REPEATS
    python ours.py pass FORMULA CSV
    python ours.py more FORMULA CSV

Prints one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable


def best(task: Callable[[], object], repeats: int) -> float:
    """Time a task: the fastest of some runs, after one that fills the caches."""
    task()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def inner(formula: str, path: str, repeats: int) -> dict[str, float]:
    import arviz as az
    import pandas as pd

    from bayes_mlm import build_design, fit, fit_reml

    frame = pd.read_csv(path)
    fitted = fit(formula, frame, random_seed=1)
    ess = az.ess(fitted.posterior, method="bulk")
    return {
        "direct": best(lambda: fit(formula, frame, random_seed=1), repeats),
        "reml": best(lambda: fit_reml(build_design(formula, frame)), repeats),
        "min_ess": float(min(ess[name].min() for name in ("beta", "sigma_u", "sigma_e", "u"))),
    }


def one_pass(formula: str, path: str) -> dict[str, float]:
    from bayes_mlm import build_design, fit_reml, model_priors, read_table
    from bayes_mlm.engines.direct import sample_direct

    design = build_design(formula, read_table(path))
    statistics = design.moments()
    priors = model_priors(design)
    return {
        "pass": best(lambda: build_design(formula, read_table(path)).moments(), 3),
        "direct": best(
            lambda: sample_direct(design, priors, random_seed=1, statistics=statistics), 3
        ),
        "reml": best(lambda: fit_reml(statistics), 3),
    }


def more(formula: str, path: str) -> dict[str, float]:
    from bayes_mlm import fit, leave_one_group_out, leave_one_row_out, prior_sensitivity

    fitted = fit(formula, path, random_seed=1)
    found = prior_sensitivity(random_seed=1)
    return {
        "sensitivity": best(lambda: prior_sensitivity(random_seed=1), 5),
        "posteriors": len({(row.model, row.prior) for row in found}),
        "groups": best(lambda: leave_one_group_out(fitted), 5),
        "rows": best(lambda: leave_one_row_out(fitted), 5),
    }


if __name__ == "__main__":
    mode, formula, path = sys.argv[1:4]
    match mode:
        case "inner":
            found = inner(formula, path, int(sys.argv[4]))
        case "pass":
            found = one_pass(formula, path)
        case _:
            found = more(formula, path)
    print(json.dumps(found))
