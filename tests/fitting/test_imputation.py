"""Multiple imputation by the joint normal model: definitions, recovery, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit, impute, summarise
from bayes_mlm.base import BayesMLMError, DataError
from bayes_mlm.data import as_table, handle_missing
from bayes_mlm.engines import MissingValues, TwoLevelRows

FORMULA = "y ~ x + w + (1 | g)"
QUICK = {"m": 4, "tune": 60, "thin": 10, "random_seed": 1}


def study(J=60, n=8, *, seed=1):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    w = rng.standard_normal(J)
    x = (0.5 * w + 0.5 * rng.standard_normal(J))[g] + rng.standard_normal(J * n)
    y = 1.0 + 0.5 * x + (0.4 * w + 0.5 * rng.standard_normal(J))[g] + rng.standard_normal(J * n)
    return pd.DataFrame({"y": y, "x": x, "w": w[g], "g": g, "other": "text"})


def with_gaps(data, *, share=0.3, seed=2):
    """Return a copy with x missing at random given y, and w in a fifth of the groups."""
    rng = np.random.default_rng(seed)
    gaps = data.copy()
    chance = 2 * share / (1 + np.exp(-(gaps["y"] - gaps["y"].mean())))
    gaps.loc[rng.random(len(gaps)) < chance, "x"] = np.nan
    gaps.loc[gaps["g"] % 5 == 0, "w"] = np.nan
    return gaps


@pytest.fixture(scope="module")
def gaps():
    return with_gaps(study())


@pytest.fixture(scope="module")
def imputed(gaps):
    return impute(FORMULA, gaps, **QUICK)


def test_what_is_observed_stays_and_nothing_is_missing(gaps, imputed):
    for one in imputed:
        assert not one.isna().any().any()
        pd.testing.assert_frame_equal(one.where(gaps.notna()), gaps.where(gaps.notna()))
        assert one.groupby("g")["w"].nunique().max() == 1
    assert len(imputed) == len(imputed.frames) == 4
    assert not np.allclose(imputed[0]["x"], imputed[1]["x"])
    assert gaps["x"].isna().any()  # the data themselves are as they were


def test_complete_data_are_unchanged():
    data = study(J=10)
    found = impute(FORMULA, data, **QUICK)
    for one in found:
        pd.testing.assert_frame_equal(one, data)
    assert "nothing is missing" in str(found)


def test_a_seed_gives_the_same_values_and_another_others(gaps, imputed):
    again = impute(FORMULA, gaps, **QUICK)
    pd.testing.assert_frame_equal(again[3], imputed[3])
    other = impute(FORMULA, gaps, **{**QUICK, "random_seed": 2})
    assert not np.allclose(other[3]["x"], imputed[3]["x"])


def test_units_do_not_matter(gaps, imputed):
    changed = gaps.assign(x=1e5 * gaps["x"] + 1e6)
    found = impute(FORMULA, changed, **QUICK)
    np.testing.assert_allclose((found[0]["x"] - 1e6) / 1e5, imputed[0]["x"], rtol=1e-6, atol=1e-6)


def test_a_list_of_columns_and_a_formula_are_the_same_model(gaps, imputed):
    found = impute(["y", "x", "w"], gaps, group="g", **QUICK)
    pd.testing.assert_frame_equal(found[0], imputed[0])


def test_fit_takes_them_and_pools(imputed):
    pooled = fit(FORMULA, imputed, engine="reml")
    listed = fit(FORMULA, list(imputed), engine="reml")
    assert pooled.solution.beta == pytest.approx(listed.solution.beta)
    each = [fit(FORMULA, one, engine="reml").solution.beta for one in imputed]
    assert pooled.solution.beta == pytest.approx(np.mean(each, axis=0))


def test_values_known_from_other_rows_of_the_group_are_filled_in(gaps):
    some = gaps.assign(w=study()["w"].where(gaps.index % 8 < 3))
    found = impute(FORMULA, some, **QUICK)
    np.testing.assert_allclose(found[0]["w"], study()["w"])
    assert "filled in from other rows" in str(found)
    assert "w" not in found.diagnostics


def test_the_sampler_draws_from_the_posterior_predictive_of_known_cases():
    """A balanced mean with no predictor: the missing rows are y's own distribution."""
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(200), 5)
    z = (2.0 * rng.standard_normal(200)[codes] + rng.standard_normal(1000))[:, None] + 10
    whole = z.copy()
    z[rng.random(1000) < 0.3] = np.nan
    rows = TwoLevelRows(z=z, codes=codes, v=np.empty((200, 0)), w=np.ones((200, 1)), names=("y",))
    draws = MissingValues(rows, [np.random.default_rng(4)]).draw(40, tune=50, thin=5)
    gone = np.isnan(z)
    # Each missing value given its group's others has the known mean and variance.
    kept = np.array([((~gone[codes == j]).sum(), np.nansum(z[codes == j])) for j in range(200)])
    shrink = 4.0 / (4.0 + 1.0 / np.maximum(kept[:, 0], 1e-12))
    mean = 10 + shrink * (kept[:, 1] / np.maximum(kept[:, 0], 1) - 10)
    expected = mean[codes[gone[:, 0]]]
    assert np.corrcoef(draws.z.mean(axis=0), expected)[0, 1] > 0.99
    variance = (4.0 * (1 - shrink) + 1.0)[codes[gone[:, 0]]]
    assert draws.z.var(axis=0).mean() == pytest.approx(variance.mean(), rel=0.12)
    covered = np.abs(whole[gone] - draws.z.mean(axis=0)) < 1.96 * draws.z.std(axis=0)
    assert 0.9 < covered.mean() < 0.985


