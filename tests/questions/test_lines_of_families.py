"""Lines of groups and of the population where outcomes are not Gaussian."""

from functools import cache

import numpy as np
import pytest

from bayes_mlm import fit, group_lines, population_line, predict
from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.base.prob import wald_reach

RNG = np.random.default_rng(1)
G = np.repeat(np.arange(12), 10)
X = RNG.normal(size=120).round(2)
Z = RNG.integers(0, 2, 120)
ETA = 0.6 * X - 0.5 * Z + RNG.normal(0.0, 0.8, 12)[G]
TRIALS = RNG.integers(1, 9, 120)
TIME = RNG.uniform(0.5, 4.0, 120)
DATA = {
    "x": X,
    "z": Z,
    "g": G,
    "h": np.tile(np.arange(10), 12),
    "n": TRIALS,
    "t": TIME,
    "passed": (RNG.random(120) < 1 / (1 + np.exp(-ETA))).astype(int),
    "wins": RNG.binomial(TRIALS, 1 / (1 + np.exp(-ETA))),
    "count": RNG.poisson(TIME * np.exp(ETA)),
    "grade": np.digitize(ETA + RNG.logistic(size=120), [-1.0, 1.0]) + 1,
}
GRID = [-1.0, 0.5]


@cache
def fitted(formula, family, engine, **options):
    drawn = {"random_seed": 1, "draws": 250} if engine == "direct" else {}
    return fit(formula, DATA, family=family, engine=engine, **drawn, **options)


def rows_of(group, value):
    kept = group == G
    return kept, {name: column[kept] for name, column in DATA.items()} | {
        "x": np.full(int(kept.sum()), value)
    }


def expit(eta):
    return 1.0 / (1.0 + np.exp(-eta))


def test_lines_of_draws_are_means_over_the_rows_of_the_group():
    found = fitted("passed ~ x + z + (1 | g)", "bernoulli", "direct")
    lines = group_lines(found, groups=[7, 2], x=GRID)
    beta, u = found.draws["beta"].reshape(-1, 3), found.draws["u"].reshape(-1, 12)
    for group in (7, 2):
        for value, point in zip(GRID, lines.line(group), strict=True):
            shared = beta[:, 0] + value * beta[:, 1] + u[:, group]
            each = [expit(shared + z * beta[:, 2]) for z in Z[group == G]]
            values = np.mean(each, axis=0)
            assert point.estimate == pytest.approx(values.mean(), rel=1e-10)
            ends = np.quantile(values, [0.025, 0.975])
            assert (point.lower, point.upper) == pytest.approx(tuple(ends), rel=1e-10)
            assert point.reml is None
    assert "log odds of passed; lines are the probability of passed" in str(lines)
    assert "probability of passed" in str(lines.points)


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("passed ~ x + z + (1 + x | g)", "bernoulli"),
        ("count ~ x + z + offset(log(t)) + (1 | g)", "poisson"),
        ("wins | trials(n) ~ x + z + (1 | g)", "binomial"),
        ("grade ~ x + z + (1 | g)", "cumulative"),
    ],
)
def test_lines_by_ml_are_predictions_for_the_group(formula, family):
    """Of trials and exposures the ratio of sums: successes by trials, counts by exposure."""
    found = fitted(formula, family, "ml")
    for point in group_lines(found, groups=[5, 0], x=GRID).points:
        kept, new = rows_of(point.group, point.x)
        per = {"poisson": TIME, "binomial": TRIALS}.get(family, np.ones(120))[kept].sum()
        answer = predict(found, new)
        assert point.estimate == pytest.approx(answer.mean.sum() / per, rel=1e-10)
        assert point.lower < point.estimate < point.upper


def test_an_interval_by_ml_is_that_of_the_logit():
    """Of one row of a group: its error is that of `predict`, and the interval stays in 0 to 1."""
    found = fitted("passed ~ x + (1 | g)", "bernoulli", "ml")
    (point,) = group_lines(found, groups=[3], x=[0.5], prob=0.9).points
    answer = predict(found, {"x": [0.5], "g": [3]}, prob=0.9)
    p, sd = float(answer.mean[0]), float(answer.sd[0])
    reach = wald_reach(0.9) * sd / (p * (1.0 - p))
    logit = np.log(p / (1.0 - p))
    assert point.lower == pytest.approx(expit(logit - reach), rel=1e-8)
    assert point.upper == pytest.approx(expit(logit + reach), rel=1e-8)


