"""An offset: the model of y with offset(o) is that of y - o, and predicts y.

With the identity link the two likelihoods are the same, so that whatever is asked of both has the
same answer, and a prediction differs by o: the closed form of every test here.
"""

import numpy as np
import pandas as pd
import pytest

import bayes_mlm
from bayes_mlm import (
    build_design,
    check,
    comparisons,
    contextual_effects,
    crossing,
    fit,
    group_lines,
    leave_one_group_out,
    leave_one_row_out,
    load_fit,
    population_line,
    predict,
    save_fit,
    slopes,
    variance_by_level,
)
from bayes_mlm.base.errors import DataError, DesignError
from bayes_mlm.engines import fit_ols
from bayes_mlm.fitting import linear_predictors
from bayes_mlm.report.equations import equations

J, EACH = 15, 8


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(J), EACH)
    x, o = rng.normal(size=g.size), 3.0 * rng.normal(size=g.size) + 20.0
    w = (np.arange(J) % 2)[g].astype(float)
    y = o + 1.0 + 0.7 * x + 0.4 * w * x + rng.normal(size=J)[g] + rng.normal(size=g.size)
    t = np.tile(np.arange(EACH), J)
    frame = pd.DataFrame({"y": y, "x": x, "w": w, "o": o, "t": t, "g": g})
    return frame.assign(d=frame["y"] - frame["o"])


WITH, LESS = "y ~ x * w + offset(o) + (x | g)", "d ~ x * w + (x | g)"
MODELS = {
    "direct": {},
    "reml": {"engine": "reml"},
    "ml": {"engine": "ml"},
    "nuts": {"engine": "nuts", "draws": 60, "tune": 60, "chains": 2},
    "nuts of AR(1) residuals": {
        "engine": "nuts",
        "residual": {"ar": "t"},
        "draws": 60,
        "tune": 60,
        "chains": 2,
    },
    "student_t": {"engine": "nuts", "family": "student_t", "draws": 60, "tune": 60, "chains": 2},
    "sd by level": {"engine": "reml", "residual": {"sigma": "w"}},
}
# Compiling for NUTS costs a minute a model; PyMC's density is compared below.
QUICK = ("direct", "reml")
# Sums of a few hundred numbers in another order; the paths of NUTS multiply their rounding.
ROUNDING, OF_PATHS = 1e-8, 1e-4


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS],
)
def pair(request, rows):
    """Fit a model with the offset, and that of the outcome less it."""
    options = {"random_seed": 1, **MODELS[request.param]}
    return tuple(fit(text, rows, **options) for text in (WITH, LESS))


def tolerance(fitted) -> dict[str, float]:
    """Return the tolerance of a comparison, relative and absolute."""
    size = OF_PATHS if fitted.engine == "nuts" else ROUNDING
    return {"rtol": size, "atol": size}


def coefficients(fitted) -> np.ndarray:
    values = fitted.combine(np.eye(fitted.design.p))
    return np.array([[one.mean, one.sd] for one in values])


def test_coefficients_are_those_of_the_outcome_less_the_offset(pair):
    np.testing.assert_allclose(*map(coefficients, pair), **tolerance(pair[0]))


@pytest.mark.parametrize("kind", ["mean", "observation"])
@pytest.mark.parametrize("question", ["existing_group", "new_group", "population"])
def test_predictions_have_the_offset_of_the_new_rows(pair, rows, question, kind):
    new = rows.iloc[[0, 9, 40]].assign(o=[1.0, -5.0, 100.0])
    with_it, without = (
        predict(one, new, question=question, kind=kind, random_seed=2) for one in pair
    )
    for name in ("mean", "lower", "upper"):
        found = getattr(with_it, name) - getattr(without, name)
        np.testing.assert_allclose(found, new["o"], **tolerance(pair[0]))
    np.testing.assert_allclose(with_it.sd, without.sd, **tolerance(pair[0]))
    if with_it.plug_in is not None:
        moved = with_it.plug_in.estimate - without.plug_in.estimate
        np.testing.assert_allclose(moved, new["o"], **tolerance(pair[0]))
    with pytest.raises(DataError, match="'o'"):
        predict(pair[0], new.drop(columns="o"), question=question)


