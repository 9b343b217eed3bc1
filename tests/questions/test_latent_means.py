"""Latent group means: against the dense likelihood, the formula of the bias, and truths."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from bayes_mlm import build_design, fit, for_kind, latent_contextual_effects, sum_rows
from bayes_mlm.base import DesignError
from bayes_mlm.engines import fit_latent_means

FORMULA = "y ~ x + between(x) + (1 | g)"


def rows(J, n, *, seed, within=0.5, between=1.5, icc=0.2, w=0.0):
    """Draw a table of one predictor with variance 1, `icc` of it between groups."""
    rng = np.random.default_rng(seed)
    sizes = np.broadcast_to(n, J)
    g = np.repeat(np.arange(J), sizes)
    upper = rng.standard_normal(J)
    latent = np.sqrt(icc) * rng.standard_normal(J) + w * upper
    deviation = np.sqrt(1 - icc) * rng.standard_normal(len(g))
    y = 2.0 + within * deviation + between * latent[g] + 0.3 * upper[g]
    y += 0.4 * rng.standard_normal(J)[g] + 0.8 * rng.standard_normal(len(g))
    return {"y": y, "x": latent[g] + deviation, "g": g, "w": upper[g]}


def dense(theta, data, w, n_x=1, paired=(0,)):
    """Minus the log-likelihood of all rows of each group as one normal vector."""
    x = np.column_stack([data[f"x{k}" if k else "x"] for k in range(n_x)])
    both = np.column_stack([x, data["y"]])
    d, P = n_x + 1, len(paired)
    q = w.shape[1]
    b, c = theta[:n_x], theta[n_x : n_x + P]
    rest = theta[n_x + P :]
    slope = b.copy()
    slope[list(paired)] += c
    gamma = rest[: q * d].reshape(q, d)
    rest = rest[q * d :]
    covs = []
    for k, coefs in enumerate((b, slope)):
        size = n_x * (n_x + 1) // 2
        root = np.zeros((n_x, n_x))
        root[np.tril_indices(n_x)] = rest[k * (size + 1) : k * (size + 1) + size]
        turn = np.eye(d)
        turn[-1, :n_x] = coefs
        middle = np.zeros((d, d))
        middle[:n_x, :n_x] = root @ root.T
        middle[-1, -1] = rest[k * (size + 1) + size] ** 2
        covs.append(turn @ middle @ turn.T)
    total = 0.0
    for j in np.unique(data["g"]):
        at = data["g"] == j
        n = at.sum()
        cov = np.kron(np.eye(n), covs[0]) + np.kron(np.ones((n, n)), covs[1])
        mean = (w[at] @ gamma).ravel()
        total -= multivariate_normal.logpdf(both[at].ravel(), mean, cov)
    return total


def test_the_maximum_is_that_of_the_dense_likelihood():
    sizes = np.array([2, 3, 5, 1, 4, 6, 3, 2, 4])
    data = rows(9, sizes, seed=3, icc=0.5)
    design = build_design("y ~ x + w + (1 | g)", data)
    found = fit_latent_means(design.moments(), [1], [0])
    w = np.column_stack([np.ones(len(data["y"])), data["w"]])
    # From far off, by an optimiser that knows no derivative of ours; then polished.
    start = np.concatenate([[0.3, 0.3], np.zeros(4), [1.0, 1.0, 0.5, 0.5]])
    there = minimize(dense, start, (data, w), method="BFGS", options={"gtol": 1e-7, "maxiter": 500})
    assert -there.fun == pytest.approx(found.loglik, abs=1e-6)
    assert there.x[:2] == pytest.approx([found.within[0], found.contextual[0]], abs=1e-5)
    information = curvature(lambda theta: dense(theta, data, w), there.x)
    assert found.cov == pytest.approx(np.linalg.inv(information)[:2, :2], rel=1e-3)


def curvature(function, at, step=2e-3):
    moves = step * np.eye(len(at))
    found = np.zeros((len(at), len(at)))
    for i, j in zip(*np.tril_indices(len(at)), strict=True):
        ends = [
            a * b * function(at + a * moves[i] + b * moves[j]) for a in (1, -1) for b in (1, -1)
        ]
        found[i, j] = found[j, i] = sum(ends) / (4 * step**2)
    return found


def test_a_second_predictor_with_one_slope_is_in_the_likelihood_too():
    data = rows(10, 4, seed=5, icc=0.4)
    rng = np.random.default_rng(6)
    noise = rng.standard_normal(10)[data["g"]] + rng.standard_normal(40)
    data["x1"] = 0.4 * data["x"] + noise
    data["y"] = data["y"] - 0.5 * data["x1"]
    design = build_design("y ~ x + x1 + (1 | g)", data)
    found = fit_latent_means(design.moments(), [1, 2], [0])
    w = np.ones((40, 1))
    roots = [np.linalg.cholesky(one) for one in (found.x_within, found.x_between)]
    sds = np.sqrt([found.sigma2_e, found.sigma2_u])
    parts = [
        part
        for root, sd in zip(roots, sds, strict=True)
        for part in (root[np.tril_indices(2)], [sd])
    ]
    means = np.array([data[name].mean() for name in ("x", "x1", "y")])  # of groups of one size
    theta = np.concatenate([found.within, found.contextual, means, *parts])
    value = dense(theta, data, w, n_x=2)
    assert -value == pytest.approx(found.loglik, abs=1e-8)
    for k in range(len(theta)):  # no step in any direction is better
        for move in (1e-3, -1e-3):
            other = theta.copy()
            other[k] += move
            assert dense(other, data, w, n_x=2) > value


def test_the_bias_is_that_of_the_formula():
    """Lüdtke et al. (2008): (1 - reliability) of the contextual effect is lost."""
    fitted = fit(FORMULA, rows(60, 8, seed=1), engine="reml")
    table = latent_contextual_effects(fitted)
    row = table["x", "contextual"]
    assert row.bias == pytest.approx(-(1 - row.reliability) * row.estimate, rel=1e-9)
    # In groups of one size the two estimates differ by exactly that, but for REML's divisor.
    assert row.observed == pytest.approx(row.estimate + row.bias, rel=1e-2)
    assert table["x", "within"].bias == pytest.approx(0.0, abs=1e-9)


def test_large_groups_make_both_the_same():
    row = latent_contextual_effects(fit(FORMULA, rows(30, 400, seed=2), engine="reml"))[
        "x", "between"
    ]
    assert row.estimate == pytest.approx(row.observed, rel=0.02)
    assert row.reliability > 0.98


@pytest.mark.parametrize("formula", ["y ~ x + w + between(x) + (1 | g)", FORMULA])
def test_units_and_the_order_of_rows_do_not_matter(formula):
    data = rows(40, np.arange(40) % 7 + 2, seed=4)
    first = latent_contextual_effects(fit(formula, data, engine="reml"))
    order = np.random.default_rng(0).permutation(len(data["y"]))
    other = {name: values[order] for name, values in data.items()}
    other |= {"x": 1e6 + 1e4 * other["x"], "y": 1e-3 * other["y"] - 5}
    second = latent_contextual_effects(fit(formula, other, engine="reml"))
    for row, again in zip(first, second, strict=True):
        assert again.estimate * 1e7 == pytest.approx(row.estimate, rel=1e-6)
        assert again.sd * 1e7 == pytest.approx(row.sd, rel=1e-6)
        assert again.reliability == pytest.approx(row.reliability, rel=1e-6)


def test_every_way_to_write_the_model_and_its_sums_give_the_same():
    data = rows(40, 6, seed=7)
    whole = [
        latent_contextual_effects(fit(formula, data, engine="reml", **kind))
        for formula, kind in (
            (FORMULA, {}),
            ("y ~ within(x) + between(x) + (1 | g)", {}),
            ("y ~ x + (1 | g)", {"kind": "mundlak"}),
        )
    ]
    summed = for_kind(sum_rows("y ~ x + (1 | g)", pd.DataFrame(data)), "mundlak")
    whole.append(latent_contextual_effects(fit(summed, engine="reml")))
    for table in whole[1:]:
        for row, same in zip(whole[0], table, strict=True):
            assert (same.estimate, same.sd) == pytest.approx((row.estimate, row.sd), rel=1e-7)


def test_no_residual_variance_between_groups_is_an_ordinary_value():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(30), 5)
    latent = rng.standard_normal(30)[g]
    x = latent + rng.standard_normal(150)
    y = x + latent + 2.0 * rng.standard_normal(150)
    y -= np.bincount(g, y - x - latent)[g] / 5 * 0.9  # less spread of the means than by chance
    design = build_design("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})
    found = fit_latent_means(design.moments(), [1], [0])
    assert found.sigma2_u == 0.0
    assert np.all(np.isfinite(found.cov))


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x + (1 | g)", "both within and between groups"),
        ("y ~ x * w + between(x) + (1 | g)", "product of a latent mean"),
        ("y ~ x + between(x) + (x | g)", "the likelihood has no closed form"),
        ("y ~ x + z + x:z + between(z) + (1 | g)", "product"),
        ("y ~ flat + between(flat) + (1 | g)", "hardly more than the sampling"),
        ("y ~ 0 + x + between(x) + (1 | g)", "need an intercept"),
    ],
)
def test_what_the_likelihood_has_not_is_refused(formula, words):
    data = rows(30, 5, seed=9)
    rng = np.random.default_rng(1)
    data["z"] = rng.standard_normal(150)
    flat = rng.standard_normal(150)
    means = np.bincount(data["g"], flat)[data["g"]] / 5
    data["flat"] = flat - 0.9 * means  # means closer to each other than those of any sample
    with pytest.raises(DesignError, match=words):
        latent_contextual_effects(fit(formula, data, engine="reml"))


def test_other_outcomes_and_several_factors_are_refused():
    data = rows(20, 6, seed=10)
    data |= {"h": np.arange(120) % 5, "ok": (data["y"] > 2).astype(int)}
    for formula, family in (
        ("ok ~ x + between(x) + (1 | g)", "bernoulli"),
        ("y ~ x + between(x, g) + (1 | g) + (1 | h)", "gaussian"),
    ):
        with pytest.raises(DesignError, match="latent group means are"):
            latent_contextual_effects(fit(formula, data, engine="ml", family=family))


def test_imputations_are_pooled_by_rubins_rules():
    data = rows(40, 6, seed=11)
    rng = np.random.default_rng(12)
    several = [{**data, "x": data["x"] + 0.3 * rng.standard_normal(240)} for _ in range(3)]
    pooled = latent_contextual_effects(fit(FORMULA, several, engine="reml"))
    each = [latent_contextual_effects(fit(FORMULA, one, engine="reml")) for one in several]
    for row in pooled:
        of = [one["x", row.quantity] for one in each]
        estimates = np.array([one.estimate for one in of])
        total = np.mean([one.sd**2 for one in of]) + 4 / 3 * estimates.var(ddof=1)
        assert (row.estimate, row.sd) == pytest.approx((estimates.mean(), total**0.5))
        assert row.observed == pytest.approx(np.mean([one.observed for one in of]))
        assert row.upper - row.estimate > 1.95996 * row.sd  # of a t distribution
    assert any("Rubin" in note for note in pooled.notes)


def test_survey_weights_are_refused():
    data = rows(30, 6, seed=13)
    data["weight"] = 1.0 + np.arange(180) % 3
    fitted = fit(FORMULA, data, engine="pml", weights={"level1": "weight"})
    with pytest.raises(DesignError, match="survey weights"):
        latent_contextual_effects(fitted)


def test_the_posterior_of_observed_means_stands_next_to_it(run_command):
    code, out, err = run_command("contextual", "hsb_ses", "--latent", "--engine", "reml")
    assert code == 0, err
    assert "latent mean" in out
    assert "bias of observed" in out


@pytest.mark.slow
def test_the_truth_is_recovered_where_observed_means_are_biased():
    """Of 400 data sets: contextual effect 1, reliability 0.556 (Lüdtke et al. 2008, study 1)."""
    found = []
    for seed in range(400):
        table = latent_contextual_effects(fit(FORMULA, rows(200, 5, seed=seed), engine="reml"))
        row = table["x", "contextual"]
        found.append((row.estimate, row.observed, row.lower <= 1.0 <= row.upper, row.sd))
    estimate, observed, inside, se = np.array(found).T
    error = estimate.std() / 20
    assert estimate.mean() == pytest.approx(1.0, abs=4 * error)
    assert observed.mean() == pytest.approx(5 / 9, abs=4 * observed.std() / 20)
    assert 0.91 < inside.mean() < 0.98
    assert se.mean() == pytest.approx(estimate.std(), rel=0.12)
