"""Categories keep their declared order; too many are mentioned or refused."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bayes_mlm import build_design, fit, predict, sum_rows
from bayes_mlm.base.errors import DataError
from bayes_mlm.design.aggregated import crossed
from bayes_mlm.fitting.storage import load_fit, save_fit
from tests.helpers.predictors import BOTH, RNG, G, N, X, Y, design, frame, written

SIZES = RNG.choice(["small", "middle", "large"], N)
ORDER = ["middle", "small", "none", "large"]
CATEGORIES: dict[str, Callable[[Path], Any]] = {
    "ordered": lambda _: frame(w=pd.Categorical(SIZES, ORDER, ordered=True)),
    "unordered": lambda _: frame(w=pd.Categorical(SIZES, ORDER)),
    "bare": lambda _: {"y": Y, "x": X, "g": G, "w": pd.Categorical(SIZES, ORDER)},
    "enum": lambda _: pl.DataFrame({"y": Y, "x": X, "g": G, "w": SIZES}).with_columns(
        w=pl.col("w").cast(pl.Enum(ORDER))
    ),
    "lazy": lambda folder: CATEGORIES["enum"](folder).lazy(),
    "arrow": lambda folder: pa.Table.from_pandas(CATEGORIES["unordered"](folder)),
    "parquet": lambda folder: written(CATEGORIES["unordered"](folder).to_parquet, folder / "a.pq"),
    "duckdb": lambda folder: _enum(CATEGORIES["enum"](folder).to_pandas().astype({"w": str})),
}


def _enum(table: pd.DataFrame) -> Any:
    connection = duckdb.connect()
    names = ", ".join(map(repr, ORDER))
    return connection.from_df(table).project(f"y, x, g, cast(w as enum({names})) as w")


@BOTH
@pytest.mark.parametrize("kind", CATEGORIES)
def test_the_declared_order_of_categories_gives_reference_and_columns(
    kind: str, rows: str, tmp_path: Path
) -> None:
    # As R's factor(sizes, levels = c("middle", "small", "none", "large")) does.
    data = CATEGORIES[kind](tmp_path)
    found = design("y ~ w + (1 | g)", data, rows)
    assert found.terms == ("Intercept", "w[small]", "w[large]")
    assert any(
        "1 of 4 categories of w have no rows" in note and "none" in note for note in found.notes
    )
    assert design("y ~ C(w):x + (1 | g)", data, rows).terms[1:] == (
        "C(w)[middle]:x", "C(w)[small]:x", "C(w)[large]:x",
    )  # fmt: skip


@BOTH
def test_orders_that_nobody_declared_are_alphabetical(rows: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"y": Y, "g": G, "w": SIZES}).with_columns(
        w=pl.col("w").cast(pl.Categorical)
    )
    table.write_parquet(tmp_path / "a.parquet")
    for data in (table, table.lazy(), table.to_arrow(), str(tmp_path / "a.parquet")):
        assert design("y ~ w + (1 | g)", data, rows).terms[1:] == ("w[middle]", "w[small]")


@BOTH
def test_intervals_and_numbers_as_categories_keep_their_order(rows: str) -> None:
    table = frame(cut=pd.cut(X * 5, [-99, -2, 5, 99]), k=pd.Categorical(G, range(11, -1, -1)))
    assert design("y ~ cut + (1 | g)", table, rows).terms[1:] == ("cut[(-2, 5]]", "cut[(5, 99]]")
    assert design("y ~ C(k)", table, rows).terms[1:3] == ("C(k)[10]", "C(k)[9]")


def test_a_saved_fit_replays_the_order_on_plain_text(tmp_path: Path) -> None:
    fitted = fit("y ~ w + (1 | g)", CATEGORIES["ordered"](tmp_path), random_seed=1, draws=50)
    again = load_fit(save_fit(fitted, tmp_path / "a.nc"))
    assert again.design.encoding == fitted.design.encoding
    new = {"w": ["small", "large"], "g": [1, 2]}
    np.testing.assert_array_equal(predict(again, new).mean, predict(fitted, new).mean)


@BOTH
def test_many_levels_are_mentioned_with_what_to_do(rows: str) -> None:
    few, many = np.arange(N) % 12, np.arange(N) % 13
    table = frame(few=[f"f{k:02d}" for k in few], many=[f"m{k:02d}" for k in many], k=many)
    notes = design("y ~ few + many + (1 | g)", table, rows).notes
    mentioned = [note for note in notes if "levels" in note]
    assert len(mentioned) == 1
    assert "many has 13 levels, of 18 rows on average, and 12 coeff" in mentioned[0]
    assert "(1 | many)" in mentioned[0]
    assert any("C(k) has 13 levels" in n for n in design("y ~ C(k) + (1 | g)", table, rows).notes)


@BOTH
@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "y ~ x + id + (1 | g)",
            r"'id' has 2,\d\d\d different values in 20,000 rows .*\(1 \| id\)",
        ),
        ("y ~ x * C(k) + (1 | g)", r"'C\(k\)' has 2,\d\d\d different .* or write k for its values"),
        ("y ~ C(a) * C(b) + (1 | g)", "at most 1,000 are possible"),
        ("y ~ x + (m | g)", "'g' would have 30 effects"),
    ],
)
def test_too_many_levels_are_refused_at_once_by_one_rule(
    formula: str, message: str, rows: str
) -> None:
    n, rng = 20_000, np.random.default_rng(1)
    k, a, b, m, g = (rng.integers(0, many, n) for many in (3000, 100, 100, 30, 50))
    columns = {"y": rng.normal(size=n), "x": rng.normal(size=n), "k": k, "a": a, "b": b, "g": g}
    data = pl.DataFrame(columns | {"id": [f"id{one}" for one in k], "m": [f"m{one}" for one in m]})
    started = time.process_time()
    with pytest.raises(DataError, match=message):
        design(formula, data, rows)
    assert time.process_time() - started < 2.0


def test_two_hundred_levels_are_fitted_summed_as_kept() -> None:
    n, rng = 2_000, np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n) + 1e3})
    data["k"] = [f"k{one:03d}" for one in np.arange(n) % 200]
    data["g"] = rng.integers(0, 10, n)
    formula = "y ~ x + k + (1 | g)"
    kept, summed = build_design(formula, data).moments(), sum_rows(formula, data).moments()
    assert summed.terms == kept.terms
    np.testing.assert_array_equal(summed.counts, kept.counts)
    np.testing.assert_allclose(summed.means, kept.means, atol=1e-9)
    np.testing.assert_allclose(summed.scatter, kept.scatter, atol=1e-9 * kept.scatter.max())


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x * w + v + (x | g)",
        "y ~ 0 + C(k) + within(x) + (1 + w | g)",
        "log(y) ~ w * C(k) + x:v",
    ],
)
def test_cells_give_the_sums_that_products_do(
    formula: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = frame(w=SIZES, k=G % 4, v=np.where(G > 5, "p", "q")).assign(y=np.exp(Y) + 1e3 * G + 1)
    plain = sum_rows(formula, data).moments()
    monkeypatch.setattr(crossed, "_MANY", 1)
    for given in (data, pl.from_pandas(data).lazy(), duckdb.from_df(data)):
        cells = sum_rows(formula, given).moments()
        np.testing.assert_array_equal(cells.labels, plain.labels)
        np.testing.assert_allclose(cells.means, plain.means, rtol=1e-9, atol=1e-10)
        size = np.abs(plain.scatter).max()
        np.testing.assert_allclose(cells.scatter, plain.scatter, rtol=1e-9, atol=1e-12 * size)
