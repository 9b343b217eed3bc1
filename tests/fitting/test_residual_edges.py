"""Residual structures at the edge of what they may be: a fit, or why there is none."""

import io
import math

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit_reml
from bayes_mlm.base.errors import EngineError
from bayes_mlm.fitting import Estimate
from tests.helpers import CASES

SMALL = """\
y,x,s,t,g
1.3,-0.7,b,2,k00
-1.4,-1.0,a,4,k03
2.1,-1.7,b,6,k03
-0.5,-1.1,c,8,k03
2.1,-1.0,b,7,k04
1.9,-0.5,c,11,k05
3.6,0.6,a,4,k08
4.8,1.9,b,6,k08
2.3,-1.4,b,10,k08
2.8,0.8,a,11,k08
3.0,-3.2,b,2,k09
5.3,-0.7,b,3,k09
4.8,1.0,b,4,k09
3.3,0.6,a,6,k09
2.4,-1.3,a,7,k09
1.1,-0.4,a,6,k12
0.8,1.9,a,8,k12
-2.9,-0.4,b,0,k13
1.5,1.7,c,7,k13
0.6,-0.2,a,8,k13
-1.5,1.2,b,9,k13
"""
SINGULAR = CASES / "ar_singular.csv"


def simulated(kind: str, seed: int = 3, groups: int = 8, size: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for g in range(groups):
        t = np.arange(size) if kind != "irregular" else np.sort(rng.uniform(0, 10, size))
        e = rng.normal(size=size)
        if kind == "alternating":
            e = e[0] * (-1.0) ** np.arange(size)
        if kind == "walk":
            e = np.cumsum(e)
        x = rng.normal(size=size)
        parts.append(pd.DataFrame({"g": g, "t": t, "x": x, "y": rng.normal() + e}))
    return pd.concat(parts)


def test_ar_with_a_residual_sd_by_level_is_that_of_nlme():
    data = pd.read_csv(io.StringIO(SMALL))
    design = build_design("y ~ x + (1 | g)", data, residual={"ar": "t", "sigma": "s"})
    fit = fit_reml(design)
    # nlme 3.1-162: lme(y ~ x, random = ~1 | g, correlation = corCAR1(0.2, ~t | g),
    # weights = varIdent(form = ~1 | s), control = lmeControl(opt = "optim")); from five starts
    # logLik -36.5682935, Phi 0.71807, a 0.32766, c 0.11380 of 2.35092; u 0.26521 of it squared.
    assert fit.loglik == pytest.approx(-36.5682935, abs=1e-6)
    assert fit.residual.rho_e == pytest.approx(0.71807, abs=2e-4)
    expected = 2.35092 * np.array([0.32766, 1.0, 0.11380])
    assert fit.residual.sigma_e == pytest.approx(expected, rel=1e-3)
    assert fit.sigma_u[0] == pytest.approx(2.35092 * math.sqrt(0.26521), rel=1e-3)
    assert fit.certificate.ok


def test_a_sigma_u_of_zero_has_an_interval_from_zero():
    data = pd.read_csv(SINGULAR)
    design = build_design("y ~ t + (1 | id)", data, residual={"ar": "t"})
    fit = fit_reml(design)
    # Dense likelihood by SciPy, the rest at its best at each sigma_u: 1.96^2/2 below the maximum
    # (-279.0111403) at 1.2742683.
    assert fit.sigma_u[0] == pytest.approx(0.0, abs=1e-6)
    assert fit.intervals.sigma_u[0].lower == 0.0
    assert fit.intervals.sigma_u[0].upper == pytest.approx(1.2742683, rel=1e-5)
    assert 0.0 == fit.intervals.icc.lower < fit.intervals.icc.upper < 1.0
    assert "nan" not in str(Estimate(solution=fit, design=design).summary())


def test_a_singular_covariance_of_several_effects_is_blank_with_its_reason():
    data = pd.read_csv(SINGULAR)
    design = build_design("y ~ t + (t | id)", data, residual={"ar": "t"})
    fit = fit_reml(design)
    assert fit.singular
    summary = Estimate(solution=fit, design=design).summary()
    assert summary["sigma_u[t]"].lower is None
    assert "interval of sigma_u[Intercept], sigma_u[t]: no Wald interval" in str(summary.verdict)
    assert "nan" not in str(summary)


@pytest.mark.parametrize("seed", range(3))
def test_a_likelihood_that_rises_to_the_edge_is_named(seed):
    data = simulated("alternating", seed)
    with pytest.raises(EngineError, match="does not fall on the way to rho_e = -1.*omit ar"):
        fit_reml(build_design("y ~ x + (1 | g)", data, residual={"ar": "t"}))


@pytest.mark.parametrize("kind", ["walk", "irregular"])
@pytest.mark.parametrize("seed", range(2))
def test_searches_stay_inside(kind, seed):
    data = simulated(kind, seed)
    fit = fit_reml(build_design("y ~ x + (1 | g)", data, residual={"ar": "t"}))
    assert fit.certificate.ok
    assert -1.0 < fit.residual.rho_e < 1.0
    for span in (*fit.intervals.sigma_u, fit.intervals.sigma_e, fit.residual.rho_e_interval):
        assert span.note or span.lower <= span.upper


def test_a_correlation_that_can_be_no_less_than_zero_may_be_zero():
    data = simulated("irregular", 1)
    data["t"] = np.tile(np.arange(6), 8) + np.random.default_rng(0).uniform(-0.2, 0.2, 48)
    e = data.y - data.groupby("g").y.transform("mean")
    sign = np.tile([1.0, -1.0], len(data) // 2)
    data["y"] = data.y - e + (2.0 + 0.1 * e) * sign  # neighbours in time differ in sign
    design = build_design("y ~ x + (1 | g)", data, residual={"ar": "t"})
    fit = fit_reml(design)
    plain = fit_reml(build_design("y ~ x + (1 | g)", data))
    assert fit.residual.rho_e == pytest.approx(0.0, abs=1e-6)
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-6)
    assert fit.sigma_u == pytest.approx(plain.sigma_u, rel=1e-4)
    assert "boundary of the parameter's range" in fit.residual.rho_e_interval.note
    assert "nan" not in str(Estimate(solution=fit, design=design).summary())
