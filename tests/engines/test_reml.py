"""REML and ML against lme4, 50 digits, statsmodels and the curvature of the likelihood."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import minimize

from bayes_mlm.engines.reml.search import KKT_TOLERANCE
from bayes_mlm.engines.reml.statsmodels_check import statsmodels_check
from bayes_mlm.likelihood.gaussian import profiled_loglik
from bayes_mlm.moments.rotated import rotate_moments
from tests.helpers import REFERENCE
from tests.helpers.lme4 import LME4, design, fit

# The same four models from a maximiser with 50 digits: key "exact".
LADDER = json.loads((REFERENCE / "hsb_ladder.json").read_text())
FITS = [(name, method) for name in LME4 for method in ("REML", "ML")]


def key(term):
    """Match R's names of terms to ours, whichever way round an interaction was written."""
    return frozenset(term.replace("(Intercept)", "Intercept").split(":"))


def aligned(terms, values):
    values = {key(name): value for name, value in values.items()}
    return [values[key(term)] for term in terms]


def covariance(varcomp, effects):
    """Lay lme4's variance components out as (q, q), and the residual variance."""
    place = {key(effect): i for i, effect in enumerate(effects)}
    cov, sigma_e2 = np.zeros((len(effects),) * 2), None
    for row in varcomp:
        if row["group"] == "Residual":
            sigma_e2 = row["vcov"]
            continue
        i = place[key(row["var1"])]
        j = place[key(row["var2"])] if row["var2"] else i
        cov[i, j] = cov[j, i] = row["vcov"]
    return cov, sigma_e2


