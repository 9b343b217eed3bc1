"""Variance by level with several grouping factors: shares, correlations, R²; lme4 is the oracle."""

import json

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit, summarise, variance_by_level
from bayes_mlm.base.errors import EngineError
from bayes_mlm.questions import null_design
from bayes_mlm.questions.variance.factors import shareable
from tests.helpers import REFERENCE

CASES = {
    one["id"]: one
    for one in json.loads((REFERENCE / "several_factors.json").read_text(encoding="utf-8"))["cases"]
}
# lme4 1.1-31: y ~ x + (1 + x | school) + (1 | school:class), data drawn by set.seed(4607);
# z'Sz, the sum and the shares along x, and Johnson's (2014) means over the rows, all by R.
SLOPES = "y ~ x + (x | school) + (1 | class:school)"
AT = {
    -1: (0.64031, 0.07938, 0.28031),
    0: (0.36451, 0.14024, 0.49525),
    1: (0.32267, 0.14947, 0.52785),
    2: (0.59816, 0.08868, 0.31316),
}
# The variance of the fixed part has the divisor n there, n - 1 here and in R's performance.
OVER_ROWS = {
    "fixed": 2.6875 * 300 / 299,
    "school": 1.883117,
    "class:school": 0.2649696,
    "residual": 0.935707,
}


def sloping():
    return pd.read_csv(REFERENCE / "shares_with_a_slope.csv")


@pytest.mark.parametrize("name", ["penicillin", "pastes_nested"])
def test_shares_are_those_of_lme4(name):
    """Icc and Nakagawa's R² of tests/reference/several_factors.json, to their tolerance."""
    case = CASES[name]
    found = variance_by_level(fit(case["formula"], case["rows"], engine="reml"))
    wanted = case["reml"]["icc"]
    for factor in case["groups"]:
        assert found[f"share[{factor}]"].estimate == pytest.approx(wanted[factor], abs=1e-5)
        assert found[f"part_total[{factor}]"].estimate == pytest.approx(wanted[factor], abs=1e-5)
    assert found["icc_adjusted"].estimate == pytest.approx(wanted["total"], abs=1e-5)
    assert found["share[residual]"].estimate == pytest.approx(1 - wanted["total"], abs=1e-5)
    explained = case["r2_nakagawa"]
    assert found["r2_marginal"].estimate == pytest.approx(explained["marginal"], abs=1e-9)
    assert found["r2_conditional"].estimate == pytest.approx(explained["conditional"], abs=1e-5)


def test_correlations_are_of_rows_that_share_groups():
    """Nested: of one sample is of one batch; crossed: a plate, a sample, or both."""
    nested, crossed = (
        variance_by_level(fit(CASES[name]["formula"], CASES[name]["rows"], engine="reml"))
        for name in ("pastes_nested", "penicillin")
    )
    named = {row.quantity: row for row in nested.rows if row.quantity.startswith("icc[")}
    assert list(named) == ["icc[same batch]", "icc[same sample]"]
    icc = CASES["pastes_nested"]["reml"]["icc"]
    assert named["icc[same batch]"].estimate == pytest.approx(icc["batch"], abs=1e-5)
    assert named["icc[same sample]"].estimate == pytest.approx(icc["total"], abs=1e-5)
    assert "of different sample" in named["icc[same batch]"].meaning
    icc, by_pair = CASES["penicillin"]["reml"]["icc"], {}
    for row in crossed.rows:
        if row.quantity.startswith("icc["):
            by_pair[row.quantity] = row.estimate
    assert list(by_pair) == ["icc[same plate]", "icc[same sample]", "icc[same plate and sample]"]
    wanted = [icc["plate"], icc["sample"], icc["total"]]
    np.testing.assert_allclose(list(by_pair.values()), wanted, atol=1e-5)


def test_three_levels_nest_in_each_other():
    s, c, p = (part.ravel() for part in np.indices((4, 3, 2)))
    rng = np.random.default_rng(1)
    data = {"y": np.repeat(rng.normal(size=s.size), 2), "s": np.repeat(s, 2)}
    data |= {"c": np.repeat(c, 2), "p": np.repeat(p, 2)}
    design = build_design("y ~ 1 + (1 | s/c/p)", data)
    assert shareable(design) == [((0,), (0,)), ((0, 1), (1,)), ((0, 1, 2), (2,))]


