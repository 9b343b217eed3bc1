"""Draws from interpolated sums, against those with every proposal evaluated exactly."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm import build_design, model_priors
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.parametrisation import dimension, variances_at
from bayes_mlm.engines.direct.several import refine, sampling
from bayes_mlm.engines.direct.several.anchors import split_cells
from bayes_mlm.engines.direct.several.interpolant import (
    Chart,
    interpolate,
    pack,
    relative_coordinates,
    unpack,
)
from bayes_mlm.engines.direct.several.neighbourhood import near_reml
from bayes_mlm.engines.direct.several.problem import make_several
from tests.engines.test_direct_several import FORMULA, PRIORS, mixed, pastes

SLOPES = "y ~ x + (x | kind) + (1 | rater)"


@pytest.fixture
def interpolated(monkeypatch):
    monkeypatch.setattr(sampling, "EXACT_SECONDS", 0.0)
    monkeypatch.setattr(sampling, "FALLBACK_SECONDS", 0.0)


def made(formula, data, priors=None):
    design = build_design(formula, data)
    return design, model_priors(design, priors)


def test_functions_are_the_sums_in_other_terms():
    problem = make_several(*made(FORMULA, mixed(), PRIORS))
    x = 0.5 * np.random.default_rng(1).normal(size=(20, dimension(problem)))
    at = variances_at(problem, x)
    relative = relative_coordinates(problem, at)
    again = relative_coordinates(problem, problem.at_relative(relative))
    np.testing.assert_allclose(again, relative, atol=1e-10)
    sums = problem.sums(at)
    np.testing.assert_allclose(
        problem.sums(problem.at_relative(relative)).logdet, sums.logdet, rtol=1e-9
    )
    back = unpack(pack(sums, problem.residual_df), problem.p, problem.residual_df)
    np.testing.assert_allclose(back.logdet, sums.logdet, rtol=1e-9)
    np.testing.assert_allclose(back.a, sums.a, rtol=1e-8, atol=1e-9)


def test_the_interpolant_is_exact_at_nodes_and_near_between():
    """A function of s = log(theta^2 + floor) that is no quadratic."""
    rng = np.random.default_rng(2)
    chart = Chart(floor=np.array([-1.0, -np.inf]), centre=np.zeros(2), whiten=np.eye(2))

    def function(relative):
        s = chart.bend(relative)
        return np.column_stack([5.0 * np.log1p(np.exp(s[:, 0])) + s[:, 1] ** 2, np.sin(s[:, 1])])

    nodes, fresh = rng.normal(size=(60, 2)), rng.normal(size=(200, 2))
    found = interpolate(chart, nodes, function(nodes))
    np.testing.assert_allclose(found(nodes), function(nodes), atol=1e-3)
    off = np.abs(found(fresh) - function(fresh))[:, 0]
    assert np.median(off) < 1e-3
    # What it says of its own error is of the right size, above where it is most wrong.
    unsure = found.uncertainty(fresh)
    assert np.corrcoef(np.log(off + 1e-9), np.log(unsure + 1e-9))[0, 1] > 0.5
    assert found.beyond(np.full((1, 2), 50.0))[0] > 100.0


@pytest.mark.parametrize(
    ("formula", "data"),
    [("strength ~ 1 + (1 | sample) + (1 | batch)", pastes), (SLOPES, mixed)],
)
def test_draws_are_those_of_exact_evaluations(formula, data, monkeypatch):
    """Means within 0.08 sd (4.5 Monte Carlo errors), sds within 10 %, effects' too."""
    design, priors = made(formula, data())
    monkeypatch.setattr(sampling, "EXACT_SECONDS", math.inf)  # however slow the machine
    exact = sample_direct(design, priors, random_seed=1, draws=5000)
    assert exact.report.method != "interpolation"
    monkeypatch.setattr(sampling, "EXACT_SECONDS", 0.0)
    found = sample_direct(design, priors, random_seed=2, draws=5000)
    report = found.report
    assert (report.method, report.trusted) == ("interpolation", True)
    assert report.n_evaluations < 3000
    assert "interpolated density" in str(report.verdict)
    assert report.log_marginal_likelihood == pytest.approx(
        exact.report.log_marginal_likelihood, abs=0.05
    )
    for name, one in exact.draws.posterior.items():
        mean, sd = (f(one.values, axis=(0, 1)) for f in (np.mean, np.std))
        values = found.draws[name]
        assert np.abs((values.mean(axis=(0, 1)) - mean) / sd).max() < 0.08, name
        np.testing.assert_allclose(values.std(axis=(0, 1)), sd, rtol=0.1, err_msg=name)
    # Effects and their sd go together: draws of u belong to the sds of the same draw.
    names = [name for name in exact.draws.posterior if name.startswith("u_")]
    for name in names:
        sds = f"sigma_{name}"
        for k in range(exact.draws[name].shape[-1]):
            link = [
                np.corrcoef(
                    np.log(np.square(w.draws[name][..., k]).mean(axis=2)).ravel(),
                    np.log(w.draws[sds].reshape(*w.draws[name].shape[:2], -1)[..., k]).ravel(),
                )[0, 1]
                for w in (exact, found)
            ]
            assert link[1] == pytest.approx(link[0], abs=0.05), (name, k)


