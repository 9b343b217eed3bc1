"""Marginal means and their contrasts: against R's emmeans, and by definition.

``tests/reference/marginal_means.json`` has the versions and the calls. Differences are those of
R's optimiser; of "mvt" they are the Monte Carlo errors of both.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit, joint_tests, marginal_means, predict
from bayes_mlm.base.errors import BayesMLMError, DesignError, EmptyCellError
from bayes_mlm.questions.means.letters import compact_letters

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "marginal_means.json").read_text("utf-8")
)
CASES = REFERENCE["cases"]
METHODS = ("satterthwaite", "kenward-roger")
ONE_QUICK = ("satterthwaite", pytest.param("kenward-roger", marks=pytest.mark.slow))
SIMULATED = 3e-4


@pytest.fixture(scope="module")
def reml():
    """Return a function from a formula and a data set to its REML estimate, fitted once."""
    known = {}

    def of(formula, data):
        if (formula, data) not in known:
            known[formula, data] = fit(formula, data, engine="reml")
        return known[formula, data]

    return of


@pytest.fixture(scope="module")
def livch(reml):
    return reml("age ~ livch * urban + use + (1 | district)", "contraception")


@pytest.fixture(scope="module")
def use():
    formula = "use ~ livch + age + urban + (1 | district)"
    return fit(formula, "contraception", family="bernoulli", engine="ml")


def agrees(table, known, *, rtol=1e-5, p_atol=1e-6):
    """Assert that the estimate's rows are those of R, by estimate, error, df, interval, t and p."""
    rows = [row for row in table if row.df is not None]
    known = _as_pairs_are(rows, known)
    for name, keys in {
        "estimate": ("emmean", "prob", "odds.ratio", "estimate"),
        "sd": ("SE",),
        "df": ("df",),
        "lower": ("lower.CL", "asymp.LCL"),
        "upper": ("upper.CL", "asymp.UCL"),
        "t": ("t.ratio", "z.ratio"),
    }.items():
        key = next((one for one in keys if one in known[0]), None)
        if key is None or not hasattr(rows[0], name):
            continue
        expected = [float(one[key]) for one in known]
        scale = np.abs([one["SE"] for one in known]) if name in ("lower", "upper", "t") else 0.0
        found = np.array([getattr(row, name) for row in rows])
        off = np.zeros(len(rows))
        finite = np.isfinite(expected)
        off[finite] = np.abs(found[finite] - np.array(expected)[finite])
        assert (np.isinf(found) == ~finite).all()
        assert (off <= rtol * np.where(finite, np.abs(expected), 0.0) + rtol * scale).all(), name
    if hasattr(rows[0], "p"):
        assert np.allclose([row.p for row in rows], [one["p.value"] for one in known], atol=p_atol)


def _as_pairs_are(rows, known):
    """Return the rows of R's revpairwise in the order of pairs: by the first mean, then the second.

    R has them by the second.
    """
    k = round((1 + (1 + 8 * len(known)) ** 0.5) / 2)
    if (
        "contrast" not in known[0]
        or " - " not in str(rows[0].contrast)
        or k * (k - 1) / 2 != len(known)
    ):
        return known
    order = {pair: n for n, pair in enumerate((i, j) for j in range(k) for i in range(j))}
    return [known[order[i, j]] for i in range(k) for j in range(i + 1, k)]


@pytest.mark.parametrize("df", METHODS)
@pytest.mark.parametrize(
    ("name", "formula", "data", "of", "by", "at"),
    [
        (
            "orthodont",
            "distance ~ age * sex + (1 | subject)",
            "orthodont",
            "sex",
            "age",
            (8, 11, 14),
        ),
        (
            "orthodont_slope",
            "distance ~ age * sex + (age | subject)",
            "orthodont",
            "sex",
            "age",
            (8, 11, 14),
        ),
        ("sleep", "reaction ~ days + (days | subject)", "sleepstudy", "days", None, (0, 5, 9)),
    ],
)
def test_means_and_pairs_are_those_of_emmeans(reml, name, formula, data, of, by, at, df):
    means = marginal_means(reml(formula, data), of, by=by, at={by or of: list(at)}, df=df)
    agrees(means, CASES[name][df]["means"])
    pairs = means.contrasts()
    for k in range(1 if by is None else len(at)):
        size = len(pairs) if by is None else 1
        agrees(
            pairs[k * size : (k + 1) * size], CASES[name][df]["pairs"][k * size : (k + 1) * size]
        )


