"""Marginal means and their contrasts: against R's emmeans, and by definition.

``tests/reference/marginal_means.json`` has the versions and the calls. Differences are those of
R's optimiser; of "mvt" they are the Monte Carlo errors of both.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit, marginal_means

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "marginal_means.json").read_text("utf-8")
)
CASES = REFERENCE["cases"]
METHODS = ("satterthwaite", "kenward-roger")
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


@pytest.mark.parametrize("df", METHODS)
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


@pytest.mark.parametrize("df", METHODS)
@pytest.mark.parametrize("weights", ["equal", "proportional", "cells"])
def test_weights_are_those_of_emmeans(livch, weights, df):
    means = marginal_means(livch, "livch", weights=weights, df=df)
    agrees(means, CASES["livch"][df][weights])


@pytest.mark.parametrize("df", METHODS)
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
