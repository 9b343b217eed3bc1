"""Rows of a query a part at a time, for what cannot be computed where they lie."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.data.columns import from_arrow
from bayes_mlm.data.lazy.source import Scan, engine_errors

# Rows of a part.
_ROWS = 1 << 19


class Labelled(NamedTuple):
    """A column of labels: the distinct ones, and the place of each row among them."""

    levels: list[Any]
    places: NDArray[np.int64]


def read_batches(
    scan: Scan, columns: Mapping[str, nw.Expr], *, rows: int = _ROWS
) -> Iterator[dict[str, NDArray[Any] | Labelled]]:
    """Yield the columns of a query for some rows after others, in any order.

    DuckDB streams them; other engines give the columns as a whole.

    Parameters
    ----------
    scan : Scan
    columns : mapping of str to narwhals.Expr
    rows : int
        Of a part, about.

    Yields
    ------
    dict of str to ndarray or Labelled
        Numbers as an array; anything else, and numbers with a fraction in a label, as places among
        the distinct values.

    Raises
    ------
    DataError
        With the engine's reason, if the query fails.
    """
    frame = scan.frame.select(**columns)
    with engine_errors(scan):
        for batch in _batches(scan, frame, rows):
            yield {name: _column(batch.column(name)) for name in columns}


def _batches(scan: Scan, frame: nw.LazyFrame[Any], rows: int) -> Iterator[Any]:
    if scan.engine == "duckdb":
        yield from frame.to_native().to_arrow_reader(rows)
    else:
        yield from frame.collect("pyarrow").to_native().to_batches(max_chunksize=rows)


def _column(values: Any) -> NDArray[Any] | Labelled:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if not values.null_count:
            return np.asarray(values.to_numpy(zero_copy_only=False))
    elif not (pa.types.is_boolean(kind) or pa.types.is_decimal(kind)):
        encoded = values if pa.types.is_dictionary(kind) else values.dictionary_encode()
        levels = from_arrow(encoded.dictionary).tolist()
        return Labelled(levels, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64))
    return np.asarray(from_arrow(values))