@pytest.mark.parametrize("df", ONE_QUICK)
def test_adjustments_are_those_of_emmeans(reml, df):
    known = CASES["pastes"][df]
    means = marginal_means(reml("strength ~ cask + (1 | batch)", "pastes"), "cask", df=df)
    agrees(means, known["means"])
    for adjust in ("none", "tukey", "holm", "bonferroni", "sidak", "scheffe"):
        agrees(means.contrasts(adjust=adjust), known[adjust])
    agrees(means.contrasts("polynomial"), known["poly"])
    simulated = {"rtol": SIMULATED, "p_atol": SIMULATED}
    agrees(means.contrasts(adjust="mvt"), known["mvt"], rtol=5e-3, p_atol=1e-3)
    agrees(means.contrasts("reference"), known["dunnett"], **simulated)
    # Balanced pairs by simulation are Tukey's.
    exact, drawn = (means.contrasts(adjust=name) for name in ("tukey", "mvt"))
    assert np.allclose([a.p for a in exact], [b.p for b in drawn], atol=SIMULATED)


@pytest.mark.parametrize("df", ONE_QUICK)
@pytest.mark.parametrize("weights", ["equal", "proportional", "cells"])
def test_weights_are_those_of_emmeans(livch, weights, df):
    means = marginal_means(livch, "livch", weights=weights, df=df)
    agrees(means, CASES["livch"][df][weights])


@pytest.mark.parametrize("df", ONE_QUICK)
def test_pairs_within_groups_of_unequal_counts(livch, df):
    pairs = marginal_means(livch, "livch", by="urban", df=df).contrasts()
    for k in range(2):
        agrees(pairs[6 * k : 6 * k + 6], CASES["livch"][df]["pairs"][6 * k : 6 * k + 6])


@pytest.mark.parametrize("weights", ["equal", "proportional", "cells"])
def test_a_number_of_two_values_is_crossed(reml, weights):
    found = reml("mathach ~ ses * sector + minority + (1 | schoolid)", "hsb")
    agrees(marginal_means(found, "sector", weights=weights), CASES["hsb"]["satterthwaite"][weights])


def test_means_of_a_binary_outcome_are_those_of_emmeans(use):
    known = CASES["use"]["normal"]
    means = marginal_means(use, "livch", scale="link")
    agrees(means, known["link"], rtol=2e-5)
    agrees(means.contrasts(), known["pairs"], rtol=2e-5)
    agrees(means.contrasts(comparison="odds_ratio"), known["ratios"], rtol=2e-5)
    means = marginal_means(use, "livch", question="population")
    agrees(means, known["regrid"], rtol=2e-5)
    agrees(means.contrasts(), known["diffs"], rtol=2e-5)


def test_means_of_a_binomial_outcome_are_those_of_emmeans():
    known = CASES["cbpp"]["normal"]
    formula = "incidence ~ period + (1 | herd)"
    data = pd.DataFrame(REFERENCE["cbpp"])
    found = fit(formula, data, family="binomial", trials="size", engine="ml")
    means = marginal_means(found, "period", scale="link")
    agrees(means, known["link"])
    agrees(means.contrasts(comparison="odds_ratio"), known["ratios"])
    agrees(marginal_means(found, "period", question="population"), known["regrid"])


@pytest.fixture(scope="module")
def gap():
    """Rows of two factors without any in one cell."""
    rng = np.random.default_rng(1)
    a, b = rng.choice(list("xyz"), 120), rng.choice(list("pqr"), 120)
    data = pd.DataFrame({"g": rng.integers(0, 12, 120), "a": a, "b": b, "v": rng.normal(size=120)})
    data["y"] = rng.normal(size=120) + (data.a == "x")
    return data[(data.a != "z") | (data.b != "r")]


def same_tests(one, other, rtol=1e-6):
    assert [row.term for row in one] == [row.term for row in other]
    for a, b in zip(one, other, strict=True):
        assert a.df == b.df
        assert np.isclose(a.statistic, b.statistic, rtol=rtol)
        assert np.isclose(a.denominator_df, b.denominator_df, rtol=rtol)


def of_r(known, keys):
    """Return terms with F, df and denominator df as R has them."""
    return {one[keys[0]]: tuple(float(one[key]) for key in keys[1:] if key in one) for one in known}


