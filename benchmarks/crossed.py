"""Measure two crossed factors of the shape of MovieLens 32M: ``python benchmarks/crossed.py``.

The ratings are simulated, by this rule. n rows have n / 159.25 users; the share of a user is
log-normal (sd 1.2 of its log), that of film j of 84,432 is (j + 200)^-1.85, films being numbered at
random. Each row draws its film by these shares. The rating is 3.5 + 0.1 x1 - 0.1 x2 + 0.05 x3 + a_i
+ b_j + e with x1, x2 standard normal, x3 0 or 1, and sds 0.43, 0.48 and 0.85 of a, b and e. Rows
are sorted by user.

Each run is a fresh process; results go to ``benchmarks/crossed.json`` and ``crossed.md``.
MixedModels.jl on the real table of 32 million ratings: 18,740 s and 56 GiB for the estimate (Bates,
Alday & Kokandakar 2025, arXiv 2505.11674).
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from measuring import TOOLS, Row, json_of, machine, python, run, save, table_lines

SDS, FILMS, ROWS_A_USER = (0.43, 0.48, 0.85), 84_432, 159.25
MILLION = 1_000_000
PLAIN = "y ~ 1 + (1 | user) + (1 | movie)"
PREDICTORS = "y ~ x1 + x2 + x3 + (1 | user) + (1 | movie)"
MODELS = ("large", PLAIN), ("predictors", PREDICTORS), ("million", PLAIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each process")
    parser.add_argument("--rows", type=int, default=32, help="millions of rows")
    parser.add_argument("--draws", type=int, default=400, help="draws of each of 4 chains")
    parser.add_argument("--folder", type=Path, help="where the ratings are, or go")
    asked = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in MODELS} | {"draw": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        one = simulate(folder / "ratings_1.parquet", MILLION)
        large = simulate(folder / f"ratings_{asked.rows}.parquet", asked.rows * MILLION)
        for turn in range(asked.repeats + 1):
            for name, formula in MODELS:
                data = one if name == "million" else large
                done = run(python(TOOLS / "crossed.py", one, data, formula))
                if turn:  # the first fills the caches of files and of compiled functions
                    found[name].append({"megabytes": done.megabytes, **json_of(done)})
        done = run(python(TOOLS / "crossed.py", one, large, PLAIN, str(asked.draws)))
        found["draw"].append({"megabytes": done.megabytes, **json_of(done)})
    rows = list(compare(found))
    lines = table_lines(f"crossed factors, `{PLAIN}`", rows)
    names = ", ".join(f"{name} {version(name)}" for name in ("bayes_mlm", "numpy", "duckdb"))
    load = os.getloadavg()[0]
    ending = (
        f"{machine()}, load {load:.1f}. {names}. Medians of {asked.repeats} fresh processes "
        "(draws: one); caches warm."
    )
    save("crossed", found, "\n".join([*lines, "", ending, ""]))
    if any(one.met is False for one in rows):
        sys.exit("a target was missed")


def compare(found: dict[str, list[dict[str, Any]]]) -> Iterator[Row]:
    def median(name: str, step: str, clock: str = "seconds") -> float:
        return statistics.median(one[clock][step] for one in found[name])

    for name, title in (("large", ""), ("predictors", ", 3 predictors"), ("million", "")):
        one = found[name][0]
        counts = " x ".join(f"{m:,} {factor}s" for factor, m in one["groups"].items())
        size = f"{one['rows'] / MILLION:.0f} million rows, {counts}{title}"
        for clock, words in (("seconds", ""), ("processor", ", of processors")):
            read, reml = median(name, "read", clock), median(name, "reml", clock)
            wall, alone = clock == "seconds", name == "million"
            total = reml if alone else read + reml
            target = {"large": 10.0, "predictors": 20.0, "million": 0.5}[name]
            ours = f"{read:.2f} s + {reml:.2f} s"
            met = total <= target if wall else None
            what = f"{size}: read + REML{words}"
            yield limit(what, ours, met, f"{'REML' if alone else 'both'} ≤ {target} s" * wall)
        peak = max(run["megabytes"] for run in found[name])
        yield limit("memory of that process", f"{peak:,.0f} MB", peak <= 1536, "≤ 1.5 GB")
    one = found["draw"][0]
    ess, drawn = min(one["ess"].values()), median("draw", "draw")
    yield limit(
        f"{one['draws']:,} draws of 4 chains, smallest effective size of an sd {ess:,.0f}",
        f"{drawn:.1f} s",
        None,
        "",
    )
    yield limit(
        "1,000 effective draws of all sds, means and sds of all effects",
        f"{drawn * 1000 / ess:.1f} s",
        drawn * 1000 / ess <= 60,
        "≤ 60 s",
    )
    worked = median("draw", "draw", "processor") * 1000 / ess
    yield limit("of processors", f"{worked:.1f} s", None, "")
    yield limit(
        "memory of that process",
        f"{one['megabytes']:,.0f} MB",
        one["megabytes"] <= 1536,
        "≤ 1.5 GB",
    )


def limit(what: str, ours: str, met: bool | None, target: str) -> Row:
    return Row(what=what, ours=ours, peer="", ratio=0.0, target=target, met=met)


def simulate(path: Path, n: int, *, seed: int = 1, part: int = 1 << 20) -> Path:
    """Write n simulated ratings to a Parquet file, unless it exists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    users = round(n / ROWS_A_USER)
    share = rng.lognormal(0.0, 1.2, users)
    counts = rng.multinomial(n - users, share / share.sum()) + 1
    film_share = np.cumsum((np.arange(FILMS) + 200.0) ** -1.85)
    film_share /= film_share[-1]
    number = rng.permutation(FILMS) + 1
    a, b = rng.normal(0.0, SDS[0], users), rng.normal(0.0, SDS[1], FILMS)
    user = np.repeat(np.arange(users, dtype=np.int32), counts)
    writer = None
    for start in range(0, n, part):
        i = user[start : start + part]
        k = len(i)
        j = np.searchsorted(film_share, rng.random(k))
        x1, x2, x3 = rng.normal(size=k), rng.normal(size=k), rng.integers(0, 2, k)
        y = 3.5 + 0.1 * x1 - 0.1 * x2 + 0.05 * x3 + a[i] + b[j] + rng.normal(0.0, SDS[2], k)
        table = pa.table({"user": i + 1, "movie": number[j], "y": y, "x1": x1, "x2": x2, "x3": x3})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return path


if __name__ == "__main__":
    main()
