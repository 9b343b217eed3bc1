"""An end of a profile interval is a number, infinite, or not found; it never stops a fit."""

import io
import math

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit_reml, load_sleepstudy
from bayes_mlm.engines.reml.profile_ends import Held, Profile, solve
from bayes_mlm.fitting import Estimate

# Two groups, whose difference w explains.
UNBOUNDED = """\
y,x1,x2,w,s,pos,g
0.554,1.232,-0.352,0.86,F,4.706,g1
-0.285,-0.833,-0.79,-0.793,F,0.687,g0
0.58,-0.718,0.805,0.86,F,1.535,g1
-0.08,-0.424,0.091,-0.793,M,3.847,g0
0.4,0.3,-1.2,0.86,M,2.0,g1
-0.9,1.1,0.6,-0.793,M,0.4,g0
1.2,-0.2,0.3,0.86,M,1.1,g1
0.1,0.5,-0.5,-0.793,F,1.9,g0
-0.4,-1.4,1.4,0.86,F,0.9,g1
0.3,0.9,0.2,-0.793,M,3.1,g0
"""
BRANCHES = """\
y,x2,s,g,bx
0.298,-0.775,M,g03,0.347
3.99,-0.443,M,g00,0.258
4.829,0.78,M,g00,0.258
4.886,-0.188,F,g04,-1.333
4.761,-0.548,F,g00,0.258
-1.76,-0.441,F,g02,0.567
-4.147,-0.796,F,g02,0.567
0.642,0.28,F,g03,0.347
6.105,-1.277,F,g04,-1.333
4.843,-0.962,M,g04,-1.333
0.857,-1.276,M,g01,0.072
2.374,0.321,M,g03,0.347
1.649,-1.633,F,g03,0.347
4.14,0.143,M,g04,-1.333
4.763,-0.377,M,g04,-1.333
-3.996,-0.668,F,g02,0.567
4.563,0.802,M,g00,0.258
-4.557,-0.64,F,g02,0.567
4.457,-0.106,M,g04,-1.333
2.444,-0.629,M,g03,0.347
0.708,1.407,M,g03,0.347
5.323,-1.8,F,g00,0.258
"""


def test_an_end_without_bound_is_infinite_and_said_to_be():
    data = pd.read_csv(io.StringIO(UNBOUNDED))
    design = build_design("y ~ w + x2*s + log(pos) + (x1 | g)", data)
    fit = fit_reml(design)
    span = fit.intervals.sigma_u[0]
    assert math.isinf(span.upper)
    assert "stays above the cut" in span.note
    assert all(math.isfinite(end) for end in (fit.intervals.sigma_e.lower, fit.loglik))
    row = Estimate(solution=fit, design=design).summary()["sigma_u[Intercept]"]
    assert (row.lower, row.upper) == (0.0, math.inf)


def test_an_end_that_is_not_found_is_blank_with_its_reason():
    from dataclasses import replace

    design = build_design("reaction ~ days + (days | subject)", load_sleepstudy())
    fit = fit_reml(design, profile=True)
    lost = replace(fit.intervals.sigma_u[0], upper=math.nan, note="not found: for a reason")
    spans = replace(fit.intervals, sigma_u=(lost, fit.intervals.sigma_u[1]))
    summary = Estimate(solution=replace(fit, intervals=spans), design=design).summary()
    assert (summary["sigma_u[Intercept]"].lower, summary["sigma_u[Intercept]"].upper) == (
        None,
        None,
    )
    assert "sigma_u[Intercept] lower end 15.03: not found: for a reason" in str(summary.verdict)
    assert "nan" not in str(summary)


def _falling(height):
    """Make a profile of one parameter whose height and slope are given in closed form."""
    x = np.zeros(1)
    return Profile(
        at=lambda t, start: Held(x=start, loglik=height(t)[0], slope=height(t)[1]),
        others=lambda t, start: np.empty((0, 1)),
        estimate=0.0, x=x, peak=0.0, cut=-2.0,
    )  # fmt: skip


def test_ends_are_found_or_said_not_to_be():
    end, note = solve(_falling(lambda t: (-t * t / 2, -t)), 0.1, math.inf)
    assert (end, note) == (pytest.approx(2.0, rel=1e-9), "")
    # Falls to -1, and no further.
    end, note = solve(_falling(lambda t: (-t / (1 + t), -1 / (1 + t) ** 2)), 0.1, math.inf)
    assert math.isinf(end)
    assert note.startswith("no bound")
    # Not a number anywhere: there is no end to be found.
    end, note = solve(_falling(lambda t: (math.nan, math.nan)), 0.1, math.inf)
    assert math.isnan(end)
    assert note.startswith("not found")


@pytest.mark.parametrize("origin", [1e2, -3e4, 2458850.0, 1e6, 1e9])
def test_the_origin_of_time_does_not_matter(origin):
    data = pd.DataFrame(load_sleepstudy())
    base = fit_reml(build_design("reaction ~ days + (days | subject)", data))
    moved = data.assign(days=data.days + origin)
    fit = fit_reml(build_design("reaction ~ days + (days | subject)", moved))
    assert fit.loglik == pytest.approx(base.loglik, abs=1e-7)
    assert fit.beta[1] == pytest.approx(base.beta[1], rel=1e-7)
    assert fit.sigma_u[1] == pytest.approx(base.sigma_u[1], rel=1e-7)
    for one, other in (
        (fit.intervals.sigma_u[1], base.intervals.sigma_u[1]),
        (fit.intervals.sigma_e, base.intervals.sigma_e),
    ):
        assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), rel=1e-7)
    # The intercept is that of the line, at day -origin of the study.
    weights = np.array([1.0, -origin])
    assert fit.sigma_u[0] == pytest.approx(math.sqrt(weights @ base.cov_u @ weights), rel=1e-7)
    assert fit.beta[0] == pytest.approx(base.beta @ weights, rel=1e-7)
    span = fit.intervals.sigma_u[0]
    assert span.lower < fit.sigma_u[0] < span.upper
    if abs(origin) > 1e5:  # so far from zero the intercept is the slope times the distance
        ratio = (span.lower / origin, span.upper / origin)
        slope = base.intervals.sigma_u[1]
        assert ratio == pytest.approx((slope.lower, slope.upper), rel=1e-4)


def test_the_inner_maximum_of_a_profile_is_the_highest():
    data = pd.read_csv(io.StringIO(BRANCHES))
    fit = fit_reml(build_design("y ~ bx + x2*s + (x2 | g)", data), level=0.9)
    # Dense profile, 150 random starts in the other parameters at each point (SciPy's Nelder-Mead):
    # 0.0068 above the cut at 1.70 and 0.0016 below it at 1.69. One branch ends at 1.7475.
    assert fit.intervals.sigma_u[0].lower == pytest.approx(1.6919, abs=5e-4)
    assert fit.intervals.sigma_u[0].upper == pytest.approx(7.616, abs=5e-3)
