"""What needs rows, of a fit of their sums: refused, or computed from a sample of groups."""

import numpy as np
import pytest

from bayes_mlm import fit, sum_rows
from bayes_mlm.base.errors import (
    DataError,
    DesignError,
    EngineError,
    RowsNeededError,
)
from tests.helpers.lazy import FORMULA, HSB


def test_what_needs_rows_says_so_and_works_on_a_sample():
    from bayes_mlm import check, leave_one_group_out, sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    with pytest.raises(RowsNeededError, match="sample_groups"):
        _ = whole.design.X[:2]
    some = sample_groups(whole, HSB, n_groups=30)
    assert some.design.J == 30
    assert some.design.n == int(HSB.schoolid.isin(some.design.labels.tolist()).sum())
    assert f"30 of 160 groups, {some.design.n:,} of 7,185 rows" in some.design.notes[-1]
    text = str(check(whole, sample=some))
    assert "30 of 160 groups" in text
    with pytest.raises(EngineError, match="sample_groups gives for the same fit"):
        check(whole, sample=whole)
    with pytest.raises(DesignError, match="30 of 160 groups"):
        leave_one_group_out(some)
    with pytest.raises(DataError, match="other values .* mean of mathach in schoolid"):
        sample_groups(whole, HSB.assign(mathach=HSB.mathach + 0.1), n_groups=30)
    with pytest.raises(DesignError, match="n_groups .* found 0"):
        sample_groups(whole, HSB, n_groups=0)


@pytest.mark.parametrize("kind", ["partial_pooling", "no_pooling", "mundlak", "within"])
def test_estimates_of_a_sample_are_those_of_all_data(kind, tmp_path):
    from bayes_mlm import comparisons, hausman, predict, sample_groups, save_fit, variance_by_level
    from bayes_mlm.base.errors import StorageError

    bar = " + (1 | schoolid)" if kind == "partial_pooling" else ""
    options = {"kind": kind, "random_seed": 1} | ({} if bar else {"group": "schoolid"})
    rows = fit(f"mathach ~ ses + minority{bar}", HSB, **options)
    whole = fit(f"mathach ~ ses + minority{bar}", HSB, rows="sum", **options)
    some = sample_groups(whole, HSB, n_groups=20)
    query = {"contrast": {"ses": (0, 1)}, "at": {"minority": 0}}
    if kind in ("partial_pooling", "no_pooling"):  # the others hold the means of the rows at hand
        theirs, ours = comparisons(rows, **query).rows[1], comparisons(some, **query).rows[1]
        assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-7)
        assert ours.sd == pytest.approx(theirs.sd, rel=1e-7)
    assert "of 20 of the 160 groups" in comparisons(some, **query).over
    new = {"ses": [0.3], "minority": [1], "schoolid": [some.design.labels[3]]}
    if kind != "within":
        theirs, ours = predict(rows, new).plug_in, predict(some, new).plug_in
        assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-7)
        assert ours.se == pytest.approx(theirs.se, rel=1e-7)
    assert str(variance_by_level(some)) == str(variance_by_level(whole))
    assert str(hausman(some.design)) == str(hausman(whole.design))
    with pytest.raises(StorageError, match="save the fit that sample_groups was given"):
        save_fit(some, tmp_path / "some.nc")


def test_a_sample_may_be_of_named_groups_and_keeps_their_effects():
    from bayes_mlm import sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    some = sample_groups(whole, HSB, groups=[1288, 1224])
    assert some.design.labels.tolist() == [1224, 1288]
    places = [whole.design.labels.tolist().index(label) for label in (1224, 1288)]
    assert np.array_equal(some.draws["u"], whole.draws["u"][:, :, places])
    with pytest.raises(DesignError, match="schoolid has no 7"):
        sample_groups(whole, HSB, groups=[7])
    with pytest.raises(DataError, match="same data"):
        sample_groups(whole, HSB[HSB.schoolid != 1224], groups=[1288, 1224])


def test_rows_omitted_in_turn_are_those_passed():
    from bayes_mlm import leave_one_row_out

    rows = fit(FORMULA, HSB, random_seed=1)
    sums = fit(FORMULA, HSB, rows="sum", random_seed=1)
    with pytest.raises(RowsNeededError, match="rows="):
        leave_one_row_out(sums)
    picked = HSB.iloc[::211]
    found, whole = leave_one_row_out(sums, rows=picked), leave_one_row_out(rows)
    # Fewer rows leave room for more draws: alike but for Monte Carlo error.
    np.testing.assert_allclose(found.pointwise, whole.pointwise[::211], atol=2e-3)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("mathach ~ within(ses) + between(ses) + (1 | schoolid)", "group means"),
        ("mathach ~ log(size) + (1 | schoolid)", r"set size \(at\)"),
        ("mathach ~ I(size ** 2) + (1 | schoolid)", r"set size \(at\)"),
    ],
)
def test_slopes_that_need_rows_are_refused_from_sums(formula, says):
    from bayes_mlm import slopes

    whole = fit(sum_rows(formula, HSB), random_seed=1)
    with pytest.raises(RowsNeededError, match=says):
        slopes(whole, "ses" if "ses" in formula else "size")


def test_a_group_outside_of_the_sample_is_not_called_unseen():
    from bayes_mlm import predict, sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    some = sample_groups(whole, HSB, groups=[1288])
    with pytest.raises(DataError, match="1224 are not in this sample"):
        predict(some, {"ses": [0.0], "sector": [0], "schoolid": [1224]})
