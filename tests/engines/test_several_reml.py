"""REML and ML of several grouping factors: lme4, brute force, singular fits, predictions."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from bayes_mlm import build_design, fit, predict
from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.engines import fit_several
from tests.helpers import REFERENCE

CASES = {
    one["id"]: one
    for one in json.loads((REFERENCE / "several_factors.json").read_text(encoding="utf-8"))["cases"]
}


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_estimates_are_those_of_lme4(case, method):
    """Tolerances of the file: loglik 1e-6, variances 1e-5 of theirs, coefficients 1e-5 se."""
    found = fit_several(build_design(case["formula"], case["rows"]), method=method)
    lme4 = case[method.lower()]
    assert found.loglik == pytest.approx(lme4["loglik"], abs=1e-6)
    assert found.aic == pytest.approx(lme4["aic"], abs=2e-6)
    assert found.bic == pytest.approx(lme4["bic"], abs=2e-6)
    se = np.array(list(lme4["se"].values()))
    assert np.abs(found.beta - list(lme4["fixef"].values())).max() < 1e-5 * se.min()
    np.testing.assert_allclose(found.beta_se, se, rtol=1e-5)
    factors = {one.factor: one for one in found.factors}
    for one in lme4["varcomp"]:
        if one["group"] == "Residual":
            assert found.sigma_e**2 == pytest.approx(one["vcov"], rel=1e-6)
            continue
        estimate = factors[one["group"]]
        assert estimate.cov_u[0, 0] == pytest.approx(one["vcov"], rel=1e-5)
        assert estimate.icc == pytest.approx(lme4["icc"][one["group"]], abs=1e-6)
    for one in lme4.get("ranef_head", ()):
        estimate = factors[one["group"]]
        place = [str(label) for label in estimate.labels].index(one["id"])
        close = 1e-5 * estimate.sigma_u[0]
        assert estimate.u[place, 0] == pytest.approx(one["blup"]["(Intercept)"], abs=close)
        assert estimate.u_sd[place, 0] == pytest.approx(one["cond_sd"]["(Intercept)"], rel=1e-5)


def rows(seed):
    """Return small rows: crossed or nested, slopes, offsets, many of them singular."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(25, 70))
    g, h = rng.integers(0, 6, n), rng.integers(0, 4, n)
    if seed % 3 == 0:
        h = 10 * g + rng.integers(0, 3, n)
    x = rng.normal(10.0 ** rng.integers(0, 5), 1.0, n)
    y = (
        1e3
        + 0.5 * (x - x.mean())
        + rng.normal(size=99)[g] * rng.choice([0.0, 1.0])
        + rng.normal(size=n)
    )
    return {"y": y, "x": x, "g": g, "h": h}


FORMULAS = (
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + (x | g) + (1 | h)",
    "y ~ 1 + (x || g) + (1 | h)",
)


def dense_deviance(design, method):
    """Return the deviance of relative factors, by the covariance of all rows."""
    n, p = design.n, design.p
    X, y = design.X - design.X.mean(axis=0) * (np.arange(p) > 0), design.y - design.y.mean()
    Z = [term.Z - term.Z.mean(axis=0) * (np.arange(term.q) > 0) for term in design.group_terms]
    if not all(term.correlated for term in design.group_terms):
        Z = [term.Z for term in design.group_terms]
    same = [term.codes[:, None] == term.codes for term in design.group_terms]
    sizes = [
        term.q * (term.q + 1) // 2 if term.correlated else term.q for term in design.group_terms
    ]

    def deviance(theta):
        V, at = np.eye(n), 0
        for term, z, of, size in zip(design.group_terms, Z, same, sizes, strict=True):
            L = np.zeros((term.q, term.q))
            if term.correlated:
                L[np.tril_indices(term.q)] = theta[at : at + size]
            else:
                L[np.diag_indices(term.q)] = theta[at : at + size]
            at += size
            half = z @ L
            V += of * (half @ half.T)
        try:
            L = np.linalg.cholesky(V)
        except np.linalg.LinAlgError:
            return 1e10
        W = np.linalg.solve(L, np.column_stack([X, y]))
        R = np.linalg.qr(W, mode="r")
        df = n - p if method == "REML" else n
        found = 2 * np.log(np.diagonal(L)).sum() + df * (
            1 + math.log(2 * math.pi * R[-1, -1] ** 2 / df)
        )
        if method == "REML":
            found += 2 * np.log(np.abs(np.diagonal(R)[:-1])).sum()
        return found

    return deviance, sum(sizes)


@pytest.mark.parametrize("seed", range(24))
def test_no_other_optimiser_does_better(seed):
    formula, method = FORMULAS[seed % len(FORMULAS)], ("REML", "ML")[seed % 2]
    table = rows(seed)
    if "||" in formula:  # far from zero L-BFGS stops early there
        table["x"] = table["x"] - table["x"].mean()
    design = build_design(formula, table)
    found = fit_several(design, method=method)
    deviance, size = dense_deviance(design, method)
    best = min(
        minimize(deviance, start, method="L-BFGS-B").fun
        for start in (np.full(size, 0.5), np.full(size, 0.05), np.linspace(1.0, 0.1, size))
    )
    assert found.certificate.ok
    assert -2.0 * found.loglik <= best + 1e-6
    assert -2.0 * found.loglik >= best - 1e-4  # and it is a value of the same function


