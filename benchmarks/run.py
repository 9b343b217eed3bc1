"""Measure the package against its peers, and write down the ratios: ``make bench``.

Every tool runs in a process of its own, in turns with the others, on the same data. What counts
is the ratio within one run; the seconds are this machine's. A peer that is not installed is left
out. Results go to ``benchmarks/results.json`` and, as tables, to ``benchmarks/results.md``; with
``--readme`` to the README too.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TOOLS = HERE / "tools"
HSB = ROOT / "bayes_mlm" / "_data" / "hsb.csv"
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"
MARKS = ("<!-- output: benchmarks -->", "<!-- end -->")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Hold one process: wall seconds, peak memory in MB, and what it printed."""

    seconds: float
    megabytes: float
    output: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one line of the table; `target` is the ratio that was asked for, if one was."""

    what: str
    ours: str
    peer: str
    ratio: float
    target: str
    met: bool | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each quick process")
    parser.add_argument("--slow-repeats", type=int, default=2, help="runs of each slow process")
    parser.add_argument("--readme", action="store_true", help="put the table into the README too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, scaling, found = measure(Path(folder), asked.repeats, asked.slow_repeats)
    text = table(rows, scaling)
    results = {
        "machine": machine(),
        "versions": versions(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "measured": found,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (HERE / "results.md").write_text(text, encoding="utf-8")
    if asked.readme:
        write_readme(text)
    print(text)
    if any(row.met is False for row in rows):
        sys.exit("a target was missed")


def measure(
    folder: Path, repeats: int, slow_repeats: int
) -> tuple[list[Row], list[tuple[str, ...]], dict[str, Any]]:
    """Run everything; give the rows of both tables and the raw numbers."""
    found: dict[str, Any] = {"whole": whole(repeats, slow_repeats)}
    found["inner"] = dict(inner(repeats, slow_repeats))
    big = make_csv(folder / "big.csv", rows=1_000_000, groups=10_000)
    found["big"] = in_turns(big_tools(big), max(2, slow_repeats))
    found["more"] = last_json(python(TOOLS / "ours.py", "more", FORMULA, HSB))
    found["scaling"] = scaling(folder)
    return [*compare(found), *alone(found)], list(growth(found["scaling"])), found


def whole(repeats: int, slow_repeats: int) -> dict[str, Any]:
    """Time whole processes: from the CSV file to the table, imports and compilation included."""
    quick = {"bayes_mlm": ours_command(FORMULA, HSB)}
    if shutil.which("Rscript"):
        quick["lme4"] = r_command("whole", FORMULA, HSB)
    slow = {}
    if installed("bambi"):
        slow["bambi"] = python(TOOLS / "with_bambi.py", "whole", FORMULA, HSB)
    slow["PyMC"] = python(TOOLS / "with_pymc.py", "whole", HSB, "usual")
    return in_turns(quick, repeats) | in_turns(slow, slow_repeats)


def inner(repeats: int, slow_repeats: int) -> Iterator[tuple[str, Any]]:
    """Time within a process that has loaded libraries and data."""
    yield "bayes_mlm", last_json(python(TOOLS / "ours.py", "inner", FORMULA, HSB, repeats))
    yield "statsmodels", last_json(python(TOOLS / "with_statsmodels.py", HSB, slow_repeats))
    if shutil.which("Rscript"):
        yield "lme4", last_json(r_command("inner", FORMULA, HSB, 3 * repeats))
    samplers = {
        f"PyMC {form}": python(TOOLS / "with_pymc.py", "inner", HSB, form)
        for form in ("usual", "centred")
    }
    if installed("bambi"):
        samplers["bambi"] = python(TOOLS / "with_bambi.py", "inner", FORMULA, HSB)
    for name, command in samplers.items():
        runs = [last_json(command) for _ in range(slow_repeats)]
        yield name, max(runs, key=lambda one: one["min_ess"] / one["seconds"])


def big_tools(path: Path) -> dict[str, list[str]]:
    formula = "y ~ x * w + (1 | g)"
    tools = {"bayes_mlm": ours_command(formula, path)}
    if shutil.which("Rscript"):
        tools["lme4"] = r_command("whole", formula, path)
    return tools


def scaling(folder: Path) -> dict[str, Any]:
    """Time the pass over the rows and the fit after it, as rows and groups grow tenfold."""
    sizes = [(100_000, 1_000), (1_000_000, 1_000), (1_000_000, 10_000), (1_000_000, 100_000)]
    found = {}
    for rows, groups in sizes:
        path = make_csv(folder / f"{rows}_{groups}.csv", rows=rows, groups=groups)
        command = python(TOOLS / "ours.py", "pass", "y ~ x * w + (1 | g)", path)
        found[f"{rows},{groups}"] = last_json(command)
    return found


def compare(found: dict[str, Any]) -> Iterator[Row]:
    """Set our numbers against each peer's, with the ratio that was asked for."""
    ours, peers = found["inner"]["bayes_mlm"], found["inner"]
    speed = ours["min_ess"] / ours["direct"]
    for name, label, target in (
        ("bambi", "bambi + nutpie", 500.0),
        ("PyMC usual", "PyMC by hand", 500.0),
        ("PyMC centred", "PyMC by an expert (intercepts centred on the regression)", None),
    ):
        if name in peers:
            theirs = peers[name]["min_ess"] / peers[name]["seconds"]
            yield row(
                f"posterior, in process: least bulk ESS per second, {label}",
                f"{speed:,.0f}/s",
                f"{theirs:,.1f}/s",
                speed / theirs,
                target,
                more=True,
            )
    process = found["whole"]
    for name, label, target in (
        ("bambi", "bambi + nutpie", 1 / 8),
        ("PyMC", "PyMC by hand", None),
        ("lme4", "Rscript + lme4 (REML only)", 2.0),
    ):
        if name in process:
            yield seconds_row(f"whole process, CSV to table, {label}", process, name, target)
    for name, target in (("lme4", 1 / 3), ("statsmodels", 1 / 50)):
        if name in peers:
            yield row(
                f"REML, in process, {name}",
                f"{1e3 * ours['reml']:.1f} ms",
                f"{1e3 * peers[name]['reml']:.0f} ms",
                ours["reml"] / peers[name]["reml"],
                target,
            )
    big = found["big"]
    if "lme4" in big:
        label = "1 million rows, 10,000 groups, CSV to posterior, lme4's REML"
        yield seconds_row(f"{label}: time", big, "lme4", 1 / 3)
        a, b = (min(run["megabytes"] for run in big[name]) for name in ("bayes_mlm", "lme4"))
        yield row(f"{label}: memory", f"{a:.0f} MB", f"{b:.0f} MB", a / b, 1 / 2)


