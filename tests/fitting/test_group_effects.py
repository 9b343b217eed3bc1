"""Group effects of any result: predictions of REML and ML, and their uncertainty."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from bayes_mlm import build_design, fit, group_lines, load_hsb, sample_groups, write_group_effects
from bayes_mlm.base.errors import EngineError
from bayes_mlm.engines import Draws, effect_moments

HSB, SLOPES = load_hsb(), "mathach ~ ses + (ses | schoolid)"

# lme4 1.1-31: as.data.frame(ranef(fit, condVar = TRUE)), condval and condsd, of
# lmer(Reaction ~ Days + (Days | Subject), sleepstudy), subjects 308 and 309, and of
# lmer(mathach ~ ses + (ses | schoolid), hsb, REML = ...), schools 1224 and 1288.
LME4 = {
    ("reml", "reaction ~ days + (days | subject)", "sleepstudy"): (
        [[2.25855095, 9.198975766], [-40.398738079, -8.619680615]],
        [[12.070856951, 2.304839021], [12.070856951, 2.304839021]],
    ),
    ("reml", SLOPES, "hsb"): (
        [[-1.6050007912, 0.1102731804], [0.4085924672, 0.0841202511]],
        [[0.840799901, 0.574423858], [1.066616477, 0.605924328]],
    ),
    ("ml", SLOPES, "hsb"): (
        [[-1.6033956615, 0.1094536890], [0.4073044936, 0.0806611744]],
        [[0.839206262, 0.565554361], [1.065495866, 0.596038347]],
    ),
}


@pytest.mark.parametrize("case", LME4, ids=lambda case: f"{case[2]}-{case[0]}")
def test_predicted_effects_and_their_conditional_sds_are_lme4s(case, tmp_path):
    engine, formula, data = case
    found = fit(formula, data, engine=engine)
    effects = found.group_effects(0.95)
    mean, sd = LME4[case]
    # lme4's optimiser stops where the variances have 4 digits.
    np.testing.assert_allclose(effects.mean[:2], mean, rtol=1e-4, atol=5e-5)
    np.testing.assert_allclose(effects.sd[:2], sd, rtol=2e-4)
    np.testing.assert_allclose(effects.upper - effects.mean, 1.959964 * effects.sd, rtol=1e-6)
    table = pq.read_table(write_group_effects(found, tmp_path / "u.parquet")).to_pandas()
    for k, effect in enumerate(found.design.effects):
        own = table[table.effect == effect]
        assert own["mean"].to_numpy() == pytest.approx(effects.mean[:, k])
        assert own.sd.to_numpy() == pytest.approx(effects.sd[:, k])


@pytest.mark.parametrize("formula", ["mathach ~ ses + (1 | schoolid)", SLOPES])
def test_a_line_has_the_error_of_henderson(formula):
    """The covariance of (beta, u) is sigma_e^2 times the inverse of Henderson's (1975) equations.

    So a line's error has that of beta, that of u, and their covariance.
    """
    some = HSB[HSB.schoolid.isin(HSB.schoolid.unique()[:12])]
    found = fit(formula, some, engine="reml")
    design, solution = found.design, found.solution
    q, p = design.q, design.p
    Z = np.zeros((design.n, design.J * q))
    for k in range(q):
        Z[np.arange(design.n), design.codes * q + k] = design.Z[:, k]
    C = np.hstack([design.X, Z])
    equations = C.T @ C / solution.sigma_e**2
    equations[p:, p:] += np.kron(np.eye(design.J), np.linalg.inv(solution.cov_u))
    joint = np.linalg.inv(equations)
    rng = np.random.default_rng(1)
    X, Z_own = rng.normal(size=(2, 3, p)), rng.normal(size=(2, 3, q))
    places = np.array([7, 2])
    for k, values in enumerate(found.combine_by_group(X, Z_own, places)):
        rows = np.zeros((3, p + design.J * q))
        rows[:, :p] = X[k]
        rows[:, p + places[k] * q : p + (places[k] + 1) * q] = Z_own[k]
        errors = np.sqrt(np.diagonal(rows @ joint @ rows.T))
        # One closed form against another: rounding.
        np.testing.assert_allclose([value.sd for value in values], errors, rtol=1e-9)


def test_lines_of_an_estimate_are_next_to_no_other():
    found = group_lines(fit(SLOPES, HSB, engine="ml"), groups=[1224])
    assert {row.reml for row in found} == {None}
    assert "reml" not in str(found)


def test_the_rows_of_a_sample_join_an_estimate_of_sums():
    whole = fit(SLOPES, HSB, rows="sum", engine="reml")
    some = sample_groups(whole, HSB, groups=[1288, 1224])
    assert some.design.n == 47 + 25
    np.testing.assert_array_equal(some.solution.u, whole.solution.u[:2])


def test_effects_that_are_not_normal_are_refused():
    design = build_design("mathach ~ ses + (1 | schoolid)", HSB, family="student_t")
    with pytest.raises(EngineError, match="have no closed form"):
        effect_moments(design, Draws(posterior={}, sample_stats={}, coords={}))
