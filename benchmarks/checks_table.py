"""The shares that the model checks were measured at, as tables in Markdown."""

import math
from typing import Any

from departures import WRONG
from right_models import RIGHT
from standard_tests import STANDARD


def error(share: float, n: int) -> float:
    """Return the Monte Carlo standard error of a share."""
    return math.sqrt(share * (1.0 - share) / n)


def table(data: dict[str, Any]) -> str:
    """Write the tables in Markdown."""
    alarms, found, levels_found = (
        [row for name in order if name in data[part] for row in data[part][name]]
        for part, order in (
            ("false_alarms", [right.name for right in RIGHT]),
            ("power", [wrong.name for wrong in WRONG]),
            ("standard_levels", list(STANDARD)),
        )
    )
    lines = [
        "# Model checks: false alarms and power",
        "",
        f"Made by `benchmarks/checks.py`, seed {data['seed']}. Shares of simulated data sets, "
        "with their Monte Carlo standard errors.",
        "",
        "## False alarms: any check fails on a right model (at most 0.05)",
        "",
        "| model | tests | data sets | any alarm |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row['model']} | {row['tests']} | {row['data_sets']} | "
        f"{row['any_alarm']:.3f} ± {row['error']:.3f} |"
        for row in alarms
    ]
    total = sum(row["data_sets"] for row in alarms)
    share = sum(row["any_alarm"] * row["data_sets"] for row in alarms) / max(total, 1)
    lines += [
        f"| **all** | | {total:,} | **{share:.3f} ± {error(share, max(total, 1)):.3f}** |",
        "",
        "## Power: the check of the departure fails",
        "",
        "Of `y ~ x + (1 | g)` fitted to 40 groups of 15. *Alone*: each test at 0.05. *Page*: 0.04",
        "for all tests of the page together (0.05 less what p values are uncertain by), `check` by",
        "Holm, the standard test by Bonferroni over as many. *Any*: some check of the page fails.",
        "",
        "| departure | strength | standard test | data sets | alone: check | standard "
        "| page: check | standard | any |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['departure']} | {row['unit']} {row['strength']:g} | {row['standard']} | "
        f"{row['data_sets']} | {row['check_alone']:.2f} | {row['standard_alone']:.2f} | "
        f"{row['check_page']:.2f} | {row['standard_page']:.2f} | {row['any_check']:.2f} |"
        for row in found
    ]
    worst = error(0.5, min((row["data_sets"] for row in found), default=1))
    lines += [
        "",
        f"Monte Carlo standard error of a share: {worst:.2f} at most.",
        "",
        "## The standard tests on a right model (40 groups of 15): how often each rejects",
        "",
        "| standard test | data sets | at 0.05 | at 0.004 |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row['standard']} | {row['data_sets']} | {row['alone']:.3f} | {row['page']:.4f} |"
        for row in levels_found
    ]
    return "\n".join([*lines, ""])
