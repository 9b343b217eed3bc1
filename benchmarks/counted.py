"""Measure outcomes that are not Gaussian, counted where they lie: ``python benchmarks/counted.py``.

One Parquet file of Bernoulli rows whose four predictors take few values: whole processes of
``bayes-mlm fit``, by ML and by the default engine, from counts of distinct rows (``--rows sum``)
and from all rows (``--rows keep``), a run each. Results go to ``benchmarks/counted.json`` and
``.md``.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from measuring import machine, ours_command, run, save, versions

FORMULA = "y ~ a + b + c + d + (1 | g)"
MILLION = 1_000_000
WAYS = [(engine, rows) for engine in ("ml", "auto") for rows in ("sum", "keep")]
# What a table of a fit prints of ML, and the number of distinct rows.
_LOGLIK, _DISTINCT = (
    re.compile(r"loglik\s+(-[\d.]+)"),
    re.compile(r"([\d,]+) of [\d,]+ are distinct"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10 * MILLION)
    parser.add_argument("--groups", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = make_parquet(Path(folder) / "rows.parquet", asked.rows, asked.groups)
        found = measure(path) | {"rows": asked.rows, "groups": asked.groups}
    save("counted", found, table(found))


def make_parquet(path: Path, rows: int, groups: int) -> Path:
    """Write binary outcomes of three predictors of rows and one of groups; their sd is 0.5."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(11)
    g = rng.integers(0, groups, rows)
    a, b, c = (rng.integers(0, many, rows, dtype=np.int8) for many in (2, 2, 3))
    d, u = rng.integers(0, 2, groups, dtype=np.int8), 0.5 * rng.normal(size=groups)
    eta = -0.6 + 0.4 * a - 0.3 * b + 0.2 * c + (0.3 * d + u)[g]
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype(np.int8)
    pq.write_table(pa.table({"y": y, "a": a, "b": b, "c": c, "d": d[g], "g": g}), path)
    return path


def measure(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"megabytes": path.stat().st_size / 1e6, "load": os.getloadavg()[0]}
    for engine, rows in WAYS:
        command = [*ours_command(FORMULA, path), "--family", "bernoulli", "--random-seed", "1"]
        done = run([*command, "--engine", engine, "--rows", rows])
        loglik, distinct = _LOGLIK.search(done.output), _DISTINCT.search(done.output)
        found[f"{engine} {rows}"] = {
            "seconds": done.seconds,
            "processor": done.processor,
            "megabytes": done.megabytes,
            "loglik": None if loglik is None else float(loglik[1]),
            "distinct": None if distinct is None else int(distinct[1].replace(",", "")),
        }
    return found


def table(found: dict[str, Any]) -> str:
    """Write the table of the page."""
    named = {"ml": "ML", "auto": "posterior and ML", "sum": "distinct rows", "keep": "all rows"}
    lines = ["| whole process | processor seconds | peak memory |", "|---|--:|--:|"]
    for engine, rows in WAYS:
        one = found[f"{engine} {rows}"]
        lines.append(
            f"| {named[engine]}, {named[rows]} | {one['processor']:.1f} s | "
            f"{one['megabytes']:,.0f} MB |"
        )
    distinct = found["ml sum"]["distinct"]
    off = abs(found["ml sum"]["loglik"] - found["ml keep"]["loglik"])
    text = (
        f"{found['rows']:,} Bernoulli rows in {found['groups']:,} groups, four predictors of two "
        f"or three values, one Parquet file of {found['megabytes']:,.0f} MB: {distinct:,} rows are "
        f"distinct. The printed log-likelihoods differ by {off:.2f}.\n\n{machine()}. "
        + ", ".join(f"{k} {v}" for k, v in versions().items())
        + ". One run each, on a machine shared with other work (load average "
        f"{found['load']:.1f}), which wall seconds (in the .json) follow; processor "
        "seconds are of all threads.\n"
    )
    return "\n".join([*lines, "", text])


if __name__ == "__main__":
    main()
