"""The direct engine does not mind units, says what it cannot do, and gives what ArviZ expects."""

import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.base.errors import EngineError
from bayes_mlm.data.table import as_table
from bayes_mlm.design import Design, build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.direct import sample_direct, why_not_direct
from bayes_mlm.likelihood.default_priors import model_priors


def design_of(formula: str, **columns: object) -> Design:
    return build_design(formula, as_table(columns))


def singletons(n: int) -> Design:
    """Put every row in a group by itself, which `build_design` refuses to begin with."""
    design = design_of("y ~ x + (1 | g)", **grouped((2,) * (n // 2)))
    return design.with_arrays(codes=np.arange(n), labels=np.arange(n))


def grouped(sizes: tuple[int, ...], seed: int = 1, sd: float = 1.0) -> dict[str, np.ndarray]:
    """Simulate a small unbalanced set with a predictor and known group effects."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(g))
    u = rng.normal(0, sd, len(sizes))
    return {"g": g, "x": x, "y": 3.0 + 0.5 * x + u[g] + rng.normal(size=len(g))}


def check_uniform(values: np.ndarray) -> None:
    """Check that values of a distribution function at its draws are uniform."""
    # Kolmogorov-Smirnov at 1e-4: one test in ten thousand fails by chance, and seeds are fixed.
    assert stats.kstest(values, "uniform").pvalue > 1e-4


# --- invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("effects", ["1", "x"])
def test_units_and_origins_do_not_matter(effects: str) -> None:
    data = grouped((4, 5, 3, 6, 5), seed=9)
    formula = f"y ~ x + ({effects} | g)"
    base = design_of(formula, **data)
    one = sample_direct(base, model_priors(base), draws=500, random_seed=1).draws
    scaled = design_of(formula, **(data | {"y": data["y"] * 1e-6}))
    two = sample_direct(scaled, model_priors(scaled), draws=500, random_seed=1).draws
    # The engine's coordinates are relative, so the same seed gives the same draws in new units;
    # a point next to a decision (where to cut a cell) leaves rounding, of 1e-6 at most.
    for name in ("beta", "sigma_u", "sigma_e", "u"):
        np.testing.assert_allclose(two[name], one[name] * 1e-6, rtol=1e-4, atol=1e-11)
    moved = design_of(formula, **(data | {"y": data["y"] + 1e6}))
    three = sample_direct(moved, model_priors(moved), draws=500, random_seed=1).draws
    np.testing.assert_allclose(three["u"], one["u"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(three["beta"][..., 0] - 1e6, one["beta"][..., 0], atol=1e-5)


def test_origin_of_a_predictor_does_not_matter() -> None:
    data = grouped((4, 5, 3, 6, 5), seed=9)
    base = design_of("y ~ x + (1 | g)", **data)
    moved = design_of("y ~ x + (1 | g)", **(data | {"x": data["x"] + 2000.0}))
    one = sample_direct(base, model_priors(base), draws=500, random_seed=1).draws
    two = sample_direct(moved, model_priors(moved), draws=500, random_seed=1).draws
    np.testing.assert_allclose(two["beta"][..., 1], one["beta"][..., 1], atol=1e-6)
    np.testing.assert_allclose(two["sigma_u"], one["sigma_u"], rtol=1e-6)
    shifted = one["beta"][..., 0] - 2000.0 * one["beta"][..., 1]
    np.testing.assert_allclose(two["beta"][..., 0], shifted, atol=1e-3)


def test_near_collinear_pair_is_right() -> None:
    data = grouped((4, 5, 3, 6, 5), seed=9)
    rng = np.random.default_rng(0)
    gap = rng.normal(size=len(data["x"]))
    twin = data["x"] + 1e-4 * gap
    flat = {"Intercept": "Flat()", "beta": "Flat()"}
    pair = design_of("y ~ x + twin + (1 | g)", **(data | {"twin": twin}))
    apart = design_of("y ~ x + gap + (1 | g)", **(data | {"gap": gap}))
    one = sample_direct(pair, model_priors(pair, flat), draws=500, random_seed=2).draws
    two = sample_direct(apart, model_priors(apart, flat), draws=500, random_seed=2).draws
    # y = b1 x + b2 (x + 1e-4 gap): the coefficient of gap is 1e-4 b2. A share of 1e-8 of the
    # column is left, so 8 of 16 digits remain.
    np.testing.assert_allclose(one["beta"][..., 2] * 1e-4, two["beta"][..., 2], atol=1e-5)
    np.testing.assert_allclose(one["sigma_u"], two["sigma_u"], rtol=1e-5)


def test_seed_decides() -> None:
    design = design_of("y ~ x + (x | g)", **grouped((4, 5, 3, 6, 5)))
    priors = model_priors(design)
    one, two, other = (sample_direct(design, priors, draws=50, random_seed=s) for s in (1, 1, 2))
    for name in one.draws.posterior:
        np.testing.assert_array_equal(one.draws[name], two.draws[name])
    assert not np.array_equal(one.draws["beta"], other.draws["beta"])


def test_statistics_at_hand_give_the_same_draws() -> None:
    design = design_of("y ~ x + (1 | g)", **grouped((4, 5, 3)))
    priors = model_priors(design)
    one = sample_direct(design, priors, draws=50, random_seed=1)
    two = sample_direct(design, priors, draws=50, random_seed=1, statistics=design.moments())
    np.testing.assert_array_equal(one.draws["u"], two.draws["u"])


# --- group effects in closed form -------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)"])
def test_summarised_effects_are_those_drawn(formula: str) -> None:
    design = design_of(formula, **grouped((4, 5, 3, 1, 7)))
    priors = model_priors(design)
    drawn = sample_direct(design, priors, draws=5000, random_seed=1)
    bound = drawn.draws["u"].size - 1
    short = sample_direct(design, priors, draws=5000, random_seed=1, max_effects=bound)
    assert drawn.report.effects == "drawn"
    assert short.report.effects == "summarised"
    assert "u" not in short.draws.posterior
    assert short.draws.posterior["u_mean"].dims == ("g", "effect")
    u = drawn.draws["u"].reshape(20_000, *drawn.draws["u"].shape[2:])
    # Five standard errors of 20,000 draws of the mean; heavy tails make the sd noisier.
    error = np.abs(u.mean(axis=0) - short.draws["u_mean"]) / u.std(axis=0)
    # The draws of the other parameters are the same; five standard errors of those of u.
    assert error.max() < 5 / math.sqrt(20_000)
    np.testing.assert_allclose(short.draws["u_sd"], u.std(axis=0), rtol=0.05)


# --- what is refused, and what is said --------------------------------------------------------


def test_flat_sigma_u_needs_three_groups() -> None:
    flat = {"sigma_u": "Flat()", "Intercept": "Flat()", "beta": "Flat()"}
    two = design_of("y ~ x + (1 | g)", **grouped((8, 7)))
    with pytest.raises(EngineError, match=r"improper: the flat prior on sigma_u .* 2 groups"):
        sample_direct(two, model_priors(two, flat), random_seed=1)
    three = design_of("y ~ x + (1 | g)", **grouped((8, 7, 5)))
    result = sample_direct(three, model_priors(three, flat), draws=2000, random_seed=1)
    assert result.report.trusted
    # Far out the density of sigma_u falls off as its square (J - 1 = 2 powers), so that
    # P(sigma_u > 10 a) = P(sigma_u > a) / 10; eight standard errors of a share of some 5 %.
    far = result.draws["sigma_u"].ravel()
    edge = 20.0
    assert np.mean(far > 10 * edge) == pytest.approx(np.mean(far > edge) / 10, abs=0.02)
    assert np.mean(far > edge) > 0.01


def test_flat_residual_sd_needs_rows() -> None:
    data = grouped((2, 1))
    design = design_of("y ~ x", y=data["y"], x=data["x"])
    flat = {"sigma_e": "Flat()", "Intercept": "Flat()", "beta": "Flat()"}
    with pytest.raises(EngineError, match="improper: the flat prior on sigma_e"):
        sample_direct(design, model_priors(design, flat), random_seed=1)


def test_flat_slope_sd_with_two_groups_is_refused() -> None:
    design = design_of("y ~ x + (x | g)", **grouped((9, 8)))
    priors = model_priors(design, {"sigma_u[x]": "Flat()", "Intercept": "Flat()", "beta": "Flat()"})
    with pytest.raises(EngineError, match=r"flat prior on sigma_u\[x\]"):
        sample_direct(design, priors, random_seed=1)


def test_confounded_group_predictor_leaves_the_prior_and_says_so() -> None:
    data = grouped((8, 7))
    design = design_of("y ~ w + (1 | g)", y=data["y"], g=data["g"], w=data["g"] * 1.0)
    priors = model_priors(
        design, {"Intercept": "Flat()", "beta": "Flat()", "sigma_u": "HalfNormal(2)"}
    )
    result = sample_direct(design, priors, draws=2000, random_seed=1)
    check_uniform(stats.halfnorm(scale=2).cdf(result.draws["sigma_u"].ravel()))
    assert not result.report.verdict.ok
    assert "explain every difference between the 2 groups" in str(result.report.verdict)


def test_singletons_say_that_the_split_is_the_priors() -> None:
    design = singletons(10)
    result = sample_direct(design, model_priors(design), draws=500, random_seed=1)
    assert "only the priors divide the variance" in str(result.report.verdict)


def test_outcome_without_residual_is_refused() -> None:
    data = grouped((4, 5, 3))
    exact = data | {"y": 2.0 * data["x"] + data["g"]}
    design = design_of("y ~ x + (1 | g)", **exact)
    with pytest.raises(EngineError, match="no residual variation"):
        sample_direct(design, model_priors(design), random_seed=1)


def test_what_is_not_done_is_said_beforehand() -> None:
    design = for_kind(build_design("y ~ x", as_table(grouped((4, 5, 3))), group="g"), "no_pooling")
    priors = model_priors(design, {"u": "StudentT(3, 0, 5)"})
    assert "StudentT" in why_not_direct(priors)
    with pytest.raises(EngineError, match="--engine nuts"):
        sample_direct(design, priors, random_seed=1)


def test_shapes_are_those_arviz_expects() -> None:
    design = design_of("y ~ x + (x | g)", **grouped((4, 5, 3, 6, 5)))
    draws = sample_direct(design, model_priors(design), draws=30, chains=3, random_seed=1).draws
    assert {name: variable.dims[2:] for name, variable in draws.posterior.items()} == {
        "beta": ("term",),
        "sigma_u": ("effect",),
        "rho_u": ("effect_pair",),
        "sigma_e": (),
        "u": ("g", "effect"),
    }
    assert all(variable.values.shape[:2] == (3, 30) for variable in draws.posterior.values())
    assert set(draws.sample_stats) == {"lp", "log_weight"}
