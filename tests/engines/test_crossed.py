"""Two crossed random intercepts without a factorisation, against the factorisation."""

import math

import numpy as np
import pytest

from bayes_mlm import build_design, fit
from bayes_mlm.base import EngineError
from bayes_mlm.engines import fit_several
from bayes_mlm.engines.crossed import route
from bayes_mlm.engines.crossed.kernels import philox
from bayes_mlm.engines.crossed.mixing import largest_eigenvalue
from bayes_mlm.engines.crossed.one_way import OneWay
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.reml.crossed import fit_crossed
from bayes_mlm.engines.reml.crossed.points import evaluate_at
from bayes_mlm.engines.reml.crossed.search import _search, maximise_crossed, random_signs
from bayes_mlm.likelihood import model_priors
from bayes_mlm.moments import CrossedSums, LevelCodes, crossed_table

FORMULA = "y ~ x1 + x2 + (1 | film) + (1 | user)"


def ratings(n=6000, users=400, films=150, *, seed=1, sds=(0.4, 0.5, 0.85), apart=0.0):
    """Simulate ratings whose users and films have long-tailed numbers of rows.

    `apart`: the share of rows in which a user of one half rates a film of the same half, over
    what chance gives.
    """
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0.0, 1.2, users), rng.lognormal(0.0, 1.5, films)
    user, film = (rng.choice(len(one), n, p=one / one.sum()) for one in share)
    same = rng.random(n) < apart
    film = np.where(same, film - film % 2 + user % 2, film)
    x1, x2 = rng.normal(3.0, 2.0, n), rng.integers(0, 2, n).astype(float)
    y = 3.5 + 0.1 * x1 - 0.2 * x2 + sds[2] * rng.normal(size=n)
    y += sds[0] * rng.normal(size=users)[user] + sds[1] * rng.normal(size=films)[film]
    return {"y": y, "x1": x1, "x2": x2, "user": user, "film": film}


def table_of(design):
    one, other = design.group_terms
    return crossed_table(
        design.y_less_offset,
        design.X,
        (one.codes, other.codes),
        (one.J, other.J),
        factors=(one.factor, other.factor),
        terms=design.terms,
    )


@pytest.fixture(scope="module")
def design():
    return build_design(FORMULA, ratings())


@pytest.fixture
def dear(monkeypatch):
    """Find every factorisation too dear."""
    monkeypatch.setattr(route, "MAX_COST", 0.0)
    monkeypatch.setattr(route, "_is_sparse", lambda _: False)


def test_sums_and_lists_are_those_of_the_rows(design):
    table = table_of(design)
    assert table.swapped  # users, who are more, come first
    W = np.column_stack([design.X, design.y]) @ table.transform
    np.testing.assert_allclose(W.T @ W, table.total, atol=1e-8 * table.n)
    np.testing.assert_allclose(W[:, 1:].mean(axis=0), 0.0, atol=1e-12)
    for margin, term in zip(table.margins, design.group_terms[::-1], strict=True):
        assert margin.factor == term.factor
        assert (np.diff(margin.counts) <= 0).all()
        by_level = np.zeros((term.J, W.shape[1]))
        np.add.at(by_level, term.codes, W)
        np.testing.assert_allclose(margin.in_data_order(margin.right), by_level, atol=1e-9)
    N = np.zeros((design.group_terms[1].J, design.group_terms[0].J))
    np.add.at(N, (design.group_terms[1].codes, design.group_terms[0].codes), 1.0)
    V = np.random.default_rng(1).normal(size=(N.shape[1], 6))
    own = V[table.margins[1].places]
    found = table.margins[0].in_data_order(table.margins[0].sums(own))
    np.testing.assert_allclose(found, N @ V, atol=1e-10)
    one = table.margins[0].in_data_order(table.margins[0].sums(own[:, 0].copy()))
    np.testing.assert_allclose(one, N @ V[:, 0], atol=1e-10)


def test_rows_added_in_parts_make_the_same_table(design):
    whole, (one, other) = table_of(design), design.group_terms
    sums = CrossedSums((one.factor, other.factor), design.terms)
    columns = np.column_stack([design.X, design.y])
    for part in np.array_split(np.arange(design.n), 7):
        sums.add(one.codes[part], other.codes[part], columns[part])
    parts = sums.finish((one.J, other.J))
    for a, b in zip(whole.margins, parts.margins, strict=True):
        np.testing.assert_array_equal(a.other, b.other)
        np.testing.assert_allclose(a.right, b.right, atol=1e-9)
    np.testing.assert_allclose(whole.transform, parts.transform, rtol=1e-9, atol=1e-12)


