"""Measure REML against mixedlm, in Rust: ``python benchmarks/mixedlm.py FOLDER PYTHON``.

From a data frame in memory to the estimate, each in a process of its own, one thread; the least
processor time of some runs, after one that fills the caches. FOLDER has hsb.csv, penicillin.csv
and insteval.csv; PYTHON is an interpreter that has mixedlm (``pip install mixedlm==1.3.0``), which
nothing else here needs. Results go to ``benchmarks/mixedlm.json`` and ``.md``.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from measuring import TOOLS, machine, row, save, table_lines, versions

MODELS = {
    "sector by SES, High School and Beyond": (
        "hsb.csv",
        "mathach ~ ses * sector + (1 | schoolid)",
        20,
    ),
    "Penicillin, two crossed factors": (
        "penicillin.csv",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        20,
    ),
    "InstEval, 73,421 rows, two crossed factors": (
        "insteval.csv",
        "y ~ 1 + (1 | s) + (1 | d)",
        2,
    ),
}
THREADS = ("OPENBLAS", "OMP", "MKL", "NUMBA", "RAYON")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("python", help="an interpreter that has mixedlm")
    given = parser.parse_args()
    tool = TOOLS / "with_mixedlm.py"
    found, rows = {}, []
    for name, (file, formula, repeats) in MODELS.items():
        words = [formula, str(given.folder / file), str(repeats)]
        ours = measured(sys.executable, tool, "bayes_mlm", *words)
        peer = measured(given.python, tool, "mixedlm", *words)
        found[name] = {"bayes_mlm": ours, "mixedlm": peer}
        a, b = ours["processor"], peer["processor"]
        off = ours["loglik"] - peer["loglik"]
        rows.append(
            row(
                f"REML, {name}: log-likelihood {off:+.1e}",
                f"{1000 * a:.0f} ms",
                f"{1000 * b:.0f} ms",
                a / b,
                None,
            )
        )
    text = "\n".join(
        [
            "# REML against mixedlm",
            "",
            "Processor time in one thread, from a data frame to the estimate, while other work "
            f"shared the cores (load {os.getloadavg()[0]:.0f}). Ours is "
            '`fit(..., engine="reml")` with its certificate, theirs `lmer()`. The log-likelihood '
            "is ours less theirs.",
            "",
            *table_lines("mixedlm", rows),
            "",
            f"{machine()}. mixedlm {peer['version']}, "
            + ", ".join(f"{name} {one}" for name, one in versions().items()),
            "",
        ]
    )
    save("mixedlm", found, text)


def measured(python: str, *words: object) -> dict:
    environment = os.environ | {f"{one}_NUM_THREADS": "1" for one in THREADS}
    printed = subprocess.check_output([python, *map(str, words)], env=environment, text=True)
    return json.loads(printed.splitlines()[-1])


if __name__ == "__main__":
    main()
