"""Roles of the columns of a design: the slope, and the moderator that divides the groups."""

import numpy as np
import pytest

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import build_design, design_of
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.studies.record import load_record
from tests.helpers.figures import EXACT, simulate


def roles_in(record):
    return roles_of(design_of(load_record(record).request))


@pytest.mark.parametrize(
    ("name", "slope", "moderator"),
    [
        ("hsb_null", None, None),
        ("hsb_between", "ses", None),
        ("hsb_within", "ses", None),
        ("hsb_no_pooling", "ses", None),
        ("hsb_sector_ses", "ses", "sector"),
        ("hsb_slopes_as_outcomes", "within(ses)", "sector"),
    ],
)
def test_roles_of_the_study(name, slope, moderator):
    roles = roles_in(name)
    assert (roles.slope, roles.moderator_column) == (slope, moderator)
    # 70 Catholic schools: Raudenbush & Bryk (2002), ch. 4.
    assert moderator is None or roles.subgroup.sum() == 70


def test_the_slope_is_in_its_units_whatever_the_kind():
    x = roles_in("hsb_pooled").x
    for name in ("hsb_within", "hsb_no_pooling", "hsb_mundlak", "hsb_ses"):
        np.testing.assert_allclose(roles_in(name).x, x, atol=EXACT)


def test_text_moderates_and_its_subgroups_are_named():
    jaws = load_dataset("orthodont")
    roles = roles_of(build_design("distance ~ age * sex + (1 | subject)", jaws))
    assert (roles.slope, roles.moderator_column, roles.moderator) == ("age", "sex[Male]", "sex")
    assert roles.subgroup_labels == ("sex = Female", "sex = Male")
    # 11 girls and 16 boys: Potthoff & Roy (1964), table 1.
    assert np.bincount(roles.subgroup).tolist() == [11, 16]


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + I(x**2) + (1 | g)",  # no straight line
        "y ~ b + (1 | g)",  # two values within groups
        "y ~ w + (1 | g)",  # nothing varies within groups
    ],
)
def test_no_slope_where_no_line_can_be_drawn(formula):
    data = simulate(8, 6)
    data["b"] = (np.arange(48) % 3 == 0).astype(float)
    assert roles_of(build_design(formula, data)).slope is None


def test_a_factor_of_three_levels_is_no_moderator():
    data = simulate(9, 4)
    data["kind"] = np.array(["a", "b", "c"])[data["g"] % 3]
    assert roles_of(build_design("y ~ x + kind + (1 | g)", data)).moderator is None
