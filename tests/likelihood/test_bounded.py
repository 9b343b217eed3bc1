"""Outcomes without residual variation are refused in one way; tiny residuals are fitted."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit, fit_reml
from bayes_mlm.base.errors import EngineError
from bayes_mlm.design.build import design_of
from bayes_mlm.engines import fit_ols
from bayes_mlm.fitting.request import as_request
from bayes_mlm.likelihood.bounded import check_bounded_rows

REFUSED = "no residual variation.*sum of squares.*is 0 to rounding"


def table(noise: float = 0.0, *, line: float = 0.0, slopes: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(16)
    g = np.repeat(np.arange(12), 5)
    x = np.round(rng.normal(size=60), 2)
    u, b, e = rng.normal(size=12), rng.normal(size=12), rng.normal(size=60)
    y = u[g] + (line + (b[g] if slopes else 0.0)) * x + noise * e
    return pd.DataFrame({"y": y, "x": x, "g": g, "e": e, "t": np.tile(np.arange(5), 12)})


EXACT = {
    "constant within groups": (table(), "y ~ x + (1 | g)", "one value a group"),
    "constant, with slopes": (table(), "y ~ x + (x | g)", "one value a group"),
    "integers": (table().assign(y=lambda d: d.g % 5), "y ~ 1 + (1 | g)", "one value a group"),
    "linear within groups": (table(line=2.0), "y ~ x + (1 | g)", "less what x explains"),
    "a line a group": (table(slopes=True), "y ~ x + (x | g)", "each group's line in x"),
    "a line a group, ||": (table(slopes=True), "y ~ x + (x || g)", "each group's line in x"),
    "far from zero": (table(line=2.0).assign(y=lambda d: d.y + 1e6), "y ~ x + (1 | g)", "x"),
    "small": (table(line=2.0).assign(y=lambda d: 1e6 + 1e-6 * d.y), "y ~ x + (1 | g)", "x"),
    "printed": (table(line=2.0).assign(y=lambda d: d.y.map("{:.15g}".format).astype(float)),
                "y ~ x + (1 | g)", "x"),
}  # fmt: skip


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize("case", EXACT)
def test_an_outcome_that_groups_and_predictors_explain_is_refused(case, rows):
    data, formula, words = EXACT[case]
    design = design_of(as_request(formula, data), data, rows=rows)
    with pytest.raises(EngineError, match=REFUSED) as told:
        fit_reml(design)
    assert words in str(told.value)
    with pytest.raises(EngineError, match=REFUSED):
        fit(formula, data, rows=rows, engine="direct", random_seed=1)
    if rows == "keep":
        with pytest.raises(EngineError, match=REFUSED):
            fit(formula, data, engine="nuts", random_seed=1)


@pytest.mark.parametrize("rows", ["keep", "sum"])
def test_an_exact_line_without_groups_is_refused(rows):
    data = table().assign(y=lambda d: 2 * d.x + 1)
    with pytest.raises(EngineError, match=REFUSED):
        fit_ols(design_of(as_request("y ~ x", data), data, rows=rows))
    with pytest.raises(EngineError, match=REFUSED):
        fit("y ~ x", data, engine="direct", rows=rows, random_seed=1)
    if rows == "keep":
        with pytest.raises(EngineError, match=REFUSED):
            fit("y ~ x", data, engine="nuts", random_seed=1)


@pytest.mark.parametrize(("noise", "scale"), [(1e-4, 1.0), (1e-6, 1e5), (1e-9, 1.0), (1e-9, 1e-6)])
def test_a_tiny_residual_sd_is_found(noise, scale):
    data = table(noise).assign(y=lambda d: scale * d.y)
    found = fit_reml(build_design("y ~ 1 + (1 | g)", data))
    # Balanced data have a closed form: sigma_e^2 is the mean square within groups.
    within = data.y / scale - (data.y / scale).groupby(data.g).transform("mean")
    assert found.sigma_e / scale == pytest.approx(np.sqrt((within**2).sum() / 48), rel=1e-5)
    means = (data.y / scale).groupby(data.g).mean()
    assert found.sigma_u[0] / scale == pytest.approx(means.std(), rel=1e-6)
    assert found.certificate.ok
    assert found.intervals.sigma_e.lower < found.sigma_e < found.intervals.sigma_e.upper
    assert found.intervals.sigma_u[0].lower < found.sigma_u[0] < found.intervals.sigma_u[0].upper
    slopes = fit_reml(build_design("y ~ x + (x | g)", data), profile=False)
    assert slopes.certificate.ok
    assert slopes.sigma_e == pytest.approx(found.sigma_e, rel=0.1)


def test_a_tiny_residual_sd_has_a_posterior():
    found = fit("y ~ 1 + (1 | g)", table(1e-9), engine="direct", random_seed=1, draws=200)
    assert found.verdict.ok
    assert found.draws["sigma_e"].mean() == pytest.approx(1e-9, rel=0.2)


def test_residuals_too_small_for_the_digits_are_refused_as_such():
    near = table(1e-6, line=2.0)
    with pytest.raises(EngineError, match="next to no residual variation.*too small a part"):
        fit_reml(build_design("y ~ x + (1 | g)", near))
    assert fit_reml(build_design("y ~ x + (1 | g)", table(1e-4, line=2.0))).certificate.ok


def test_one_level_without_residuals_is_refused_and_named():
    data = table(1.0, line=2.0).assign(s=lambda d: np.where(d.t < 3, "a", "b"))
    data["y"] = np.where(data.s == "a", data.y - data.e, data.y)
    for residual in ({"sigma": "s"}, {"sigma": "s", "ar": "t"}):
        with pytest.raises(EngineError, match=f"{REFUSED}.*residual sd of s=a goes to 0") as told:
            fit_reml(build_design("y ~ x + (1 | g)", data, residual=residual))
        assert "in the rows of s=a" in str(told.value)
    with pytest.raises(EngineError, match=REFUSED):
        fit("y ~ x + (1 | g)", data, residual={"sigma": "s"}, random_seed=1)
    with pytest.raises(EngineError, match=REFUSED):  # no groups: rho_e goes to 1
        fit_reml(build_design("y ~ x", table(line=1.0), group="g", residual={"ar": "t"}))


def test_heavy_tails_that_leave_most_rows_on_a_line_are_refused():
    rng = np.random.default_rng(2)
    for formula, line in (("y ~ 1 + (1 | g)", 0.0), ("y ~ x + (1 | g)", 2.0)):
        data = table(line=line)
        data.loc[data.t == 0, "y"] += rng.normal(size=12)
        with pytest.raises(EngineError, match="48 of 60 rows lie exactly"):
            fit(formula, data, family="student_t", random_seed=1)
    # Half of the rows are too few: nu is above 2, and each row off the line takes that many.
    data.loc[data.t < 3, "y"] += rng.normal(size=36)
    check_bounded_rows(build_design("y ~ x + (1 | g)", data, family="student_t"))


@pytest.mark.parametrize("engine", ["reml", "direct", "nuts"])
def test_what_is_left_beside_a_slope_is_said_as_the_rows_have_it(engine):
    """Sums of squares cancel to 0 there; the rows do not: 96 (1e-8)^2 within a factor of two."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 8)
    x = rng.normal(size=g.size)
    y = rng.normal(size=12)[g] + 2 * x + 1e-8 * rng.normal(size=g.size)
    data = pd.DataFrame({"y": y, "x": x, "g": g})

    def attempt():
        if engine == "reml":
            return fit_reml(build_design("y ~ x + (1 | g)", data))
        return fit("y ~ x + (1 | g)", data, engine=engine, random_seed=1)

    with pytest.raises(EngineError, match="next to no residual variation") as told:
        attempt()
    left = float(str(told.value).split("explains, is ")[1].split()[0])
    assert 0.5 < left / (96 * 1e-16) < 2
