"""Measure the model checks: false alarms on right models, power on wrong ones.

One command makes ``benchmarks/checks.md`` and ``benchmarks/checks.json`` again, the same to the
last digit on any machine (ten to twenty minutes on one core)::

    OMP_NUM_THREADS=1 nice -n 10 .venv/bin/python benchmarks/checks.py

Every data set is simulated from its own seed, fitted by REML (two models also by the direct
engine) and put through the tests of `check`. A false alarm is a data set on which any check fails.
Next to each check stands the standard test of the same departure, on the same data and at the same
level: 0.05 for each test, and for the page 0.04 over the number of tests (Bonferroni). `check` uses
Holm with p a quarter higher, for what it is uncertain by: 0.04 for the page.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from checks_table import error, table
from departures import WRONG, departing
from right_models import PLAIN, RIGHT, Columns, Model, Rng
from standard_tests import STANDARD

from bayes_mlm import fit, fit_reml
from bayes_mlm.assess.checks import Assessment, assess
from bayes_mlm.base.verdict import Finding, Verdict
from bayes_mlm.design import Design
from bayes_mlm.engines.draws import Draws, Variable
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.result import Fit
from bayes_mlm.likelihood.default_priors import model_priors

HERE = Path(__file__).parent
SEED, LEVEL, PAGE = 20_260_000, 0.05, 0.04


def fitted(model: Model, columns: Columns, seed: int) -> Fit:
    """Fit by REML, with the estimates as draws, or as a user does."""
    design = model.design(columns)
    if model.posterior:
        return fit(design, random_seed=seed, draws=250)
    return at_estimates(design, fit_reml(design, profile=False), seed)


def at_estimates(design: Design, reml: Any, seed: int) -> Fit:
    """Make a fit whose few draws are all the REML estimate."""
    record = as_request(design)
    settings = make_settings(record, draws=4, chains=2, random_seed=seed)
    values: dict[str, tuple[tuple[str, ...], Any]] = {
        "beta": (("term",), reml.beta),
        "sigma_e": ((), reml.sigma_e),
    }
    if design.q:
        values["sigma_u"] = (("effect",), reml.sigma_u)
        values["u"] = (("group", "effect"), reml.u)
    if design.group_term.pairs:
        values["rho_u"] = (("effect_pair",), [reml.rho_u[a, b] for a, b in design.group_term.pairs])
    residual = reml.residual
    if residual is not None and residual.strata:
        values["sigma_e_by"] = (("sigma_level",), residual.sigma_e)
    if residual is not None and residual.rho_e is not None:
        values["rho_e"] = ((), residual.rho_e)
    posterior = {
        name: Variable(
            ("chain", "draw", *dims),
            np.broadcast_to(np.asarray(value, dtype=float), (2, 4, *np.shape(value))).copy(),
        )
        for name, (dims, value) in values.items()
    }
    return Fit(
        request=record,
        design=design,
        priors=model_priors(design, record.model.priors),
        draws=Draws(posterior=posterior, sample_stats={}, coords={}),
        engine="reml",
        reason="a simulation",
        report=None,
        settings=settings,
        versions={},
        verdict=Verdict((Finding("optimum", reml.certificate.ok, reml.certificate.message),)),
        seconds=0.0,
    )


def pages(
    model: Model, draw: Callable[[Rng], Columns], n: int, stream: int
) -> Iterator[tuple[tuple[Assessment, ...], Columns]]:
    """Simulate, fit and check n data sets."""
    for k in range(n):
        columns = draw(np.random.default_rng([SEED, stream, k]))
        yield assess(fitted(model, columns, SEED + k)), columns


def false_alarms(n: int, stream: int) -> dict[str, Any]:
    """Count the pages of a right model on which any check fails."""
    right, found = RIGHT[stream], Counter[str]()
    alarms, tested = 0, 0
    for page, _ in pages(right.model, right.draw, n, stream):
        bad = [one.topic for one in page if one.fine is False]
        alarms += bool(bad)
        tested = max(tested, sum(one.p is not None for one in page))
        found.update(bad)
    return {
        "model": right.name,
        "formula": right.model.formula,
        "data_sets": n,
        "tests": tested,
        "any_alarm": alarms / n,
        "error": error(alarms / n, n),
        "by_check": dict(sorted(found.items())),
    }


def levels(n: int, name: str, test: Callable[[Columns], float]) -> dict[str, Any]:
    """Measure how often a standard test itself rejects a right model, at both levels."""
    p = np.array([test(departing(np.random.default_rng([SEED, 99, k]))) for k in range(n)])
    page = PAGE / len({wrong.topic for wrong in WRONG})
    return {
        "standard": name,
        "data_sets": n,
        "alone": float(np.mean(p < LEVEL)),
        "page": float(np.mean(p < page)),
    }


def power(n: int, stream: int, level: int) -> list[dict[str, Any]]:
    """Count how often a departure's check and the standard tests of it reject."""
    wrong = WRONG[stream]
    strength = wrong.strengths[level]
    counts, theirs = np.zeros(3), {name: np.zeros(2) for name in wrong.standard}
    drawn = pages(PLAIN, lambda rng: wrong.draw(rng, strength), n, 1000 + 10 * stream + level)
    for page, columns in drawn:
        (check,) = (each for each in page if each.topic == wrong.topic)
        many = sum(each.p is not None for each in page)
        assert check.p is not None
        any_fails = any(each.fine is False for each in page)
        counts += [check.p < LEVEL, check.fine is False, any_fails]
        for name, found in theirs.items():
            p = STANDARD[name](columns)
            found += [p < LEVEL, p < PAGE / many]
    alone, family, anything = (counts / n).tolist()
    return [
        {
            "departure": wrong.name,
            "unit": wrong.unit,
            "strength": strength,
            "data_sets": n,
            "standard": name,
            "check_alone": alone,
            "standard_alone": float(found[0] / n),
            "check_page": family,
            "standard_page": float(found[1] / n),
            "any_check": anything,
        }
        for name, found in theirs.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--right", type=int, default=300, help="data sets of each right model")
    parser.add_argument("--wrong", type=int, default=100, help="data sets of each departure")
    parser.add_argument("--only", default="", help="rows whose name contains this; others are kept")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the two files")
    options = parser.parse_args()
    data: dict[str, Any] = {"seed": SEED, "level": LEVEL}
    data |= {name: {} for name in ("false_alarms", "power", "standard_levels")}
    path = options.out / "checks.json"
    if options.only:
        data = json.loads(path.read_text())

    def keep(part: str, name: str, rows: list[dict[str, Any]]) -> None:
        data[part][name] = rows
        print(name, rows, flush=True)
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        options.out.joinpath("checks.md").write_text(table(data))

    for stream, right in enumerate(RIGHT):
        if options.only in right.name:
            keep("false_alarms", right.name, [false_alarms(options.right, stream)])
    for stream, wrong in enumerate(WRONG):
        if options.only in wrong.name:
            rows = [power(options.wrong, stream, level) for level in range(3)]
            keep("power", wrong.name, [row for level in rows for row in level])
    for name, test in STANDARD.items():
        if options.only in name:
            keep("standard_levels", name, [levels(options.right, name, test)])


if __name__ == "__main__":
    main()
