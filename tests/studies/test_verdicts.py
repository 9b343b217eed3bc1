"""A printed figure and the computed one: reproduced, corrected, or different."""

from dataclasses import replace

import pytest

from bayes_mlm.base.errors import SpecError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import build_design
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.engines.reml import fit_reml
from bayes_mlm.studies.printed import Published
from bayes_mlm.studies.published import (
    PublishedRow,
    check_published,
    find_quantity,
    judge,
    quantities_of,
    tally,
)
from bayes_mlm.studies.quantities import model_quantities
from bayes_mlm.studies.record import load_record


def verdict(value: str, **more: str | float) -> PublishedRow:
    figure = Published(quantity="icc", value=value, where="x", **more)
    (row,) = judge([figure], {"why": "said at length"}, {"icc": 0.25, "icc_right": 0.5}, "mine")
    return row


def test_a_figure_within_half_a_digit_is_reproduced():
    assert verdict("0.25").status == "reproduced"
    assert verdict("0.2").status == "reproduced"  # off by half a digit, to the last bit
    assert verdict("0.3").status == "reproduced"


def test_a_figure_further_away_differs_unless_a_reason_is_given():
    assert verdict("0.26").status == "differs"
    assert not verdict("0.26").traced
    row = verdict("0.26", reason="why")
    assert (row.status, row.reason) == ("corrected", "said at length")


def test_a_tolerance_of_its_own_is_used():
    assert verdict("0.26", tolerance=0.02).status == "reproduced"


def test_a_corrected_figure_is_judged_by_the_right_one():
    row = verdict("0.25", corrects="icc_right", reason="why")
    assert (row.status, row.traced, row.right) == ("corrected", True, 0.5)
    row = verdict("0.50", corrects="icc_right", reason="why")
    assert (row.status, row.traced) == ("reproduced", False)


def test_an_unknown_quantity_offers_the_nearest():
    with pytest.raises(SpecError, match=r"'beta\[sess\]' is no figure.*did you mean 'beta\[ses\]'"):
        find_quantity("beta[sess]", quantities_of(load_record("hsb_ses")), load_record("hsb_ses"))
    with pytest.raises(SpecError, match="no bundled record"):
        find_quantity("hsb_nowhere/n", {})


def test_a_division_within_a_name_is_not_taken_for_a_record():
    assert find_quantity("beta[I(a / b)]", {"beta[I(a / b)]": 1.5}) == 1.5


def test_a_record_without_published_figures_is_not_fitted(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "x"\ndata = "no_such_file.csv"\nformula = "y ~ x"\nkind = "pooled"\n',
        encoding="utf-8",
    )
    assert check_published(load_record(path)) == ()


def test_a_users_record_is_checked_against_its_own_data(tmp_path):
    (tmp_path / "scores.csv").write_text(
        "y,x,g\n1,0,a\n2,1,a\n4,2,a\n3,0,b\n5,1,b\n6,2,b\n", encoding="utf-8"
    )
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "x"\ndata = "scores.csv"\nformula = "y ~ x"\nkind = "pooled"\n'
        'published = [{ quantity = "beta[x]", value = "1.50", where = "here" },\n'
        '{ quantity = "beta[Intercept]", value = "2.1", where = ["here", "there"] }]\n',
        encoding="utf-8",
    )
    rows = check_published(load_record(path))
    # By hand: slope (5 - 2)/2, intercept 3.5 - 1.5.
    assert [row.status for row in rows] == ["reproduced", "differs", "differs"]
    assert str(tally(rows)).endswith("2 differ without a stated reason")


def test_a_fit_that_is_given_is_used():
    record = load_record("hsb_mundlak")
    design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    figure = Published(quantity="beta[ses]", value="3.1839", where="In [3]")
    changed = replace(record, published=(figure,))
    (row,) = check_published(changed, design, fit_ols(design))  # the pooled slope, not Mundlak's
    assert row.status == "reproduced"


def test_random_slopes_have_no_icc_but_their_own_sds():
    design = build_design("mathach ~ ses + (ses | schoolid)", load_dataset("hsb"))
    figures = model_quantities(design, fit_reml(design, profile=False, check=False))
    assert "icc" not in figures
    assert {"sigma_u[Intercept]", "sigma_u[ses]", "rho_u[Intercept,ses]"} <= set(figures)


def test_models_are_compared_with_their_null_in_shares_and_per_cent():
    record = load_record("hsb_sector")
    found = quantities_of(record)
    null = quantities_of(load_record("hsb_null"))
    share = find_quantity("r2_between", found, record)
    assert share == pytest.approx(1 - found["sigma_u^2"] / null["sigma_u^2"])
    assert find_quantity("r2_between_percent", found, record) == pytest.approx(100 * share)
