"""Variance by level of outcomes that are not Gaussian: R, quadrature, simulation, identities."""

import math
from functools import cache

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_mlm import build_design, fit, variance_by_level
from bayes_mlm.base import EngineError
from bayes_mlm.fitting import FactorValues, ParameterValues
from bayes_mlm.model import FAMILIES, family_of
from bayes_mlm.questions.variance.distribution import distribution_variances
from bayes_mlm.questions.variance.inputs import VarianceInputs, inputs_of_family
from bayes_mlm.questions.variance.interpolation import compress
from bayes_mlm.questions.variance.measures import measures_of
from bayes_mlm.questions.variance.moments import design_moments
from bayes_mlm.questions.variance.observation import (
    fitted_share,
    row_averages,
    shared_covariance,
    split,
)
from tests.helpers import ROOT

CASES = ROOT / "tests" / "cases"
OF_MEANS = (
    *("bernoulli", "bernoulli(probit)", "bernoulli(cloglog)", "binomial", "poisson"),
    *("negative_binomial", "gamma", "beta"),
)
SHAPES = {"negative_binomial": "shape", "gamma": "shape", "beta": "precision"}


def auxiliary(name, value=1.7):
    return {SHAPES[name]: np.array([value])} if name in SHAPES else {}


def measures(design, beta, covariances, aux=None, at=None, null=None):
    """Return every measure of given parameters, by name."""
    values = ParameterValues(
        beta=np.atleast_2d(np.asarray(beta, dtype=float)),
        residual_variance=np.array([np.nan]),
        factors=tuple(
            FactorValues(factor=name, cov_u=np.atleast_3d(np.asarray(one, dtype=float)), u=None)
            if np.ndim(one) < 2
            else FactorValues(factor=name, cov_u=np.asarray(one, dtype=float)[None], u=None)
            for name, one in zip(design.factors, covariances, strict=True)
        ),
        auxiliary=aux or {},
    )
    inputs = VarianceInputs(
        design=design, parameters=values, moments=design_moments(design), null=null, at=at
    )
    return {one.quantity: one for one in measures_of(inputs_of_family(inputs, None))}


def value(found, quantity):
    return float(found[quantity].values[0])


@cache
def estimate(formula, data, family):
    return fit(formula, CASES / f"{data}.csv", family=family, engine="ml")


# R 4.2.2: lme4 1.1-31 glmer(use ~ age + urban + (1 | district), binomial(link), nAGQ = 25), and
# var.fixed, var.random, var.distribution of insight 0.19.0; R2 and ICC of performance 0.10.2:
# logit 0.0261747083548, 0.0805526354584, 0.05583950999, 0.0543779271.
@pytest.mark.parametrize(
    ("link", "fixed", "random", "distribution"),
    [
        ("logit", 0.0936555394535, 0.1945692776483, 3.2898681336965),
        ("probit", 0.0358308346548, 0.0738210522409, 1.0),
        ("cloglog", 0.0499788018987, 0.1098610381357, 1.6449340668482),
    ],
)
def test_latent_measures_are_those_of_performance(link, fixed, random, distribution):
    formula = "use ~ age + urban + (1 | district)"
    found = variance_by_level(estimate(formula, "contraception", f"bernoulli({link})"))
    total = fixed + random + distribution
    wanted = {
        "icc_adjusted": random / (random + distribution),
        "icc_unadjusted": random / total,
        "r2_marginal": fixed / total,
        "r2_conditional": (fixed + random) / total,
        "part_total[residual]": distribution / total,
    }
    for name, one in wanted.items():
        assert found[name].estimate == pytest.approx(one, abs=3e-6), name
    assert "theoretical" in found["r2_marginal"].meaning
    assert ("median_odds_ratio" in found) == (link != "cloglog")
    assert (found["median_odds_ratio"].estimate is None) if link == "probit" else True