@pytest.mark.parametrize("df", METHODS)
def test_type_three_tests_are_those_of_emmeans(reml, livch, df):
    """F to the three decimals that emmeans prints; df of one row (emmeans has other joint ones)."""
    growth = reml("distance ~ age * sex + (1 | subject)", "orthodont")
    for found, name in ((growth, "orthodont"), (livch, "livch")):
        known = of_r(CASES[name][df]["joint"], ("model term", "F.ratio", "df1", "df2"))
        for row in joint_tests(found, df=df):
            statistic, first, second = known[row.term]
            assert row.df == first
            assert np.isclose(row.statistic, statistic, atol=6e-4)
            if row.df == 1:
                assert np.isclose(row.denominator_df, second, atol=6e-3)
    # The highest term is alike in lmerTest and pbkrtest; the df of several rows by lmerTest depend
    # on its coding, by some 1e-4 of them.
    known = CASES["livch"][df]["anova3"][-1]
    row = joint_tests(livch, df=df)["livch:urban"]
    assert np.isclose(row.statistic, known["F value"], rtol=1e-6)
    assert np.isclose(row.denominator_df, known["DenDF"], rtol=1e-4)


def test_type_two_tests_are_those_of_car(reml, livch):
    known = CASES["livch"]["car2"]
    for row, one in zip(joint_tests(livch, type=2, df="kenward-roger"), known, strict=True):
        assert row.term == one["_row"]
        assert np.isclose(row.statistic, one["F"], rtol=1e-6)
        assert np.isclose(row.denominator_df, one["Df.res"], rtol=1e-5)
    found = reml("mathach ~ ses * sector + (1 | schoolid)", "hsb")
    for row, one in zip(
        joint_tests(found, type=2, df="normal"), CASES["hsb_ses"]["car2"], strict=True
    ):
        assert np.isclose(row.df * row.statistic, one["Chisq"], rtol=1e-6)


@pytest.mark.parametrize("kind", [2, 3])
def test_joint_tests_do_not_depend_on_the_coding(livch, kind):
    formula = "age ~ C(livch, Sum) * C(urban, Sum) + use + (1 | district)"
    other = fit(formula, "contraception", engine="reml")
    same_tests(joint_tests(livch, type=kind), joint_tests(other, type=kind))
    assert np.allclose(
        [(row.estimate, row.sd, row.df) for row in marginal_means(livch, "livch")],
        [(row.estimate, row.sd, row.df) for row in marginal_means(other, "livch")],
    )


def test_rounding_errors_of_weights_leave_the_df_of_known_methods(gap):
    found = fit("y ~ a + b + v + (1 | g)", gap, engine="reml")
    contrast = marginal_means(found, "a", df="between-within").contrasts().rows[0]
    assert {row.denominator_df for row in joint_tests(found, df="between-within")} == {contrast.df}
    assert contrast.df > 60


def test_a_curve_is_tested_whole():
    """A term is all columns of its predictors: of a parabola two, as by their coefficients."""
    found = fit("distance ~ age + I(age**2) + sex + (1 | subject)", "orthodont", engine="reml")
    row = joint_tests(found)["age"]
    assert row.df == 2
    assert np.isclose(row.statistic, joint_tests(found, type=2)["age"].statistic, rtol=1e-6)


def test_proportional_means_average_the_predictions_of_rows(gap):
    found = fit("y ~ a + b + v + (1 | g)", gap, engine="reml")
    for row in marginal_means(found, "a", weights="proportional"):
        rows = predict(found, gap.assign(a=row.mean), question="population")
        assert np.isclose(row.estimate, rows.mean.mean())


def test_an_empty_cell_is_not_estimable_and_said(gap):
    found = fit("y ~ a * b + (1 | g)", gap, engine="reml")
    means = marginal_means(found, "a", by="b")
    gone = [(row.mean, row.by[0].value) for row in means if np.isnan(row.estimate)]
    assert gone == [("z", "r")]
    assert "not estimable" in str(means)
    assert "a = z, b = r" in str(means)
    pairs = means.contrasts()
    assert [np.isnan(row.estimate) for row in pairs] == [False] * 7 + [True] * 2
    assert not np.isnan(marginal_means(found, "a", weights="cells").rows[2].estimate)
    with pytest.raises(EmptyCellError, match="use type=2"):
        joint_tests(found)
    assert joint_tests(found, type=2)["a:b"].df == 3


