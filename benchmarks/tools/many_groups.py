"""Fit data of many groups with slopes, or write them for R; the last line is JSON.

    python many_groups.py write FILE GROUPS ROWS EFFECTS [--unbalanced]
    python many_groups.py fit FILE ENGINE REPEATS [--classes]

`--classes` sums over classes of groups with equal designs, as before they were compiled.
"""

import json
import resource
import statistics
import sys
import time

import numpy as np

SEED = 16


def make(groups, rows, effects, *, unbalanced):
    """Simulate groups of `rows` rows, or of 1 to 2 rows - 1, with correlated slopes."""
    rng = np.random.default_rng(SEED)
    sizes = rng.integers(1, 2 * rows, groups) if unbalanced else np.full(groups, rows)
    g = np.repeat(np.arange(groups), sizes)
    x = rng.normal(size=(g.size, effects - 1))
    root = 0.2 * np.tril(np.ones((effects, effects)))
    root[range(effects), range(effects)] = np.linspace(0.8, 0.4, effects)
    u = rng.normal(size=(groups, effects)) @ root.T
    y = 1.0 + 0.5 * x.sum(axis=1) + u[g, 0] + (u[g, 1:] * x).sum(axis=1) + rng.normal(size=g.size)
    return {"y": y, "g": g} | {f"x{k + 1}": x[:, k] for k in range(effects - 1)}


def formula_of(table):
    names = " + ".join(name for name in table if name.startswith("x"))
    return f"y ~ {names} + ({names} | g)"


def write(path, groups, rows, effects, *, unbalanced):
    import pandas as pd

    pd.DataFrame(make(groups, rows, effects, unbalanced=unbalanced)).to_parquet(path)
    pd.DataFrame(make(groups, rows, effects, unbalanced=unbalanced)).to_csv(
        path.replace(".parquet", ".csv"), index=False
    )


def fit(path, engine, repeats, *, classes):
    import pandas as pd

    import bayes_mlm
    from bayes_mlm.moments import RotatedMoments

    frame = pd.read_parquet(path)
    table = {name: frame[name].to_numpy() for name in frame}
    if classes:
        RotatedMoments.many_designs = property(lambda _: False)
    options = {"random_seed": 1, "progressbar": False} if engine == "direct" else {}
    seconds, work, found = [], [], None
    for _ in range(repeats + (not classes)):  # the first loads what is compiled
        began, worked = time.perf_counter(), time.process_time()
        found = bayes_mlm.fit(formula_of(table), table, engine=engine, **options)
        seconds.append(time.perf_counter() - began)
        work.append(time.process_time() - worked)
    kept = seconds if classes else seconds[1:]
    out = {"first": seconds[0], "seconds": statistics.median(kept), "each": kept}
    out["processor"] = statistics.median(work[-len(kept) :])
    out["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if engine == "direct":
        report = found.report
        out |= {
            "evaluations": report.n_evaluations,
            "log_weight_sd": report.log_weight_sd,
            "k_hat": report.k_hat,
            "effects": report.effects,
        }
    else:
        out["loglik"] = found.solution.loglik
    print(json.dumps(out))


def main():
    what, path, *rest = [one for one in sys.argv[1:] if not one.startswith("--")]
    if what == "write":
        write(path, *map(int, rest), unbalanced="--unbalanced" in sys.argv)
    else:
        fit(path, rest[0], int(rest[1]), classes="--classes" in sys.argv)


if __name__ == "__main__":
    main()