def test_levels_are_numbered_as_they_occur():
    rng = np.random.default_rng(1)
    values = rng.integers(-(10**12), 10**12, 30_000)
    codes = LevelCodes(64)
    found = np.concatenate([codes.of_integers(part) for part in np.array_split(values, 9)])
    assert codes.n == len(np.unique(values))
    np.testing.assert_array_equal(np.array(codes.labels)[found], values)
    texts = LevelCodes()
    assert texts.of_dictionary(["b", "a"], np.array([1, 0, 1])).tolist() == [1, 0, 1]
    assert texts.of_dictionary(["c", "a"], np.array([1, 0])).tolist() == [1, 2]
    assert texts.labels == ["b", "a", "c"]


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_estimates_are_those_of_the_factorisation(design, method):
    exact = fit_several(design, method=method)
    found = fit_crossed(table_of(design), design, method=method)
    assert found.certificate.ok
    for a, b in zip(exact.factors, found.factors, strict=True):
        assert a.factor == b.factor
        # A hundredth of a standard error is the Monte Carlo error that is promised.
        np.testing.assert_allclose(a.sigma_u, b.sigma_u, atol=0.03 * a.errors.sigma_u[0])
        np.testing.assert_allclose(a.errors.sigma_u, b.errors.sigma_u, rtol=0.03)
        np.testing.assert_allclose(a.u, b.u, atol=0.02 * a.u_sd.min())
        np.testing.assert_allclose(a.u_sd, b.u_sd, rtol=0.05)
        assert a.icc == pytest.approx(b.icc, abs=0.03 * a.errors.icc)
        assert a.errors.icc == pytest.approx(b.errors.icc, rel=0.03)
    assert exact.sigma_e == pytest.approx(found.sigma_e, abs=0.03 * exact.sigma_e_se)
    np.testing.assert_allclose(exact.beta, found.beta, atol=0.02 * exact.beta_se.min())
    np.testing.assert_allclose(exact.beta_se, found.beta_se, rtol=0.003)
    assert exact.loglik == pytest.approx(found.loglik, abs=2.5)  # random signs
    rows, ones = np.array([0, 7, 2]), np.ones((3, 1))
    for groups in ({}, {1: (ones, rows)}, {0: (ones, rows), 1: (ones, rows)}):
        a = exact.error_variance(design.X[:3], groups)
        np.testing.assert_allclose(a, found.error_variance(design.X[:3], groups), rtol=0.01)


def test_scores_are_the_slopes_of_the_exact_likelihood(design):
    from bayes_mlm.engines.reml.several.search import deviance_of
    from bayes_mlm.likelihood import Factor, make_plan

    table, products = table_of(design), design.cross_products()
    plan = make_plan(products)
    sds = np.array([0.4, 0.6, 0.9])  # users, films, residuals in the table's units
    at = evaluate_at(table, "REML", sds, random_signs(table.margins[1].m, 256, 1))

    def profiled(log_ratio):
        factor = Factor(plan)
        factor.update([np.array([[math.exp(one)]]) for one in log_ratio])
        return -0.5 * deviance_of(factor, "REML"), factor.r2

    log_ratio = np.log(sds[:2] / sds[2])
    _, r2 = profiled(log_ratio)
    unit = products.y_scale / table.y_scale  # of the outcome
    assert at.residual == pytest.approx(r2 * unit**2, rel=1e-9)
    # In sigma_e at fixed ratios: -(n - p) + r2 / sigma_e^2, without an estimated trace.
    total = at.residual / sds[2] ** 2 - (table.n - table.p)
    assert at.score.sum() == pytest.approx(total, abs=1e-4)
    best = math.sqrt(at.residual / (table.n - table.p))
    at = evaluate_at(table, "REML", sds * best / sds[2], random_signs(table.margins[1].m, 256, 1))
    spread = at.scores.std(axis=1) / 16.0
    for k in (0, 1):
        step = np.zeros(2)
        step[k] = 1e-4
        slope = (profiled(log_ratio + step)[0] - profiled(log_ratio - step)[0]) / 2e-4
        assert at.score[k] == pytest.approx(slope, abs=4.0 * spread[k] + 1e-3)