def test_sums_have_the_means_of_rows(gap):
    rows, sums = (
        fit("y ~ a + b + v + (1 | g)", gap, engine="reml", rows=how) for how in ("keep", "sum")
    )
    for one, other in zip(marginal_means(rows, "a"), marginal_means(sums, "a"), strict=True):
        assert np.isclose(one.estimate, other.estimate)
        assert np.isclose(one.sd, other.sd)
    with pytest.raises(BayesMLMError, match="reduced to sums"):
        marginal_means(sums, "a", weights="proportional")


def test_letters_separate_what_differs():
    assert compact_letters(4, [(0, 1), (0, 2), (0, 3)]) == ("a", "b", "b", "b")
    assert compact_letters(3, []) == ("a", "a", "a")
    rng = np.random.default_rng(3)
    for _ in range(50):
        pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
        differing = [pair for pair in pairs if rng.random() < 0.4]
        letters = compact_letters(6, differing)
        for i, j in pairs:
            assert bool(set(letters[i]) & set(letters[j])) == ((i, j) not in differing)


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        ("sexx", {}, "did you mean 'sex'"),
        ("subject", {}, "grouping factor"),
        ("age", {}, "give the values at which means are wanted"),
        ([], {}, "name the predictors"),
        (3, {}, "predictors are named as"),
        ("sex", {"by": "sex"}, "named twice"),
        ("sex", {"at": {"sex": ["Other"]}}, "no category 'Other'"),
        ("age", {"at": {"age": [8, 8]}}, "same value twice"),
        ("age", {"at": 8}, "at is a mapping"),
        ("sex", {"weights": "flat"}, "allowed: equal, proportional, cells"),
        ("sex", {"df": "kenward"}, "did you mean 'kenward-roger'"),
        ("sex", {"prob": 95}, "between 0"),
        ("sex", {"specs": "sex"}, "second place"),
    ],
)
def test_wrong_means_are_refused(reml, of, options, message):
    found = reml("distance ~ age * sex + (1 | subject)", "orthodont")
    with pytest.raises(BayesMLMError, match=message):
        marginal_means(found, of, **options)


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("pairwize", {}, "did you mean 'pairwise'"),
        ("pairwise", {"adjust": "turkey"}, "did you mean 'tukey'"),
        ({"q": [1, -1, 0]}, {"adjust": "tukey"}, "all pairs of means"),
        ({"q": [1, -1]}, {}, "needs 3 finite weights"),
        ({"q": [0, 0, 0]}, {}, "not all zero"),
        ({"q": {"age 7": 1}}, {}, "there is no mean 'age 7'"),
        ("polynomial", {}, "evenly spaced"),
        ("pairwise", {"comparison": "odds_ratio"}, "not defined"),
        ("pairwise", {"random_seed": -1}, "random_seed"),
        (3, {}, "contrasts are one of"),
    ],
)
def test_wrong_contrasts_are_refused(reml, how, options, message):
    found = reml("distance ~ age * sex + (1 | subject)", "orthodont")
    means = marginal_means(found, "age", at={"age": [8, 9, 14]})
    with pytest.raises(BayesMLMError, match=message):
        means.contrasts(how, **options)


def test_weights_that_do_not_sum_to_zero_are_named(reml):
    found = reml("distance ~ age * sex + (1 | subject)", "orthodont")
    table = marginal_means(found, "sex").contrasts({"average": [0.5, 0.5]})
    assert "the weights of average do not sum to zero" in str(table)


def test_a_posterior_stands_next_to_the_estimate():
    found = fit("distance ~ age * sex + (1 | subject)", "orthodont", random_seed=1, draws=500)
    means = marginal_means(found, "sex")
    assert [row.engine for row in means] == ["direct", "reml"] * 2
    for drawn, estimate in zip(
        means.where(engine="direct"), means.where(engine="reml"), strict=True
    ):
        assert abs(drawn.estimate - estimate.estimate) < 0.2 * estimate.sd
        assert drawn.df is None
    drawn, estimate = means.contrasts()
    assert drawn.p is None
    assert drawn.direction > 0.98
    assert estimate.p < 0.01


def test_a_predictor_that_groups_rows_too_has_no_joint_test():
    found = fit("reaction ~ days + (1 | days)", "sleepstudy", engine="reml")
    with pytest.raises(DesignError, match="days is a predictor and a grouping factor"):
        joint_tests(found)
