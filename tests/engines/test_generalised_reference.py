"""ML of published data against glmer with 25 quadrature points, and profile intervals.

Data (tests/cases): contraception (Steele, Diamond & Amin 1996; Bangladesh Fertility Survey 1988),
cbpp (Lesnoff et al. 2004) and epil (Thall & Vail 1990), as R's mlmRev 1.0-8, lme4 1.1-31 and MASS
have them; the columns used. The first two are also distributed under the MIT licence by
MixedModelsDatasets.jl. Numbers: R 4.2.2, lme4 1.1-31, glmer(..., nAGQ = 25), with the constants of
the distribution added where it leaves them out (lme4 issue 161). Its log-likelihoods lie up to 2e-8
below the maximum, its coefficients within 2e-4 standard errors of it.
"""

import csv

import numpy as np
import pytest
from scipy import optimize

from bayes_mlm import build_design, fit
from bayes_mlm.engines.generalised import fit_generalised
from bayes_mlm.engines.generalised.problem import make_problem
from tests.helpers import ROOT

DROP = 0.5 * 3.841458820694124  # qchisq(.95, 1) / 2


def read(name):
    with (ROOT / "tests" / "cases" / f"{name}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    texts = {"district", "use", "livch", "urban", "herd", "period", "subject", "trt"}
    table = {one: np.array([row[one] for row in rows]) for one in rows[0]}
    table = {one: v if one in texts else v.astype(float) for one, v in table.items()}
    if name == "contraception":
        table |= {"yes": (table["use"] == "Y") * 1.0, "a": table["age"] / 10}
    return table


REFERENCES = {
    "contraception": (
        "yes ~ a + I(a**2) + urban + livch + (1 | district)",
        "bernoulli",
        -1186.22944247086,
        0.478642818712772,
        {
            "Intercept": (-1.03543928711017, 0.176103663193997),
            "a": (0.0353167900722217, 0.0928720343689978),
            "I(a ** 2)": (-0.456318072715844, 0.0730258625061611),
            "urban[Y]": (0.696717451622646, 0.120957112605855),
            "livch[1]": (0.815158757490113, 0.16335313045418),
            "livch[2]": (0.916535878698843, 0.186508622208398),
            "livch[3+]": (0.915380592124333, 0.1874913438304),
        },
    ),
    "cbpp": (
        "incidence | trials(size) ~ period + (1 | herd)",
        "binomial",
        -91.983369039031,
        0.647519914522493,
        {
            "Intercept": (-1.3992237278292, 0.233511377979129),
            "period[2]": (-0.991408883812732, 0.306768200755063),
            "period[3]": (-1.12780959415794, 0.326767162551937),
            "period[4]": (-1.57948095070482, 0.427595709792793),
        },
    ),
    "epil": (
        "y ~ lbase*trt + lage + V4 + (1 | subject)",
        "poisson",
        -665.406569098056,
        0.502386040642673,
        {
            "Intercept": (1.8327644937442, 0.105501964483564),
            "lbase": (0.883400856445159, 0.131137011864942),
            "trt[progabide]": (-0.33425431330056, 0.147946776866559),
            "lage": (0.480575291587678, 0.347036563509801),
            "V4": (-0.159775606302574, 0.0545837997655229),
            "lbase:trt[progabide]": (0.338802775434043, 0.203194074570301),
        },
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_ml_is_that_of_glmer_with_25_points(name):
    formula, family, loglik, sd, coefficients = REFERENCES[name]
    found = fit_generalised(build_design(formula, read(name), family=family))
    assert found.certificate.ok
    assert -1e-8 < found.loglik - loglik < 1e-7  # its integrals are known to 3e-8
    assert found.sigma_u[0] == pytest.approx(sd, abs=1e-5)
    assert dict.fromkeys(found.terms) == dict.fromkeys(coefficients)
    for term, beta, se in zip(found.terms, found.beta, found.beta_se, strict=True):
        theirs, their_se = coefficients[term]
        assert abs(beta - theirs) < 2e-4 * se, term
        assert se == pytest.approx(their_se, rel=1e-5), term


def test_negative_binomial_of_epil_is_higher_than_laplace_has_it():
    """-624.8248 by integration of both parameters, glmmTMB's Laplace -624.9571."""
    formula = REFERENCES["epil"][0]
    found = fit_generalised(build_design(formula, read("epil"), family="negative_binomial"))
    assert found.certificate.ok
    assert found.loglik == pytest.approx(-624.8248, abs=5e-5)


def test_a_slope_by_district_is_above_the_laplace_approximation():
    """glmmTMB's Laplace approximation: -1180.30514."""
    formula = "yes ~ a + I(a**2) + urban + livch + (1 + urban | district)"
    found = fit_generalised(build_design(formula, read("contraception"), family="bernoulli"))
    assert found.certificate.ok
    assert found.loglik == pytest.approx(-1180.00774146, abs=1e-7)


def test_profile_intervals_of_two_sds_fall_by_half_a_quantile():
    """Oracle: the maximum at that sd, by SciPy, over (beta, the other sd, correlation)."""
    formula = "yes ~ urban + (1 + urban | district)"
    design = build_design(formula, read("contraception"), family="bernoulli")
    found = fit_generalised(design)
    assert found.certificate.ok
    problem = make_problem(design)
    rho = float(np.arctanh(found.rho_u[0, 1]))
    for effect, interval in enumerate(found.sigma_u_interval):
        end = (interval.lower, interval.upper)[effect]

        def height(x, end=end, effect=effect):
            sds = np.full(2, np.exp(x[-2]))
            sds[effect] = end
            r = np.tanh(x[-1])
            theta = [sds[0], r * sds[1], sds[1] * np.sqrt(1.0 - r**2)]
            full = np.concatenate([x[:-2], theta])
            return -problem.evaluate(full, derive=False, eps=1e-8).loglik

        start = np.concatenate([found.beta, [np.log(found.sigma_u[1 - effect]), rho]])
        best = optimize.minimize(height, start, options={"gtol": 1e-3})
        assert found.loglik + best.fun == pytest.approx(DROP, abs=2e-3)


def test_errors_of_group_lines_follow_the_effects_as_coefficients_move():
    """Oracle: conditional means at moved coefficients; the formula has the modes' derivative."""
    formula = "yes ~ a + urban + (1 + urban | district)"
    found = fit(formula, read("contraception"), family="bernoulli", engine="ml")
    solution, problem = found.solution, make_problem(found.design)
    root = np.linalg.cholesky(solution.cov_u)
    at = np.concatenate([solution.beta, root[np.tril_indices(2)]])
    X, Z = np.array([[1.0, 0.5, 1.0]]), np.array([[1.0, 1.0]])
    moved = np.empty((3, 60))
    for k, step in enumerate(1e-4 * np.eye(at.size)[:3]):
        up, down = (problem.evaluate(at + sign * step).v @ root.T for sign in (1.0, -1.0))
        moved[k] = X[0, k] + (up - down) @ Z[0] / 2e-4
    exact = np.einsum("kj,kl,lj->j", moved, solution.beta_cov, moved)
    exact += np.einsum("a,jab,b->j", Z[0], solution.u_cov, Z[0])
    lines = found.combine_by_group(np.tile(X, (60, 1, 1)), np.tile(Z, (60, 1, 1)), np.arange(60))
    errors = np.array([one.se for (one,) in lines])
    np.testing.assert_allclose(errors, np.sqrt(exact), rtol=0.02)