def test_counts_have_nakagawas_three_variances_at_the_mean_of_the_null_model():
    """By hand from glmer (epil, nAGQ = 25): lambda = exp(b0 + s0²/2) of y ~ 1 + (1 | subject)."""
    fixed, random, b0, s0 = 0.587820919663, 0.267688780481, 1.620977354952, 0.893262946031
    mean = math.exp(b0 + 0.5 * s0)
    k = np.arange(2_000_000)
    trigamma = float(np.sum(1.0 / np.square(k + mean))) + 1.0 / (k[-1] + mean)
    by = {"": trigamma, "[lognormal]": math.log1p(1 / mean), "[delta]": 1 / mean}
    fitted = estimate("y ~ trt + lage + lbase + (1 | subject)", "epil", "poisson")
    null = estimate("y ~ 1 + (1 | subject)", "epil", "poisson")
    found = variance_by_level(fitted, null=null)
    for name, variance in by.items():
        total = fixed + random + variance
        assert found[f"r2_marginal{name}"].estimate == pytest.approx(fixed / total, abs=1e-5)
        share = (fixed + random) / total
        assert found[f"r2_conditional{name}"].estimate == pytest.approx(share, abs=1e-5)
        share = random / (random + variance)
        assert found[f"icc_adjusted{name}"].estimate == pytest.approx(share, abs=1e-5)
    assert found["icc_null"].estimate == pytest.approx(s0 / (s0 + trigamma), abs=1e-5)
    assert found["r2_between"].estimate == pytest.approx(1 - random / s0, abs=1e-5)
    assert found["dispersion_within"].estimate == pytest.approx(1.0)
    assert any("lognormal" in note for note in found.notes)


def test_the_lognormal_variance_of_insight():
    """insight 0.19.0 takes the median of the null model for its mean: log1p(1/mu) is the same."""
    mean = np.array([math.exp(1.620977354952)])
    found = distribution_variances(FAMILIES["poisson"], mean, {}, 1)
    assert found["lognormal"][0] == pytest.approx(0.180407539813, rel=1e-7)
    # Nakagawa, Johnson & Schielzeth (2017), table 1: negative binomial 1/mu + 1/theta, gamma 1/nu.
    aux = {"shape": np.array([1.5])}
    found = distribution_variances(FAMILIES["negative_binomial"], np.array([4.0]), aux, 1)
    assert found["lognormal"][0] == pytest.approx(math.log1p(1 / 4 + 1 / 1.5))
    found = distribution_variances(FAMILIES["gamma"], np.array([4.0]), aux, 1)
    assert found["lognormal"][0] == pytest.approx(math.log1p(1 / 1.5))
    # Delta of a logit: 1 / (p (1 - p)); of shares of precision phi over 1 + phi.
    for name, factor in (("bernoulli", 1.0), ("beta", 1 / 2.7)):
        found = distribution_variances(FAMILIES[name], np.array([0.3]), auxiliary(name), 1)
        assert found["delta"][0] == pytest.approx(factor / 0.21, rel=1e-9)


def moments_by_quad(family, centre, sd, aux):
    def expect(what):
        def integrand(z):
            with np.errstate(over="ignore"):
                return float(what(np.array(centre + sd * z))) * stats.norm.pdf(z)

        ends = (-9.0, 9.0 + 2.5 * sd)
        # full_output: no warning of rounding, which is what limits the last digits.
        options = {"epsabs": 1e-15, "epsrel": 1e-11, "limit": 800, "full_output": 1}
        return integrate.quad(integrand, *ends, points=[0, sd, 2 * sd], **options)[0]

    given = {name: one[0] for name, one in aux.items()}
    mean = expect(lambda eta: family.expected(eta, given))
    between = expect(lambda eta: (family.expected(eta, given) - mean) ** 2)
    return mean, between, expect(lambda eta: family.variance(eta, given))


@pytest.mark.parametrize("name", OF_MEANS)
def test_group_effects_are_integrated_out_as_by_scipy(name):
    family, rng = family_of(name), np.random.default_rng(len(name))
    for sd in (1e-3, *rng.uniform(0.1, 2.0 if family.link == "log" else 5.0, size=4)):
        centre, aux = rng.uniform(-4, 3), auxiliary(name, rng.uniform(0.5, 5))
        found = split(family, np.array([[centre]]), np.array([[sd]]), aux)
        mean, between, within = moments_by_quad(family, centre, sd, aux)
        np.testing.assert_allclose(
            [found.mean[0, 0], found.between[0, 0], found.within[0, 0]],
            [mean, between, within],
            rtol=1e-8,
            atol=1e-13,
        )