def test_questions_about_the_coefficients_do_not_feel_it(pair, rows):
    for ask in (
        lambda one: slopes(one, "x"),
        lambda one: comparisons(one, "w", at={"x": [0.0, 1.0]}),
    ):
        first, second = (ask(one).to_frame().select_dtypes("number") for one in pair)
        np.testing.assert_allclose(first, second, **tolerance(pair[0]))
    first, second = (variance_by_level(one).to_frame().select_dtypes("number") for one in pair)
    np.testing.assert_allclose(first, second, **tolerance(pair[0]))
    own = [group_lines(one, along="x", x=[-1.0, 1.0]) for one in pair]
    for a, b in zip(own[0].rows, own[1].rows, strict=True):
        assert (a.estimate, a.lower, a.upper) == pytest.approx(
            (b.estimate, b.lower, b.upper), rel=tolerance(pair[0])["rtol"]
        )
    # Lines are of y: with the mean offset of the group's rows, and of all rows.
    means = rows.groupby("g")["o"].mean()
    for a, b in zip(own[0].points.rows, own[1].points.rows, strict=True):
        assert a.estimate - b.estimate == pytest.approx(
            means[a.group], rel=tolerance(pair[0])["rtol"]
        )
        assert a.upper - b.upper == pytest.approx(means[a.group], rel=tolerance(pair[0])["rtol"])
    whole = [population_line(one, "x", [0.0]) for one in pair]
    assert whole[0][0].estimate - whole[1][0].estimate == pytest.approx(rows["o"].mean())


def test_leave_one_out_and_checks_do_not_feel_it(pair):
    if not hasattr(pair[0], "draws"):
        pytest.skip("of a posterior")
    for ask in (leave_one_row_out, leave_one_group_out):
        assert ask(pair[0]).elpd == pytest.approx(ask(pair[1]).elpd, rel=tolerance(pair[0])["rtol"])
    first, second = (check(one) for one in pair)
    assert first.to_frame().shape == second.to_frame().shape
    for name in ("p", "statistic", "value"):
        if name in first.to_frame():
            a, b = (one.to_frame()[name].to_numpy() for one in (first, second))
            try:
                np.testing.assert_allclose(a.astype(float), b.astype(float), **tolerance(pair[0]))
            except (TypeError, ValueError):
                assert (a == b).all()


def test_replicates_and_linear_predictors_are_of_y(pair, rows):
    if not hasattr(pair[0], "draws"):
        pytest.skip("of a posterior")
    eta, less = (linear_predictors(one, np.arange(5)) for one in pair)
    np.testing.assert_allclose(
        eta - less, np.broadcast_to(rows["o"], eta.shape), **tolerance(pair[0])
    )
    np.testing.assert_array_equal(pair[0].data["observed_data"]["y"], rows["y"])
    np.testing.assert_array_equal(pair[0].data["constant_data"]["offset"], rows["o"])