def test_several_factors_have_the_others_at_zero():
    found = fitted("passed ~ x + (1 | g) + (1 | h)", "bernoulli", "ml")
    lines = group_lines(found, factor="g", groups=[4], x=GRID)
    straight = group_lines(found, factor="g", groups=[4], x=GRID, scale="link")
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    for curve, line in zip(lines.points, straight.points, strict=True):
        # Over the normal linear predictor about the joint mode, whose Wald interval is the line's.
        se = (line.upper - line.estimate) / wald_reach(0.95)
        averaged = expit(line.estimate + se * nodes) @ weights / weights.sum()
        assert curve.estimate == pytest.approx(averaged, rel=1e-8)
    assert "effects of h at zero" in str(lines)


def test_on_the_scale_of_the_linear_predictor_lines_are_straight():
    found = fitted("passed ~ x + z + (1 + x | g)", "bernoulli", "ml")
    lines = group_lines(found, groups=[7], x=[-1.0, 0.0, 1.0], scale="link")
    low, mid, high = (point.estimate for point in lines.points)
    assert high - mid == pytest.approx(mid - low, rel=1e-9)
    assert high - mid == pytest.approx(lines.where(effect="x")[0].estimate, rel=1e-9)
    assert lines.points.scale == "log odds of passed"


def test_the_population_is_averaged_over_groups_or_at_zero():
    found = fitted("passed ~ x + z + (1 | g)", "bernoulli", "direct")
    beta = found.draws["beta"].reshape(-1, 3)
    sd = found.draws["sigma_u"].reshape(-1)
    (zero,) = population_line(found, "x", [0.5], at={"z": 1}, question="population")
    eta = beta @ [1.0, 0.5, 1.0]
    assert zero.estimate == pytest.approx(expit(eta).mean(), rel=1e-10)
    line = population_line(found, "x", [0.5], at={"z": 1})
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    averaged = expit(eta[:, None] + sd[:, None] * nodes) @ weights / weights.sum()
    assert line[0].estimate == pytest.approx(averaged.mean(), rel=1e-6)
    assert "averaged over the distribution of group effects" in str(line)
    estimate = fitted("passed ~ x + z + (1 | g)", "bernoulli", "ml")
    (point,) = population_line(estimate, "x", [0.5], at={"z": 1})
    answer = predict(estimate, {"x": [0.5], "z": [1]}, question="new_group")
    assert point.estimate == pytest.approx(float(answer.mean[0]), rel=1e-8)


def test_what_has_no_line_says_so():
    found = fitted("passed ~ x + (1 | g)", "bernoulli", "ml")
    with pytest.raises(EngineError, match="allowed: response, link"):
        group_lines(found, scale="logit")
    with pytest.raises(EngineError, match="use group_lines"):
        population_line(found, "x", question="existing_group")
    with pytest.raises((EngineError, DesignError), match="population"):
        population_line(found, "x", question="groups")


def test_lines_of_probabilities_by_command(run_command, tmp_path):
    table = "\n".join(f"{y},{x},{g}" for y, x, g in zip(DATA["passed"], X, G, strict=True))
    (tmp_path / "data.csv").write_text(f"passed,x,g\n{table}\n")
    model = ("passed ~ x + (1 | g)", "--data", str(tmp_path / "data.csv"), "--family", "bernoulli")
    model += ("--engine", "ml", "--quiet")
    code, out, err = run_command("lines", *model, "--group", "3", "--x", "0,1")
    assert (code, err) == (0, "")
    assert "probability of passed" in out.splitlines()[-3]
    code, out, _ = run_command("lines", *model, "--population", "--x", "0", "--scale", "link")
    assert code == 0
    assert "log odds of passed" in out
    for wrong, message in (
        (("--scale", "logit"), "allowed: response, link"),
        (("--question", "population"), "add --population"),
    ):
        code, _, err = run_command("lines", *model, *wrong)
        assert code != 0
        assert message in err
        assert len(err.strip().splitlines()) == 1