def alone(found: dict[str, Any]) -> Iterator[Row]:
    """List what no peer does without refitting."""
    more = found["more"]
    yield Row(
        what=f"{more['posteriors']:.0f} posteriors: the ladder under eight priors on sigma_u",
        ours=f"{more['sensitivity']:.2f} s",
        peer="",
        ratio=more["sensitivity"],
        target="≤ 1 s",
        met=more["sensitivity"] <= 1.0,
    )
    for key, label in (("groups", "160 schools"), ("rows", "7,185 students")):
        yield Row(
            what=f"exact leave-one-out of {label}, each in turn",
            ours=f"{more[key]:.2f} s",
            peer="",
            ratio=more[key],
            target="",
            met=None,
        )


def growth(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Lay out how pass and fit grow."""
    for size, one in found.items():
        rows, groups = (f"{int(part):,}" for part in size.split(","))
        times = (f"{one[name]:.2f} s" for name in ("pass", "direct"))
        yield rows, groups, *times, f"{1e3 * one['reml']:.0f} ms"


def seconds_row(what: str, runs: dict[str, Any], peer: str, target: float | None) -> Row:
    a, b = (statistics.median(run["seconds"] for run in runs[n]) for n in ("bayes_mlm", peer))
    return row(what, f"{a:.2f} s", f"{b:.2f} s", a / b, target)


def row(
    what: str, ours: str, peer: str, ratio: float, target: float | None, *, more: bool = False
) -> Row:
    if target is None:
        return Row(what=what, ours=ours, peer=peer, ratio=ratio, target="", met=None)
    sign = "≥" if more else "≤"
    return Row(
        what=what,
        ours=ours,
        peer=peer,
        ratio=ratio,
        target=f"{sign} {target:,.0f}" if target >= 1 else f"{sign} 1/{1 / target:.0f}",
        met=ratio >= target if more else ratio <= target,
    )


def table(rows: Sequence[Row], scaling: Sequence[tuple[str, ...]]) -> str:
    """Write both tables as Markdown."""
    about = ", ".join(f"{name} {number}" for name, number in versions().items())
    lines = [
        "| sector by SES, High School and Beyond; against | bayes_mlm | peer | ratio | asked |",
        "|---|--:|--:|--:|--:|",
    ]
    for one in rows:
        ratio = f"**{one.ratio:,.0f}**" if one.ratio >= 10 else f"**{one.ratio:.2g}**"
        ratio = ratio if one.peer else ""
        missed = " (missed)" if one.met is False else ""
        lines.append(f"| {one.what} | {one.ours} | {one.peer} | {ratio} | {one.target}{missed} |")
    lines += [
        "",
        "| rows | groups | pass over the CSV | then: 4,000 draws | then: REML |",
        "|--:|--:|--:|--:|--:|",
        *("| " + " | ".join(one) + " |" for one in scaling),
        "",
        f"{machine()}. {about}. {datetime.now(UTC):%Y-%m-%d}. Medians; every peer in its own "
        "process, in turns, caches warm. ESS per second counts building and compiling the model, "
        "not importing.",
        "",
    ]
    return "\n".join(lines)


def write_readme(text: str) -> None:
    path = ROOT / "README.md"
    readme = path.read_text(encoding="utf-8")
    head, rest = readme.split(MARKS[0])
    _, tail = rest.split(MARKS[1], 1)
    path.write_text(f"{head}{MARKS[0]}\n{text}{MARKS[1]}{tail}", encoding="utf-8")


def in_turns(commands: dict[str, list[str]], repeats: int) -> dict[str, Any]:
    """Run commands in turns, so that a slow spell of the machine meets them all alike."""
    found: dict[str, Any] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            done = run(command)
            if turn:  # the first turn fills the file and bytecode caches
                found[name].append({"seconds": done.seconds, "megabytes": done.megabytes})
    return found


def run(command: Sequence[str]) -> Run:
    """Run a process and measure it."""
    print(" ".join(Path(part).name for part in command), file=sys.stderr)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()}")
        return Run(seconds=seconds, megabytes=usage.ru_maxrss / 1024, output=out.read())


def environment() -> dict[str, str]:
    """Give the environment of a user's machine, where Python may keep its bytecode."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def last_json(command: Sequence[str]) -> dict[str, float]:
    return dict(json.loads(run(command).output.strip().splitlines()[-1]))


def python(*arguments: object) -> list[str]:
    return [sys.executable, *map(str, arguments)]


def ours_command(formula: str, path: Path) -> list[str]:
    entry = Path(sys.executable).with_name("bayes-mlm")
    return [str(entry), "fit", formula, "--data", str(path), "--quiet"]


def r_command(mode: str, formula: str, path: Path, *rest: object) -> list[str]:
    return ["Rscript", str(TOOLS / "with_lme4.R"), mode, formula, str(path), *map(str, rest)]


def installed(package: str) -> bool:
    try:
        version(package)
    except ImportError:
        return False
    return True


def make_csv(path: Path, *, rows: int, groups: int) -> Path:
    """Write a table like High School and Beyond, of any size; the same one every time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    rng = np.random.default_rng(1982)
    g = rng.integers(0, groups, rows)
    w = (rng.random(groups) < 0.45).astype(int)[g]
    x = rng.normal(0, 0.7, rows) + rng.normal(0, 0.4, groups)[g]
    y = 12 + 2.9 * x + 2.1 * w - 1.3 * x * w + rng.normal(0, 2, groups)[g] + rng.normal(0, 6, rows)
    columns = {"g": g + 1, "x": x.round(3), "w": w, "y": y.round(3)}
    pa.csv.write_csv(pa.table(columns), path)
    return path


def machine() -> str:
    """Say what it ran on."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}"


def versions() -> dict[str, str]:
    """Give the versions of everything that was measured."""
    names = ("bayes_mlm", "numpy", "pymc", "nutpie", "bambi", "statsmodels")
    found = {"Python": platform.python_version()}
    found |= {name: version(name) for name in names if installed(name)}
    if shutil.which("Rscript"):
        ask = 'cat(as.character(getRversion()), as.character(packageVersion("lme4")))'
        asked = subprocess.run(["Rscript", "-e", ask], capture_output=True, text=True, check=True)
        found["R"], found["lme4"] = asked.stdout.split()
    return found


if __name__ == "__main__":
    main()
