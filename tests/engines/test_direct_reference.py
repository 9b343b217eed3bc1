"""The direct engine against long NUTS runs on the conditional models, and least squares."""

import json
import math

import numpy as np
import pytest

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import Design, build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.draws import quantities
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.studies.record import Record, load_record
from tests.helpers import REFERENCE

NUTS = json.loads((REFERENCE / "direct_nuts.json").read_text(encoding="utf-8"))["models"]


def design_of_record(record: Record) -> Design:
    return for_kind(
        build_design(record.model.formula, load_dataset("hsb"), group=record.model.group_column),
        record.model.kind,
    )


@pytest.mark.parametrize("name", NUTS)
def test_agrees_with_a_long_nuts_run(name: str) -> None:
    model = NUTS[name]
    design = build_design(model["formula"], load_dataset(model["data"]))
    result = sample_direct(design, model_priors(design, model["priors"]), draws=5000, random_seed=1)
    assert result.report.trusted
    assert result.report.verdict.ok
    found = dict(quantities(result.draws, groups=True))
    assert set(found) == set(model["quantities"])  # the same names, dims and labels
    for quantity, want in model["quantities"].items():
        values, sd = found[quantity], want["sd"]
        # Monte Carlo error of both: sd / sqrt(ESS) for the mean, about 2.1 times that for a 5 %
        # quantile of a normal, and 1 / sqrt(2 ESS) of the sd; three of each on top of the limits
        # of the issue would hide nothing, so the larger of the two is allowed.
        noise = math.sqrt(1 / want["ess"] + 1 / 16_000)
        assert abs(values.mean() - want["mean"]) < max(0.05, 4 * noise) * sd, quantity
        for level, key in ((0.05, "q05"), (0.95, "q95")):
            assert abs(np.quantile(values, level) - want[key]) < max(0.1, 9 * noise) * sd, quantity
        # Tails heavier than a normal's make the sd noisier: dyestuff2's sigma_u and icc.
        assert abs(values.std() / sd - 1) < max(0.03, 6 * noise), quantity


LADDER = json.loads((REFERENCE / "nuts_ladder.json").read_text(encoding="utf-8"))["records"]


@pytest.mark.parametrize("name", LADDER)
def test_agrees_with_long_nuts_runs_of_the_records(name: str) -> None:
    record, want = load_record(name), LADDER[name]
    design = design_of_record(record)
    result = sample_direct(
        design, model_priors(design, record.model.priors), draws=8000, random_seed=2
    )
    found = dict(quantities(result.draws))
    assert set(found) == set(want["quantities"])
    for quantity, row in want["quantities"].items():
        values, sd = found[quantity], row["sd"]
        assert abs(values.mean() - row["mean"]) < 0.05 * sd, quantity
        assert abs(values.std() / sd - 1) < 0.03, quantity
        for level, key in ((0.05, "q05"), (0.95, "q95")):
            assert abs(np.quantile(values, level) - row[key]) < 0.1 * sd, quantity
    assert ("u" in result.draws.posterior) == ("u_mean" in want)
    if "u_mean" in want:
        # Every school effect, to the same limits; the runs are worth some 20,000 draws of it.
        u, sd = result.draws["u"], np.array(want["u_sd"])
        assert (np.abs(u.mean(axis=(0, 1)) - want["u_mean"]) < 0.05 * sd).all()
        assert (np.abs(u.std(axis=(0, 1)) / sd - 1) < 0.03).all()
        quantiles = np.quantile(u, [0.05, 0.95], axis=(0, 1))
        assert (np.abs(quantiles - [want["u_q05"], want["u_q95"]]) < 0.1 * sd).all()


@pytest.mark.parametrize("name", ["hsb_pooled", "hsb_between", "hsb_within", "hsb_mundlak"])
def test_records_without_group_effects(name: str) -> None:
    record = load_record(name)
    design = design_of_record(record)
    result = sample_direct(design, model_priors(design, record.model.priors), random_seed=1)
    beta, rss = np.linalg.lstsq(design.X, design.y, rcond=None)[:2]
    sd = np.sqrt(rss[0] / (design.n - design.p) * np.diag(np.linalg.inv(design.X.T @ design.X)))
    # Default priors move the mean by some 1e-3 sd; Monte Carlo by 1/63 = 0.016 sd; sds by 1 %.
    found = result.draws["beta"]
    assert np.abs((found.mean(axis=(0, 1)) - beta) / sd).max() < 0.08
    np.testing.assert_allclose(found.std(axis=(0, 1)), sd, rtol=0.05)
    assert result.report.error is not None
    assert result.report.error < 1e-6
