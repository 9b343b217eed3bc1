"""Influence of groups: refits from rows, Cook's distance by hand, refusals."""

import numpy as np
import pytest

from bayes_mlm import fit, group_influence, load_orthodont, load_sleepstudy
from bayes_mlm.base import EngineError, UnsupportedModelError

FORMULA = "reaction ~ days + (1 | subject)"


def test_every_row_is_a_fit_without_the_group():
    table = load_sleepstudy()
    found = fit(FORMULA, table, engine="reml")
    influence = group_influence(found)
    solution = found.solution
    for row in (influence.rows[0], influence.rows[7], influence.rows[-1]):
        alone = fit(FORMULA, table[table["subject"] != row.group], engine="reml")
        apart = alone.solution.beta - solution.beta
        cook = apart @ np.linalg.solve(solution.beta_cov, apart) / 2
        assert row.cook == pytest.approx(cook, rel=1e-5)
        assert row.n == 10
        without = alone.summary()[row.quantity].estimate
        assert row.without == pytest.approx(without, rel=1e-6)
        whole = found.summary()[row.quantity]
        assert row.change == pytest.approx((without - whole.estimate) / whole.sd, rel=1e-4)
    cooks = [row.cook for row in influence]
    assert cooks == sorted(cooks, reverse=True)
    assert influence.changes().shape == (18 * 5, 3)
    assert "8 groups of smaller ones" in str(influence)


def test_what_has_no_refits_is_refused():
    table = load_orthodont()
    table["only"] = (table["subject"] == table["subject"].iloc[0]).astype(float)
    alone = fit("distance ~ age + only + (1 | subject)", table, engine="reml")
    with pytest.raises(EngineError, match="has no REML estimate"):
        group_influence(alone)
    with pytest.raises(UnsupportedModelError, match="grouping factors"):
        group_influence(fit("distance ~ age", table, engine="ols"))
