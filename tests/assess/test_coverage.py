"""Calibration within the model: coverage with many and few groups, bias, refusals."""

import numpy as np
import pytest

from bayes_mlm import calibrate, fit, load_orthodont
from bayes_mlm.base import EngineError


def table_of(groups, size, seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    w = np.where(g % 2 == 0, 0.0, 1.0)
    x = rng.normal(size=g.size)
    y = 1.0 + 0.5 * w + x + 0.8 * rng.normal(size=groups)[g] + rng.normal(size=g.size)
    return {"g": g, "w": w, "x": x, "y": y}


def test_with_few_groups_the_normal_is_too_narrow_and_t_is_not():
    found = fit("y ~ w + x + (1 | g)", table_of(8, 12, 3), engine="reml")
    table = calibrate(found, 3000)
    row = table["beta[w]"]
    assert row.coverage_normal < 0.93
    assert row.coverage == pytest.approx(0.95, abs=0.02)
    assert "normal intervals of" in " ".join(table.cautions)
    within = table["beta[x]"]
    assert within.coverage == pytest.approx(0.95, abs=0.02)
    assert within.se == pytest.approx(within.sd, rel=0.06)


def test_residual_variance_is_without_bias_and_coefficients_too():
    found = fit("distance ~ age * sex + (1 | subject)", load_orthodont(), engine="reml")
    table = calibrate(found, 2000, prob=0.8)
    for row in table:
        if row.quantity.startswith("beta"):
            assert abs(row.bias) < 4 * row.sd / np.sqrt(2000)
            assert row.coverage == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 2000))
    assert table["sigma_e"].truth == found.solution.sigma_e
    assert abs(table["sigma_e"].bias) < 0.1 * table["sigma_e"].sd
    assert "80% intervals" in str(table)
    assert "assumes that it is right" in str(table)


def test_wrong_requests_are_refused():
    found = fit("distance ~ age + (1 | subject)", load_orthodont(), engine="reml")
    with pytest.raises(EngineError, match="100 or more, found 20"):
        calibrate(found, 20)
    with pytest.raises(EngineError, match="prob"):
        calibrate(found, prob=1.5)
