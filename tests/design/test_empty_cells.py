"""Interactions with cells that have no rows: fitted as R fits them, and not predicted there."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bayes_mlm import (
    build_design,
    comparisons,
    fit,
    fit_reml,
    for_kind,
    load_fit,
    predict,
    save_fit,
    slopes,
)
from bayes_mlm.base.errors import DesignError, EmptyCellError
from bayes_mlm.data.reading import read_table
from bayes_mlm.data.table import Table
from bayes_mlm.design.aggregated import sum_more_rows, sum_rows
from bayes_mlm.design.aggregated.file import load_sums, save_sums
from bayes_mlm.design.aggregated.merge import merge_sums
from bayes_mlm.design.layouts import replay
from tests.helpers import CASES

DATA = CASES / "20-empty-cell" / "data.csv"

# fixef() and sigma() of lme4 1.1, R 4.2: lmer(formula, d, control = lmerControl(optCtrl =
# list(rhoend = 1e-10))); no rows have f = b and h = r. f2 and h2 name the same cells so that the
# empty one is that of both references; fh nests the cells in f; s and t are dummy variables.
LME4 = {
    "y ~ f*h": (
        1.67169191,
        {
            "(Intercept)": 0.774275,
            "fb": 1.247944,
            "hq": 0.113295,
            "hr": 0.383911,
            "fb:hq": -0.109003,
        },
    ),
    "y ~ x*f*h": (
        1.24654558,
        {
            "(Intercept)": 0.613823,
            "x": 1.441113,
            "fb": 1.431520,
            "hq": 0.301404,
            "hr": 0.474258,
            "x:fb": -0.430939,
            "x:hq": -0.427877,
            "x:hr": -0.502595,
            "fb:hq": -0.354844,
            "x:fb:hq": 0.348386,
        },
    ),
    "y ~ f*h*k": (
        1.67687245,
        {
            "(Intercept)": 0.819136,
            "fb": 1.715707,
            "hq": 0.312107,
            "hr": 0.365524,
            "kv": -0.108212,
            "fb:hq": -0.875470,
            "fb:kv": -0.984804,
            "hq:kv": -0.311810,
            "hr:kv": 0.049054,
            "fb:hq:kv": 1.504184,
        },
    ),
    "y ~ f2*h2": (
        1.67169191,
        {
            "(Intercept)": 2.297126,
            "f2B": -1.138941,
            "h2p": -0.274908,
            "h2q": -0.270616,
            "f2B:h2p": -0.109003,
        },
    ),
    "y ~ 0 + f:h": (
        1.67169191,
        {
            "fa:hp": 0.774275,
            "fb:hp": 2.022218,
            "fa:hq": 0.887570,
            "fb:hq": 2.026511,
            "fa:hr": 1.158186,
        },
    ),
    "y ~ f + f:fh": (
        1.67169191,
        {
            "(Intercept)": 0.774275,
            "fb": 1.252236,
            "fa:fhaq": 0.113295,
            "fa:fhar": 0.383911,
            "fb:fhbp": -0.004292,
        },
    ),
    "y ~ s*t": (1.66410217, {"(Intercept)": 0.823489, "s": 1.201603, "t": 0.334002}),
    "y ~ s*h": (
        1.67169191,
        {
            "(Intercept)": 0.774275,
            "s": 1.247944,
            "hq": 0.113295,
            "hr": 0.383911,
            "s:hq": -0.109003,
        },
    ),
}


def _table() -> Table:
    table = read_table(DATA)
    f, h = table.columns["f"], table.columns["h"]
    more = {
        "k": np.array(["u", "v"] * (table.n // 2), dtype=object),
        "f2": np.where(f == "b", "A", "B").astype(object),
        "h2": np.where(h == "r", "0", h).astype(object),
        "fh": (f + h).astype(object),
        "s": (f == "b").astype(np.int64),
        "t": (h == "r").astype(np.int64),
    }
    return Table(columns={**table.columns, **more}, n=table.n, source=table.source)


TABLE = _table()
NEW = {"f": ["a", "b"], "h": ["r", "r"], "x": [0.0, 0.0], "g": ["s1", "s1"]}


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize("formula", LME4)
def test_columns_without_rows_are_dropped_as_lme4_drops_them(formula: str, rows: str) -> None:
    make = build_design if rows == "keep" else sum_rows
    source = TABLE if rows == "keep" else TABLE.columns_frame()
    design = make(f"{formula} + (1 | g)", source)
    found = fit_reml(design)
    sigma, beta = LME4[formula]
    named = {
        re.sub(r"[\[\]]", "", term).replace("Intercept", "(Intercept)"): value
        for term, value in zip(found.terms, found.beta.tolist(), strict=True)
    }
    assert named == pytest.approx(beta, abs=2e-5)  # where lme4's optimiser stops
    assert found.sigma_e == pytest.approx(sigma, rel=1e-5)
    note = next(note for note in design.notes if note.startswith("no rows have"))
    assert "dropped" in note


def test_a_note_names_cells_and_columns() -> None:
    (note,) = build_design("y ~ f*h + (f*h | g)", TABLE).notes
    assert note == (
        "no rows have f = b, h = r: f[b]:h[r] was dropped, and f[b]:h[r] was dropped from the "
        "group effects, and nothing is predicted there"
    )


def test_group_effects_lose_the_same_columns() -> None:
    """An unstructured covariance matrix of the effects of the cells with rows is the same model."""
    design = build_design("y ~ f*h + (f*h | g)", TABLE)
    by_hand = build_design("y ~ f + h + f:h + (f + h + fbhq | g)", _with(TABLE, "fbhq"))
    assert design.effects == ("Intercept", "f[b]", "h[q]", "h[r]", "f[b]:h[q]")
    assert np.array_equal(design.Z, by_hand.Z)
    # Independent effects depend on the coding, so that only columns of zeros may go.
    apart = build_design("y ~ x + (s*t || g)", TABLE)
    assert apart.effects == ("Intercept", "s", "t")


def _with(table: Table, name: str) -> Table:
    own = (table.columns["f"] == "b") & (table.columns["h"] == "q")
    columns = {**table.columns, name: own.astype(np.int64)}
    return Table(columns=columns, n=table.n, source=table.source)


def test_a_cell_may_empty_with_the_rows_that_miss_a_value() -> None:
    y = TABLE.columns["y"].copy()
    y[(TABLE.columns["f"] == "a") & (TABLE.columns["h"] == "q")] = np.nan
    y[TABLE.columns["h"] == "p"] = np.nan  # the level goes as well
    table = Table(columns={**TABLE.columns, "y": y}, n=TABLE.n, source="t")
    for design in (
        build_design("y ~ f:h", table, missing="drop"),
        sum_rows("y ~ f:h", table.columns_frame(), missing="drop"),
    ):
        # Cells (a, r) and (b, q) are left: two means.
        assert design.p == 2
        assert any("no rows have f = a, h = q; or f = b, h = r" in n for n in design.notes)


@pytest.mark.parametrize(
    ("formula", "named"),
    [
        ("y ~ f + fh", "fh[bq]"),  # nested and additive: no interaction is asked for
        ("y ~ s * s2", "s2"),  # a predictor that repeats another
        ("y ~ f*h + x + x2", "x2"),
        ("y ~ 0 + h + x:h + x2:h", "x2:h[p]"),
    ],
)
def test_predictors_that_are_collinear_are_still_refused(formula: str, named: str) -> None:
    more = {"s2": TABLE.columns["s"], "x2": 2 * TABLE.columns["x"]}
    table = Table(columns={**TABLE.columns, **more}, n=TABLE.n, source="t")
    with pytest.raises(DesignError, match=re.escape(f"the predictor '{named}' is a linear")):
        build_design(formula, table)


@pytest.mark.parametrize(
    "kind", ["pooled", "between", "no_pooling", "within", "mundlak", "partial_pooling"]
)
def test_every_kind_refuses_to_predict_in_an_empty_cell(kind: str) -> None:
    design = build_design("y ~ x + f*h + (1 | g)", TABLE)
    if kind != "partial_pooling":
        design = for_kind(build_design("y ~ x + f*h", TABLE, group="g"), kind)
    assert not any(term.count("f[b]:h[r]") for term in design.terms)
    new = {name: np.array(values) for name, values in NEW.items()}
    new = {name: v.astype(object) if v.dtype.kind == "U" else v for name, v in new.items()}
    with pytest.raises(
        EmptyCellError,
        match="row 2 of new.csv: the data of the model have no rows with f = b, h = r",
    ):
        replay(design, Table(columns=new, n=2, source="new.csv"))


def test_a_saved_fit_refuses_too_and_answers_elsewhere(tmp_path: Path) -> None:
    fitted = fit("y ~ x + f*h + (1 | g)", TABLE.columns_frame(), random_seed=1)
    save_fit(fitted, tmp_path / "fit.nc")
    fitted = load_fit(tmp_path / "fit.nc")
    with pytest.raises(EmptyCellError, match="row 2 of"):
        predict(fitted, NEW)
    with pytest.raises(EmptyCellError, match=r"f = b, h = r.*\(at, --at\)"):
        comparisons(fitted, "f")
    with pytest.raises(EmptyCellError):
        slopes(fitted, "x", at={"f": "b", "h": "r"})
    difference = comparisons(fitted, "f", at={"h": ["p", "q"]}).by("reml")
    reml = fit_reml(fitted.design)
    f, both = reml.terms.index("f[b]"), reml.terms.index("f[b]:h[q]")
    assert [row.estimate for row in difference] == pytest.approx(
        [reml.beta[f], reml.beta[f] + reml.beta[both]], rel=1e-9
    )


def test_a_dummy_between_its_values_is_not_estimable_in_a_cell_without_one() -> None:
    """With s = 1 alone in f = b, the slope of s there is not estimable, at whatever value."""
    design = build_design("y ~ s*h", TABLE)
    new = Table(
        columns={"s": np.array([0.5]), "h": np.array(["r"], dtype=object)}, n=1, source="new.csv"
    )
    with pytest.raises(EmptyCellError, match=r"s = 0.5, h = r"):
        replay(design, new)
    elsewhere = Table(columns={**new.columns, "h": np.array(["q"], dtype=object)}, n=1, source="n")
    assert replay(design, elsewhere).X.tolist() == [[1.0, 0.5, 1.0, 0.0, 0.5]]


def test_sums_keep_their_cells(tmp_path: Path) -> None:
    frame = TABLE.columns_frame()
    summed = sum_rows("y ~ f*h + (1 | g)", frame)
    save_sums(summed, tmp_path / "one.sums")
    again = load_sums(tmp_path / "one.sums")
    assert again.encoding == summed.encoding
    with pytest.raises(EmptyCellError, match="f = b, h = r"):
        sum_more_rows(again, pl.DataFrame({"y": 1.0, "f": "b", "h": "r", "g": "new"}))
    full = {name: list(values) for name, values in TABLE.columns.items()}
    full["h"][full["f"].index("b")] = "r"
    with pytest.raises(DesignError, match="have rows in different cells"):
        merge_sums(summed, sum_rows("y ~ f*h + (1 | g)", pl.DataFrame(full)))


def test_a_nested_design_of_many_cells_is_quick() -> None:
    """Of the 10 x 100 cells 100 have rows, and so many means are fitted."""
    rng = np.random.default_rng(1)
    place = np.arange(1000) % 100
    table = {
        "y": rng.normal(size=1000),
        "f": [f"f{k // 10:02}" for k in place],
        "h": [f"h{k:03}" for k in place],
    }
    design = build_design("y ~ f + f:h", table)
    assert design.p == 100
    assert any("and 894 more" in note for note in design.notes)