def test_a_saved_fit_keeps_the_offset(pair, rows, tmp_path):
    if not hasattr(pair[0], "draws"):
        pytest.skip("of a posterior")
    again = load_fit(save_fit(pair[0], tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.design.offset, pair[0].design.offset)
    new = rows.head(5)
    np.testing.assert_array_equal(predict(again, new).mean, predict(pair[0], new).mean)
    assert str(again.design.formula) == str(pair[0].design.formula)


@pytest.mark.parametrize(
    "bars", ["(1 | g)", pytest.param("(1 | g) + (x || t)", marks=pytest.mark.slow)]
)
def test_pymc_has_the_offset_in_the_mean(rows, bars):
    pm = pytest.importorskip("pymc")
    design = build_design(f"y ~ x + offset(o) + {bars}", rows)
    less = build_design(f"d ~ x + {bars}", rows)
    models = [bayes_mlm.partial_pooling(one) for one in (design, less)]
    points = [one.initial_point() for one in models]
    assert points[0].keys() == points[1].keys()
    at = {name: np.asarray(value) + 0.1 for name, value in points[0].items()}
    logs = [one.compile_logp()(at) for one in models]
    assert logs[0] == pytest.approx(logs[1], rel=1e-12)
    drawn = pm.draw(models[0]["y"], draws=400, random_seed=1)
    plain = pm.draw(models[1]["d"], draws=400, random_seed=1)
    np.testing.assert_allclose(drawn - plain, np.broadcast_to(rows["o"], drawn.shape))


@pytest.mark.parametrize("kind", ["pooled", "between", "within", "mundlak", "no_pooling"])
def test_every_kind_takes_it(rows, kind):
    options = {"random_seed": 1, "kind": kind, "group": "g"}
    pair = [fit(text, rows, **options) for text in ("y ~ x + offset(o)", "d ~ x")]
    np.testing.assert_allclose(*map(coefficients, pair), rtol=1e-8)
    new = rows.head(4).assign(o=[5.0, 6.0, 7.0, 8.0])
    moved = predict(pair[0], new).mean - predict(pair[1], new).mean
    np.testing.assert_allclose(moved, new["o"], rtol=1e-8)
    ols = [fit_ols(one.design) for one in pair]
    np.testing.assert_allclose(ols[0].beta, ols[1].beta, rtol=1e-9)


def test_sums_are_of_the_outcome_less_the_offset(rows):
    for text in ("y ~ x + offset(o) + offset(2 * log(o + 50)) + (x | g)",):
        kept, summed = fit(text, rows, random_seed=1), fit(text, rows, random_seed=1, rows="sum")
        np.testing.assert_allclose(*map(coefficients, (kept, summed)), rtol=1e-6)
        new = rows.head(5)
        np.testing.assert_allclose(predict(summed, new).mean, predict(kept, new).mean, rtol=1e-7)


def test_an_offset_of_the_predictor_is_part_of_its_slope(rows):
    fitted = fit("y ~ x + offset(o) + offset(2 * x) + (1 | g)", rows, random_seed=1)
    plain = fit("y ~ x + offset(o) + (1 | g)", rows, random_seed=1)
    for ask in (slopes, comparisons):
        (a,), (b,) = (ask(one, "x").by("reml") for one in (fitted, plain))
        # Of x with its coefficient and 2: the same effect, and the same interval.
        assert (a.estimate, a.lower) == pytest.approx((b.estimate, b.lower), rel=1e-7)
        (a,), (b,) = (ask(one, "x").by("direct") for one in (fitted, plain))
        # Its prior is of another coefficient, and wide: 0.05 standard errors.
        assert a.estimate == pytest.approx(b.estimate, abs=0.05 * b.sd)
    moved = fit("y ~ x * w + offset(2 * x) + (1 | g)", rows, random_seed=1, draws=50)
    with pytest.raises(DesignError, match="the offset changes with 'x'"):
        crossing(moved, {"x": "slope"}, "w")
    # A column that is in the offset alone: its slope is known.
    (alone,) = slopes(plain, "o").by("direct")
    assert (alone.estimate, alone.sd) == (pytest.approx(1.0, rel=1e-9), pytest.approx(0.0))
    assert "o: slope" in str(slopes(plain, "o"))


def test_contextual_effects_leave_out_a_predictor_of_the_offset(rows):
    text = "y ~ x + between(x) + offset(o) + (1 | g)"
    assert contextual_effects(fit(text, rows, random_seed=1)).to_frame().size
    with pytest.raises(DesignError, match="part in the offset 2 [*] x"):
        contextual_effects(fit(f"{text} + offset(2 * x)", rows, random_seed=1))


def test_the_equation_shows_it(rows):
    design = build_design("y ~ x + offset(log(o + 50)) + (1 | g)", rows)
    shown = " ".join(one.mathml for one in equations(design))
    assert "log(o + 50)" in shown
