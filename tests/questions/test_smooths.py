"""Slopes, differences, lines and predictions of polynomials and splines: of the whole curve."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import (
    comparisons,
    crossing,
    fit,
    group_lines,
    load_fit,
    population_line,
    predict,
    save_fit,
    slopes,
)
from bayes_mlm.base.errors import DataError, DesignError, RowsNeededError
from bayes_mlm.figures import roles_of
from bayes_mlm.formula import FUNCTIONS
from bayes_mlm.questions import along_of

J, EACH = 20, 12
FORMULAS = {
    "poly": "y ~ poly(x, 3) * s + (x | g)",
    "bs": "y ~ bs(x, df=5) * s + (1 | g)",
    "cr": "y ~ cr(x, df=4) + C(s, Sum) + (poly(x, 2) | g)",
    "ns": "y ~ ns(x, df=3):s + offset(0.5 * x) + (1 | g)",
    "log": "y ~ log(x + 5) + bs(x, df=4) + s + (1 | g)",
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(J), EACH)
    x = rng.uniform(-2.0, 2.0, g.size)
    s = np.array(["u", "v"])[rng.integers(2, size=g.size)]
    y = np.sin(x) + (s == "u") * x + rng.normal(size=J)[g] + 0.5 * rng.normal(size=g.size)
    return pd.DataFrame({"y": y, "x": x, "s": s, "g": g})


@pytest.fixture(scope="module", params=list(FORMULAS))
def fitted(request, rows):
    return fit(FORMULAS[request.param], rows, random_seed=1)


def expected(fitted, new: pd.DataFrame) -> np.ndarray:
    return predict(fitted, new, question="population").mean


def test_slope_is_the_derivative_of_the_prediction(fitted, rows):
    # The rows but for those at the ends, where only one side can be predicted.
    inner = rows[(rows["x"] > rows["x"].min()) & (rows["x"] < rows["x"].max())]
    step = 1e-6
    up, down = (inner.assign(x=inner["x"] + way * step) for way in (1, -1))
    slope = (expected(fitted, up) - expected(fitted, down)) / (2 * step)
    (found,) = slopes(fitted, "x", data=inner).by("direct")
    # Rounding of the prediction over a step of 1e-6.
    assert found.estimate == pytest.approx(slope.mean(), rel=1e-6)
    (at,) = slopes(fitted, "x", data=inner, at={"x": [0.3], "s": ["v"]}).by("direct")
    ends = (inner.head(1).assign(x=0.3 + way * step, s="v") for way in (1, -1))
    up, down = (expected(fitted, one)[0] for one in ends)
    assert at.estimate == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_slope_at_the_ends_is_that_from_inside(fitted, rows):
    ends = [float(rows["x"].min()), float(rows["x"].max())]
    found = [one.estimate for one in slopes(fitted, "x", at={"x": ends, "s": ["u"]}).by("direct")]
    step = 1e-5
    for end, slope, way in zip(ends, found, (1, -1), strict=True):
        points = [
            expected(fitted, rows.head(1).assign(x=end + way * k * step, s="u"))[0]
            for k in range(3)
        ]
        # One-sided, of the second order.
        inside = way * (-3 * points[0] + 4 * points[1] - points[2]) / (2 * step)
        assert slope == pytest.approx(inside, rel=1e-5, abs=1e-5)


def test_average_of_slopes_needs_no_rows_given(fitted, rows):
    kept, given = slopes(fitted, "x"), slopes(fitted, "x", data=rows)
    np.testing.assert_allclose(kept.weights, given.weights, rtol=1e-12, atol=1e-14)


def test_difference_is_that_of_predictions(fitted, rows):
    (found,) = comparisons(fitted, {"x": (-1.0, 1.0)}).by("direct")
    high, low = (expected(fitted, rows.assign(x=value)) for value in (1.0, -1.0))
    assert found.estimate == pytest.approx((high - low).mean(), rel=1e-9)
    (coded,) = comparisons(fitted, {"s": ("u", "v")}, at={"x": [0.5]}).by("direct")
    v, u = (expected(fitted, rows.assign(x=0.5, s=one)) for one in ("v", "u"))
    assert coded.estimate == pytest.approx((v - u).mean(), rel=1e-9)


def test_lines_are_predictions(fitted, rows):
    grid = [-1.5, 0.0, 1.5]
    assert along_of(fitted.design) == "x"
    line = population_line(fitted, "x", grid)
    own = group_lines(fitted, along="x", x=grid, groups=[7]).line(7)
    for k, value in enumerate(grid):
        assert line[k].estimate == pytest.approx(
            expected(fitted, rows.assign(x=value)).mean(), rel=1e-9
        )
        group = predict(fitted, rows[rows["g"] == 7].assign(x=value)).mean
        assert own[k].estimate == pytest.approx(group.mean(), rel=1e-6)


def test_a_saved_fit_predicts_by_the_stored_basis(fitted, rows, tmp_path):
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert again.design.encoding == fitted.design.encoding
    # Rows of another range: a basis that were learned anew would be another.
    new = rows[(rows["x"] > 0) & (rows["g"] < 5)].iloc[::-1]
    np.testing.assert_array_equal(predict(again, new).mean, predict(fitted, new).mean)
    np.testing.assert_array_equal(slopes(again, "x").weights, slopes(fitted, "x").weights)
    one = predict(fitted, new.head(1)).mean
    np.testing.assert_allclose(one, predict(fitted, new).mean[:1], rtol=1e-12)


def test_out_of_the_boundary_b_splines_refuse_and_others_say_so(fitted, rows):
    new = rows.head(3).assign(x=[0.0, 5.0, -3.0])
    names = {
        call.function
        for term in fitted.design.formula.terms
        for call in term
        if hasattr(call, "function")
    }
    if "bs" in names:
        with pytest.raises(DataError, match=r"bs\(x, df=.\) is undefined in 2 of 3 rows"):
            predict(fitted, new)
        with pytest.raises(DataError, match="boundary knots"):
            slopes(fitted, "x", at={"x": [5.0]})
        return
    found = predict(fitted, new)
    assert np.isfinite(found.mean).all()
    said = [note for note in found.notes if "boundary knots" in note]
    assert len(said) == (0 if names & {"poly"} and not names & {"cr", "ns"} else 1)


def test_a_step_out_of_the_boundary_is_refused_with_what_to_ask(rows):
    fitted = fit("y ~ bs(x, df=4) + (1 | g)", rows, random_seed=1, draws=50)
    with pytest.raises(DataError, match=r"x: \+1 moves rows .*boundary knots.*\(from, to\)"):
        comparisons(fitted, "x")


def test_natural_splines_go_on_in_straight_lines(rows):
    fitted = fit("y ~ ns(x, df=3) + (1 | g)", rows, random_seed=1)
    at = expected(fitted, rows.head(3).assign(x=[3.0, 4.0, 5.0]))
    assert at[2] - at[1] == pytest.approx(at[1] - at[0], rel=1e-9)
    assert "x = 2 rows" not in str(predict(fitted, rows.head(2)))


def test_sums_answer_where_all_predictors_are_set(rows):
    for text in ("y ~ cr(x, df=4) * s + (1 | g)", "y ~ bs(x, df=4) + s + (1 | g)"):
        kept, summed = (fit(text, rows, random_seed=1, rows=how) for how in ("keep", "sum"))
        at = {"x": [0.5], "s": ["u"]}
        (a,), (b,) = (slopes(one, "x", at=at).by("reml") for one in (kept, summed))
        assert b.estimate == pytest.approx(a.estimate, rel=1e-5)
        with pytest.raises(RowsNeededError):
            slopes(summed, "x")


def test_a_curve_has_no_one_slope_to_draw_or_cross(rows):
    fitted = fit("y ~ poly(x, 2) * s + (1 | g)", rows, random_seed=1, draws=50)
    assert roles_of(fitted.design).slope is None
    with pytest.raises(DesignError, match="not linear|no straight|bend|curve"):
        crossing(fitted, {"s": ("u", "v")}, "x")
    # The slope of a parabola is straight in x, and is zero at its turning point.
    found = crossing(fitted, {"x": "slope"}, "x", at={"s": "u"}).likelihood.estimate
    (zero,) = slopes(fitted, "x", at={"x": [found], "s": ["u"]}).by("reml")
    assert zero.estimate == pytest.approx(0.0, abs=1e-6)


def test_every_basis_function_is_in_these_tests():
    named = {name for name, function in FUNCTIONS.items() if function.kind == "basis"}
    assert all(any(f"{name}(" in text for text in FORMULAS.values()) for name in named)
