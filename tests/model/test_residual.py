"""Residuals that differ in variance, are AR(1) or Student-t: rows, whitening, what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm import build_design, load_dataset
from bayes_mlm.base.errors import BayesMLMError, DataError, SpecError
from bayes_mlm.data.table import as_table
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.fitting.request import as_request
from bayes_mlm.model.residual import Residual, as_residual, lay_out_residual, log_spread, whiten
from bayes_mlm.model.residual.whitening import colour
from bayes_mlm.studies.record import dump_record, load_record, record_of
from tests.helpers.residuals import GROWTH, covariance


@st.composite
def panels(draw):
    """Persons with some times each, in any order, and a factor."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = np.repeat(np.arange(4), rng.integers(2, 6, size=4))
    whole = draw(st.booleans())
    times = np.concatenate(
        [
            rng.choice(9, np.count_nonzero(codes == j), replace=False)
            if whole
            else rng.uniform(0, 9, np.count_nonzero(codes == j))
            for j in range(4)
        ]
    ).astype(float)
    order = rng.permutation(codes.size)
    level = np.resize([0, 1, 1], codes.size)
    table = as_table({"t": times[order], "f": level, "g": codes[order]})
    asked = Residual(ar="t", sigma=draw(st.sampled_from([None, "f"])))
    rho = draw(st.floats(0.0, 0.95)) if not whole else draw(st.floats(-0.9, 0.95))
    rows = lay_out_residual(asked, table, codes[order], list(range(4)), "g")
    if not rows.whole:
        rho = abs(rho)
    return rows, codes[order], np.array([1.5, 0.7])[: rows.n_sds], rho


@given(panels())
def test_whitening_makes_residuals_independent_of_sd_one(panel):
    rows, codes, sds, rho = panel
    V = covariance(rows, sds, rho, codes)
    root = whiten(rows, np.eye(len(codes)), sds, rho)
    # Rounding of 1 - rho^2d for rho near 1.
    np.testing.assert_allclose(root @ V @ root.T, np.eye(len(codes)), atol=1e-9)
    assert log_spread(rows, sds, rho) == pytest.approx(0.5 * np.linalg.slogdet(V)[1], abs=1e-9)
    white = np.linspace(-1, 2, len(codes))
    np.testing.assert_allclose(
        whiten(rows, colour(rows, white, sds, rho), sds, rho), white, atol=1e-9
    )


@given(panels(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(panel, random):
    rows, codes, sds, rho = panel
    order = np.array(random.sample(range(len(codes)), len(codes)))
    values = np.linspace(-1, 1, len(codes)) ** 3
    moved = whiten(rows.take(order), values[order], sds, rho)
    np.testing.assert_allclose(moved, whiten(rows, values, sds, rho)[order])


def test_time_is_in_steps_of_the_smallest_gap_where_all_are_whole():
    rows = build_design(GROWTH, load_dataset("orthodont"), residual={"ar": "age"}).residual
    assert (rows.step, rows.whole, rows.least_rho) == (2.0, True, -1.0)
    table = as_table(
        {"y": np.arange(6.0) ** 2, "t": [0, 1, 2.5, 0, 2.2, 3], "g": [1, 1, 1, 2, 2, 2]}
    )
    rows = build_design("y ~ 1 + (1 | g)", table, residual={"ar": "t"}).residual
    assert rows.step == pytest.approx(1.25)  # the median of 1, 1.5, 2.2, 0.8
    assert (rows.whole, rows.least_rho) == (False, 0.0)
    assert "median gap" in rows.notes[0]


@pytest.mark.parametrize(
    ("residual", "error", "says"),
    [
        ({"sigma": "sexx"}, DataError, "did you mean 'sex'"),
        ({"sigma": "distance"}, DataError, "cut it into a few classes"),
        ({"sigma": "sex + age"}, SpecError, "one factor"),
        ({"sigma": "tau ~ sex"}, SpecError, "one factor"),
        ({"sigma": ""}, SpecError, "name of a column"),
        ({"ar": "sex"}, DataError, "time 'sex' is text"),
        ({"family": "student_t"}, SpecError, "give family='student_t' by itself"),
        ({"weights": "sex"}, SpecError, "allowed: sigma, ar"),
        ("sex", SpecError, "mapping"),
    ],
)
def test_what_cannot_be_asked_says_what_can(residual, error, says):
    with pytest.raises(error, match=says):
        build_design(GROWTH, load_dataset("orthodont"), residual=residual)


def test_families_and_structures_that_do_not_go_together_say_so():
    data = load_dataset("orthodont")
    with pytest.raises(SpecError, match="did you mean 'student_t'"):
        build_design(GROWTH, data, family="student")
    with pytest.raises(SpecError, match="not offered"):
        build_design(GROWTH, data, residual={"ar": "age"}, family="student_t")


def test_a_level_of_one_row_or_two_rows_at_one_time_are_named():
    columns = {"y": np.arange(6.0) ** 2, "g": [1, 1, 1, 2, 2, 2]}
    with pytest.raises(DataError, match=r"level 'b' has 1 row.*join it"):
        build_design(
            "y ~ 1 + (1 | g)",
            as_table(columns | {"f": ["a", "a", "a", "a", "a", "b"]}),
            residual={"sigma": "f"},
        )
    with pytest.raises(DataError, match=r"g 2 has two rows at t = 3"):
        build_design(
            "y ~ 1 + (1 | g)", as_table(columns | {"t": [1, 2, 3, 1, 3, 3]}), residual={"ar": "t"}
        )
    with pytest.raises(DataError, match="name the groups"):
        build_design("y ~ 1", as_table(columns | {"t": range(6)}), residual={"ar": "t"})


def test_kinds_without_rows_or_shared_residuals_are_refused():
    design = build_design("distance ~ age", load_dataset("orthodont"), group="subject",
                          residual={"sigma": "sex"})  # fmt: skip
    for kind in ("between", "no_pooling"):
        with pytest.raises(BayesMLMError, match="independent normal residuals of one sd"):
            for_kind(design, kind)
    assert for_kind(design, "within").residual is design.residual


def test_a_record_holds_the_structure(tmp_path):
    record = as_request(GROWTH, "orthodont", residual={"sigma": "sigma ~ sex", "ar": "age"})
    path = tmp_path / "own.toml"
    path.write_text(dump_record(record_of(record)))
    assert load_record(path).model.residual == record.model.residual
    assert "residual" not in dump_record(record_of(as_request(GROWTH, "orthodont")))
    path.write_text(dump_record(record_of(record)).replace('ar = "age"', 'arr = "age"'))
    with pytest.raises(SpecError, match=r"residual.*arr.*ar"):
        load_record(path)
    path.write_text(
        dump_record(record_of(record))
        .replace("partial_pooling", "no_pooling")
        .replace(" + (1 | subject)", "")
        + 'group = "subject"\n'
    )
    with pytest.raises(SpecError):
        load_record(path)
    assert as_residual(record.model.residual) is record.model.residual