@pytest.mark.parametrize(("name", "method"), FITS)
def test_agrees_with_lme4(name, method):
    ours, theirs = fit(name, method), LME4[name][method.lower()]
    assert (ours.n, ours.n_groups) == (
        LME4[name]["n_obs"],
        next(iter(LME4[name]["n_groups"].values())),
    )
    # The issue's tolerance; the optimum is flat, so that lme4's error does not show here.
    assert ours.loglik == pytest.approx(theirs["loglik"], abs=1e-6)
    assert ours.aic == pytest.approx(theirs["aic"], abs=2e-6)
    assert ours.bic == pytest.approx(theirs["bic"], abs=2e-6)
    np.testing.assert_allclose(
        ours.beta, aligned(ours.terms, theirs["fixef"]), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(ours.beta_se, aligned(ours.terms, theirs["se"]), rtol=1e-6)
    cov, sigma_e2 = covariance(theirs["varcomp"], ours.effects)
    assert ours.sigma_e**2 == pytest.approx(sigma_e2, rel=1e-8)
    # 1e-6 of the geometric mean of the variances (issue 3). lme4's optimiser leaves a score of up
    # to 5e-5 in the slopes models, ours 1e-9: the largest difference, 8e-7, is lme4's.
    sd = np.sqrt(np.diagonal(cov))
    assert np.all(np.abs(ours.cov_u - cov) <= 1e-6 * np.outer(sd, sd) + 1e-12)
    assert ours.singular == theirs["singular"]
    if theirs.get("icc") is not None:
        assert ours.icc == pytest.approx(theirs["icc"], rel=1e-6)
    elif len(ours.effects) > 1:
        assert ours.icc is None
    labels = [str(label) for label in ours.labels]
    for row in theirs.get("ranef_head", []):
        j = labels.index(row["id"])
        # In units of y; lme4's error in the variances moves them by about 1e-8 of an sd.
        np.testing.assert_allclose(ours.u[j], aligned(ours.effects, row["blup"]), atol=2e-7)
        np.testing.assert_allclose(ours.u_sd[j], aligned(ours.effects, row["cond_sd"]), atol=2e-7)
    if method == "REML" and "fixef_cov" in theirs:
        order = [[key(t) for t in theirs["fixef"]].index(key(term)) for term in ours.terms]
        cov = np.array(theirs["fixef_cov"], dtype=float).reshape(len(order), len(order))
        np.testing.assert_allclose(ours.beta_cov, cov[np.ix_(order, order)], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", LADDER)
def test_agrees_with_fifty_digits(name, method):
    ours, exact = fit(name, method), LADDER[name]["exact"][method.lower()]
    # Doubles hold 16 digits; sums over 7,185 rows and the search leave 13 or so of them.
    close = {"rel": 1e-11}
    assert ours.loglik == pytest.approx(float(exact["loglik"]), rel=1e-14)
    np.testing.assert_allclose(ours.beta, [float(v) for v in exact["fixef"].values()], rtol=1e-11)
    np.testing.assert_allclose(ours.beta_se, [float(v) for v in exact["se"].values()], rtol=1e-11)
    assert ours.sigma_u[0] == pytest.approx(float(exact["tau"]), **close)
    assert ours.sigma_e == pytest.approx(float(exact["sigma"]), **close)
    assert ours.icc == pytest.approx(float(exact["icc"]), **close)
    assert ours.theta[0] == pytest.approx(float(exact["theta"]), **close)
    ends = exact["profile_ci95"]
    for interval, end in ((ours.intervals.sigma_u[0], "tau"), (ours.intervals.sigma_e, "sigma")):
        # Printed to 12 digits.
        assert interval.lower == pytest.approx(float(ends[end][0]), rel=1e-11)
        assert interval.upper == pytest.approx(float(ends[end][1]), rel=1e-11)
        assert interval.method == f"profile ({method})"


def test_all_160_school_effects_of_the_sector_ses_model():
    ours = fit("hsb_ses_x_sector")
    with (REFERENCE / "hsb_sector_ses_blups.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["schoolid"]) for row in rows] == ours.labels.tolist()
    # The file is from the 50-digit maximiser, printed in full.
    np.testing.assert_allclose(ours.u[:, 0], [float(row["blup"]) for row in rows], atol=1e-12)
    np.testing.assert_allclose(ours.u_sd[:, 0], [float(row["cond_sd"]) for row in rows], atol=1e-12)


@pytest.mark.parametrize("name", ["sleep_rs", "sleep_rs_uncorr", "orthodont_rs", "hsb_ses_rs"])
def test_profile_ends_lie_on_the_contour(name):
    """At an end, the best log-likelihood with the sd held there is 1.92 below the maximum."""
    ours = fit(name)
    reduced = rotate_moments(design(name).moments())
    sds = np.append(ours.sigma_u, ours.sigma_e)
    for held, interval in enumerate([*ours.intervals.sigma_u, ours.intervals.sigma_e]):
        assert interval.lower <= sds[held] <= interval.upper
        for end in (interval.lower, interval.upper):
            if end == 0.0:
                continue
            best = held_by_simplex(reduced, ours, held, end, correlated=name != "sleep_rs_uncorr")
            # The simplex stops within 1e-6 of the maximum; 1.9207 is chi^2_1(0.95) / 2.
            assert ours.loglik - best == pytest.approx(1.920729410347, abs=1e-4)


def held_by_simplex(reduced, ours, held, value, *, correlated):
    """Maximise with one of three sds held, by a method that shares nothing with ours."""

    T = reduced.z_centring
    free = [i for i in range(3) if i != held]

    def minus(x):
        sds = np.empty(3)
        sds[held], sds[free] = value, np.exp(x[:2])
        rho = np.tanh(x[2]) if correlated else 0.0
        cov = np.outer(sds[:2], sds[:2]) * np.array([[1.0, rho], [rho, 1.0]]) / sds[2] ** 2
        log_s2 = 2.0 * np.log(sds[2:])
        return -profiled_loglik(reduced, (T @ cov @ T.T)[None], "REML", log_sigma_e2=log_s2)[0]

    rho = np.arctanh(np.clip(ours.rho_u[0, 1], -0.99, 0.99))
    best = np.inf
    for factor in (0.3, 1.0, 2.0):
        around = np.append(factor * ours.sigma_u, ours.sigma_e)
        start = [*np.log(around[free]), rho]
        options = {"xatol": 1e-8, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000}
        best = min(best, minimize(minus, start, method="Nelder-Mead", options=options).fun)
    return -best


def test_icc_interval_inverts_the_profile_of_theta():
    ours = fit("hsb_ses_x_sector")
    reduced = rotate_moments(design("hsb_ses_x_sector").moments())
    ends = np.array([ours.intervals.icc.lower, ours.intervals.icc.upper])
    s = (ends / (1 - ends))[:, None, None]
    drop = ours.loglik - profiled_loglik(reduced, s, "REML")
    np.testing.assert_allclose(drop, 1.920729410347, atol=1e-9)


@pytest.mark.parametrize("name", LME4)
def test_statsmodels_agrees_at_our_optimum(name):
    for method in ("REML", "ML"):
        certificate = fit(name, method, check=True).certificate
        assert certificate.ok, certificate.message
        # Two evaluations in doubles of sums of order 1e4.
        assert abs(certificate.statsmodels_difference) < 1e-9
        assert certificate.decrement < 1e-12
        assert certificate.kkt <= KKT_TOLERANCE


@pytest.mark.parametrize("name", ["hsb_ses", "hsb_cses_rs", "sleep_rs", "orthodont_ri"])
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_joint_errors_are_those_of_statsmodels_hessian(name, method):
    ours = fit(name, method)
    lam = np.linalg.cholesky(ours.cov_u) / ours.sigma_e
    theirs = statsmodels_check(design(name), lam, method, joint=True)
    # Its Hessian is that of a function of 1e4 rows in plain sums: ten digits.
    np.testing.assert_allclose(ours.beta_cov_joint, theirs.beta_cov_joint, rtol=1e-7, atol=1e-10)


def test_joint_error_of_ses_is_the_one_printed_in_2015():
    # seed: "ses 2.390 0.108 22.133"; lme4's GLS error is 0.1057 (facts.md).
    ours = fit("hsb_ses")
    assert round(ours.beta_se_joint[1], 3) == 0.108
    assert round(ours.beta_se[1], 4) == 0.1057
    # facts.md: the null model's variance has error 1.08, printed as 0.174.
    assert round(fit("hsb_null").errors.sigma_u2[0], 2) == 1.08


@pytest.mark.parametrize("name", ["hsb_ses_x_sector", "sleep_rs", "orthodont_rs"])
def test_variance_errors_invert_the_curvature(name):
    """Against a numerical Hessian in (sds, correlation, sigma_e) of the likelihood itself."""
    ours = fit(name)
    reduced = rotate_moments(design(name).moments())
    q = len(ours.effects)
    pairs = [(a, b) for a in range(q) for b in range(a + 1, q)]
    at = np.array([*ours.sigma_u, *(ours.rho_u[a, b] for a, b in pairs), ours.sigma_e])

    def loglik(points):
        sd, sigma_e = points[:, :q], points[:, -1]
        corr = np.tile(np.eye(q), (len(points), 1, 1))
        for i, (a, b) in enumerate(pairs, start=q):
            corr[:, a, b] = corr[:, b, a] = points[:, i]
        s = corr * sd[:, :, None] * sd[:, None, :] / sigma_e[:, None, None] ** 2
        T = reduced.z_centring
        return profiled_loglik(reduced, T @ s @ T.T, "REML", log_sigma_e2=2 * np.log(sigma_e))

    m = len(at)
    h = 1e-3 * np.maximum(np.abs(at), 0.05)
    hessian = np.empty((m, m))
    for i in range(m):
        for j in range(m):
            corners = [
                at + a * h * np.eye(m)[i] + b * h * np.eye(m)[j] for a in (1, -1) for b in (1, -1)
            ]
            pp, pm, mp, mm = loglik(np.array(corners))
            hessian[i, j] = (pp - pm - mp + mm) / (4 * h[i] * h[j])
    expected = np.linalg.inv(-hessian)
    # Differences with steps of 1e-3: errors of 1e-6, and 1e-8 / 1e-6 of rounding.
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(ours.errors.covariance)), np.sqrt(np.diagonal(expected)), rtol=1e-3
    )
    np.testing.assert_allclose(
        ours.errors.sigma_u2, 2 * ours.sigma_u * ours.errors.sigma_u, rtol=1e-14
    )
    if ours.icc is not None:
        u, e = ours.sigma_u[0], ours.sigma_e
        slope = np.array([2 * u * e**2, -2 * u**2 * e]) / (u**2 + e**2) ** 2
        se = np.sqrt(slope @ ours.errors.covariance @ slope)
        assert ours.errors.icc == pytest.approx(se, rel=1e-9)