@pytest.mark.usefixtures("interpolated")
@pytest.mark.parametrize(
    ("formula", "data"),
    [
        ("strength ~ 1 + (1 | sample) + (1 | batch)", pastes),
        pytest.param(SLOPES, mixed, marks=pytest.mark.slow),
    ],
)
def test_summaries_of_effects_are_those_of_their_draws(formula, data):
    design, priors = made(formula, data())
    drawn = sample_direct(design, priors, random_seed=1)
    short = sample_direct(design, priors, random_seed=1, max_effects=100)
    assert short.report.effects == "summarised"
    for name, one in drawn.draws.posterior.items():
        if not name.startswith("u_"):
            continue
        factor, u = name.removeprefix("u_"), one.values
        mean, sd = u.mean(axis=(0, 1)), u.std(axis=(0, 1))
        found = short.draws.posterior[f"u_mean_{factor}"].values
        assert np.abs((found - mean) / sd).max() < 0.08
        spread = short.draws.posterior[f"u_sd_{factor}"].values
        np.testing.assert_allclose(spread, sd, rtol=0.1)


def test_too_few_nodes_are_not_trusted(monkeypatch):
    design, priors = made(SLOPES, mixed())
    problem = make_several(design, priors)
    monkeypatch.setattr(refine, "MAX_NODES", 10)
    found = refine.draw_refined(problem, near_reml(problem), 1000, np.random.default_rng(1))
    assert not found.good
    assert found.weight_sd > refine.GOOD_SD or found.doubt > 0.05 or found.missed > 0.3


def test_where_interpolation_fails_every_proposal_is_evaluated(monkeypatch):
    design, priors = made(SLOPES, mixed())
    monkeypatch.setattr(sampling, "EXACT_SECONDS", 0.0)
    monkeypatch.setattr(refine, "MAX_NODES", 10)
    report = sample_direct(design, priors, random_seed=1, draws=250).report
    assert (report.method, report.trusted) == ("importance", True)
    monkeypatch.setattr(sampling, "FALLBACK_SECONDS", 0.0)
    report = sample_direct(design, priors, random_seed=1, draws=250).report
    assert (report.method, report.trusted) == ("interpolation", False)


def test_draws_that_lost_the_posterior_are_not_trusted():
    """Where a node has a higher density than all draws, these lie in a spurious peak."""
    design, priors = made("strength ~ 1 + (1 | sample) + (1 | batch)", pastes())
    problem = make_several(design, priors)
    rng = np.random.default_rng(1)
    found = refine.draw_refined(problem, near_reml(problem), 1000, rng)
    assert found.good
    moved = replace(found.found, log_density=found.found.log_density - 5.0)
    again = refine._check(problem, found.problem, found.interpolant, moved, found.nodes, rng)
    assert again.missed == math.inf
    assert not again.good


def test_cells_are_equal_and_compact():
    z = np.random.default_rng(1).normal(size=(1000, 2))
    cells = split_cells(z, 16)
    assert sorted(np.concatenate(cells).tolist()) == list(range(1000))
    assert {len(one) for one in cells} <= {62, 63}
    within = np.mean([z[one].var(axis=0).sum() for one in cells])
    assert within < 0.25 * z.var(axis=0).sum()


def test_an_interpolated_report_says_what_is_wrong():
    design, priors = made("strength ~ 1 + (1 | sample) + (1 | batch)", pastes())
    report = replace(
        sample_direct(design, priors, random_seed=1).report,
        method="interpolation",
        log_weight_sd=0.2,
        missed=0.0,
        effects_error=0.01,
    )
    assert not report.trusted
    assert "log weights of sd 0.20" in str(report.verdict)
    missed = replace(report, log_weight_sd=0.01, missed=0.87)
    assert "log densities up to 0.87 too low at test points" in str(missed.verdict).replace(
        "\n", " "
    )
    for wrong in ({"missed": math.inf}, {"effects_error": 0.5}):
        assert not replace(report, log_weight_sd=0.01, **wrong).trusted
    assert replace(report, log_weight_sd=0.01).trusted
