"""Prior sensitivity and checks of models with several grouping factors."""

import numpy as np
import pytest

from bayes_mlm import build_design, check, contextual_effects, fit, hausman, prior_sensitivity
from bayes_mlm.base import SeveralFactorsError

FORMULA = "y ~ x + (1 | school/class)"


def classes(seed=1, heavy=False, schools=16, per=4, n=8):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), per * n)
    room = np.tile(np.repeat(np.arange(per), n), schools)
    u = rng.normal(size=schools)[school]
    v = 0.6 * rng.normal(size=(schools, per))[school, room]
    x = rng.normal(size=school.size) + 0.5 * u
    e = rng.standard_t(3, size=x.size) if heavy else rng.normal(size=x.size)
    return {"y": 1 + 0.4 * x + u + v + e, "x": x, "school": school, "class": room}


def test_reweighted_posteriors_are_those_of_a_refit():
    data = classes()
    new = "HalfNormal(0.7)"
    found = prior_sensitivity(FORMULA, data, priors=[new], random_seed=1)
    refitted = fit(FORMULA, data, priors={"sigma_u": new}, random_seed=2).summary()
    moved = [row for row in found.rows if not row.baseline]
    assert {row.quantity for row in moved} >= {"sigma_u[school]", "sigma_u[class:school]"}
    for row in moved:
        other = refitted[row.quantity]
        assert abs(row.estimate - other.estimate) < 0.1 * other.sd, row.quantity
        assert row.sd == pytest.approx(other.sd, rel=0.08)


def test_the_prior_of_one_factor_can_be_varied():
    priors = [{"sigma_u[class:school]": "HalfNormal(0.1)"}]
    found = prior_sensitivity(FORMULA, classes(), priors=priors, random_seed=1)
    rows = {row.quantity: row for row in found.rows if not row.baseline}
    assert rows["sigma_u[class:school]"].shift < -1
    assert "sigma_u[class:school]=HalfNormal" in rows["sigma_u[school]"].prior


def test_checks_find_heavy_tails_and_pass_what_is_right():
    right = check(fit(FORMULA, classes(2), random_seed=1))
    assert right.fine, str(right)
    topics = [one.topic for one in right]
    assert "Residual variance by school" in topics
    assert "Skewness of effects of class:school" in topics
    wrong = check(fit(FORMULA, classes(2, heavy=True), random_seed=1))
    assert "Tails of residuals" in [one.topic for one in wrong if one.fine is False]


def test_group_means_of_each_factor_are_asked_for_in_any_order():
    data = classes()
    with pytest.raises(SeveralFactorsError, match="write the group means of each") as caught:
        fit(FORMULA, data, kind="mundlak")
    written = str(caught.value).split("of each: ")[1]
    one = fit(written, data, engine="reml")
    other = fit(
        "y ~ x + between(x, school) + between(x, school:class) + (1 | school/class)",
        data,
        engine="reml",
    )
    np.testing.assert_allclose(one.solution.beta, other.solution.beta)
    single = fit("y ~ x + between(x, school:class) + (1 | school/class)", data, engine="reml")
    found = contextual_effects(single, factor="class:school")
    assert found["x", "contextual"].estimate == pytest.approx(single.solution.beta[2], rel=1e-9)
    with pytest.raises(SeveralFactorsError, match="between"):
        hausman(build_design(FORMULA, data))
