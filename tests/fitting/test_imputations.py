"""Imputations as users state them: sets of columns, lists, long tables; and mixed posteriors."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import (
    build_design,
    check,
    fit,
    leave_one_group_out,
    leave_one_row_out,
    load_sleepstudy,
    marginal_means,
    predict,
    slopes,
)
from bayes_mlm.base import BayesMLMError, DataError, FormulaError, RowsNeededError
from bayes_mlm.formula import parse_formula

M = 4
FORMULA = "pv(y1..y4) ~ days + (1 | subject)"


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    frame, rng = load_sleepstudy(), np.random.default_rng(5)
    for k in range(1, M + 1):
        frame[f"y{k}"] = frame["reaction"] + 15.0 * rng.normal(size=len(frame))
        frame[f"x{k}_z"] = frame["days"] + 0.7 * rng.normal(size=len(frame))
        frame[f"b{k}"] = np.where(frame[f"y{k}"] > 300, "slow", "fast")
    return frame


@pytest.fixture(scope="module")
def frames(wide: pd.DataFrame) -> list[pd.DataFrame]:
    return [wide.assign(y=wide[f"y{k}"], x_z=wide[f"x{k}_z"]) for k in range(1, M + 1)]


def rows(result: Any) -> list[tuple[Any, ...]]:
    return [(row.estimate, row.sd, row.lower, row.upper) for row in result.summary()]


def test_all_ways_are_one(wide: pd.DataFrame, frames: list[pd.DataFrame], tmp_path: Path) -> None:
    listed = fit("y ~ days + x_z + (1 | subject)", frames, engine="reml")
    for formula in (
        "pv(y1..y4) ~ days + pv(x1_z..x4_z) + (1 | subject)",
        "imputed(y1, y2, `y3`, y4) ~ days + pv(x1_z, x2_z..x4_z) + (1 | subject)",
    ):
        found = fit(formula, wide, engine="reml")
        assert found.solution.terms == ("Intercept", "days", "x_z")
        assert rows(found) == rows(listed)
    long = pd.concat([one.assign(_mi_m=k) for k, one in enumerate([wide, *frames])])
    model = "y ~ days + x_z + (1 | subject)"
    by_column = fit(model, long, engine="reml", imputation="_mi_m")
    assert rows(by_column) == rows(listed)
    assert "rows of _mi_m = 0, the incomplete original, are omitted" in by_column.design.notes
    paths = [tmp_path / f"imp{k}.csv" for k in range(1, M + 1)]
    for path, frame in zip(paths, frames, strict=True):
        frame.to_csv(path, index=False)
    of_files = fit(model, paths, engine="reml")
    each = fit(model, str(tmp_path / "imp*.csv"), engine="reml", imputation="each-file")
    assert [row[0] for row in rows(of_files)] == pytest.approx([row[0] for row in rows(listed)])
    assert rows(each) == rows(of_files)


@pytest.mark.parametrize(
    ("text", "name", "columns"),
    [
        ("pv(PV1MATH..PV3MATH) ~ x", "PVMATH", ("PV1MATH", "PV2MATH", "PV3MATH")),
        ("pv(m01..m03) ~ x", "m", ("m01", "m02", "m03")),
        ("pv(y_9..y_11) ~ x", "y", ("y_9", "y_10", "y_11")),
        ("pv(y1, y2) ~ y", "y1..y2", ("y1", "y2")),
        ("pv(a, b, c) ~ x", "a..c", ("a", "b", "c")),
        ("pv(a2b1, a2b2) ~ x", "a2b", ("a2b1", "a2b2")),
        ("z ~ log(pv(`y 1`, `y 2`))", "y 1..y 2", ("y 1", "y 2")),
    ],
)
def test_sets_in_formulas(text: str, name: str, columns: tuple[str, ...]) -> None:
    formula = parse_formula(text)
    (found,) = formula.imputed
    assert (found.name, found.columns) == (name, columns)
    assert name in formula.columns
    assert parse_formula(formula.text) == formula


def test_a_column_may_be_called_pv() -> None:
    assert parse_formula("pv ~ `pv(x1, x2)` + (1 | g)").imputed == ()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("pv(y1) ~ days", "two columns or more"),
        ("pv() ~ days", "is no column"),
        ("pv(y1..y4 ~ days", "is not closed"),
        ("pv(y4..y1) ~ days", "is no range: .* the lower first"),
        ("pv(y1..z4) ~ days", "no range"),
        ("pv(y1..y2..y3) ~ days", "no column and no range"),
        ("pv(y1 + y2) ~ days", "no column and no range"),
        ("pv(y1, y1) ~ days", "twice"),
        ("pv(y1..y4) ~ pv(x1_z..x3_z)", "have 4 and 3 columns"),
        ("pv(y1..y4) ~ days + y1..y4", "unexpected"),
    ],
)
def test_wrong_sets(wide: pd.DataFrame, formula: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        fit(formula, wide, engine="ols")


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("pv(y1..y5) ~ days", {}, "y5"),
        ("pv(y1..y4) ~ days", {"imputation": "subject"}, "stated by a set of columns.*and by"),
        ("reaction ~ days", {"imputation": "m"}, "no column 'm'"),
        ("reaction ~ days", {"imputation": "days"}, "is in the formula too"),
        ("reaction ~ days", {"imputation": "one"}, "has 1 imputation;"),
        ("reaction ~ days", {"imputation": "zero"}, "has 1 imputation, and 0"),
        ("reaction ~ days", {"imputation": "holes"}, "missing in 1 of 180 rows"),
        ("reaction ~ days", {"imputation": "y1"}, "180 values in 180 rows"),
        ("reaction ~ days", {"imputation": "halves"}, "imputation 2 has 179 rows|imputation 2 has"),
        ("pv(y1..y4) ~ days", {"rows": "sum"}, "is read from rows"),
        ("pv(bad1..bad4) ~ days", {}, r"imputation 3 \(bad3\)"),
    ],
)
def test_wrong_tables(
    wide: pd.DataFrame, formula: str, options: dict[str, Any], message: str
) -> None:
    n = len(wide)
    wide = wide.assign(
        one=1,
        zero=np.arange(n) % 2,
        holes=np.where(np.arange(n) == 7, np.nan, np.arange(n) % 3),
        halves=np.where(np.arange(n) < 70, 1, 2),
        **{f"bad{k}": wide["y1"] + k for k in range(1, 5)},
    )
    wide.loc[4, "bad3"] = np.nan
    with pytest.raises(DataError, match=message):
        fit(formula, wide, engine="ols", **options)


def test_sets_need_fit(wide: pd.DataFrame) -> None:
    with pytest.raises(FormulaError, match="here one column is needed, such as y1"):
        build_design("pv(y1..y4) ~ days", wide)


def test_averages_are_over_all_imputations(wide: pd.DataFrame) -> None:
    """The population of an average is that of all imputations, not of the first."""
    found = fit("y1 ~ pv(x1_z..x4_z) * days + (1 | subject)", wide, engine="ml")
    parts = [fit(f"y1 ~ x{k}_z * days + (1 | subject)", wide, engine="ml") for k in range(1, 5)]
    beta = np.mean([one.solution.beta for one in parts], axis=0)
    mean = wide[[f"x{k}_z" for k in range(1, 5)]].to_numpy().mean()
    (row,) = slopes(found, "days")
    assert row.estimate == pytest.approx(beta[2] + beta[3] * mean)
    assert "in 4 imputations" in str(slopes(found, "days"))
    means = marginal_means(found, "days", at={"days": [2.0]})
    assert means.rows[0].estimate == pytest.approx(beta @ [1.0, mean, 2.0, 2.0 * mean])


def test_prediction_is_pooled(wide: pd.DataFrame) -> None:
    found = fit(FORMULA, wide, engine="reml")
    new = {"days": [3.0], "subject": [308]}
    each = [
        predict(fit(f"y{k} ~ days + (1 | subject)", wide, engine="reml"), new)
        for k in range(1, M + 1)
    ]
    means = np.array([one.mean[0] for one in each])
    variance = np.mean([one.sd[0] ** 2 for one in each]) + (1 + 1 / M) * means.var(ddof=1)
    row = predict(found, new)
    assert row.mean[0] == pytest.approx(means.mean())
    assert row.sd[0] == pytest.approx(np.sqrt(variance))


def test_generalised_estimates_are_pooled(wide: pd.DataFrame) -> None:
    found = fit("pv(b1..b4) ~ days + (1 | subject)", wide, family="bernoulli", engine="ml")
    parts = [
        fit(f"b{k} ~ days + (1 | subject)", wide, family="bernoulli", engine="ml").solution
        for k in range(1, M + 1)
    ]
    beta = np.array([one.beta for one in parts])
    assert found.solution.beta == pytest.approx(beta.mean(axis=0))
    total = np.mean([one.beta_cov for one in parts], axis=0) + (1 + 1 / M) * np.cov(beta.T)
    assert found.solution.joint.covariance[:2, :2] == pytest.approx(total)
    row = slopes(found, "days").rows[0]
    each = [
        slopes(fit(f"b{k} ~ days + (1 | subject)", wide, family="bernoulli", engine="ml"), "days")
        for k in range(1, M + 1)
    ]
    assert row.estimate == pytest.approx(np.mean([one.rows[0].estimate for one in each]), rel=0.02)
    assert row.sd > np.mean([one.rows[0].sd for one in each])


def test_several_factors_are_pooled(wide: pd.DataFrame) -> None:
    formula = "{} ~ 1 + (1 | subject) + (1 | days)"
    found = fit(formula.format("pv(y1..y4)"), wide, engine="reml")
    parts = [fit(formula.format(f"y{k}"), wide, engine="reml").solution for k in range(1, M + 1)]
    for place in range(2):
        variance = np.mean([one.factors[place].sigma_u[0] ** 2 for one in parts])
        assert found.solution.factors[place].sigma_u[0] == pytest.approx(np.sqrt(variance))
    assert found.of_factor("subject").solution.u.shape == (18, 1)
    assert {"sigma_u[subject]", "icc[days]"} <= {row.quantity for row in found.pooled}


def test_posterior_is_a_mixture(wide: pd.DataFrame) -> None:
    found = fit(FORMULA, wide, random_seed=3)
    pooled = fit(FORMULA, wide, engine="reml")
    assert found.draws["beta"].shape == (M, 1000, 2)
    assert found.beta.mean(axis=0) == pytest.approx(pooled.solution.beta, rel=0.01)
    sd = found.beta.std(axis=0)
    assert sd == pytest.approx(pooled.solution.beta_se, rel=0.15)
    assert sd[0] > found.draws["beta"].std(axis=1).mean(axis=0)[0]
    assert "mixture of 1000 draws from the posterior of each of 4 imputations" in str(found.verdict)
    assert found.summary()["beta[days]"].r_hat is None
    again = fit(FORMULA, wide, random_seed=3)
    assert np.array_equal(again.beta, found.beta)
    for question in (check, leave_one_group_out, leave_one_row_out):
        with pytest.raises(RowsNeededError, match="pooled over 4 imputations"):
            question(found)


def test_equal_imputations_have_one_posterior(wide: pd.DataFrame) -> None:
    one = fit("reaction ~ days + (1 | subject)", wide, random_seed=1)
    several = fit("reaction ~ days + (1 | subject)", [wide] * 3, random_seed=1)
    assert str(several.priors.sigma_u[0]) == str(one.priors.sigma_u[0])
    assert several.beta.mean(axis=0) == pytest.approx(one.beta.mean(axis=0), abs=0.6)
    assert several.beta.std(axis=0) == pytest.approx(one.beta.std(axis=0), rel=0.08)


def test_what_is_of_one_data_set_is_refused(wide: pd.DataFrame, tmp_path: Path) -> None:
    from bayes_mlm import log_marginal_likelihood, prior_sensitivity, save_fit

    found = fit(FORMULA, wide, random_seed=3)
    for question in (
        log_marginal_likelihood,
        lambda result: prior_sensitivity(result, data=wide),
        lambda result: save_fit(result, tmp_path / "fit.nc"),
        lambda result: fit(FORMULA, wide, engine="reml").compare("auto"),
    ):
        with pytest.raises(BayesMLMError, match="imputations"):
            question(found)
    assert not list(tmp_path.iterdir())


def test_centres_are_averaged(wide: pd.DataFrame) -> None:
    found = fit("y1 ~ center(pv(x1_z..x4_z)) + (1 | subject)", wide, engine="reml")
    plain = fit("y1 ~ pv(x1_z..x4_z) + (1 | subject)", wide, engine="reml")
    new = {"x_z": [2.0, 7.0]}
    a, b = (predict(one, new, question="population") for one in (found, plain))
    assert a.mean == pytest.approx(b.mean, rel=1e-4)


def test_splines_of_other_knots_are_refused(wide: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="constants of the data"):
        fit("y1 ~ bs(pv(x1_z..x4_z), df=4) + (1 | subject)", wide, engine="reml")
    stated = "bs(pv(x1_z..x4_z), knots=(4,), lower_bound=-4, upper_bound=14)"
    assert fit(f"y1 ~ {stated} + (1 | subject)", wide, engine="reml").verdict.ok


def test_groups_of_the_data_need_one_data_set(wide: pd.DataFrame) -> None:
    found = fit("pv(b1..b4) ~ days + (1 | subject)", wide, family="bernoulli", engine="ml")
    with pytest.raises(BayesMLMError, match="not defined for 4 imputations pooled"):
        slopes(found, "days", question="existing_group")
