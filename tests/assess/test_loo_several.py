"""Leave-one-out with several grouping factors: dense algebra, and models fitted without a part."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from bayes_mlm import (
    contextual_effects,
    fit,
    leave_one_group_out,
    leave_one_row_out,
    log_marginal_likelihood,
    sample_groups,
)
from bayes_mlm.assess.loo.parts import parts_of_groups, parts_of_rows
from bayes_mlm.assess.loo.several import part_densities
from bayes_mlm.base.errors import RowsNeededError, SeveralFactorsError, UnsupportedModelError

NESTED = "y ~ x + (x | s) + (1 | c:s)"
CROSSED = "y ~ x + (1 | s) + (1 | h)"
PRIORS = {
    "beta": "Normal(0, 5)",
    "sigma_u[s]": "HalfNormal(2)",
    "sigma_u[c:s]": "HalfNormal(2)",
    "sigma_e": "HalfNormal(2)",
}


def rows():
    rng = np.random.default_rng(5)
    s = np.repeat(np.arange(7), 8)
    c, h = np.tile(np.repeat([1, 2], 4), 7), np.arange(56) % 5
    x = rng.normal(size=56)
    y = 1 + 0.5 * x + rng.normal(size=7)[s] + 0.6 * rng.normal(size=14)[2 * s + c - 1]
    y += 0.8 * rng.normal(size=5)[h] + rng.normal(size=56)
    return pd.DataFrame({"y": y, "x": x, "s": s, "c": c, "h": h})


def dense(fitted, draw, left_out):
    """Return the covariance of all rows given beta, and that of rows of new groups with them."""
    n = fitted.design.n
    shared, fresh = (np.zeros((n, n)) for _ in range(2))
    for place, (name, term) in enumerate(
        zip(fitted.design.factors, fitted.design.group_terms, strict=True)
    ):
        from bayes_mlm.engines import effects_covariance

        cov = effects_covariance(fitted.of_factor(name).draws)[draw]
        same = np.equal.outer(term.codes, term.codes)
        one = same * (term.Z @ cov @ term.Z.T)
        if place in left_out:
            fresh += one
        else:
            shared += one
    sigma = fitted.draws["sigma_e"].reshape(-1)[draw]
    residual = fitted.design.y - fitted.design.X @ fitted.beta[draw]
    return shared, fresh, sigma**2 * np.eye(n), residual


@pytest.mark.parametrize(
    ("formula", "factor", "left_out"),
    [(NESTED, "s", {0, 1}), (NESTED, "c:s", {1}), (CROSSED, "h", {1}), (CROSSED, None, set())],
)
def test_densities_are_those_of_dense_algebra(formula, factor, left_out):
    """Of each part given the other rows, and of a further part given all, at every fifth draw."""
    fitted = fit(formula, rows(), random_seed=1, draws=25, chains=2)
    design, n = fitted.design, len(rows())
    of_row, many = np.arange(n), n
    if factor is not None:
        term = design.group_terms[design.factors.index(factor)]
        of_row, many = term.codes, term.J
    chosen = np.arange(0, 50, 5)
    loo, lpd = part_densities(
        fitted, chosen, parts_of_rows(design, of_row, many, frozenset(left_out))
    )
    for place, draw in enumerate(chosen):
        shared, fresh, noise, r = dense(fitted, draw, left_out)
        V = shared + fresh + noise
        for part in (0, many // 2, many - 1):
            rows_of = of_row == part
            rest = V[np.ix_(rows_of, ~rows_of)] @ np.linalg.inv(V[np.ix_(~rows_of, ~rows_of)])
            mean = rest @ r[~rows_of]
            cov = V[np.ix_(rows_of, rows_of)] - rest @ V[np.ix_(~rows_of, rows_of)]
            wanted = multivariate_normal(mean, cov).logpdf(r[rows_of])
            assert loo[part, place] == pytest.approx(wanted, rel=1e-8)
            # A further part shares the effects that are not left out, and no residual.
            known = shared + (fresh if not left_out else 0.0)
            link = known[rows_of] @ np.linalg.inv(V)
            cov = (shared + fresh + noise)[np.ix_(rows_of, rows_of)] - link @ known[:, rows_of]
            wanted = multivariate_normal(link @ r, cov).logpdf(r[rows_of])
            assert lpd[part, place] == pytest.approx(wanted, rel=1e-8)


def test_parts_are_predicted_as_by_models_fitted_without_them():
    """``log p(y_k | y_-k)`` is a difference of log marginal likelihoods under the same priors."""
    formula, data = "y ~ x + (1 | s) + (1 | c:s)", rows()
    settings = {"priors": PRIORS, "engine": "direct", "random_seed": 1}
    fitted = fit(formula, data, **settings)
    whole = log_marginal_likelihood(fitted).value
    by_row, by_group = leave_one_row_out(fitted), leave_one_group_out(fitted, factor="s")
    by_class = leave_one_group_out(fitted, factor="c:s")
    assert (len(by_row.pointwise), len(by_group.pointwise)) == (56, 7)
    assert by_group.group == "s"
    for found, place, left in (
        (by_row, 11, data.index == 11),
        (by_group, 3, data["s"] == 3),
        (by_class, list(by_class.labels).index("2:4"), (data["s"] == 4) & (data["c"] == 2)),
    ):
        without = fit(formula, data[~np.asarray(left)], **settings)
        exact = whole - log_marginal_likelihood(without).value
        assert found.pointwise[place] == pytest.approx(exact, abs=0.1)
    assert by_row.k_hat.max() < 0.7
    assert 1 < by_row.p < 25


def test_a_factor_is_to_be_chosen():
    fitted = fit(CROSSED, rows(), random_seed=1, draws=60, chains=2)
    with pytest.raises(SeveralFactorsError, match="choose factor='s' or factor='h'"):
        leave_one_group_out(fitted)


def test_too_many_effects_are_refused_for_groups(monkeypatch):
    from bayes_mlm.assess.loo import several

    fitted = fit(CROSSED, rows(), random_seed=1, draws=200, chains=2)
    exact = leave_one_row_out(fitted)
    monkeypatch.setattr(several, "_OPERATIONS", 1)
    with pytest.raises(UnsupportedModelError, match="12 group effects are too many.*row_out"):
        leave_one_group_out(fitted, factor="s")
    rough = leave_one_row_out(fitted)  # given the group effects
    assert rough.elpd == pytest.approx(exact.elpd, abs=1.0)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(
    ("formula", "factor"), [(NESTED, "s"), (NESTED, "c:s"), (CROSSED, "s"), (CROSSED, "h")]
)
def test_groups_are_left_out_of_sums_as_of_rows(formula, factor, offset):
    data = rows().sample(frac=1.0, random_state=3).iloc[:-3]
    data["y"] += offset
    kept = fit(formula, data, random_seed=1, draws=60, chains=2)
    summed = fit(formula, data, random_seed=1, draws=60, chains=2, rows="sum")
    place = kept.design.factors.index(factor)
    left_out = frozenset(k for k in range(2) if kept.design.is_nested(k, place))
    assert len(left_out) == 1 + (factor == "s" and formula == NESTED)
    chosen = np.arange(0, 120, 10)
    found, wanted = (
        part_densities(kept, chosen, parts_of_groups(one.design, place, left_out))
        for one in (summed, kept)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    of_sums, of_rows = (leave_one_group_out(one, factor=factor) for one in (summed, kept))
    assert of_sums.labels.tolist() == of_rows.labels.tolist()
    same = ~of_rows.refitted  # which needs the rows
    np.testing.assert_allclose(of_sums.pointwise[same], of_rows.pointwise[same], rtol=1e-6)


def test_rows_cannot_be_left_out_of_sums():
    summed = fit(CROSSED, rows(), random_seed=1, draws=60, chains=2, rows="sum")
    with pytest.raises(RowsNeededError, match="leave_one_group_out"):
        leave_one_row_out(summed)
    with pytest.raises(SeveralFactorsError, match="found are s and h; keep the rows"):
        sample_groups(summed, rows())


@pytest.mark.parametrize("factor", ["s", "h"])
def test_contextual_effects_by_factor_are_those_of_the_rows(factor):
    formula = f"y ~ x + between(x, {factor}) + (1 | s) + (1 | h)"
    of_rows, of_sums = (
        contextual_effects(fit(formula, rows(), engine="reml", rows=how), factor=factor)
        for how in ("keep", "sum")
    )
    assert len(of_rows.rows) == 3
    for one, other in zip(of_rows.rows, of_sums.rows, strict=True):
        found = (other.estimate, other.sd, other.lower, other.upper)
        assert found == pytest.approx((one.estimate, one.sd, one.lower, one.upper), rel=1e-7)
    assert of_sums.notes == of_rows.notes


def test_means_by_an_interaction_are_those_of_the_rows():
    formula = "y ~ x + between(x, c:s) + (1 | s) + (1 | c:s)"
    kept, summed = (fit(formula, rows(), engine="reml", rows=how) for how in ("keep", "sum"))
    np.testing.assert_allclose(summed.solution.beta, kept.solution.beta, rtol=1e-7)


def test_parts_whose_weights_fail_are_drawn_anew_without_them():
    """A school far off: the oracle is the marginal likelihood with and without its rows."""
    rng = np.random.default_rng(5)
    school, room = np.repeat(np.arange(5), 12), np.tile(np.repeat([0, 1, 2], 4), 5)
    y = rng.normal(size=5)[school] + 0.5 * rng.normal(size=60) + 12.0 * (school == 2)
    data = {"y": y, "school": school, "room": room}
    priors = {"sigma_u": "HalfNormal(1)", "Intercept": "Normal(0, 5)", "sigma_e": "HalfNormal(1)"}
    fitted = fit("y ~ 1 + (1 | school/room)", data, priors=priors, random_seed=1)
    found = leave_one_group_out(fitted, factor="school")
    assert found.refitted[2]
    less = {name: values[school != 2] for name, values in data.items()}
    without = fit("y ~ 1 + (1 | school/room)", less, priors=priors, random_seed=1)
    whole, part = log_marginal_likelihood(fitted), log_marginal_likelihood(without)
    assert found.pointwise[2] == pytest.approx(whole.value - part.value, abs=0.15)