@pytest.mark.slow
def test_intraclass_correlations_and_slopes_are_recovered():
    """Pooled estimates against those with nothing missing, of 40 data sets."""
    gaps_to_whole = []
    for seed in range(40):
        whole = study(seed=seed)
        imputed = impute(FORMULA, with_gaps(whole, seed=seed), m=10, thin=30, random_seed=seed)
        values = []
        for data in (whole, imputed):
            icc = summarise(fit("x ~ 1 + (1 | g)", data, engine="reml"))["icc"].estimate
            beta = fit(FORMULA, data, engine="reml").solution.beta
            values.append([icc, *beta[1:]])
        gaps_to_whole.append(np.subtract(*values))
    mean, error = np.mean(gaps_to_whole, axis=0), np.std(gaps_to_whole, axis=0) / np.sqrt(40)
    assert np.all(np.abs(mean) < 4 * error)
    assert np.all(error < 0.03)  # enough to see the bias of imputation without groups, 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.nan}, "every value of 'x' is missing"),
        ({"x": "gaps in text"}, "is of categories, with"),
        ({"x": "one value"}, "and one value otherwise"),
        ({"x": "two values"}, r"as_numbers=\['x'\]"),
        ({"x": np.inf}, "infinite"),
        ({"g": np.nan}, "missing labels"),
        ({"g": 1}, "group"),
        ({"x": "one a group"}, "whether it varies within g is not known"),
        ({"x": "twice y"}, "determine one another"),
    ],
)
def test_what_cannot_be_imputed_is_refused(gaps, change, words):
    ((name, value),) = change.items()
    data = gaps.copy()
    known = data["x"].notna()
    if value == "gaps in text":
        data["x"] = np.where(known, "a", None)
    elif value == "one value":
        data["x"] = np.where(known, 3.0, np.nan)
    elif value == "two values":
        data["x"] = np.where(known, data.index % 2, np.nan)
    elif value == "twice y":
        data["x"] = 2 * data["y"].where(known)
    elif value == 1:
        data[name] = 1
    elif value == "one a group":
        data["x"] = data["x"].where(known & ~data["g"].where(known).duplicated())
    else:
        data.loc[data.index[: None if name == "x" and value != np.inf else 1], name] = value
    with pytest.raises(DataError, match=words):
        impute(FORMULA, data, **QUICK)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["y", "x"],), "needs the grouping column"),
        (("y ~ x + absent + (1 | g)",), "absent"),
        (("y ~ x + (1 | g) + (1 | other)",), "choose by group="),
        (([],), "has no columns"),
    ],
)
def test_models_that_are_none_are_refused(gaps, arguments, words):
    with pytest.raises(BayesMLMError, match=words):
        impute(*arguments, gaps, **QUICK)


@pytest.mark.parametrize("wrong", [{"m": 1}, {"thin": 0}, {"chains": 0}, {"random_seed": -1}])
def test_wrong_settings_are_refused(gaps, wrong):
    with pytest.raises(BayesMLMError, match=next(iter(wrong))):
        impute(FORMULA, gaps, **{**QUICK, **wrong})


def test_few_groups_are_refused(gaps):
    with pytest.raises(DataError, match="4 groups of g cannot determine"):
        impute(FORMULA, gaps[gaps["g"].isin([1, 2, 3, 4])], **QUICK)


def test_what_the_model_does_not_agree_with_is_said(gaps):
    for formula in ("y ~ x * w + (1 | g)", "y ~ x + w + (x | g)", "y ~ I(x**2) + (1 | g)"):
        assert any("biased towards zero" in one for one in _cautions(formula, gaps))
    assert not _cautions("y ~ x + between(x) + w + (1 | g)", gaps)


def _cautions(formula, gaps):
    return impute(formula, gaps, m=2, tune=2, thin=1, random_seed=1).diagnostics.cautions


def test_too_short_chains_are_no_good_verdict(gaps):
    found = impute(FORMULA, gaps, m=4, tune=0, thin=1, random_seed=1)
    assert not found.verdict.ok
    assert "--thin" in found.verdict.line


def test_the_command_writes_a_long_file(gaps, run_command, tmp_path):
    gaps.to_csv(tmp_path / "gaps.csv", index=False)
    out = tmp_path / "long.csv"
    common = ("--model", FORMULA, "--m", "4", "--seed", "1", "--tune", "60")
    code, text, err = run_command("impute", str(tmp_path / "gaps.csv"), *common, "--out", str(out))
    assert code == 0, err
    assert "sd within" in text
    long = pd.read_csv(out)
    assert long["_imp"].value_counts().to_dict() == dict.fromkeys([1, 2, 3, 4], len(gaps))
    assert not long[["x", "w"]].isna().any().any()
    code, _, err = run_command("impute", str(tmp_path / "gaps.csv"))
    assert (code, "--column" in err) == (1, True)
    code, _, err = run_command(
        "impute", str(tmp_path / "gaps.csv"), *common, "--out", str(tmp_path / "x.xlsx")
    )
    assert code == 1
    assert not (tmp_path / "x.xlsx").exists()


def test_missing_values_point_to_imputation():
    with pytest.raises(DataError, match="bayes_mlm.impute"):
        handle_missing(as_table({"y": [1.0, None]}), ["y"])
