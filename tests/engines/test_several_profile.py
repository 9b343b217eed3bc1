"""Profile intervals and standard errors of several grouping factors: lme4 and brute force."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from bayes_mlm import build_design
from bayes_mlm.data import load_dataset
from bayes_mlm.engines import fit_several
from tests.engines.several_dense import deviance, estimates, names, rows
from tests.engines.test_several_reml import FORMULAS as SMALL_FORMULAS, rows as small_rows

CUT = 3.841458820694124  # 95 % of chi-squared with one degree of freedom

# confint(lmer(..., REML = FALSE), method = "profile"), lme4 1.1-31; it interpolates its profile.
LME4 = {
    "pastes": (
        "strength ~ 1 + (1 | batch) + (1 | sample)",
        {
            "sigma_u[batch]": (0.0, 2.946591263),
            "sigma_u[sample]": (2.1579337383, 4.053589033),
            "sigma_e": (0.6520233562, 1.085448090),
        },
    ),
    "penicillin": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        {
            "sigma_u[plate]": (0.6335659660, 1.1821039851),
            "sigma_u[sample]": (1.0957893965, 3.5562917781),
            "sigma_e": (0.4858454001, 0.6294534786),
        },
    ),
}


@pytest.mark.parametrize("name", LME4)
def test_intervals_are_those_of_lme4(name):
    formula, expected = LME4[name]
    found = fit_several(build_design(formula, load_dataset(name)), method="ML")
    intervals = {row[0]: row[3] for row in found.variance_rows()}
    for quantity, ends in expected.items():
        interval = intervals[quantity]
        assert interval.method == "profile (ML)"
        assert (interval.lower, interval.upper) == pytest.approx(ends, rel=1e-4)


def least(at, parts, values, held, value):
    """Return the least deviance with one parameter held, over the rest, from several starts."""
    scale = [math.atanh if kind == "rho" else math.log for kind, _, _ in parts]
    # A line search tries any length: no sd here is near e^20.
    back = [
        math.tanh if kind == "rho" else (lambda v: math.exp(min(v, 20.0))) for kind, _, _ in parts
    ]
    free = [k for k in range(len(parts)) if k != held]

    def objective(x):
        whole = np.empty(len(parts))
        whole[held] = value
        whole[free] = [back[k](v) for k, v in zip(free, x, strict=True)]
        return at(whole)

    found = []
    for rho in (None, -0.95, 0.95) if any(kind == "rho" for kind, _, _ in parts) else (None,):
        inside = [
            (min(max(v, -0.99), 0.99) if rho is None else rho) if kind == "rho" else max(v, 0.2)
            for v, (kind, _, _) in zip(values, parts, strict=True)
        ]
        start = np.array([scale[k](inside[k]) for k in free])
        found.append(minimize(objective, start, method="BFGS", options={"gtol": 1e-6}).fun)
    return min(found)


FORMULAS = (
    ("y ~ x + (x | g) + (1 | h)", "REML"),
    ("y ~ x + (x || g) + (1 | h)", "ML"),
    ("y ~ x + (1 | g) + (1 | h)", "REML"),
)
# Of seeds 3 and 4 the most likely correlation is one; of seed 6 it is inside.
PROFILES = (
    *((*one, 3) for one in FORMULAS),
    ("y ~ x + (x | g) + (1 | h)", "REML", 4),
    ("y ~ x + (x | g) + (1 | h)", "ML", 6),
)


@pytest.mark.parametrize(("formula", "method", "seed"), PROFILES)
def test_at_an_end_the_likelihood_has_fallen_to_the_cut(formula, method, seed):
    design = build_design(formula, rows(seed))
    found = fit_several(design, method=method)
    at, parts, table = deviance(design, method), names(design), estimates(design, found)
    values = [value for value, _, _ in table]
    peak = -2.0 * found.loglik
    assert at(values) == pytest.approx(peak, abs=1e-8)
    for held, (_, _, interval) in enumerate(table):
        assert interval.method == f"profile ({method})"
        bounds = (-1.0, 1.0) if parts[held][0] == "rho" else (0.0, math.inf)
        for end in (interval.lower, interval.upper):
            if end in bounds:
                inner = end + (1e-4 if end <= 0.0 else -1e-4)
                assert least(at, parts, values, held, inner) < peak + CUT
            else:
                fall = least(at, parts, values, held, end) - peak
                assert fall == pytest.approx(CUT, abs=1e-4)


def test_shares_have_the_profile_of_the_total():
    design = build_design("y ~ x + (1 | g) + (1 | h)", rows(3))
    found = fit_several(design)
    at = deviance(design, "REML")
    for k, one in enumerate(found.factors):
        for end in (one.icc_interval.lower, one.icc_interval.upper):

            def objective(x, end=end, k=k):
                total, other = math.exp(x[0]), 1.0 / (1.0 + math.exp(-x[1]))
                shares = np.array([end, (1.0 - end) * other])[:: 1 if k == 0 else -1]
                residual = 1.0 - end - (1.0 - end) * other
                return at(np.sqrt(total * np.append(shares, residual)))

            least_there = minimize(objective, np.zeros(2), method="BFGS").fun
            assert least_there + 2.0 * found.loglik == pytest.approx(CUT, abs=1e-4)


@pytest.mark.parametrize(("formula", "method"), FORMULAS)
def test_standard_errors_are_those_of_the_hessian_in_sds_and_correlations(formula, method):
    design = build_design(formula, rows(6))
    found = fit_several(design, method=method, profile=False)
    at, table = deviance(design, method), estimates(design, found)
    x = np.array([value for value, _, _ in table])
    h, d = 1e-3 * np.maximum(np.abs(x), 0.1), len(x)
    hessian = np.empty((d, d))
    for i in range(d):
        for j in range(d):
            moves = [
                a * np.eye(d)[i] * h[i] + b * np.eye(d)[j] * h[j] for a in (1, -1) for b in (1, -1)
            ]
            up, one, other, down = (at(x + move) for move in moves)
            hessian[i, j] = (up - one - other + down) / (4.0 * h[i] * h[j])
    expected = np.sqrt(np.diagonal(np.linalg.inv(0.5 * hessian)))
    np.testing.assert_allclose([error for _, error, _ in table], expected, rtol=1e-3)


def test_an_interval_begins_at_zero_where_the_profile_never_falls_to_the_cut():
    rng = np.random.default_rng(0)
    g, h = np.repeat(np.arange(10), 6), np.tile(np.arange(6), 10)
    noise = rng.normal(size=60)
    noise -= np.repeat(noise.reshape(10, 6).mean(axis=1), 6)  # nothing between groups
    design = build_design("y ~ 1 + (1 | g) + (1 | h)", {"y": noise + 0.5 * h, "g": g, "h": h})
    found = fit_several(design)
    one = found.factors[0]
    assert one.sigma_u[0] == 0.0
    assert (one.sigma_u_interval[0].lower, one.icc_interval.lower) == (0.0, 0.0)
    at = deviance(design, "REML")
    upper = one.sigma_u_interval[0].upper
    values = [0.0, found.factors[1].sigma_u[0], found.sigma_e]
    fall = least(at, names(design), values, 0, upper) + 2.0 * found.loglik
    assert fall == pytest.approx(CUT, abs=1e-4)


def test_a_correlation_with_an_effect_that_does_not_vary_can_be_anything():
    rng = np.random.default_rng(4)
    g, h = np.repeat(np.arange(8), 12), np.tile(np.arange(12), 8)
    x = np.tile(np.repeat([-1.0, 1.0], 6), 8)
    noise = rng.normal(size=(8, 2, 6))
    noise -= noise.mean(axis=2, keepdims=True)  # no slopes by group
    y = noise.ravel() + rng.normal(size=8)[g]
    found = fit_several(build_design("y ~ x + (x | g) + (1 | h)", {"y": y, "x": x, "g": g, "h": h}))
    interval = found.factors[0].rho_u_interval[0]
    assert (interval.lower, interval.upper) == (-1.0, 1.0)


def test_the_units_of_a_column_do_not_matter():
    table = rows(3)
    design = build_design("y ~ x + (x | g) + (1 | h)", table)
    moved = {**table, "x": 1e3 * table["x"], "y": 1e-3 * table["y"] + 5.0}
    other = build_design("y ~ x + (x | g) + (1 | h)", moved)
    one, two = fit_several(design).factors[0], fit_several(other).factors[0]
    for k, unit in enumerate((1e-3, 1e-6)):
        a, b = one.sigma_u_interval[k], two.sigma_u_interval[k]
        assert (unit * a.lower, unit * a.upper) == pytest.approx((b.lower, b.upper), rel=1e-5)
    a, b = one.rho_u_interval[0], two.rho_u_interval[0]
    assert (a.lower, a.upper) == pytest.approx((b.lower, b.upper), abs=1e-5)


def test_intervals_that_would_take_long_are_walds_and_say_so(monkeypatch):
    design = build_design("y ~ x + (1 | g) + (1 | h)", rows(3))
    plain = fit_several(design, profile=False)
    monkeypatch.setattr("bayes_mlm.engines.reml.several.MAX_SECONDS", 0.0)
    dear, asked = fit_several(design), fit_several(design, profile=True)
    for chosen in (plain, dear):
        assert chosen.sigma_e_interval.method == "Wald of the log"
        assert chosen.factors[0].icc_interval.method == "Wald of the log odds"
    assert plain.sigma_e_interval.note == ""
    assert "profile=True" in dear.factors[1].sigma_u_interval[0].note
    assert asked.sigma_e_interval.method == "profile (REML)"


@pytest.mark.parametrize("seed", [5, 7, 14])
def test_ends_are_found_where_effects_can_hardly_be_told_apart(seed):
    """A column far from zero with independent effects: the likelihood has a flat valley."""
    formula, method = SMALL_FORMULAS[seed % 3], ("REML", "ML")[seed % 2]
    found = fit_several(build_design(formula, small_rows(seed)), method=method)
    for _, value, _, interval in found.variance_rows():
        assert interval.lower < interval.upper < math.inf
        assert math.isnan(value) or interval.lower - 1e-6 <= value <= interval.upper + 1e-6
