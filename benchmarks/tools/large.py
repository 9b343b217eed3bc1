"""Fit data that stay where they are, in process; and what the engine alone takes.

    python large.py sum DATA [REPEATS]
    python large.py bare DATA [REPEATS]
    python large.py effects DATA
    python large.py spark DATA

DATA is a folder of Parquet files with columns g, w, x, y. Prints one JSON object.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

FORMULA = "y ~ x * w + (1 | g)"
# The columns of that model, and every product of two.
COLUMNS = ("x", "w", "x * w", "y")


def timed(task, repeats):
    """Time a task, the fastest of some runs; give its result too."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        found = task()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


def summed(path, repeats):
    from bayes_mlm import fit, fit_reml, open_data, sum_rows

    fit("mathach ~ ses + (1 | schoolid)", "hsb", rows="sum", random_seed=1)  # loads what it needs
    seconds, design = timed(lambda: sum_rows(FORMULA, open_data(path)), repeats)
    fitting, fitted = timed(lambda: fit(design, random_seed=1), repeats)
    reml, _ = timed(lambda: fit_reml(design), repeats)
    return {
        "rows": design.n,
        "groups": design.J,
        "sum": seconds,
        "fit": fitting,
        "reml": reml,
        "ok": fitted.verdict.ok,
    }


def bare(path, repeats):
    """Group and sum the same columns and products, uncentred and unchecked, by DuckDB itself."""
    import duckdb

    connection = duckdb.connect()
    sums = [f"sum({a})" for a in COLUMNS]
    sums += [f"sum({a} * {b})" for k, a in enumerate(COLUMNS) for b in COLUMNS[: k + 1]]
    query = f"select g, count(*), {', '.join(sums)} from '{path}/*.parquet' group by g"
    seconds, found = timed(lambda: connection.sql(query).to_arrow_table(), repeats)
    return {"groups": found.num_rows, "seconds": seconds}


def effects(path):
    from bayes_mlm import fit, open_data, sum_rows, write_group_effects

    design = sum_rows(FORMULA, open_data(path))
    fitting, fitted = timed(lambda: fit(design, random_seed=1), 1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "effects.parquet")
        writing, _ = timed(lambda: write_group_effects(fitted, out), 1)
        size = out.stat().st_size / 2**20
    return {"groups": design.J, "fit": fitting, "write": writing, "megabytes": size}


def spark(path):
    """Sum in a local session of two threads; read from its own log what was shuffled."""
    import os
    from urllib.request import urlopen

    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    from bayes_mlm import fit, sum_rows

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    frame = session.read.parquet(str(path))
    frame.limit(1).count()
    seconds, design = timed(lambda: sum_rows(FORMULA, frame), 1)
    fitted = fit(design, random_seed=1)
    where = f"{session.sparkContext.uiWebUrl}/api/v1/applications/"
    stages = json.load(urlopen(f"{where}{session.sparkContext.applicationId}/stages"))
    # The stage that sums the rows is the one that hands on the most.
    most = max(stages, key=lambda stage: stage["shuffleWriteBytes"])
    session.stop()
    return {
        "rows": design.n,
        "groups": design.J,
        "sum": seconds,
        "tasks": most["numTasks"],
        "shuffled_rows": most["shuffleWriteRecords"],
        "shuffled_bytes": most["shuffleWriteBytes"],
        "beta": [float(b) for b in fitted.draws["beta"].reshape(-1, design.p).mean(axis=0)],
    }


if __name__ == "__main__":
    mode, data = sys.argv[1:3]
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    match mode:
        case "sum":
            found = summed(data, repeats)
        case "bare":
            found = bare(data, repeats)
        case "effects":
            found = effects(data)
        case _:
            found = spark(data)
    print(json.dumps(found))
