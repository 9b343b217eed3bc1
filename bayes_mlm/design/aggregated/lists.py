"""Two crossed random intercepts whose cells are too many to sum: read once, as lists of levels.

Of most combinations of users and films there is one row at most, so that sums by combination are
larger than the rows. What the likelihood needs is smaller: sums by level of each factor, and which
levels meet. The rows come from the engine in parts, and are not kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints
from bayes_mlm.data import Labelled, Scan, collect, count, is_whole, levels_of, read_batches
from bayes_mlm.design.aggregated.learning import as_category
from bayes_mlm.design.aggregated.written import WrittenColumns
from bayes_mlm.design.design import INTERCEPT
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.moments import (
    MAX_COST,
    CellFactor,
    CrossedSums,
    CrossedTable,
    LevelCodes,
    crossing_cost,
    is_dense,
)

# In messages.
TOO_CROSSED = "their levels have too many combinations, which were read as lists of levels"


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedFactor:
    """A factor of a crossed table: its labels (m,), sorted, and the rows (m,) of each."""

    factor: str
    labels: NDArray[Any]
    counts: Ints
    effects: tuple[str, ...]

    @property
    def of_all(self) -> CellFactor:
        """The factor over all rows as one cell."""
        one = np.zeros(1, dtype=np.int64)
        return CellFactor(factor=self.factor, labels=one, codes=one, effects=self.effects)


def is_too_crossed(scan: Scan, encoding: Encoding, keys: Sequence[Sequence[str]]) -> bool:
    """Return whether a model is one of two random intercepts that no factorisation can take.

    Parameters
    ----------
    scan : Scan
    encoding : Encoding
    keys : sequence of sequence of str
        Columns of the table that each factor is made of.
    """
    intercepts = len(encoding.effects) == 2 and all(one == (INTERCEPT,) for one in encoding.effects)
    if not intercepts or INTERCEPT not in encoding.terms or any(len(one) > 1 for one in keys):
        return False
    names = [one[0] for one in keys]
    sizes = [_sizes(scan, name) for name in names]
    dear = crossing_cost(*sizes) > MAX_COST and is_dense(*sizes)
    if not dear:
        return False
    inner, outer = names if sizes[0].size > sizes[1].size else reversed(names)
    return not _is_nested(scan, inner, outer)


def _sizes(scan: Scan, name: str) -> Ints:
    """Count the rows (m,) of each label of a column."""
    rows = scan.frame.select(label_=scan.col(name))
    found = collect(scan, rows.group_by("label_").agg(nw.len().alias("n_")).select("n_"))
    return found["n_"].astype(np.int64)


def _is_nested(scan: Scan, inner: str, outer: str) -> bool:
    """Return whether every label of a column occurs with one label of another."""
    value = nw.col("value_")
    rows = scan.frame.select(label_=scan.col(inner), value_=as_category(outer, scan))
    ends = rows.group_by("label_").agg(value.min().alias("low_"), value.max().alias("high_"))
    several = ends.select(several=count(nw.col("low_") != nw.col("high_")))
    return not collect(scan, several)["several"][0]


def read_lists(
    scan: Scan, encoding: Encoding, written: WrittenColumns, factors: Sequence[str]
) -> tuple[CrossedTable, tuple[ListedFactor, ListedFactor]]:
    """Read the rows once, as sums by level and lists of levels.

    Parameters
    ----------
    scan : Scan
        Without missing values in what the columns are made of.
    encoding : Encoding
    written : WrittenColumns
        Columns of X, Z and y.
    factors : (str, str)
        Each a column of the table.
    """
    p = len(encoding.terms)
    places = (*written.place[:p], written.place[-1])
    values = {f"x{k}_": value.cast(nw.Float64) for k, value in enumerate(written.plain.values())}
    keys = {f"level{f}_": scan.col(name) for f, name in enumerate(factors)}
    sums = CrossedSums((factors[0], factors[1]), encoding.terms)
    codes = LevelCodes(), LevelCodes()
    for batch in read_batches(scan, keys | values):
        columns = _columns(batch, places)
        first, second = (_numbers(one, batch[name]) for one, name in zip(codes, keys, strict=True))
        sums.add(first, second, columns)
    levels, ranks = [], []
    for one in codes:
        texts = any(isinstance(label, str) for label in one.labels)
        labels, rank = levels_of(np.array(one.labels, dtype=object if texts else None))
        whole = labels.dtype.kind == "f" and is_whole(labels)
        levels.append(labels.astype(np.int64) if whole else labels)
        ranks.append(rank)
    table = sums.finish((codes[0].n, codes[1].n), (ranks[0], ranks[1]))
    listed = [
        ListedFactor(
            factor=margin.factor,
            labels=levels[f],
            counts=margin.in_data_order(margin.counts),
            effects=encoding.effects[f],
        )
        for f, margin in enumerate(table.in_formula_order(*table.margins))
    ]
    return table, (listed[0], listed[1])


def _columns(batch: dict[str, Any], places: Sequence[int | None]) -> Floats:
    n = len(batch[next(iter(f"x{place}_" for place in places if place is not None))])
    found = np.ones((n, len(places)))
    for k, place in enumerate(places):
        if place is not None:
            found[:, k] = batch[f"x{place}_"]
    return found


def _numbers(codes: LevelCodes, values: NDArray[Any] | Labelled) -> NDArray[np.int32]:
    """Return the numbers (n,) of the levels of rows."""
    if isinstance(values, Labelled):
        return codes.of_dictionary(values.levels, values.places)
    if values.dtype.kind in "iu":
        return codes.of_integers(values)
    levels, places = np.unique(values, return_inverse=True)
    return codes.of_dictionary(levels.tolist(), places)
