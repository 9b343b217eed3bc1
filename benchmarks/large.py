"""Measure data that stay where they are, from five to a hundred million rows: ``make bench``.

DuckDB's own time for the bare query (group, count, sums and products of the same columns) is the
bound. Results go to ``benchmarks/large.json``, tables to ``benchmarks/large.md``, and how time
grows to ``benchmarks/growth.png``.
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import (
    HERE,
    TOOLS,
    Row,
    in_turns,
    installed,
    json_of,
    last_json,
    machine,
    ours_command,
    python,
    row,
    run,
    save,
    table_lines,
    versions,
)

FORMULA = "y ~ x * w + (1 | g)"
MILLION = 1_000_000
PART = 5 * MILLION
GROUPS = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each process")
    parser.add_argument("--parts", type=int, default=20, help="files of five million rows")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked.repeats, asked.parts)
    rows = list(compare(found))
    save("large", found, table(rows, found))
    draw(found, HERE / "growth.png")
    if any(one.met is False for one in rows):
        sys.exit("a target was missed")


def measure(folder: Path, repeats: int, parts: int) -> dict[str, Any]:
    whole = make_parquet(folder / "rows", rows=parts * PART, groups=GROUPS)
    four = some_files(whole, folder / "four", 4)
    tool = TOOLS / "large.py"
    found: dict[str, Any] = {"turns": []}
    for _ in range(repeats):  # in turns, so that a slow spell of the machine meets both alike
        bare = last_json(python(tool, "bare", four, 2))
        found["turns"].append({"bare": bare, "sum": last_json(python(tool, "sum", four, 2))})
    found["process"] = in_turns({"bayes_mlm": ours_command(FORMULA, four)}, repeats)["bayes_mlm"]
    done = run(ours_command(FORMULA, whole))
    found["whole"] = {
        "rows": parts * PART,
        "seconds": done.seconds,
        "megabytes": done.megabytes,
    }
    found["rows"] = []
    for count in [k for k in (1, 2, 4, 8, 20) if k <= parts]:
        data = some_files(whole, folder / f"first{count}", count)
        found["rows"].append(last_json(python(tool, "sum", data, 2)))
    found["groups"] = []
    for groups in (10_000, 30_000, 100_000, 300_000, 1_000_000):
        data = make_parquet(folder / f"groups{groups}", rows=4 * PART, groups=groups)
        found["groups"].append(last_json(python(tool, "sum", data, 2)))
        if groups == MILLION:
            one = run(python(tool, "effects", data))
            found["effects"] = {"process": one.megabytes, **json_of(one)}
    if installed("pyspark"):
        found["spark"] = last_json(python(tool, "spark", four))
    return found


def compare(found: dict[str, Any]) -> Iterator[Row]:
    ratios = [turn["sum"]["sum"] / turn["bare"]["seconds"] for turn in found["turns"]]
    bare, ours = (
        statistics.median(turn[name][key] for turn in found["turns"])
        for name, key in (("bare", "seconds"), ("sum", "sum"))
    )
    fit = statistics.median(turn["sum"]["fit"] for turn in found["turns"])
    yield row(
        "20 million rows, 100,000 groups: Parquet to checked, centred sums; DuckDB's bare query",
        f"{ours:.2f} s",
        f"{bare:.2f} s",
        statistics.median(ratios),
        2.0,
    )
    yield limit("the fit after it: 4,000 draws of the posterior", f"{fit:.2f} s", None, "")
    seconds = statistics.median(one["seconds"] for one in found["process"])
    megabytes = max(one["megabytes"] for one in found["process"])
    yield limit("the whole process, REML and profile intervals too", f"{seconds:.1f} s", None, "")
    yield limit("its memory", f"{megabytes:,.0f} MB", megabytes <= 1024, "≤ 1 GB")
    whole = found["whole"]
    yield row(
        f"{whole['rows'] // MILLION} million rows: whole process, against 20 million",
        f"{whole['seconds']:.1f} s",
        f"{seconds:.1f} s",
        whole["seconds"] / seconds,
        6.0,
    )
    yield limit("its memory", f"{whole['megabytes']:,.0f} MB", whole["megabytes"] <= 2048, "≤ 2 GB")
    for name, label in (("rows", "rows"), ("groups", "groups")):
        slope = exponent(found[name], name)
        yield limit(
            f"time grows with the number of {label} to the power of",
            f"{slope:.2f}",
            slope <= 1.05,
            "≤ 1.05",
        )
    effects = found["effects"]
    yield limit(
        "1 million groups: the fit, then mean, sd and interval of each to a file of "
        f"{effects['megabytes']:.0f} MB",
        f"{effects['fit']:.1f} s + {effects['write']:.1f} s, {effects['process']:,.0f} MB",
        None,
        "",
    )
    if "spark" in found:
        spark = found["spark"]
        yield row(
            "20 million rows, Spark local[2] in place of DuckDB: the sums",
            f"{spark['sum']:.1f} s",
            f"{ours:.2f} s",
            spark["sum"] / ours,
            None,
        )


def limit(what: str, ours: str, met: bool | None, target: str) -> Row:
    return Row(what=what, ours=ours, peer="", ratio=0.0, target=target, met=met)


def exponent(runs: Sequence[dict[str, Any]], by: str) -> float:
    """Fit the power of the number of rows, or of groups, that sums and fit together grow with."""
    sizes = [math.log(one[by]) for one in runs]
    times = [math.log(one["sum"] + one["fit"]) for one in runs]
    return float(statistics.linear_regression(sizes, times).slope)


def table(rows: Sequence[Row], found: dict[str, Any]) -> str:
    lines = table_lines("data that stay where they are; against", rows)
    lines += [
        "",
        "| rows | groups | sums | then: 4,000 draws | then: REML |",
        "|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one['rows']:,} | {one['groups']:,} | {one['sum']:.2f} s | {one['fit']:.2f} s | "
        f"{one['reml']:.2f} s |"
        for one in [*found["rows"], *found["groups"]]
    ]
    if "spark" in found:
        lines += ["", cluster(found["spark"])]
    names = ("duckdb", "pyspark")
    about = versions() | {name: version(name) for name in names if installed(name)}
    kept = {k: v for k, v in about.items() if k in ("Python", "bayes_mlm", "numpy", *names)}
    listed = ", ".join(f"{name} {number}" for name, number in kept.items())
    lines += ["", f"{machine()}. {listed}. Medians; in process but where said; caches warm.", ""]
    return "\n".join(lines)


def cluster(spark: dict[str, Any]) -> str:
    """Say what a cluster would change, from what was shuffled here."""
    a_row = spark["shuffled_bytes"] / spark["shuffled_rows"]
    return (
        f"Spark summed in {spark['tasks']} tasks and shuffled "
        f"{spark['shuffled_rows']:,} partial sums, {a_row:.0f} bytes each: "
        f"{spark['shuffled_bytes'] / 2**20:,.0f} MB, whatever the number of rows behind them. A "
        f"cluster divides the reading by its cores; each further task sends at most {a_row:.0f} "
        "bytes a group that it meets, and what comes to the driver is one row a group "
        f"({spark['groups']:,} here), from where the fit takes as long as above."
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw how the time grows, on logarithmic axes, with a line of slope 1 beside."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.7), layout="constrained", sharey=True)
    looks = {"sum": ("#0072B2", "o", "sums by DuckDB"), "fit": ("#D55E00", "s", "fit: 4,000 draws")}
    for ax, by, title in (
        (axes[0], "rows", f"{GROUPS:,} groups"),
        (axes[1], "groups", f"{4 * PART // MILLION} million rows"),
    ):
        sizes = [one[by] for one in found[by]]
        for key, (colour, marker, label) in looks.items():
            times = [one[key] for one in found[by]]
            ax.plot(sizes, times, marker=marker, color=colour, lw=1.6, ms=5, label=label)
        both = [one["sum"] + one["fit"] for one in found[by]]
        straight = [both[0] * size / sizes[0] for size in sizes]
        ax.plot(sizes, straight, color="#666666", lw=1.0, ls=(0, (4, 3)), label="power of 1")
        ax.set(xscale="log", yscale="log", xlabel=by)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_title(f"{title}: power {exponent(found[by], by):.2f}", fontsize=10, loc="left")
        ax.grid(which="major", color="#dddddd", lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds")
    axes[0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=160)


def make_parquet(folder: Path, *, rows: int, groups: int) -> Path:
    """Write files of five million rows each, like High School and Beyond; the same every time."""
    import duckdb

    folder.mkdir()
    connection = duckdb.connect()
    for part in range(rows // PART):
        connection.execute(
            f"""
            copy (
                with drawn as (
                    select
                        (hash(i) % {groups})::int as g,
                        (hash(7 * i + 1) % 1000000 + 0.5) / 1e6 as u1,
                        (hash(13 * i + 5) % 1000000 + 0.5) / 1e6 as u2,
                        (hash(17 * i + 3) % 1000000 + 0.5) / 1e6 as u3
                    from range({part * PART}, {(part + 1) * PART}) as t(i)
                ),
                columns as (
                    select
                        g,
                        (g % 2)::int as w,
                        sqrt(-2 * ln(u1)) * cos(2 * pi() * u2) as x,
                        sqrt(-2 * ln(u3)) * cos(2 * pi() * (u1 + u2)) as e,
                        (hash(g) % 1000 / 1000.0 - 0.5) * 6 as u
                    from drawn
                )
                select g, w, round(x, 4) as x,
                    round(12 + 2.2 * x + 0.5 * w - 0.4 * x * w + u + 6 * e, 4) as y
                from columns
            ) to '{folder}/part{part:02d}.parquet' (format parquet, row_group_size 500000)
            """
        )
    return folder


def some_files(folder: Path, other: Path, count: int) -> Path:
    """Make a folder of the first files of another, without copying them."""
    other.mkdir()
    for file in sorted(folder.iterdir())[:count]:
        (other / file.name).symlink_to(file)
    return other


if __name__ == "__main__":
    main()
