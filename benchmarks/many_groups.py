"""Measure one grouping factor with slopes at scale: ``python benchmarks/many_groups.py``.

REML (with profile intervals), ML and 4,000 direct draws (the group effects summarised) by `fit`
from a table in memory; lme4's `lmer` in the same run, its profile() not included; and, with
`--before`, the same fits with sums over classes of groups, as before they were compiled. Results go
to ``benchmarks/many_groups.json`` and ``.md``.
"""

import argparse
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from measuring import TOOLS, last_json, machine, python, run, save, versions

# name: groups, rows in each, effects, unbalanced
SHAPES = {
    "100,000 groups of 10, q = 2": (100_000, 10, 2, False),
    "10,000 groups of 100, q = 2": (10_000, 100, 2, False),
    "100,000 groups of 1 to 19, q = 2": (100_000, 10, 2, True),
    "100,000 groups of 10, q = 3": (100_000, 10, 3, False),
    "100,000 groups of 10, q = 4": (100_000, 10, 4, False),
}
ENGINES = ("reml", "ml", "direct")
TARGETS = {"reml": 2.0, "direct": 20.0}  # of the first shape, seconds
R = r"""
suppressMessages(library(lme4)); a <- commandArgs(TRUE); d <- read.csv(a[1]); d$g <- factor(d$g)
n <- grep("^x", names(d), value = TRUE); x <- paste(n, collapse = " + ")
f <- as.formula(sprintf("y ~ %s + (%s | g)", x, x))
s <- system.time(m <- lmer(f, d, control = lmerControl(calc.derivs = FALSE)))
cat(sprintf('{"seconds": %.3f, "processor": %.3f, "loglik": %.9f}\n',
            s["elapsed"], s["user.self"] + s["sys.self"], as.numeric(logLik(m))))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--before", action="store_true", help="also sums over classes (minutes)")
    parser.add_argument("--lme4", type=int, default=2, help="shapes that lme4 fits: the first ones")
    parser.add_argument("--shapes", type=int, default=len(SHAPES))
    asked = parser.parse_args()
    tool, found = TOOLS / "many_groups.py", {}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "lme4.R"
        script.write_text(R, encoding="utf-8")
        for place, (name, (groups, rows, effects, unbalanced)) in enumerate(SHAPES.items()):
            if place >= asked.shapes:
                break
            path = Path(folder) / f"{place}.parquet"
            some = ["--unbalanced"] if unbalanced else []
            run(python(tool, "write", path, groups, rows, effects, *some))
            one = {e: last_json(python(tool, "fit", path, e, asked.repeats)) for e in ENGINES}
            if place < asked.lme4:
                one["lme4"] = last_json(["Rscript", str(script), str(path.with_suffix(".csv"))])
            found[name] = one
            measured = {"load": os.getloadavg()[1], "shapes": found}
            save("many_groups", measured, table(measured))
        if asked.before:
            path = Path(folder) / "0.parquet"
            for e in ("reml", "direct"):
                before = last_json(python(tool, "fit", path, e, 1, "--classes"))
                next(iter(found.values()))[f"{e} before"] = before
            save("many_groups", measured, table(measured))


def table(measured: dict) -> str:
    found = measured["shapes"]
    lines = [
        "| one factor with slopes | REML | ML | direct, 4,000 draws | peak memory | lme4 |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in found.items():
        cells = [f"{one[e]['seconds']:.2f} s ({one[e]['processor']:.2f})" for e in ENGINES]
        memory = f"{max(one[e]['megabytes'] for e in ENGINES):,.0f} MB"
        lme4 = one.get("lme4", {})
        peer = f"{lme4['seconds']:.1f} s ({lme4['processor']:.1f})" if "lme4" in one else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {memory} | {peer} |")
    first = next(iter(found.values()))
    lines += [""]
    if "reml before" in first:
        was = {e: first[f"{e} before"] for e in ("reml", "direct")}
        lines += [
            "The first line before sums over groups were compiled (matrices of every class of "
            f"groups): REML {was['reml']['seconds']:.0f} s and {was['reml']['megabytes']:,.0f} MB, "
            f"direct {was['direct']['seconds']:.0f} s; the log-likelihood differs by "
            f"{abs(was['reml']['loglik'] - first['reml']['loglik']):.0e}.",
            "",
        ]
    gaps = [
        one["reml"]["loglik"] - one["lme4"]["loglik"] for one in found.values() if "lme4" in one
    ]
    if gaps:
        shown = ", ".join(f"{gap:.1e}" for gap in gaps)
        lines += [f"The restricted log-likelihood less lme4's: {shown}.", ""]
    asked = ", ".join(f"{e} {limit:g} s" for e, limit in TARGETS.items())
    lines += [
        "In the first process 1 to 2 s more, to load numba and what it has compiled "
        f"(REML {first['reml']['first']:.1f} s, direct {first['direct']['first']:.1f} s in all). "
        "In brackets the processor's seconds, of all threads, which other work moves less. "
        "REML and ML with profile intervals of every sd, lme4's fit without; direct with the means "
        "and sds of all group effects. Asked of the first line: " + asked + ", 2 GB.",
        "",
        f"{machine()}. "
        + ", ".join(f"{name} {number}" for name, number in versions().items())
        + f", numba {version('numba')}. One run each, warm, from a table in memory, on a "
        f"machine shared with other work (load average {measured['load']:.1f}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
