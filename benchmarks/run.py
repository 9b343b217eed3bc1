"""Measure the package against its peers, and write down the ratios: ``make bench``.

Every tool runs in a process of its own, in turns with the others, on the same data. What counts
is the ratio within one run; the seconds are this machine's. A peer that is not installed is left
out. Results go to ``benchmarks/results.json`` and, as tables, to ``benchmarks/results.md``,
which the site includes and the README quotes.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import (
    ROOT,
    TOOLS,
    Row,
    in_turns,
    installed,
    last_json,
    machine,
    ours_command,
    python,
    r_command,
    row,
    save,
    seconds_row,
    table_lines,
    versions,
)

HSB = ROOT / "bayes_mlm" / "data" / "embedded" / "hsb.csv"
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each quick process")
    parser.add_argument("--slow-repeats", type=int, default=2, help="runs of each slow process")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, scaling, found = measure(Path(folder), asked.repeats, asked.slow_repeats)
    text = table(rows, scaling)
    save("results", found, text)
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
        yield seconds_row(f"{label}: time", big, "lme4", 1 / 4)
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


def table(rows: Sequence[Row], scaling: Sequence[tuple[str, ...]]) -> str:
    """Write both tables as Markdown."""
    about = ", ".join(f"{name} {number}" for name, number in versions().items())
    lines = table_lines("sector by SES, High School and Beyond; against", rows)
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


if __name__ == "__main__":
    main()
