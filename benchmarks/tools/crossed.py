"""Fit two crossed intercepts from Parquet, in a process that has done nothing else.

    python crossed.py SMALL DATA FORMULA [DRAWS]

SMALL is a file by which libraries and compiled functions are loaded first; with DRAWS (of each of
4 chains) the posterior is drawn too. Prints one JSON object, with the seconds of each step.
"""

import json
import sys
import time


def timed(task):
    """Return the seconds that passed, those of all processors together, and the result."""
    began, worked = time.perf_counter(), time.process_time()
    found = task()
    return (time.perf_counter() - began, time.process_time() - worked), found


def main(small, path, formula, draws):
    from bayes_mlm import fit, open_data, sum_rows

    design = sum_rows(formula, open_data(small))
    fit(design, engine="reml")
    if draws:
        fit(design, engine="direct", draws=20, chains=2, random_seed=1)
    seconds = {}
    seconds["read"], design = timed(lambda: sum_rows(formula, open_data(path)))
    seconds["reml"], found = timed(lambda: fit(design, engine="reml"))
    shown = {
        "rows": design.n,
        "groups": {term.factor: term.J for term in design.group_terms},
        "ok": found.verdict.ok,
        "certificate": found.verdict.findings[0].message,
        "beta": found.solution.beta.tolist(),
        "sds": [float(one.sigma_u[0]) for one in found.solution.factors],
        "errors": [float(one.errors.sigma_u[0]) for one in found.solution.factors],
        "sigma_e": found.solution.sigma_e,
    }
    if draws:
        seconds["draw"], drawn = timed(
            lambda: fit(design, engine="direct", draws=draws, chains=4, random_seed=1)
        )
        shown["verdict"] = str(drawn.verdict)
        shown["draws"] = 4 * draws
        rows = {row.quantity: row for row in drawn.summary().rows}
        shown["ess"] = {k: row.ess_bulk for k, row in rows.items() if k.startswith("sigma")}
        shown["ess_tail"] = {k: row.ess_tail for k, row in rows.items() if k.startswith("sigma")}
        shown["kept"] = {k: list(v.values.shape) for k, v in drawn.draws.posterior.items()}
    return {
        **shown,
        "seconds": {step: wall for step, (wall, _) in seconds.items()},
        "processor": {step: worked for step, (_, worked) in seconds.items()},
    }


if __name__ == "__main__":
    draws = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    print(json.dumps(main(*sys.argv[1:4], draws)))
