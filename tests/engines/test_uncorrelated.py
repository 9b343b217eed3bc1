"""Group effects with and without correlation: the formula decides, and every part obeys it."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bayes_mlm import (
    build_design,
    fit,
    leave_one_group_out,
    load_dataset,
    load_fit,
    model_priors,
    partial_pooling,
    prior_sensitivity,
    save_fit,
    summarise,
)
from bayes_mlm.base.errors import FormulaError, PriorError
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.density import log_posterior, make_problem, sums_at
from bayes_mlm.engines.direct.parametrisation import dimension, log_density
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable, quantities
from bayes_mlm.engines.recovery import effects_of_groups, effects_root
from bayes_mlm.fitting import Estimate, estimate_design
from bayes_mlm.formula.formula import parse_formula
from bayes_mlm.likelihood.conditional import group_effects
from bayes_mlm.moments.rotated import rotate_moments
from bayes_mlm.report.equations import equations
from bayes_mlm.studies.quantities import model_quantities
from tests.helpers import REFERENCE

# 4 x 2,000 draws of NUTS on the factories' models: make_uncorrelated_nuts.py.
NUTS = json.loads((REFERENCE / "uncorrelated_nuts.json").read_text())["runs"]
SLEEP = "reaction ~ days + (days || subject)"
BOTH = ("reaction ~ days + (days | subject)", SLEEP)


@cache
def design_of(formula, data="sleepstudy"):
    return build_design(formula, load_dataset(data))


@cache
def fitted(formula=SLEEP, data="sleepstudy"):
    return fit(formula, data, random_seed=1)


# --- the formula decides --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "effects"),
    [
        ("y ~ x + (1 + x || g)", ["", "x"]),
        ("y ~ x + (x || g)", ["", "x"]),
        ("y ~ x + (0 + x || g)", ["x"]),
        ("y ~ x + z + (1 + x + z || g)", ["", "x", "z"]),
        ("y ~ x * z + (x * z || g)", ["", "x", "z", "x:z"]),
    ],
)
def test_the_double_bar_is_read_and_written_again(text, effects):
    formula = parse_formula(text)
    assert not formula.group_terms[0].correlated
    assert [":".join(map(str, term)) for term in formula.effects] == effects
    assert " || " in str(formula)
    assert parse_formula(str(formula)) == formula
    single = parse_formula(text.replace("||", "|"))
    assert single.group_terms[0].correlated
    assert single.effects == formula.effects
    assert single != formula


def test_an_intercept_alone_has_nothing_to_correlate_with():
    assert parse_formula("y ~ x + (1 || g)") == parse_formula("y ~ x + (1 | g)")
    assert str(parse_formula("y ~ x + (1 || g)")) == "y ~ 1 + x + (1 | g)"


def test_two_group_terms_are_told_of_the_double_bar():
    with pytest.raises(FormulaError, match=r"\(1 \+ x \|\| group\) for independent ones"):
        parse_formula("y ~ x + z + (1 + x | g) + (0 + z | g)")
    joined = parse_formula("y ~ x + (1 | g) + (0 + x | g)")
    assert joined == parse_formula("y ~ x + (x || g)")


def test_columns_of_categories_are_independent():
    """lme4 1.1-31: y ~ f + (1 | g) + (0 + fb | g) + (0 + fc | g); not its (f || g).

    Its own double bar keeps the columns of a category correlated.
    """
    table = pd.read_csv(REFERENCE / "factor_in_the_bar.csv")
    found = fit("y ~ f + (f || g)", table, engine="reml")
    assert found.solution.loglik == pytest.approx(-434.0393, abs=1e-4)
    np.testing.assert_allclose(found.solution.beta, [1.819, 0.45611, 0.78977], atol=2e-5)
    sds = [1.085434, 0.894870, 1.319875]
    np.testing.assert_allclose(found.solution.sigma_u, sds, atol=1e-5)
    assert found.solution.sigma_e == pytest.approx(0.993825, abs=1e-5)
    assert found.design.effects == ("Intercept", "f[b]", "f[c]")
    assert any("depends on its reference category" in note for note in found.design.notes)
    full = fit("y ~ f + (f | g)", table, engine="reml")
    assert full.solution.loglik == pytest.approx(-433.2443, abs=1e-4)
    assert not any("reference category" in note for note in full.design.notes)
    drawn = fit("y ~ f + (f || g)", table, engine="direct", random_seed=1)
    sds_drawn = drawn.draws["sigma_u"].reshape(-1, 3)
    assert np.all(np.abs(sds_drawn.mean(axis=0) - sds) < 2 * sds_drawn.std(axis=0))
    hsb = load_dataset("hsb")
    dummy = build_design("mathach ~ ses + (minority || schoolid)", hsb)  # a column of 0 and 1
    assert dummy.group_term.pairs == ()


@pytest.mark.parametrize("formula", BOTH)
def test_the_design_says_so_and_its_encoding_too(formula):
    design = design_of(formula)
    assert design.group_term.correlated is ("||" not in formula)
    assert design.group_term.pairs == (((0, 1),) if design.group_term.correlated else ())
    kept = json.loads(json.dumps(design.encoding.to_dict()))
    (read,) = Encoding.from_dict(kept).formula.group_terms
    assert read.correlated is design.group_term.correlated


@given(st.integers(1, 3), st.booleans())
def test_correlations_are_never_lost_or_invented(n_slopes, correlated):
    """Every place where a correlation would be says the same of the same formula."""
    slopes = ("ses", "minority", "female")[:n_slopes]
    bar = "|" if correlated else "||"
    formula = f"mathach ~ ses + ({' + '.join(slopes)} {bar} schoolid)"
    design = small_hsb(formula)
    n_pairs = (n_slopes + 1) * n_slopes // 2 if correlated else 0
    priors = model_priors(design)
    assert len(design.group_term.pairs) == n_pairs
    assert (priors.rho_u is not None) is correlated
    assert ("rho_u" in priors.by_name(design)) is correlated
    statistics = design.moments()
    problem = make_problem(
        rotate_moments(statistics), priors, np.append(design.X.mean(axis=0), design.Z.mean(axis=0))
    )
    assert dimension(problem) == design.q + n_pairs + 1


@cache
def small_hsb(formula):
    hsb = load_dataset("hsb")
    rows = np.isin(hsb.columns["schoolid"], np.unique(hsb.columns["schoolid"])[:12])
    return build_design(formula, {name: column[rows] for name, column in hsb.columns.items()})


@pytest.mark.parametrize("formula", BOTH)
def test_every_engine_and_table_has_correlations_just_where_they_are(formula, tmp_path):
    correlated = "||" not in formula
    found = fitted(formula)
    rho = "rho_u[Intercept,days]"
    assert found.design.group_term.correlated is correlated
    assert ("rho_u" in found.draws.posterior) is correlated
    assert ("effect_pair" in found.draws.coords) is correlated
    summary = summarise(found)
    assert (rho in summary) is correlated
    if correlated:  # its posterior, with an interval
        assert -1 < summary[rho].lower < summary[rho].estimate < summary[rho].upper < 1
    reml = estimate_design(found.design).solution
    assert len(reml.theta) == (3 if correlated else 2)
    assert bool(reml.rho_u[0, 1]) is correlated
    assert (rho in Estimate(solution=reml, design=found.design).summary()) is correlated
    assert (rho in model_quantities(found.design, reml)) is correlated
    again = load_fit(save_fit(found, tmp_path / "fit.nc"))
    assert again.design.group_term.correlated is correlated
    assert again.design.formula == found.design.formula
    assert again.priors == found.priors
    assert set(again.draws.posterior) == set(found.draws.posterior)
    free = {variable.name for variable in partial_pooling(found.design).free_RVs}
    assert ("rho_cholesky_" in free) is correlated
    shown = "".join(one.mathml for one in equations(found.design))
    assert ("diag" in shown) is not correlated


def test_correlations_of_an_independent_model_have_no_prior():
    design = design_of(SLEEP)
    with pytest.raises(PriorError, match="no parameter 'rho_u'"):
        model_priors(design, {"rho_u": "LKJ(2)"})
    other = model_priors(design_of(BOTH[0]))
    with pytest.raises(PriorError, match="made for another design"):
        model_priors(design, other)


# --- the direct engine ----------------------------------------------------------------------------


@pytest.mark.parametrize("run", NUTS, ids=lambda run: f"{run['formula']} {run['likelihood']}")
def test_direct_agrees_with_nuts(run):
    found = dict(quantities(fit(run["formula"], "sleepstudy", draws=4000, random_seed=2).draws))
    assert set(found) == set(run["quantities"])
    for name, want in run["quantities"].items():
        values, sd = found[name], want["sd"]
        assert want["r_hat"] < 1.01
        # Monte Carlo error of both (ESS of thousands): four of it, for quantiles twice as much.
        noise = math.sqrt(1 / want["ess"] + 1 / 12_000)
        assert abs(values.mean() - want["mean"]) < 4 * noise * sd, name
        for level, end in ((0.05, "q05"), (0.95, "q95")):
            assert abs(np.quantile(values, level) - want[end]) < 9 * noise * sd, name
        assert abs(values.std() / sd - 1) < 6 * noise, name


def test_the_density_has_no_coordinates_of_correlations():
    design = design_of(SLEEP)
    priors = model_priors(design)
    problem = make_problem(
        rotate_moments(design.moments()),
        priors,
        np.append(design.X.mean(axis=0), design.Z.mean(axis=0)),
    )
    x = np.log([[20.0, 6.0, 25.0], [1.0, 9.0, 30.0]])
    at = Variances(
        log_sigma_u=x[:, :2],
        factor=np.broadcast_to(np.eye(2), (2, 2, 2)),
        log_sigma_e=x[:, 2],
        log_scale=np.empty((2, 0)),
    )
    # The log of an sd has the density of the sd times the sd; nothing else is added.
    wanted = log_posterior(problem, at, sums_at(problem, at)) + x.sum(axis=1)
    np.testing.assert_allclose(log_density(problem, x), wanted, rtol=1e-14)


def test_evidence_is_that_of_the_correlated_model_at_zero():
    """Savage-Dickey: Z of || over Z of | is the posterior over the prior density of rho at 0.

    LKJ(2) of one correlation has the density 3/4 (1 - rho^2) on (-1, 1).
    """
    # Where days are zero, || holds: the priors of | must hold there too.
    both, alone = (
        sample_direct(
            design_of(f),
            replace(model_priors(design_of(f)), effects_at="zero"),
            draws=20_000,
            random_seed=3,
        )
        for f in BOTH
    )
    rho = both.draws["rho_u"].ravel()
    width = 0.05
    at_zero = np.mean(np.abs(rho) < width) / (2 * width)
    found = alone.report.log_marginal_likelihood - both.report.log_marginal_likelihood
    # 80,000 draws, some 7,000 of them in the window: 1.2 % of error; the integrals add 1 %.
    assert found == pytest.approx(math.log(at_zero / 0.75), abs=0.05)


def test_recovered_effects_have_their_exact_distribution():
    """Against the closed form of `group_effects`, another route through the algebra."""
    for formula in BOTH:
        design, n = design_of(formula), 20_000
        drawn = fitted(formula).draws
        one = {
            name: Variable(v.dims, np.repeat(v.values[:1, :1], n, axis=1))
            for name, v in drawn.posterior.items()
            if name != "u"
        }
        draws = Draws(posterior=one, sample_stats={}, coords=drawn.coords)
        places = np.array([3, 11])
        u = effects_of_groups(design, draws, np.random.default_rng(5))(places)
        sigma_e = draws["sigma_e"].ravel()[0]
        lam = effects_root(replace(draws))[:1] / sigma_e
        moments = group_effects(rotate_moments(design.moments()), lam, draws["beta"][0, :1])
        for k, place in enumerate(places):
            root = sigma_e * moments.root[0, moments.of_group[place]]
            cov = root @ root.T
            z = (u[:, k].mean(axis=0) - moments.mean[0, place]) / np.sqrt(np.diagonal(cov) / n)
            assert np.abs(z).max() < 4.5  # four numbers; one in 30,000 would fail
            np.testing.assert_allclose(np.cov(u[:, k].T), cov, atol=0.05 * np.diagonal(cov).max())
        assert draws.posterior["sigma_e"].dims == SAMPLE_DIMS
        stored = effects_of_groups(design, drawn, np.random.default_rng(5))(places)
        np.testing.assert_array_equal(stored, drawn["u"][:, :, places].reshape(-1, 2, design.q))


@pytest.mark.parametrize(
    "effects", ["0 + days", "days", "days + I(days ** 2)", "0 + days + I(days ** 2)"]
)
def test_all_of_these_are_drawn_and_trusted(effects):
    found = fitted(f"reaction ~ days + I(days ** 2) + ({effects} || subject)")
    assert found.verdict.ok, found.verdict
    assert found.draws["sigma_u"].shape[2:] == (len(found.design.effects),)
    assert found.draws["u"].shape[2:] == (18, len(found.design.effects))


def test_independent_slopes_correlate_no_more_than_the_data_make_them():
    """Prior draws of u would be uncorrelated; given data of one group they need not be."""
    root = effects_root(fitted().draws)
    off = (root @ root.swapaxes(1, 2))[:, 0, 1]
    assert np.abs(off).max() == 0.0


# --- what is built on fits ------------------------------------------------------------------------


def test_leaving_groups_out_and_other_priors_still_work():
    left = leave_one_group_out(fitted())
    assert left.verdict.ok
    other = leave_one_group_out(fitted(BOTH[0]))
    # The correlation is near zero here (lme4: 0.066), so the two foresee a new subject alike.
    assert abs(left.elpd - other.elpd) < 2.0
    moved = prior_sensitivity(SLEEP, data="sleepstudy", draws=250, random_seed=1)
    assert {row.quantity for row in moved.rows} >= {"sigma_u[Intercept]", "sigma_u[days]"}
    assert not any("rho_u" in row.quantity for row in moved.rows)


def test_fits_of_one_seed_are_one_fit():
    again = fit(SLEEP, "sleepstudy", random_seed=1)
    for name, variable in fitted().draws.posterior.items():
        np.testing.assert_array_equal(again.draws[name], variable.values)


def test_the_sds_have_the_priors_that_they_were_given():
    """With next to no data the posterior of each sd is its prior: half-normal of that scale."""
    given_priors = {"sigma_u[Intercept]": "HalfNormal(2)", "sigma_u[x]": "HalfNormal(0.5)"}
    table = {"y": [0.0, 50.0, -60.0, 20.0], "x": [0.0, 1.0, 0.5, 0.25], "g": [1, 1, 2, 2]}
    design = build_design("y ~ 1 + (x || g)", table)
    drawn = sample_direct(design, model_priors(design, given_priors), draws=2500, random_seed=4)
    for k, scale in enumerate((2.0, 0.5)):
        values = drawn.draws["sigma_u"][:, :, k].ravel()
        # Four residuals of 50 say nothing of sds near 1. Kolmogorov's distance of 10,000 draws
        # is below 0.02 in all but one case of a thousand.
        assert stats.kstest(values, stats.halfnorm(scale=scale).cdf).statistic < 0.03