def test_a_singular_fit_is_an_ordinary_result():
    rng = np.random.default_rng(0)
    table = {
        "y": rng.normal(size=60),
        "g": np.repeat(np.arange(10), 6),
        "h": np.tile(np.arange(6), 10),
    }
    table["y"] -= np.repeat(table["y"].reshape(10, 6).mean(axis=1), 6)  # nothing between groups
    found = fit("y ~ 1 + (1 | g) + (1 | h)", table, engine="reml")
    assert found.solution.singular
    assert found.verdict.ok
    zero = [row for row in found.summary().rows if row.quantity.startswith("sigma_u")]
    assert min(row.estimate for row in zero) == 0.0
    assert "singular" in str(found.summary())


def test_errors_of_predictions_are_those_of_the_mixed_model_equations():
    case = CASES["penicillin"]
    found = fit("diameter ~ 1 + (1 | plate) + (1 | sample)", case["rows"], engine="reml")
    new = {"plate": ["a", "b", "a"], "sample": ["A", "B", "F"]}
    design, solution = found.design, found.solution
    one = np.ones((design.n, 1))
    Z = [one * (term.codes[:, None] == np.arange(term.J)) for term in design.group_terms]
    G = [cov[0, 0] * np.eye(z.shape[1]) for cov, z in zip(solution.covariances_u, Z, strict=True)]
    V = solution.sigma_e**2 * np.eye(design.n)
    V += sum(z @ cov @ z.T for z, cov in zip(Z, G, strict=True))
    inverse, labels = np.linalg.inv(V), [term.labels.tolist() for term in design.group_terms]
    beta = (one.T @ inverse @ design.y) / (one.T @ inverse @ one)[0, 0]
    for k in range(3):
        w = [np.zeros(z.shape[1]) for z in Z]
        w[0][labels[0].index(new["plate"][k])] = 1.0
        w[1][labels[1].index(new["sample"][k])] = 1.0
        c = sum(z @ cov @ v for z, cov, v in zip(Z, G, w, strict=True))
        prior = sum(v @ cov @ v for cov, v in zip(G, w, strict=True))
        left = 1.0 - (one.T @ inverse @ c)[0]
        variance = prior - c @ inverse @ c + left**2 / (one.T @ inverse @ one)[0, 0]
        got = predict(found, new)
        assert got.mean[k] == pytest.approx(float(beta[0] + c @ inverse @ (design.y - beta[0])))
        assert got.sd[k] == pytest.approx(math.sqrt(variance), rel=1e-6)
    at_new = predict(found, {"plate": ["new"]}, question="new_group", kind="observation")
    total = solution.sigma_e**2 + sum(cov[0, 0] for cov in solution.covariances_u)
    assert at_new.sd[0] == pytest.approx(math.sqrt(total + solution.beta_cov[0, 0]), rel=1e-9)


N, G, H = 60, np.repeat(np.arange(10), 6), np.tile(np.arange(6), 10)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
@pytest.mark.parametrize("engine", ["reml", "ml", "direct"])
def test_an_outcome_without_residual_variation_is_refused(engine, noise):
    rng = np.random.default_rng(1)
    x = rng.normal(size=N)
    for y in (3 + 2 * x, 1 + rng.normal(size=10)[G] + rng.normal(size=6)[H]):
        table = {"y": y + noise * rng.normal(size=N), "x": x, "g": G, "h": H}
        if noise and np.ptp(y - 2 * x) < 1e-6:
            continue  # small, but it varies
        with pytest.raises(EngineError, match="no residual variation"):
            fit("y ~ x + (1 | g) + (1 | h)", table, engine=engine, random_seed=1)


def test_variances_that_fixed_effects_explain_are_not_identified():
    rng = np.random.default_rng(2)
    table = {"y": rng.normal(size=N), "g": G, "h": H}
    formula = "y ~ C(g) + (1 | g) + (1 | h)"
    with pytest.raises(DesignError, match="every difference between groups in Intercept by g"):
        fit(formula, table, engine="reml")
    drawn = fit(formula, table, engine="direct", random_seed=1)
    assert not drawn.verdict.ok
    assert "the posterior of its sd is its prior" in str(drawn.verdict)


def test_units_and_offsets_change_nothing():
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    y = x + rng.normal(size=10)[G] + rng.normal(size=6)[H] + rng.normal(size=N)
    plain = fit_several(build_design("y ~ x + (1 | g) + (1 | h)", {"y": y, "x": x, "g": G, "h": H}))
    for scale, offset in ((1e-12, 0.0), (1e12, 0.0), (1.0, 1e9)):
        table = {"y": scale * y + offset, "x": x + offset, "g": G, "h": H}
        found = fit_several(build_design("y ~ x + (1 | g) + (1 | h)", table))
        for one, other in zip(found.factors, plain.factors, strict=True):
            assert one.sigma_u[0] == pytest.approx(scale * other.sigma_u[0], rel=1e-4)
        assert found.beta[1] == pytest.approx(scale * plain.beta[1], rel=1e-4)