def test_closed_forms_of_probit_and_log():
    """Probit: two outcomes are 1 with the orthant probability at the latent icc; log: moments."""
    centre, sd = np.array([[-1.2, 0.3, 2.0]]), np.array([[0.4, 1.5, 4.0]])
    found = split(family_of("bernoulli(probit)"), centre, sd, {})
    for k in range(3):
        icc = sd[0, k] ** 2 / (1 + sd[0, k] ** 2)
        at = centre[0, k] / math.sqrt(1 + sd[0, k] ** 2)
        both = stats.multivariate_normal([0, 0], [[1, icc], [icc, 1]]).cdf([at, at])
        assert found.mean[0, k] == pytest.approx(stats.norm.cdf(at), rel=1e-11)
        assert found.between[0, k] == pytest.approx(both - stats.norm.cdf(at) ** 2, abs=1e-7)
        p = found.mean[0, k]
        assert found.between[0, k] + found.within[0, k] == pytest.approx(p * (1 - p), rel=1e-10)
    found = split(FAMILIES["poisson"], centre, sd, {})
    mean = np.exp(centre + 0.5 * sd**2)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.between, mean**2 * np.expm1(sd**2), rtol=1e-9)


@pytest.mark.parametrize("seed", range(32))
def test_shares_are_those_of_simulated_groups(seed):
    """Brute force: pairs of outcomes of simulated groups; a share is their correlation."""
    rng = np.random.default_rng(seed)
    name = OF_MEANS[seed % len(OF_MEANS)]
    family, aux = family_of(name), auxiliary(name, rng.uniform(0.8, 4))
    n = 150_000
    centre, sd = rng.uniform(-1.5, 1.5), rng.uniform(0.2, 0.7 if family.link == "log" else 2.0)
    eta = centre + sd * rng.normal(size=n)
    given = {key: one[0] for key, one in aux.items()}
    y, other = (family.draw(eta, given, rng) for _ in range(2))
    found = split(family, np.array([[centre]]), np.array([[sd]]), aux)
    products = (y - y.mean()) * (other - other.mean())
    variance = 0.5 * (y.var() + other.var())
    error = products.std() / math.sqrt(n) / variance
    assert found.share[0, 0] == pytest.approx(products.mean() / variance, abs=4.5 * error)
    assert found.mean[0, 0] == pytest.approx(y.mean(), abs=4.5 * y.std() / math.sqrt(n))
    total = found.between + found.within
    fourth = np.square(y - y.mean()).std() / math.sqrt(n)
    assert total[0, 0] == pytest.approx(y.var(), abs=4.5 * fourth)


def rows(n=400, seed=1, groups=40):
    rng = np.random.default_rng(seed)
    g = np.arange(n) % groups
    x = rng.normal(size=n)
    return {"y": (x + rng.normal(size=n) > 0) * 1, "x": x, "w": (g % 2) * 1.0, "g": g}


def test_measures_of_given_parameters_are_those_of_a_simulated_population():
    """Rows of the data with effects of new groups: every variance by brute force."""
    design = build_design("y ~ x + w + (x | g)", rows(), family="bernoulli")
    cov = np.array([[0.9, 0.3], [0.3, 0.4]])
    beta = [-0.4, 0.8, 0.5]
    found = measures(design, beta, [cov], at={"x": [-1, 1]})
    rng, n = np.random.default_rng(2), 20_000
    u = rng.multivariate_normal([0, 0], cov, size=n)
    eta = design.X @ beta + u @ design.Z.T
    p = 1 / (1 + np.exp(-eta))
    between, within = p.var(axis=0).mean(), (p * (1 - p)).mean()
    fixed = p.mean(axis=0).var(ddof=1)
    wanted = {
        "icc_observation_adjusted": between / (between + within),
        "icc_observation_unadjusted": between / (between + within + fixed),
        "r2_bayes_marginal": fixed / (between + within + fixed),
    }
    for name, one in wanted.items():
        assert value(found, name) == pytest.approx(one, abs=0.006), name
    z = (design.Z @ u.T).var(axis=1).mean()
    latent = (design.X @ beta).var(ddof=1)
    share = latent / (latent + z + math.pi**2 / 3)
    assert value(found, "r2_marginal") == pytest.approx(share, abs=0.003)
    for x in (-1.0, 1.0):
        at = np.array([1.0, x])
        sd, mean_w = math.sqrt(at @ cov @ at), design.X[:, 2].mean()
        centre = beta[0] + beta[1] * x + beta[2] * mean_w
        _, between, within = moments_by_quad(design.family, centre, sd, {})
        assert value(found, f"vpc_observation[x={x:g}]") == pytest.approx(
            between / (between + within), abs=1e-9
        )
        factor = math.sqrt(2) * stats.norm.ppf(0.75)
        assert value(found, f"median_odds_ratio[x={x:g}]") == pytest.approx(math.exp(factor * sd))
        assert value(found, f"vpc[x={x:g}]") == pytest.approx(sd**2 / (sd**2 + math.pi**2 / 3))


