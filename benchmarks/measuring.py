"""Run tools in processes of their own, and write comparisons down: what both benchmarks share."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TOOLS = HERE / "tools"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process: wall and processor seconds, peak memory in MB, and what it printed."""

    seconds: float
    processor: float
    megabytes: float
    output: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `target` is the ratio that was asked for, if one was."""

    what: str
    ours: str
    peer: str
    ratio: float
    target: str
    met: bool | None


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


def table_lines(title: str, rows: Sequence[Row]) -> list[str]:
    """Write a table of comparisons as Markdown."""
    lines = [f"| {title} | bayes_mlm | peer | ratio | asked |", "|---|--:|--:|--:|--:|"]
    for one in rows:
        ratio = f"**{one.ratio:,.0f}**" if one.ratio >= 10 else f"**{one.ratio:.2g}**"
        ratio = ratio if one.peer else ""
        missed = " (missed)" if one.met is False else ""
        lines.append(f"| {one.what} | {one.ours} | {one.peer} | {ratio} | {one.target}{missed} |")
    return lines


def save(name: str, found: dict[str, Any], text: str) -> None:
    """Keep raw numbers and tables, and print the tables."""
    results = {
        "machine": machine(),
        "versions": versions(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "measured": found,
    }
    (HERE / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


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
        return Run(
            seconds=seconds,
            processor=usage.ru_utime + usage.ru_stime,
            megabytes=usage.ru_maxrss / 1024,
            output=out.read(),
        )


def environment() -> dict[str, str]:
    """Give the environment of a user's machine, where Python may keep its bytecode."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def last_json(command: Sequence[str]) -> dict[str, Any]:
    return json_of(run(command))


def json_of(done: Run) -> dict[str, Any]:
    """Read the last line that a process printed."""
    return dict(json.loads(done.output.strip().splitlines()[-1]))


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
