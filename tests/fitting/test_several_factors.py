"""A second grouping factor, crossed with the first, from fit to prediction."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from bayes_mlm import (
    check,
    contextual_effects,
    fit,
    group_lines,
    leave_one_group_out,
    leave_one_row_out,
    load_fit,
    loo_compare,
    model_priors,
    predict,
    save_fit,
    slopes,
    summarise,
    write_group_effects,
)
from bayes_mlm.base.errors import DesignError, SeveralFactorsError
from bayes_mlm.figures import model_figures
from bayes_mlm.figures.caterpillar import caterpillar
from bayes_mlm.figures.residuals import group_residuals
from bayes_mlm.figures.shrinkage import shrinkage
from bayes_mlm.fitting import Analysis
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report
from tests.helpers import REFERENCE

FORMULA = "y ~ x + (1 | g) + (1 | h)"
TRUTH = {
    "beta[Intercept]": 2.0,
    "beta[x]": 0.5,
    "sigma_u[g]": 1.2,
    "sigma_u[h]": 0.7,
    "sigma_e": 1.0,
    "icc[g]": 1.44 / 2.93,
    "icc[h]": 0.49 / 2.93,
}
J, K = 30, 20


def crossed(seed=1):
    rng = np.random.default_rng(seed)
    g, h = (part.ravel() for part in np.meshgrid(np.arange(J), np.arange(K), indexing="ij"))
    x, u, v = rng.normal(size=J * K), 1.2 * rng.normal(size=J), 0.7 * rng.normal(size=K)
    y = 2.0 + 0.5 * x + u[g] + v[h] + rng.normal(size=J * K)
    data = {"y": y, "x": x, "g": g, "h": np.array([f"i{k:02}" for k in range(K)])[h]}
    return data, u, v


# NUTS compiles this model for it alone.
ENGINES = ["direct", pytest.param("nuts", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=ENGINES)
def fitted(request):
    options = {"random_seed": 1, "draws": 500, "tune": 500, "chains": 2}
    return fit(FORMULA, crossed()[0], engine=request.param, **options)


def test_it_recovers_what_the_data_were_made_with(fitted):
    found = summarise(fitted).rows
    assert [row.quantity for row in found] == list(TRUTH)
    for row in found:
        assert abs(row.estimate - TRUTH[row.quantity]) < 3.5 * row.sd, row
        assert row.ess_bulk > 200, row  # an intercept and two means of effects, almost collinear
    _, u, v = crossed()
    for name, true in (("u_g", u), ("u_h", v)):
        mean = fitted.draws[name][..., 0].mean(axis=(0, 1))
        assert np.corrcoef(mean, true)[0, 1] > 0.95


def test_dimensions_are_named_after_the_factors(fitted):
    assert fitted.posterior["u_g"].dims == ("chain", "draw", "g", "effect_g")
    assert fitted.posterior["u_h"].coords["h"].values[3] == "i03"
    constant = fitted.data["constant_data"]
    assert list(constant["g_of_obs"].coords["obs"].values) == list(range(fitted.design.n))
    assert constant["Z_h"].dims == ("obs", "effect_h")
    assert "takes one grouping factor" in fitted.data.attrs["no_log_likelihood_group"]
    drawn = fitted.data["prior"]["u_h"] / fitted.data["prior"]["sigma_u_h"]
    assert drawn.dims[2:] == ("h", "effect_h")
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.05)
    assert (constant["h"].values[constant["codes_h"].values] == constant["h_of_obs"].values).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_penicillin_is_near_lme4(engine):
    """lme4 1.1-31 (reference/several_factors.json): ML and REML sds within a posterior sd."""
    text = (REFERENCE / "several_factors.json").read_text(encoding="utf-8")
    case = next(one for one in json.loads(text)["cases"] if one["id"] == "penicillin")
    found = fit(
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        case["rows"],
        engine=engine,
        random_seed=1,
        draws=500,
        tune=500,
        chains=2,
    )
    rows = {row.quantity: row for row in summarise(found).rows}
    lme4 = {one["group"]: one["sdcor"] for one in case["ml"]["varcomp"]}
    for name, value in (
        ("sigma_u[plate]", lme4["plate"]),
        ("sigma_u[sample]", lme4["sample"]),
        ("sigma_e", lme4["Residual"]),
        ("beta[Intercept]", case["ml"]["fixef"]["(Intercept)"]),
    ):
        assert abs(rows[name].estimate - value) < rows[name].sd, name
    # Conditional sds of lme4 leave out the uncertainty of the variances and the intercept.
    u = found.draws["u_plate"][..., 0].mean(axis=(0, 1))
    blups = {
        one["id"]: one["blup"]["(Intercept)"]
        for one in case["reml"]["ranef_head"]
        if one["group"] == "plate"
    }
    np.testing.assert_allclose(u[: len(blups)], list(blups.values()), atol=0.1)


def test_predictions_add_the_effects_of_every_factor(fitted):
    new = {"x": [0.0, 1.0], "g": [3, 4], "h": ["i05", "i06"]}
    own = predict(fitted, new)
    draws = fitted.draws
    by_hand = draws["beta"] @ np.array([[1.0, 0.0], [1.0, 1.0]]).T
    by_hand = by_hand + draws["u_g"][..., [3, 4], 0] + draws["u_h"][..., [5, 6], 0]
    np.testing.assert_allclose(own.mean, by_hand.mean(axis=(0, 1)), rtol=1e-12)
    assert own.plug_in is None
    wide = predict(fitted, {"x": [0.0]}, question="new_group", draws=True)
    sds = [fitted.draws[name] for name in ("sigma_u_g", "sigma_u_h")]
    spread = np.mean(sum(np.square(sd) for sd in sds)) + draws["beta"][..., 0].var(ddof=1)
    np.testing.assert_allclose(wide.sd, [np.sqrt(spread)], rtol=1e-12)
    np.testing.assert_allclose(wide.draws.std(), np.sqrt(spread), rtol=0.1)
    population = predict(fitted, {"x": [0.0]}, question="population")
    np.testing.assert_allclose(population.sd, draws["beta"][..., 0].std(ddof=1), rtol=1e-12)


def test_rows_are_left_out_and_a_factor_is_chosen(fitted):
    found = leave_one_row_out(fitted)
    assert found.pointwise.size == J * K
    # Oracle: the normal density of each row given the others, at the posterior means of the sds;
    # that these are uncertain costs about one more.
    design, draws = fitted.design, fitted.draws
    at = {name: draws[name].mean() for name in ("sigma_u_g", "sigma_u_h", "sigma_e")}
    cov = at["sigma_e"] ** 2 * np.eye(design.n) + 1e4 * design.X @ design.X.T  # flat on beta
    for term, name in zip(design.group_terms, ("sigma_u_g", "sigma_u_h"), strict=True):
        cov += at[name] ** 2 * (term.codes[:, None] == term.codes)
    inverse = np.linalg.inv(cov)
    left = inverse @ design.y
    diagonal = np.diag(inverse)
    elpd = 0.5 * (np.log(diagonal / (2 * np.pi)) - np.square(left) / diagonal).sum()
    assert abs(found.elpd - elpd) < 2.5
    with pytest.raises(SeveralFactorsError, match="choose factor='g' or factor='h'"):
        leave_one_group_out(fitted)


def test_checks_are_of_every_factor(fitted):
    topics = [one.topic for one in check(fitted)]
    assert {"Tails of residuals", "Tails of effects of g", "Tails of effects of h"} <= {*topics}


def test_least_squares_refuses():
    with pytest.raises(SeveralFactorsError, match="use engine='auto'"):
        fit(FORMULA, crossed()[0], engine="ols")


def test_a_saved_fit_is_read_back(fitted, tmp_path):
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert str(summarise(again)) == str(summarise(fitted))
    for one, other in zip(again.design.group_terms, fitted.design.group_terms, strict=True):
        assert (one.factor, one.effects, one.correlated) == (
            other.factor,
            other.effects,
            other.correlated,
        )
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.Z, other.Z)
    new = {"x": [0.0], "g": [3], "h": ["i05"]}
    assert predict(again, new).mean == predict(fitted, new).mean


def test_a_report_names_every_factor(fitted):
    analysis = Analysis(
        request=fitted.request,
        design=fitted.design,
        fits=(fitted,),
        estimates=(),
        summaries=(summarise(fitted),),
        prob=0.95,
    )
    page = render_report([analysis], Origin(title="Crossed"))
    for text in ("30 groups (g), 20 groups (h)", "sigma_u[g]", "sigma_u[h]"):
        assert text in page, text


def test_figures_of_groups_are_of_each_factor(fitted, tmp_path):
    analysis = Analysis(
        request=fitted.request,
        design=fitted.design,
        fits=(fitted,),
        estimates=(),
        summaries=(summarise(fitted),),
        prob=0.95,
    )
    _, u, v = crossed()
    for draw in (caterpillar, shrinkage, group_residuals):
        assert [draw(analysis, factor=name).group for name in ("g", "h")] == ["g", "h"]
        with pytest.raises(SeveralFactorsError, match="choose factor='g' or factor='h'"):
            draw(analysis)
    # What is left of the other factor's effects, whose means are known to a fifth of their sd,
    # and of the residuals of a group's 20 or 30 rows: less than the spread of the effects.
    for name, true in (("g", u), ("h", v)):
        found = shrinkage(analysis, factor=name)
        places = [fitted.design.of_factor(fitted.design.factors.index(name)).labels.tolist()]
        order = [places[0].index(label) for label in found.labels.tolist()]
        assert np.corrcoef(found.effects[0].unpooled, true[order])[0, 1] > 0.9
    shown = [data.group for entry, data in model_figures(analysis) if entry.by_factor]
    assert shown == ["g", "h"] * 3
    table = pq.read_table(write_group_effects(fitted, tmp_path / "u.parquet", factor="h"))
    assert table.num_rows == K
    np.testing.assert_allclose(
        table["mean"], fitted.draws["u_h"][..., 0].mean(axis=(0, 1)), rtol=1e-9
    )
    with pytest.raises(DesignError, match="no grouping factor 'k'; allowed: factor='g'"):
        fitted.group_effects(0.95, "k")


@pytest.mark.parametrize("ask", [group_lines, contextual_effects])
def test_questions_of_one_factor_refuse(fitted, ask):
    with pytest.raises(SeveralFactorsError, match=r"2 \(g, h\)"):
        ask(fitted)


def test_questions_of_the_fixed_effects_answer(fitted):
    beta = fitted.draws["beta"].mean(axis=(0, 1))
    (slope,) = slopes(fitted, "x").by(fitted.engine)
    assert slope.estimate == pytest.approx(beta[1], rel=1e-9)


def test_models_are_compared_by_rows(fitted):
    wider = replace(fitted, priors=model_priors(fitted.design, {"beta": "Normal(0, 9)"}))
    found = loo_compare([fitted, wider])
    assert [row.difference for row in found.by("row")] == [0.0, 0.0]
    assert all("compare by rows" in row.note for row in found.by("group"))
