"""Forty wrong inputs for outcomes that are not Gaussian: one clear line, nothing fitted."""

import pytest

from bayes_mlm import fit
from bayes_mlm.base import BayesMLMError

ROWS = range(24)
COLUMNS = {
    "school": [k // 4 for k in ROWS],
    "x": [k * 7 % 24 / 10 - 1.1 for k in ROWS],
    "w": [k * 5 % 24 / 9 + 0.01 for k in ROWS],
    "band": ["abc"[k % 3] for k in ROWS],
    "wave": [k % 4 for k in ROWS],
    "yes": [k * 11 % 24 % 3 % 2 for k in ROWS],
    "three": [k % 3 for k in ROWS],
    "words": [["no", "yes", "maybe"][k * 5 % 3] for k in ROWS],
    "ones": [1] * 24,
    "zeros": [0] * 24,
    "split": [int(k * 7 % 24 > 12) for k in ROWS],
    "both": [int(k * 7 % 24 / 10 + k * 5 % 24 / 9 > 2.7) for k in ROWS],
    "by_band": [1 if k % 3 == 2 else k // 2 % 2 for k in ROWS],
    "alike": [k // 4 % 2 for k in ROWS],
    "count": [k * 5 % 24 % 4 for k in ROWS],
    "fraction": [k * 5 % 24 % 4 + 0.5 for k in ROWS],
    "negative": [k * 5 % 24 % 4 - 1 for k in ROWS],
    "infinite": ["inf" if k == 4 else 3 for k in ROWS],
    "exposure": [0 if k == 4 else 10 for k in ROWS],
    "n": [4 + k % 3 for k in ROWS],
    "few": [0 if k == 3 else 5 for k in ROWS],
    "gaps": ["" if k == 3 else 5 for k in ROWS],
    "half": [2.5 if k == 3 else 5 for k in ROWS],
    "minus": [-5 if k == 3 else 5 for k in ROWS],
    "share": [0.0 if k == 2 else 0.1 + k % 8 / 10 for k in ROWS],
    "time": [0.0 if k == 2 else 0.1 + k % 8 / 10 for k in ROWS],
    "debt": [-1.0 if k == 2 else 0.1 + k % 8 / 10 for k in ROWS],
    "rating": [1 + k * 5 % 3 for k in ROWS],
}
CSV = "\n".join(",".join(map(str, row)) for row in (COLUMNS, *zip(*COLUMNS.values(), strict=True)))
REST = "x + (1 | school)"
# The formula (or an outcome), options, and what the one line must say.
WRONG = [
    # counts
    ("fraction", "--family poisson", "24 values of 24 are not (first: 0.5, row 1)"),
    ("negative", "--family poisson", "6 values of 24 are not (first: -1, row 1)"),
    ("negative", "--family negative_binomial", "counts are 0, 1, 2, ..."),
    ("words", "--family poisson", "name a family of categories: bernoulli for two"),
    ("infinite", "--family poisson", "1 infinite value (row 5)"),
    ("log(count)", "--family poisson", "log needs values above 0"),
    ("w", "--family poisson", "or use family='gamma'"),
    ("zeros", "--family poisson --engine ml", "every outcome is alike"),
    (f"count ~ offset(log(exposure)) + {REST}", "--family poisson", "row 5): log needs values"),
    (f"count ~ offset(exposuer) + {REST}", "--family poisson", "did you mean 'exposure'"),
    # trials
    ("count", "--family binomial", "'successes | trials(n) ~ ...'"),
    ("count | trials(2)", "--family binomial", "first: row 4, 3 of 2); trials are all attempts"),
    ("count | trials(few)", "--family binomial", "first: row 4, 3 of 0)"),
    ("count | trials(gaps)", "--family binomial", "'gaps' has 1 missing value (row 4)"),
    ("count | trials(half)", "--family binomial", "(first: 2.5, row 4); give numbers of attempts"),
    ("count | trials(minus)", "--family binomial", "trials are counts 0, 1, 2, ..."),
    ("count | trials(band)", "--family binomial", "column 'band' is text"),
    ("count | trials(attempts)", "--family binomial", "no column 'attempts'"),
    ("share | trials(n)", "--family binomial", "give numbers of successes, not shares"),
    ("count | trials(n)", "--family poisson", "use family='binomial'"),
    ("count | trials(n)", "", "the Gaussian family takes none"),
    ("count", "--family poisson --trials n", "the Poisson family takes none"),
    ("cbind(count, n)", "--family binomial", "successes | trials(n) ~ ..., family binomial"),
    # two categories, and ordered ones
    ("words", "--family bernoulli", "3 categories (maybe, no, yes)"),
    ("three", "--family bernoulli", "8 values of 24 are neither (first: 2)"),
    ("fraction", "--family bernoulli", "'| trials(n)' for counts of successes"),
    ("words", "--family cumulative", 'write C(words, levels=["maybe", "no", "yes"])'),
    ("C(rating, levels=[1, 2])", "--family cumulative", "omits '3'"),
    ("rating", "--family cumulative --prior beta[Intercept]=Normal(0,1)", "it has: beta[x]"),
    # no maximum
    ("ones", "--family bernoulli --engine ml", "every outcome is alike"),
    ("split", "--family bernoulli --engine ml", "no maximum: x separates the outcomes"),
    (f"both ~ w + {REST}", "--family bernoulli --engine ml", "w, x separate the outcomes"),
    ("by_band ~ band + (1 | school)", "--family bernoulli --engine ml", "band[c] separates"),
    ("alike ~ 1 + (1 | school)", "--family bernoulli --engine ml", "sd of the groups"),
    # measurements
    ("share", "--family beta", "1 value of 24 do not (first: 0, row 3)"),
    ("time", "--family gamma", "1 value of 24 are not (first: 0, row 3)"),
    ("debt", "--family gamma", "(first: -1, row 3)"),
    # families and links
    ("yes", "--family bernouli", "did you mean 'bernoulli'"),
    ("yes", "--family logistic", "allowed: bernoulli, poisson"),
    ("yes", "--family bernoulli --link logti", "did you mean 'logit'"),
    ("count", "--family poisson --link logit", "allowed: log"),
    ("rating", "--family cumulative --link cloglog", "allowed: logit, probit"),
    ("yes", "--link probit", "needs its family, as in family='bernoulli'"),
    # what is Gaussian only
    ("yes", "--family bernoulli --sigma band", "take sigma out"),
    ("yes", "--family bernoulli --ar wave", "AR(1) and Bernoulli at once"),
    ("yes", "--family bernoulli --prior sigma_e=Exponential(1)", "no parameter 'sigma_e'"),
    ("count", "--family poisson --prior shape=Exponential(1)", "no parameter 'shape'"),
    ("yes | weights(w)", "--family bernoulli", "weights(...) is no part of a formula"),
    ("yes", "--family bernoulli --engine reml", "no REML of Bernoulli outcomes"),
    ("yes", "--family bernoulli --engine ols", "no residual sd"),
    (
        "yes ~ x + (1 + x + w + n | school)",
        "--family bernoulli --engine ml",
        "3 effects a group at most, not 4",
    ),
    ("w", "--family gamma --rows sum", "gamma outcomes need the rows"),
]


@pytest.mark.parametrize(("model", "options", "says"), WRONG, ids=lambda v: str(v)[:50])
def test_a_wrong_outcome_is_one_line(run, refused, no_sampling, tmp_path, model, options, says):
    (tmp_path / "o.csv").write_text(CSV)
    formula = model if "~" in model else f"{model} ~ {REST}"
    refused(run, ["fit", formula, "--data", "o.csv", "--out", "made", *options.split()], 1, says)


def test_at_least_forty_are_tried():
    assert len(WRONG) >= 40


@pytest.mark.parametrize(
    ("outcome", "options", "says"),
    [
        ("count", {"family": "binomial", "trials": "few"}, "3 of 0"),
        ("count", {"family": "poisson", "trials": 3}, "takes none"),
        ("yes", {"family": "bernoulli(logti)"}, "did you mean"),
        ("yes", {"family": "bernoulli", "residual": {"sigma": "band"}}, "take sigma out"),
        ("ones", {"family": "bernoulli", "engine": "ml"}, "every outcome is alike"),
    ],
)
def test_the_function_refuses_as_the_command(outcome, options, says):
    with pytest.raises(BayesMLMError, match=says):
        fit(f"{outcome} ~ {REST}", COLUMNS, **options)
