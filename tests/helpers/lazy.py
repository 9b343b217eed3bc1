"""The study as a table of each engine, and the difference of two designs' sums."""

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from bayes_mlm import build_design, load_hsb, sum_rows
from bayes_mlm.base.errors import BayesMLMError

HSB = load_hsb()
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"
ENGINES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.connect().from_df(frame),
}


def rows_and_sums(formula, table, engine):
    """Return the designs of rows and of sums; None where both refuse the formula."""
    try:
        rows = build_design(formula, table)
    except BayesMLMError as error:
        # What rows refuse, sums refuse, in the same words but for what either can see.
        with pytest.raises(type(error)):
            sum_rows(formula, ENGINES[engine](table))
        return None
    return rows, sum_rows(formula, ENGINES[engine](table))


def difference(rows, sums):
    """Return the largest difference of the sums of two designs, relative to the columns' size."""
    a, b = rows.moments(), sums.moments()
    assert a.labels.tolist() == b.labels.tolist()
    assert np.array_equal(a.counts, b.counts)
    assert (a.terms, a.effects) == (b.terms, b.effects)
    mean, sd = a.moments
    size = np.abs(mean) + sd
    means = np.abs(a.means + a.centre - b.means - b.centre) / np.where(size > 0, size, 1.0)
    # A product of two columns is known to what either can hold: offsets included.
    whole = np.where(sd > 0, sd, 1.0)
    scatter = np.abs(a.scatter - b.scatter) / (a.n * whole[:, None] * whole[None, :])
    return max(float(means.max()), float(scatter.max()))
