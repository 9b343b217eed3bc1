"""Outcomes whose residuals are tiny are fitted; those without any are refused."""

import numpy as np
import pytest

from bayes_mlm import fit
from bayes_mlm.base import EngineError


def table(sd, seed=1):
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 6, 60), rng.integers(0, 5, 60)
    y = 3 + rng.normal(size=6)[g] + rng.normal(size=5)[h]
    return {"y": y + sd * rng.normal(size=60), "g": g, "h": h}


@pytest.mark.parametrize("sd", [1e-2, 8e-5, 3e-6])
def test_tiny_residuals_are_the_same_model_on_another_scale(sd):
    found = fit("y ~ 1 + (1 | g) + (1 | h)", table(sd), engine="reml").summary()
    # Where residuals are small, the rows alone tell their sd: that of a fit at 1e-3.
    assert found["sigma_e"].estimate / sd == pytest.approx(0.90754, rel=2e-4)


@pytest.mark.parametrize("sd", [0.0, 1e-8])
def test_none_are_refused(sd):
    with pytest.raises(EngineError, match="no residual variation"):
        fit("y ~ 1 + (1 | g) + (1 | h)", table(sd), engine="reml")