def test_variance_at_the_boundary_is_zero():
    data = ratings(sds=(0.0, 0.5, 0.85), seed=4)
    data["y"] -= _level_means(data["y"] - data["y"].mean(), data["user"])
    design = build_design(FORMULA, data)
    found = fit_crossed(table_of(design), design)
    users = found.factors[1]
    assert found.singular
    assert users.sigma_u[0] == 0.0
    assert not users.u.any()
    assert math.isnan(users.errors.sigma_u[0])
    exact = fit_several(design)
    assert exact.factors[1].sigma_u[0] == pytest.approx(0.0, abs=1e-6)
    assert found.sigma_e == pytest.approx(exact.sigma_e, rel=1e-3)


def test_reported_error_is_that_to_the_exact_route():
    rng, ratios = np.random.default_rng(7), []
    for seed in range(16):
        n, users, films = (int(rng.integers(*one)) for one in ((2000, 9000), (60, 500), (20, 280)))
        sds = np.exp(rng.normal(np.log([0.5, 0.5, 0.9]), [0.4, 0.4, 0.4]))
        design = build_design(FORMULA, ratings(n, users, films, seed=seed, sds=tuple(sds)))
        exact, table = fit_several(design), table_of(design)
        given = [*((one.sigma_u[0], one.errors.sigma_u[0]) for one in exact.factors)]
        sd, error = np.array([*given, (exact.sigma_e, exact.sigma_e_se)]).T

        def away_and_bound(found, table=table, sd=sd, error=error):
            bound = found.monte_carlo / np.sqrt(np.diagonal(found.covariance)) + found.step
            order = [*table.in_formula_order(0, 1), 2]
            return np.abs(found.sds[order] * table.y_scale - sd) / error, bound[order]

        away, _ = away_and_bound(maximise_crossed(table))
        assert away.max() < 0.01, seed
        signs = random_signs(table.margins[1].m, 12, seed)
        few = _search(table, "REML", signs, np.array([0.4, 0.4, 0.8]), exact=False)
        away, bound = away_and_bound(few)
        ratios.append(away / bound)
    ratios = np.array(ratios)
    assert ratios.size == 48
    assert np.mean(ratios > 1.0) <= 0.15  # 0.05 is promised
    assert np.mean(ratios) > 0.1  # and the bound is not far from the error


def test_few_signs_near_zero_are_made_more():
    # Three signs leave no maximum here: the estimate of the trace is above it at a small variance.
    design = build_design(FORMULA, ratings(6521, 179, 54, seed=1, sds=(0.061, 0.062, 4.465)))
    exact, found = fit_several(design), fit_crossed(table_of(design), design)
    assert found.certificate.ok
    for a, b in zip(exact.factors, found.factors, strict=True):
        assert b.sigma_u[0] == pytest.approx(a.sigma_u[0], abs=0.005)


def _level_means(values, codes):
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    return (sums / np.maximum(counts, 1))[codes]


def test_outcome_without_residuals_is_refused():
    data = ratings(sds=(0.4, 0.5, 0.0))
    design = build_design("y ~ 1 + (1 | film) + (1 | user)", data | {"y": data["film"] * 1.0})
    with pytest.raises(EngineError, match="no residual variation|did not converge"):
        fit_crossed(table_of(design), design)


def test_route_takes_what_is_dear_and_nothing_else(design, dear):
    assert route.crossed_table_of(design) is not None
    for formula in (
        "y ~ x1 + (x1 | film) + (1 | user)",
        "y ~ 0 + x1 + (1 | film) + (1 | user)",
        "y ~ x1 + (1 | film) + (1 | user) + (1 | x2)",
    ):
        assert route.crossed_table_of(build_design(formula, ratings(500))) is None


def test_affordable_models_are_factorised(design):
    assert route.crossed_table_of(design) is None


