"""Fit classes in schools from Parquet, in a process that has done nothing else.

    python nested.py DATA [draw]

DATA is a folder of Parquet files with columns school, class, x, y; with `draw` the posterior is
drawn too. Prints one JSON object, with the seconds of each step.
"""

import json
import sys
import time

FORMULA = "y ~ x + (1 | school/class)"


def timed(task):
    """Return the seconds that passed, those of all processors together, and the result."""
    began, worked = time.perf_counter(), time.process_time()
    found = task()
    return (time.perf_counter() - began, time.process_time() - worked), found


def main(path, *, draws):
    from bayes_mlm import fit, load_hsb, open_data, sum_rows

    # Loads what it needs: libraries, and the functions that numba has compiled before.
    small = load_hsb().assign(**{"class": lambda rows: rows.schoolid % 7})
    design = sum_rows("mathach ~ ses + (1 | sector) + (1 | class)", small)
    fit(design, engine="reml")
    seconds = {}
    seconds["sum"], design = timed(lambda: sum_rows(FORMULA, open_data(path)))
    seconds["reml"], found = timed(lambda: fit(design, engine="reml"))
    shown = {
        "rows": design.n,
        "groups": {term.factor: term.J for term in design.group_terms},
        "ok": found.verdict.ok,
        "beta": found.solution.beta.tolist(),
        "sds": [one.sigma_u.tolist() for one in found.solution.factors],
        "sigma_e": found.solution.sigma_e,
    }
    if draws:
        seconds["draw"], drawn = timed(lambda: fit(design, engine="direct", random_seed=1))
        shown["draws_ok"] = drawn.verdict.ok
        shown["kept"] = {k: list(v.values.shape) for k, v in drawn.draws.posterior.items()}
    return {
        **shown,
        "seconds": {step: wall for step, (wall, _) in seconds.items()},
        "processor": {step: worked for step, (_, worked) in seconds.items()},
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], draws="draw" in sys.argv[2:])))
