"""Effects on the scale of the outcome: against statsmodels, quad, and what must not change."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.integrate import quad
from scipy.special import expit, ndtr
from scipy.stats import norm

from bayes_mlm import comparisons, crossing, fit, slopes
from bayes_mlm.base.errors import BayesMLMError
from bayes_mlm.engines import samples
from tests.helpers.outcomes import DATA, EACH, J

QUESTIONS = ("new_group", "population", "existing_group")


@pytest.fixture(scope="module")
def binary():
    return fit("y ~ x * w + (1 | g)", DATA, family="bernoulli", engine="ml")


def only(found):
    (row,) = found.rows
    return row


@pytest.mark.parametrize(
    ("family", "outcome", "glm"),
    [
        ("bernoulli", "y", sm.Logit),
        ("bernoulli(probit)", "y", sm.Probit),
        ("poisson", "k", sm.Poisson),
    ],
)
def test_without_groups_they_are_the_margins_of_statsmodels(family, outcome, glm):
    fitted = fit(f"{outcome} ~ x + w", DATA, family=family, engine="ml")
    X = np.column_stack([np.ones(J * EACH), DATA["x"], DATA["w"]])
    reference = glm(DATA[outcome], X).fit(disp=0)
    for dummy, found in (
        (False, slopes(fitted, "x")),
        (True, comparisons(fitted, "w")),
    ):
        margins = reference.get_margeff(at="overall", method="dydx", dummy=dummy)
        row, place = only(found), 1 if dummy else 0
        assert row.estimate == pytest.approx(margins.margeff[place], rel=1e-5)
        assert row.sd == pytest.approx(margins.margeff_se[place], rel=1e-4)
        assert (row.scale, row.comparison, row.question) == (
            "response",
            "difference",
            "population",
        )


SOME = np.arange(0, J * EACH, 20)
FEW = {name: values[SOME] for name, values in DATA.items()}


def means_of(fitted, x, question, inverse):
    """Return expected outcomes (n,) of some rows with x set, each an integral by quad."""
    solution, design = fitted.solution, fitted.design
    columns = np.column_stack([np.ones(SOME.size), x, FEW["w"], x * FEW["w"]])
    eta, sd = columns @ solution.beta, float(solution.sigma_u[0])
    if question == "population":
        return inverse(eta)
    found = np.empty(eta.size)
    fixed = design.X @ solution.beta
    for i, at in enumerate(eta):
        own = np.flatnonzero(DATA["g"] == FEW["g"][i])

        def weight(u, own=own):
            signs = 2 * DATA["y"][own] - 1
            known = np.log(expit(signs * (fixed[own] + u))).sum()
            return math.exp((known if question == "existing_group" else 0.0) + norm.logpdf(u / sd))

        top = quad(lambda u, at=at, weight=weight: weight(u) * inverse(at + u), -9 * sd, 9 * sd)[0]
        found[i] = top / quad(weight, -9 * sd, 9 * sd)[0]
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_is_an_integral_by_quad(binary, question):
    low, high = (means_of(binary, FEW["x"] + by, question, expit).mean() for by in (0.0, 1.0))
    expected = {
        "difference": high - low,
        "ratio": high / low,
        "odds_ratio": high / (1 - high) / (low / (1 - low)),
    }
    for comparison, value in expected.items():
        found = comparisons(binary, "x", comparison=comparison, question=question, data=FEW)
        assert only(found).estimate == pytest.approx(value, rel=1e-6)
        assert (only(found).comparison, only(found).question) == (comparison, question)
        assert question in str(found)
    step = 1e-4
    low, high = (means_of(binary, FEW["x"] + by, question, expit).mean() for by in (-step, step))
    found = only(slopes(binary, "x", question=question, data=FEW))
    assert found.estimate == pytest.approx((high - low) / (2 * step), rel=1e-5)


def test_standard_errors_are_those_of_the_joint_covariance(binary):
    """Probit and Poisson have closed forms, of which the gradient is taken by hand."""
    probit = fit("y ~ x + (1 | g)", DATA, family="bernoulli(probit)", engine="ml")
    joint = probit.solution.joint
    assert joint.x.size == 3

    def effect(theta):
        spread = math.sqrt(1.0 + theta[2] ** 2)
        at = (theta[0] + theta[1] * DATA["x"]) / spread
        return (ndtr(at + theta[1] / spread) - ndtr(at)).mean()

    found = only(comparisons(probit, "x"))
    assert found.estimate == pytest.approx(effect(joint.x), rel=1e-9)
    gradient = [(effect(joint.x + h) - effect(joint.x - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
    assert found.sd == pytest.approx(math.sqrt(gradient @ joint.covariance @ gradient), rel=1e-4)
    counts = fit("k ~ x + offset(log(n)) + (1 | g)", DATA, family="poisson", engine="ml")
    joint = counts.solution.joint
    # The ratio of rates is that of coefficients: population-averaged or not.
    beta, se = float(joint.x[1]), math.sqrt(joint.covariance[1, 1])
    for question in ("new_group", "population"):
        row = only(comparisons(counts, "x", comparison="ratio", question=question))
        assert row.estimate == pytest.approx(math.exp(beta), rel=1e-9)
        assert row.sd == pytest.approx(math.exp(beta) * se, rel=1e-4)
        assert row.upper == pytest.approx(math.exp(beta + 1.959964 * se), rel=1e-4)
    # At an exposure of one, a rate; with sigma^2 / 2 in the exponent.
    sigma = float(counts.solution.sigma_u[0])
    row = only(comparisons(counts, {"x": (0, 1)}, at={"n": 1}))
    by_hand = math.exp(joint.x[0] + sigma**2 / 2) * (math.exp(beta) - 1.0)
    assert row.estimate == pytest.approx(by_hand, rel=1e-8)


def test_recoding_the_outcome_turns_signs_and_inverts_odds_ratios(binary):
    other = fit(
        "y ~ x * w + (1 | g)", {**DATA, "y": 1 - DATA["y"]}, family="bernoulli", engine="ml"
    )
    for question in QUESTIONS:
        one, two = (only(comparisons(f, "w", question=question)) for f in (binary, other))
        assert one.estimate == pytest.approx(-two.estimate, rel=1e-4)
        assert one.sd == pytest.approx(two.sd, rel=1e-4)
        one, two = (
            only(comparisons(f, "w", question=question, comparison="odds_ratio"))
            for f in (binary, other)
        )
        assert one.estimate == pytest.approx(1.0 / two.estimate, rel=1e-4)
        assert (one.lower, one.upper) == pytest.approx((1 / two.upper, 1 / two.lower), rel=1e-4)


@pytest.fixture(scope="module")
def drawn():
    return fit("y ~ x * w + (1 | g)", DATA, family="bernoulli", random_seed=1, draws=50)


def test_draws_are_averaged_one_by_one(drawn):
    """Direction, sd and shares are those of the effect of each draw."""
    beta, sd = samples(drawn.draws, "beta"), samples(drawn.draws, "sigma_u").reshape(-1)
    u = samples(drawn.draws, "u")[:, :, 0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    X = [
        np.column_stack([np.ones(240), DATA["x"], w, w * DATA["x"]])
        for w in np.eye(2)[1][:, None] * np.ones(240)
    ]
    by_question = {
        "population": lambda eta, s: expit(eta).mean(),
        "new_group": lambda eta, s: (expit(eta[:, None] + sd[s] * nodes) @ weights).mean(),
        "existing_group": lambda eta, s: expit(eta + u[s, DATA["g"]]).mean(),
    }
    for question, mean in by_question.items():
        low, high = (np.array([mean(one @ beta[s], s) for s in range(len(beta))]) for one in X)
        found = comparisons(drawn, "w", question=question, rope=(-0.02, 0.3), likelihood=False)
        row, values = only(found), high - low
        assert row.estimate == pytest.approx(values.mean(), rel=1e-6)
        assert row.sd == pytest.approx(values.std(ddof=1), rel=1e-6)
        assert row.positive == pytest.approx((values > 0).mean())
        assert row.above == pytest.approx((values > 0.3).mean())
        ratio = only(
            comparisons(
                drawn,
                "w",
                question=question,
                comparison="ratio",
                rope=(0.9, 1.1),
                likelihood=False,
            )
        )
        assert ratio.estimate == pytest.approx((high / low).mean(), rel=1e-6)
        assert ratio.direction == pytest.approx(max((high > low).mean(), (high < low).mean()))
        assert ratio.below == pytest.approx((high / low < 0.9).mean())


def test_the_linear_predictor_is_as_it_was(drawn, binary):
    weights = np.array([[0.0, 0.0, 1.0, DATA["x"].mean()]])
    for fitted in (drawn, binary):
        (value,) = fitted.combine(weights)
        row = comparisons(fitted, "w", scale="link", likelihood=False).rows[0]
        assert (row.estimate, row.sd) == pytest.approx((value.mean, value.sd))
        odds = comparisons(fitted, "w", scale="link", comparison="odds_ratio", likelihood=False)
        assert "log odds" in str(odds)
    assert only(odds).estimate == pytest.approx(math.exp(row.estimate))


def test_ordered_categories_have_an_effect_each_and_one_on_the_score():
    fitted = fit("rating ~ x + (1 | g)", DATA, family="cumulative", engine="ml")
    cut, sd = fitted.solution.auxiliary["threshold"], float(fitted.solution.sigma_u[0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def chances(x):
        eta = fitted.solution.beta[0] * x
        below = expit(cut - eta[:, None, None] - sd * nodes[:, None])
        below = np.einsum("nkc,k->nc", below, weights).mean(axis=0)
        return np.diff([0.0, *below, 1.0])

    found = comparisons(fitted, "x")
    change = chances(DATA["x"] + 1.0) - chances(DATA["x"])
    assert [row.outcome for row in found.rows] == ["P(1)", "P(2)", "P(3)", "P(4)", "expected score"]
    estimates = np.array([row.estimate for row in found.rows])
    np.testing.assert_allclose(estimates[:4], change, rtol=1e-6)
    assert estimates[4] == pytest.approx(change @ [1.0, 2.0, 3.0, 4.0], rel=1e-6)
    assert found.to_frame()["outcome"].tolist()[0] == "P(1)"
    ratios = comparisons(fitted, "x", comparison="ratio")
    assert [row.outcome for row in ratios.rows] == ["P(1)", "P(2)", "P(3)", "P(4)"]
    below, above = chances(DATA["x"]), chances(DATA["x"] + 1.0)
    np.testing.assert_allclose([row.estimate for row in ratios.rows], above / below, rtol=1e-6)
    # A row of the table that is wide at one value: the same category of a known group.
    own = comparisons(fitted, "x", question="existing_group", at={"x": 0.0})
    assert sum(row.estimate for row in own.rows[:4]) == pytest.approx(0.0, abs=1e-12)


def test_trials_have_the_probability_of_one():
    counts = fit("s | trials(n) ~ x + (1 | g)", DATA, family="binomial", engine="ml")
    each = {name: np.repeat(DATA[name], DATA["n"]) for name in ("x", "g")} | {
        "y": np.concatenate(
            [[1] * s + [0] * (n - s) for s, n in zip(DATA["s"], DATA["n"], strict=True)]
        )
    }
    single = fit("y ~ x + (1 | g)", each, family="bernoulli", engine="ml")
    for question in QUESTIONS:
        one, two = (
            only(comparisons(fitted, {"x": (0, 1)}, data=DATA, question=question))
            for fitted in (counts, single)
        )
        assert one.estimate == pytest.approx(two.estimate, rel=1e-5)
        assert one.sd == pytest.approx(two.sd, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "log"}, "unknown scale 'log'.*allowed: response, link"),
        ({"comparison": "risk"}, "unknown comparison.*difference, ratio, odds_ratio"),
        ({"question": "new"}, "unknown question 'new'.*new_group"),
        (
            {"scale": "link", "comparison": "ratio"},
            "link logit, scale link.*difference, odds_ratio",
        ),
        ({"scale": "link", "question": "existing_group"}, "use group_lines"),
    ],
)
def test_what_is_not_defined_is_refused_with_what_is(binary, options, message):
    with pytest.raises(BayesMLMError, match=message):
        comparisons(binary, "x", **options)


def test_other_refusals(binary):
    counts = fit("k ~ x + (1 | g)", DATA, family="poisson", engine="ml")
    with pytest.raises(
        BayesMLMError, match="odds_ratio.*expected count.*allowed: difference, ratio"
    ):
        comparisons(counts, "x", comparison="odds_ratio")
    gaussian = fit("x ~ w + (1 | g)", DATA, engine="reml")
    with pytest.raises(BayesMLMError, match="allowed: difference"):
        comparisons(gaussian, "w", comparison="ratio")
    for scale in (None, "response", "link"):
        assert only(comparisons(gaussian, "w", scale=scale)).estimate == pytest.approx(
            gaussian.solution.beta[1]
        )
    plain = fit("y ~ x", DATA, family="bernoulli", engine="ml")
    with pytest.raises(BayesMLMError, match="no group effects.*'population' only"):
        slopes(plain, "x", question="new_group")
    new = {"x": [0.0, 1.0], "w": [0, 1], "g": [0, 99]}
    with pytest.raises(BayesMLMError, match="known g, and 1 row of 2.*new_group"):
        slopes(binary, "x", question="existing_group", data=new)
    with pytest.raises(BayesMLMError, match="known g, and 1 row of 1"):
        slopes(binary, "x", question="existing_group", data={"x": [0.0], "w": [1]})


def test_a_crossing_is_where_neither_scale_has_a_difference(drawn, binary):
    for fitted in (drawn, binary):
        found = crossing(fitted, "w", "x")
        at = found.posterior.median if found.posterior else found.likelihood.estimate
        effect = comparisons(fitted, "w", at={"x": at}, question="population", likelihood=False)
        assert abs(effect.rows[0].estimate) < 0.3 * effect.rows[0].sd