def test_ratios_of_group_level_predictors_and_groups_by_hand():
    design = build_design("y ~ x + w + (1 | g)", rows(), family="bernoulli")
    found = measures(design, [-0.4, 0.8, 0.5], [0.49])
    rng = np.random.default_rng(3)
    pairs = np.exp(0.5 + 0.7 * np.diff(rng.normal(size=(400_000, 2)), axis=1))
    ends = np.quantile(pairs, [0.1, 0.9])
    assert value(found, "interval_odds_ratio_10[w]") == pytest.approx(ends[0], rel=0.01)
    assert value(found, "interval_odds_ratio_90[w]") == pytest.approx(ends[1], rel=0.01)
    assert value(found, "opposed[w]") == pytest.approx((pairs < 1).mean(), abs=0.003)
    assert "opposed[x]" not in found  # varies within groups
    middle = design.X.mean(axis=0) @ [-0.4, 0.8, 0.5]
    for name, q in (("group_p10", 0.1), ("group_p50", 0.5), ("group_p90", 0.9)):
        eta = middle + 0.7 * stats.norm.ppf(q)
        assert value(found, name) == pytest.approx(1 / (1 + math.exp(-eta)), rel=1e-9)
    moved = measures(design, [-0.4, 0.8, 0.5], [0.49], at={"x": [2.0]})
    assert "vpc_observation[x=2]" in moved
    assert not any(name.startswith("vpc[") for name in moved)
    with pytest.raises(EngineError, match="'z' is no predictor: x, w"):
        measures(design, [-0.4, 0.8, 0.5], [0.49], at={"z": [2.0]})


