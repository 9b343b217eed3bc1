"""Importance weights that take draws of one prior to another."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm import prior_sensitivity
from bayes_mlm.assess.sensitivity.reweighting import (
    covers,
    equal_weights,
    reweight,
    shortest_weighted_interval,
    summarise_weighted,
)
from bayes_mlm.fitting import shortest_interval
from bayes_mlm.model.priors import Prior
from bayes_mlm.studies.record import load_record
from tests.helpers.few_groups import small


@given(st.integers(2, 60), st.floats(0.05, 0.99), st.integers(0, 10**6))
def test_equal_weights_give_the_ordinary_interval(n, prob, seed):
    values = np.random.default_rng(seed).normal(size=(n, 2))
    found = shortest_weighted_interval(values, np.full(n, 1.0 / n), prob)
    for one, two in zip(found, shortest_interval(values, prob), strict=True):
        np.testing.assert_array_equal(one, two)


def test_whole_number_weights_are_repetitions():
    rng = np.random.default_rng(1)
    values, times = rng.normal(size=(200, 2)), rng.integers(0, 5, 200)
    repeated = np.repeat(values, times, axis=0)
    weights = replace(equal_weights(200), weight=times / times.sum())
    found = summarise_weighted(values, weights, 0.9)
    np.testing.assert_allclose(found.mean, repeated.mean(axis=0), rtol=1e-12)
    lower, upper = shortest_interval(repeated, 0.9)
    np.testing.assert_array_equal(found.lower, lower)
    np.testing.assert_array_equal(found.upper, upper)


@pytest.mark.parametrize(
    ("new", "mean"),
    [
        # Means of the distributions themselves: these "posteriors" are the priors.
        (Prior("HalfNormal", (("sigma", 1.0),)), math.sqrt(2.0 / math.pi)),
        (Prior("Gamma", (("alpha", 2.0), ("beta", 2.0))), 1.0),
        (Prior("Uniform", (("lower", 0.0), ("upper", 1.5))), 0.75),
    ],
)
def test_weights_take_draws_of_one_prior_to_another(new, mean):
    sd = np.random.default_rng(2).exponential(1.0, (20_000, 1))
    found = reweight(np.log(sd), [Prior("Exponential", (("lam", 1.0),))], [new])
    summary = summarise_weighted(sd, found, 0.9)
    # Four Monte Carlo standard errors; smoothing the tail may cost another 0.5 %.
    assert abs(summary.mean[0] - mean) < 4.0 * summary.mcse[0] + 0.005
    assert 0.25 < found.share < 1.0


def test_a_bound_is_not_seen_by_weights_and_so_is_looked_at_first():
    bounded, wider = (Prior("Uniform", (("lower", 0.0), ("upper", u))) for u in (1.0, 2.0))
    flat = Prior("Flat")
    assert covers([flat], [bounded])
    assert covers([wider], [bounded])
    assert not covers([bounded], [wider])
    assert not covers([bounded], [flat])
    assert (
        reweight(np.zeros((50, 1)), [flat], [Prior("Uniform", (("lower", 2.0), ("upper", 3.0)))])
        is None
    )
    found = prior_sensitivity(
        "y ~ x + (1 | g)",
        small(8),
        priors=["Flat", "Uniform(0, 3)", "Uniform(0, 9)"],
        random_seed=1,
    )
    assert {row.method for row in found} == {"refitted", "reweighted"}
    record = load_record("hsb_ses")
    record.model.priors["sigma_u"] = "Uniform(0, 2.2)"  # the posterior presses against it
    found = prior_sensitivity(record, priors=["Flat"], random_seed=1)
    own, free = found.of("hsb_ses", "sigma_u")
    assert free.method == "refitted"
    assert own.upper <= 2.2 < free.upper