def test_shares_along_a_slope_are_those_of_lme4():
    found = variance_by_level(fit(SLOPES, sloping(), engine="reml"), at={"x": list(AT)})
    for x, shares in AT.items():
        for name, share in zip(("school", "class:school", "residual"), shares, strict=True):
            assert found[f"vpc[{name},x={x}]"].estimate == pytest.approx(share, abs=2e-5)
    total = sum(OVER_ROWS.values())
    for name, variance in OVER_ROWS.items():
        assert found[f"part_total[{name}]"].estimate == pytest.approx(variance / total, abs=2e-5)
    random = OVER_ROWS["school"] + OVER_ROWS["class:school"]
    explained = [OVER_ROWS["fixed"] / total, (OVER_ROWS["fixed"] + random) / total]
    assert found["r2_marginal"].estimate == pytest.approx(explained[0], abs=2e-5)
    assert found["r2_conditional"].estimate == pytest.approx(explained[1], abs=2e-5)
    assert "mean over the rows" in found["share[school]"].meaning
    assert "random slopes" in found["r2_between[school]"].note


def test_draws_are_summarised_one_by_one():
    """Each measure of a posterior is its formula draw by draw, to rounding."""
    fitted = fit(SLOPES, sloping(), engine="direct", random_seed=1, draws=150, chains=2)
    found = variance_by_level(fitted, at={"x": [2]})
    draws = {name: fitted.draws[name].reshape(300, -1) for name in fitted.draws.posterior}
    sd, rho = draws["sigma_u_school"], draws["rho_u_school"][:, 0]
    school = sd[:, 0] ** 2 + 4 * rho * sd[:, 0] * sd[:, 1] + 4 * sd[:, 1] ** 2
    within, residual = draws["sigma_u_class:school"][:, 0] ** 2, draws["sigma_e"][:, 0] ** 2
    share = school / (school + within + residual)
    row = found["vpc[school,x=2]"]
    assert (row.estimate, row.sd) == pytest.approx((share.mean(), share.std(ddof=1)), rel=1e-9)
    data = sloping()
    school, pairs = fitted.design.group_terms
    eta = draws["beta"] @ np.array([np.ones(len(data)), data["x"]])
    u = fitted.draws["u_school"].reshape(300, -1, 2)[:, school.codes]
    eta += u[..., 0] + u[..., 1] * data["x"].to_numpy() + draws["u_class:school"][:, pairs.codes]
    spread = eta.var(axis=1, ddof=1)
    bayes = (spread / (spread + residual)).mean()
    assert found["r2_bayes"].estimate == pytest.approx(bayes, rel=1e-9)


def test_summaries_have_the_share_of_each_factor():
    case = CASES["pastes_nested"]
    fitted = fit(case["formula"], case["rows"], engine="direct", random_seed=1)
    found, table = summarise(fitted), variance_by_level(fitted)
    for factor in case["groups"]:
        row, share = found[f"icc[{factor}]"], table[f"share[{factor}]"]
        assert (row.estimate, row.sd) == pytest.approx((share.estimate, share.sd), rel=1e-9)
    assert "icc[batch]" in fitted.compare("reml").to_frame()["quantity"].to_list()
    with_slope = fit(SLOPES, sloping(), engine="direct", random_seed=1, draws=60, chains=2)
    assert not any(row.quantity.startswith("icc") for row in summarise(with_slope).rows)


def test_a_null_model_has_every_factor():
    """R² by level of each factor against it, draw by draw or from two estimates."""
    formula = "y ~ x + (1 | school) + (1 | class:school)"
    data = sloping()
    design = build_design(formula, data)
    assert str(null_design(design).formula) == "y ~ 1 + (1 | school) + (1 | class:school)"
    model, null = (
        fit(text, data, engine="reml") for text in (formula, str(null_design(design).formula))
    )
    found = variance_by_level(model, null=null)
    for place, name in enumerate(design.factors):
        sds = [one.solution.factors[place].sigma_u[0] for one in (model, null)]
        wanted = 1 - (sds[0] / sds[1]) ** 2
        assert found[f"r2_between[{name}]"].estimate == pytest.approx(wanted, rel=1e-12)
    wanted = 1 - (model.solution.sigma_e / null.solution.sigma_e) ** 2
    assert found["r2_within"].estimate == pytest.approx(wanted, rel=1e-12)
    one_factor = fit("y ~ 1 + (1 | school)", data, engine="reml")
    with pytest.raises(EngineError, match="the same grouping factors"):
        variance_by_level(model, null=one_factor)


def test_a_predictor_without_a_slope_is_refused():
    with pytest.raises(EngineError, match="'ses' has no random slope; predictors with one: x"):
        variance_by_level(fit(SLOPES, sloping(), engine="reml"), at={"ses": [0]})