def test_two_rows_of_several_factors_by_simulation():
    data = rows() | {"h": np.arange(400) // 40}
    design = build_design("y ~ x + (1 | g) + (1 | h)", data, family="bernoulli")
    found = measures(design, [-0.4, 0.8], [0.8, 0.5])
    rng, n = np.random.default_rng(5), 1_000_000
    centre = -0.4 + 0.8 * design.X[:, 1].mean()
    same = math.sqrt(0.8) * rng.normal(size=n)
    pair = [1 / (1 + np.exp(-(centre + same + math.sqrt(0.5) * rng.normal(size=n)))) for _ in "ab"]
    p = pair[0].mean()
    wanted = np.cov(*pair)[0, 1] / (p * (1 - p))
    assert value(found, "icc_observation[same g]") == pytest.approx(wanted, abs=0.002)
    both = value(found, "icc_observation[same g and h]")
    assert both == pytest.approx(value(found, "vpc_observation[means]"), abs=1e-9)
    assert value(found, "share[g]") == pytest.approx(0.8 / (1.3 + math.pi**2 / 3))
    factor = math.sqrt(2) * stats.norm.ppf(0.75)
    assert value(found, "median_odds_ratio[h]") == pytest.approx(math.exp(factor * math.sqrt(0.5)))
    one = np.array([1.0])
    alone = shared_covariance(design.family, one, one, 0 * one, {})
    assert alone[0] == pytest.approx(
        split(design.family, one[None], one[None], {}).between[0, 0], rel=1e-10
    )


def test_numbers_of_successes_are_their_zeros_and_ones():
    rng = np.random.default_rng(7)
    g, x = np.arange(60) % 12, rng.normal(size=60)
    n = rng.integers(1, 6, 60)
    s = rng.binomial(n, 0.4)
    counts = build_design(
        "s | trials(n) ~ x + (1 | g)", {"s": s, "n": n, "x": x, "g": g}, family="binomial"
    )
    each = np.repeat(np.arange(60), n)
    y = np.concatenate([np.arange(b) < a for a, b in zip(s, n, strict=True)]) * 1
    long = build_design("y ~ x + (1 | g)", {"y": y, "x": x[each], "g": g[each]}, family="bernoulli")
    pair = [
        {
            name: float(one.values[0])
            for name, one in measures(design, [0.2, -0.7], [0.6]).items()
            if one.values is not None and "observation" in name + one.meaning
            and "means" not in name
        }
        for design in (counts, long)
    ]  # fmt: skip
    assert len(pair[0]) >= 3
    assert pair[0] == pytest.approx(pair[1], rel=1e-12)
    u = rng.normal(size=(1, 12, 1))
    values = ParameterValues(
        beta=np.array([[0.2, -0.7]]),
        residual_variance=np.array([np.nan]),
        factors=(FactorValues(factor="g", cov_u=np.ones((1, 1, 1)), u=u),),
    )
    shares = [fitted_share(one.family, values, one) for one in (counts, long)]
    np.testing.assert_allclose(*shares, rtol=1e-12)
    p = 1 / (1 + np.exp(-(0.2 - 0.7 * x[each] + u[0, g[each], 0])))
    by_hand = p.var(ddof=1) / (p.var(ddof=1) + (p * (1 - p)).mean())
    assert shares[0][0] == pytest.approx(by_hand)


@pytest.mark.parametrize("effects", ["1", "x"])
def test_a_grid_stands_for_many_rows(effects):
    n = 10_000 if effects == "x" else 3_000
    design = build_design(f"y ~ x + w + ({effects} | g)", rows(n), family="bernoulli")
    q = len(design.effects)
    values = ParameterValues(
        beta=np.array([[-0.4, 0.8, 0.5], [0.3, 1.5, -1.0]]),
        residual_variance=np.array([np.nan] * 2),
        factors=(
            FactorValues(factor="g", cov_u=np.array([0.2, 0.4])[:, None, None] * np.eye(q), u=None),
        ),
    )
    found = row_averages(design.family, values, design)
    centre = values.beta @ design.X.T
    sd = np.sqrt(np.einsum("na,sab,nb->sn", design.Z, values.factors[0].cov_u, design.Z))
    grid = compress(centre, sd, np.full(n, 1 / n))[0]
    assert grid.shape[1] < n / 2
    at = split(design.family, centre, sd, {})
    np.testing.assert_allclose(found.mean, at.mean.mean(axis=1), atol=1e-9)
    np.testing.assert_allclose(found.fixed, at.mean.var(axis=1, ddof=1), atol=1e-9)
    np.testing.assert_allclose(found.between, at.between.mean(axis=1), atol=1e-9)
    np.testing.assert_allclose(found.within, at.within.mean(axis=1), atol=1e-9)


def test_ordered_categories_have_the_latent_scale_only():
    data = rows()
    data["y"] = np.digitize(data["x"] + np.random.default_rng(9).normal(size=400), [-0.5, 0.7])
    fitted = fit("y ~ x + (1 | g)", data, family="cumulative", engine="ml")
    null = fit("y ~ 1 + (1 | g)", data, family="cumulative", engine="ml")
    found = variance_by_level(fitted, null=null)
    variance = fitted.summary()["sigma_u"].estimate ** 2
    assert found["icc_adjusted"].estimate == pytest.approx(variance / (variance + math.pi**2 / 3))
    assert found["median_odds_ratio"].estimate is not None
    for name in ("icc_observation_adjusted", "r2_bayes", "r2_bayes_marginal"):
        assert found[name].estimate is None
        assert "no variance of their own" in found[name].note
    assert "this is the null model" in variance_by_level(null)["r2_within"].note


def test_a_family_of_ones_own_is_measured():
    """Only what any family declares: here counts with another name."""
    design = build_design("y ~ x + (1 | g)", rows(), family="poisson")
    known = measures(design, [0.4, 0.3], [0.5])
    own = FAMILIES["poisson"]
    from dataclasses import replace

    bare = replace(own, name="mine", ratio_name="", counts=False)
    design = replace(design, response=design.response, family=bare)
    found = measures(design, [0.4, 0.3], [0.5])
    for name in ("icc_adjusted", "icc_observation_adjusted", "r2_marginal[lognormal]"):
        assert value(found, name) == value(known, name)
    assert found["median_odds_ratio"].values is None
    assert "dispersion_within" not in found
    assert value(known, "median_rate_ratio") > 1.0