def test_gibbs_draws_are_from_the_exact_posterior(design, dear, monkeypatch):
    priors = model_priors(design, {"sigma_u": "HalfNormal(1)", "beta": "StudentT(4, 0, 1)"})
    found = sample_direct(design, priors, random_seed=1, draws=500)
    monkeypatch.undo()
    exact = sample_direct(design, priors, random_seed=2, draws=1000)
    assert found.report.method == "gibbs"
    assert found.report.chains is not None
    assert found.report.verdict.ok, found.report.verdict
    for name, variable in exact.draws.posterior.items():
        a = variable.values.reshape(4000, *variable.values.shape[2:])
        b = found.draws[name].reshape(2000, *variable.values.shape[2:])
        z = (a.mean(axis=0) - b.mean(axis=0)) / a.std(axis=0)
        # Of independent draws the sd of z would be sqrt(1/4000 + 1/2000) = 0.027.
        many = max(1.0, math.sqrt(2.0 * math.log(max(z.size, 2))))
        assert np.abs(z).max() < 0.045 * (many + 1.5), name
        assert np.mean(b.std(axis=0) / a.std(axis=0)) == pytest.approx(1.0, abs=0.05), name


def test_gibbs_summaries_are_those_of_the_draws(design, dear):
    priors = model_priors(design)
    drawn = sample_direct(design, priors, random_seed=1, draws=400, chains=2)
    kept = sample_direct(design, priors, random_seed=1, draws=400, chains=2, max_effects=0)
    np.testing.assert_array_equal(drawn.draws["sigma_e"], kept.draws["sigma_e"])
    for factor in ("film", "user"):
        u = drawn.draws[f"u_{factor}"].reshape(800, -1, 1)
        mean, sd = kept.draws[f"u_mean_{factor}"], kept.draws[f"u_sd_{factor}"]
        assert np.abs((u.mean(axis=0) - mean) / sd).max() < 0.25  # 4.5 sds / sqrt(800 x 0.4)
        assert np.mean(u.std(axis=0) / sd) == pytest.approx(1.0, abs=0.02)


def test_results_do_not_depend_on_the_number_of_threads():
    import numba

    from bayes_mlm.engines.crossed.kernels import LANES, MOMENTS, SERIAL_LEVELS, draw_parts
    from bayes_mlm.moments.neighbours import SERIAL, divide_levels, sum_one

    m, rng, found = 200_000, np.random.default_rng(1), []
    counts = rng.integers(1, 60, m)
    first = np.concatenate([[0], np.cumsum(counts)])
    assert first[-1] > SERIAL
    assert m > SERIAL_LEVELS
    other, rest = rng.integers(0, 99, first[-1]).astype(np.int32), rng.normal(size=(m, LANES))
    right, values, zero = np.ones((m, 2)), rng.normal(size=99), np.zeros((LANES, 1))
    before = numba.get_num_threads()
    for threads in (1, before):
        numba.set_num_threads(threads)
        u, moments, sums = np.zeros((m, LANES)), np.zeros((m, MOMENTS)), np.empty(m)
        parts, one = divide_levels(first), np.ones((LANES, 1, 1))
        given = parts, counts, right, rest, np.ones(LANES), np.full(LANES, 2.0)
        draw_parts(*given, zero, zero, one, (3, 0, 1), 7, u, moments, 1)
        sum_one(first, other, parts, values, sums)
        found.append((u, moments, sums))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    u, moments, _ = found[0]
    weight = 1.0 / (2.0 + counts[:, None])  # of the sum of a level, its mean; the variance twice
    noise = (u - weight * rest) / np.sqrt(2.0 * weight)
    assert np.abs(noise.mean(axis=0)).max() < 5.0 / math.sqrt(m)
    assert np.abs(np.cov(noise.T) - np.eye(LANES)).max() < 5.0 * math.sqrt(2.0 / m)


