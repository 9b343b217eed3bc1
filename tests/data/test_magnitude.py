"""Numbers too large or small to be squared are refused; others lose no digits to units."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit_reml
from bayes_mlm.base.errors import DataError
from bayes_mlm.design.build import design_of
from bayes_mlm.engines import fit_ols
from bayes_mlm.fitting.request import as_request


def table(x: float = 1.0, y: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(12), 5)
    a = rng.normal(size=60)
    b = a + rng.normal(size=12)[g] + rng.normal(size=60)
    return pd.DataFrame({"x": a * x, "y": b * y, "g": g})


def designed(formula: str, data: pd.DataFrame, rows: str = "keep"):
    return design_of(as_request(formula, data), data, rows=rows)


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("size", [1e200, 1e307, 1e60, 1e-60, 1e-200, 1e-308])
def test_what_cannot_be_squared_is_refused(rows, column, size):
    words = "larger unit" if size > 1 else "smaller unit"
    with pytest.raises(DataError, match=f"column '{column}' .*{words}"):
        designed("y ~ x + (1 | g)", table(**{column: size}), rows)


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_what_a_formula_makes_is_refused_too(rows, size):
    with pytest.raises(DataError, match=r"I\(x \*\* 3\).* unit"):
        designed("y ~ x + I(x ** 3) + (1 | g)", table(size), rows)


@pytest.mark.parametrize("rows", ["keep", "sum"])
def test_an_outcome_that_a_formula_makes_is_named(rows):
    with pytest.raises(DataError, match=r"column 'I\(y \*\* 2\)' .*larger unit"):
        designed("I(y ** 2) ~ x + (1 | g)", table(y=1e30), rows)


@pytest.mark.parametrize(("x", "y"), [(1e49, 1.0), (1e-49, 1e49), (1e30, 1e-30), (1.0, 1e-49)])
def test_units_do_not_matter(x, y):
    for formula, fit in (
        ("y ~ x + (1 | g)", fit_reml),
        ("y ~ x + (x | g)", fit_reml),
        ("y ~ x", fit_ols),
    ):
        base, scaled = (fit(designed(formula, one)) for one in (table(), table(x, y)))
        assert scaled.sigma_e / y == pytest.approx(base.sigma_e, rel=1e-9)
        assert scaled.beta / y == pytest.approx(base.beta / [1.0, x], rel=1e-8)
        se, plain = (np.sqrt(np.diagonal(one.beta_cov)) for one in (scaled, base))
        assert se / y == pytest.approx(plain / [1.0, x], rel=1e-8)
        if fit is fit_reml:
            assert scaled.certificate.ok
