"""Time posterior draws for other families: ``python benchmarks/families_posterior.py``.

4,000 draws with all group effects, processor seconds on one BLAS thread: of warm fits from a table
in memory, of whole processes (import, file, fit; what is compiled is read from the cache) and of
large simulated data, from the design on. Results go to ``families_posterior.json`` and ``.md``.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from families import LARGE, ONE_THREAD, simulated
from measuring import ROOT, TOOLS, last_json, machine, save, versions

from bayes_mlm import Fit, build_design, fit, load_dataset, model_priors
from bayes_mlm.engines.direct import sample_direct

WOMEN = "yes ~ a + a2 + urban + livch + (%s | district)"
WARM = {
    "contraception, 1,934 rows in 60 districts": (WOMEN % "1", 0.3),
    "contraception, random slope of urban": (WOMEN % "1 + urban", 0.7),
}
WHOLE = {
    "contraception": (WOMEN % "1", 1.0),
    "HSB: mathach > 15 on ses x sector, 7,185 rows": ("high ~ ses*sector + (1 | schoolid)", 1.5),
}
ASKED = {"1,000,000": "60 s, 3 GB", "100,000 r": "10 s"}


def table(name: str) -> dict[str, Any]:
    found = {key: np.array(one) for key, one in load_dataset(name).columns.items()}
    if name == "hsb":
        return found | {"high": (found["mathach"] > 15) * 1}
    a = found["age"].astype(float) / 10
    return found | {"yes": (found["use"] == "Y") * 1, "a": a, "a2": a**2}


def warm(formula: str, repeats: int) -> dict[str, float]:
    data, seconds = table("contraception"), []
    for seed in range(repeats + 1):
        began = time.process_time()
        found = fit(formula, data, family="bernoulli", engine="direct", random_seed=seed)
        seconds.append(time.process_time() - began)
    return {
        "seconds": statistics.median(seconds[1:]),
        "clean": bool(found.verdict.ok),
        "min_ess": effective(found),
    }


def whole(path: str, formula: str) -> dict[str, float]:
    """Fit from a file; run in a process of its own, whose seconds are all that it took."""
    found = fit(formula, path, family="bernoulli", engine="direct", random_seed=1)
    seconds = time.process_time()
    return {"seconds": seconds, "clean": bool(found.verdict.ok), "min_ess": effective(found)}


def effective(found: Fit) -> float:
    """Return the least bulk effective sample size over coefficients, sd and group effects."""
    import arviz as az

    return min(float(one.min()) for one in az.ess(found.posterior, method="bulk").values())


def bambi(path: str, formula: str) -> dict[str, float]:
    """Draw with bambi and nutpie, from its own environment (``scripts/setup bench``)."""
    tool = TOOLS / "with_bambi.py"
    before = os.times()
    python = ROOT / ".venv-bench" / "bin" / "python"
    found = last_json([str(python), str(tool), "inner", formula, path, "bernoulli"])
    after = os.times()
    spent = after.children_user + after.children_system
    return found | {"whole": spent - before.children_user - before.children_system}


def large(n: int, groups: int, predictors: int, *, slope: bool) -> dict[str, float]:
    """Draw from simulated data, as those of `families`; run in a process of its own."""
    formula, data = simulated(n, groups, predictors, slope=slope)
    small = build_design(
        formula, {k: one[data["g"] < 5] for k, one in data.items()}, family="bernoulli"
    )
    sample_direct(small, model_priors(small), random_seed=0)
    cpu, wall = time.process_time(), time.perf_counter()
    design = build_design(formula, data, family="bernoulli")
    found = sample_direct(design, model_priors(design), random_seed=1)
    return {
        "seconds": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "effects": found.report.effects,
        "clean": found.report.trusted,
    }


def in_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=None)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def write(found: dict[str, Any], rows: list[str]) -> None:
    """Write what was measured so far."""
    text = "\n".join([
        "# Posterior draws for outcomes that are not Gaussian", "",
        "4,000 draws, by the direct engine; processor seconds, one BLAS thread. The seconds asked "
        "are of a machine on which bambi's whole process took 8.1 s. Clean: the verdict on the "
        "draws.", "",
        "| posterior | bayes_mlm | asked | clean |", "|---|--:|--:|---|", *rows, "",
        f"{machine()}. " + ", ".join(f"{k} {v}" for k, v in versions().items()), "",
    ])  # fmt: skip
    save("families_posterior", found, text)


def compared(found: dict[str, Any]) -> list[str]:
    """Return the lines that compare contraception with bambi, in processor seconds."""
    peer, lines = found["bambi"], []
    pairs = {
        "whole process": ("whole process: contraception", peer["whole"], 25),
        "warm": ("warm: contraception, 1,934 rows in 60 districts", peer["seconds"], 70),
    }
    for what, (ours, seconds, wanted) in pairs.items():
        mine = found[ours]
        ratio = mine["min_ess"] / mine["seconds"] / (peer["min_ess"] / seconds)
        lines.append(
            f"| {what}: bambi and nutpie, {seconds:.1f} s, least ESS {peer['min_ess']:,.0f} | "
            f"least ESS {mine['min_ess']:,.0f}; effective draws a second: {ratio:.0f} times | "
            f"{wanted} times | |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", help=argparse.SUPPRESS)
    parser.add_argument("--whole", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.whole:
        print(json.dumps(whole(*asked.whole)))
        return
    if asked.large:
        n, groups, predictors, slope = LARGE[asked.large]
        print(json.dumps(large(n, groups, predictors, slope=slope)))
        return
    found: dict[str, Any] = {}
    rows = []
    for name, (formula, limit) in WARM.items():
        one = found[f"warm: {name}"] = warm(formula, asked.repeats)
        rows.append(f"| warm: {name} | {one['seconds']:.2f} s | {limit} s | {one['clean']} |")
    for name, (formula, limit) in WHOLE.items():
        with tempfile.TemporaryDirectory() as folder:
            path, data = Path(folder) / "data.csv", table(name.split(":")[0].lower())
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(data)
                writer.writerows(zip(*data.values(), strict=True))
            runs = [in_process("--whole", str(path), formula) for _ in range(asked.repeats)]
            if name == "contraception" and (ROOT / ".venv-bench").exists():
                found["bambi"] = bambi(str(path), formula)
        seconds = statistics.median(run["seconds"] for run in runs)
        one = found[f"whole process: {name}"] = runs[0] | {"seconds": seconds}
        rows.append(f"| whole process: {name} | {seconds:.2f} s | {limit} s | {one['clean']} |")
        if "bambi" in found and name == "contraception":
            rows += compared(found)
    write(found, rows)
    for name in reversed(LARGE):
        one = found[name] = in_process("--large", name)
        shown = f"{one['seconds']:.1f} s ({one['wall']:.0f} s by the clock), "
        shown += f"{one['gigabytes']:.2f} GB; group effects {one['effects']}"
        rows.append(f"| {name} | {shown} | {ASKED[name[:9]]} | {one['clean']} |")
        write(found, rows)


if __name__ == "__main__":
    os.environ |= ONE_THREAD
    main()