def test_philox_is_the_published_generator():
    # Known-answer test of Random123 1.14: philox4x32-10, counter and key of zeros; the four words.
    assert philox(0, 0, 0, 0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def test_eigenvalue_is_that_of_the_dense_map(design):
    table = table_of(design)
    layouts = OneWay(table=table, place=0), OneWay(table=table, place=1)
    sds, p = np.array([0.4, 0.5, 0.85]), table.p
    found = largest_eigenvalue(layouts, sds, np.zeros((p + 1, p + 1)), iterations=200)
    first, second = table.margins
    N = first.sums(np.eye(second.m))
    blocks = []
    for margin, sd in ((first, sds[0]), (second, sds[1])):
        X = margin.right[:, :-1]
        own = np.diag(margin.counts / sds[2] ** 2 + 1.0 / sd**2)
        M = np.block(
            [[own, X / sds[2] ** 2], [X.T / sds[2] ** 2, table.total[:p, :p] / sds[2] ** 2]]
        )
        blocks.append(np.linalg.inv(M)[: margin.m])
    cross = np.vstack([N, second.right[:, :-1].T]) / sds[2] ** 2
    back = np.vstack([N.T, first.right[:, :-1].T]) / sds[2] ** 2
    dense = blocks[1] @ back @ blocks[0] @ cross
    assert found == pytest.approx(np.abs(np.linalg.eigvals(dense)).max(), rel=0.05)


def test_slow_mixing_is_reported(dear):
    data = ratings(20_000, 300, 100, apart=1.0, seed=2, sds=(0.9, 0.9, 0.5))
    keep = (data["film"] % 2 == data["user"] % 2) | (np.arange(20_000) % 400 == 0)
    design = build_design(FORMULA, {name: values[keep] for name, values in data.items()})
    found = sample_direct(design, model_priors(design), random_seed=1, draws=50, chains=2)
    assert found.report.chains.eigenvalue > 0.95
    assert "parts of the levels are linked by few rows" in str(found.report.verdict)
    assert not found.report.verdict.ok


def test_fits_reach_the_route(dear):
    data = ratings(3000, 200, 80)
    found = fit(FORMULA, data, engine="reml")
    assert "conjugate gradients" in found.verdict.findings[0].message
    assert found.verdict.ok
    assert "icc[film]" in str(found.summary())
    drawn = fit(FORMULA, data, engine="direct", draws=200, chains=2, random_seed=1)
    assert drawn.report.method == "gibbs"
    rows = {row.quantity: row for row in drawn.summary().rows}
    assert rows["sigma_e"].r_hat is not None
    assert rows["sigma_e"].ess_bulk < 400
    estimate = found.summary()["sigma_u[film]"].estimate
    assert rows["sigma_u[film]"].estimate == pytest.approx(estimate, rel=0.1)
    assert drawn.group_effects(0.95, "film").mean.shape == (len(np.unique(data["film"])), 1)


def test_signs_of_more_columns_begin_with_those_of_fewer():
    np.testing.assert_array_equal(random_signs(50, 9, 3)[:, :4], random_signs(50, 4, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hundred_thousand_rows(seed):
    data = ratings(100_000, 3000, 900, seed=seed)
    design = build_design(FORMULA, data)
    exact, table = fit_several(design), table_of(design)
    optimum = maximise_crossed(table)
    found = fit_crossed(table, design)
    for a, b in zip(exact.factors, found.factors, strict=True):
        assert abs(a.sigma_u[0] - b.sigma_u[0]) < 0.02 * a.errors.sigma_u[0]
    assert abs(exact.sigma_e - found.sigma_e) < 0.02 * exact.sigma_e_se
    errors = np.sqrt(np.diagonal(optimum.covariance))
    assert (optimum.monte_carlo < 0.01 * errors).all()


@pytest.mark.parametrize("links", [0, 2])
def test_sds_of_effects_of_weakly_linked_clusters(links):
    """Two blocks of users and films, joined by few rows or none: the exact route is the oracle."""
    rng = np.random.default_rng(3)
    half = 1500
    g = np.concatenate([rng.integers(0, 60, half), rng.integers(60, 120, half)])
    h = np.concatenate([rng.integers(0, 40, half), rng.integers(40, 80, half)])
    g[:links], h[:links] = np.arange(links), 79 - np.arange(links)
    y = rng.normal(size=120)[g] + rng.normal(size=80)[h] + rng.normal(size=2 * half)
    design = build_design("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g, "h": h})
    table = crossed_table(y, design.X, (g, h), (120, 80), factors=("g", "h"), terms=design.terms)
    found, exact = fit_crossed(table, design), fit_several(design)
    for one, other in zip(found.factors, exact.factors, strict=True):
        ratio = one.u_sd / other.u_sd
        assert abs(np.median(ratio) - 1.0) < 0.15, np.median(ratio)
    assert "linked by few rows" in found.certificate.message
