"""Tables of named NumPy columns, from data frames of any kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from numpy.typing import NDArray

from bayes_mlm.base import DataError
from bayes_mlm.data.absent import explain_absent
from bayes_mlm.data.columns import Column, TypedColumn, from_any, read_numerals, typed_from_table
from bayes_mlm.data.numerals import Decimal, check_decimal

_LISTED = 12  # more names than this would drown the message


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Table of named columns of equal length; their arrays are read-only.

    Parameters
    ----------
    columns : mapping of str to ndarray, each shape (n,)
        Numbers are float64 or int64, truth values bool, everything else an object array of str.
        Missing is NaN among floats and None among text; int64 and bool columns miss nothing.
    n : int
        Number of rows.
    source : str
        Where the table came from, for messages: "hsb", "students.csv", "pandas.DataFrame".
    categories : mapping of str to tuple of str
        Of columns whose categories were declared (pandas' ``Categorical``, polars' ``Enum``, an
        Arrow dictionary, DuckDB's ``ENUM``, R's factors in Parquet): the categories in that order,
        also those without rows.
    times : frozenset of str
        Columns that held dates, timestamps, times of day or durations; their values are text.
    from_text : bool
        Whether the types of columns were decided from their values, as those of text files are.
    labels : mapping of str to str
        Variable labels, which stand for the names of columns in titles: "Hours of study".
    value_labels : mapping of str to mapping of float or str to str
        Of columns whose file labels values, as those of SPSS and Stata do: the label of each value.
        Where every value that occurs has one, the column holds the labels, and `categories` their
        order, that of the values; otherwise it holds the values.
    notes : mapping of str to tuple of str
        Remarks on how a column was read, by its name; those on the whole table under "".

    Raises
    ------
    DataError
        If a column does not have shape (n,).

    Examples
    --------
    >>> table = as_table({"school": ["a", "a", "b"], "y": [1.0, 2.0, 4.0]})
    >>> table.n, table.names, table.columns["y"].dtype
    (3, ('school', 'y'), dtype('float64'))
    """

    columns: Mapping[str, Column]
    n: int
    source: str
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    times: frozenset[str] = frozenset()
    from_text: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float | str, str]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return its source and size, on one line."""
        names = ", ".join(self.names[:8]) + (", …" if len(self.names) > 8 else "")
        return f"<Table {self.source!r}: {self.n:,} rows, {len(self.names)} columns ({names})>"

    def __post_init__(self) -> None:
        """Check the shapes and freeze views of the columns (the caller's arrays stay as is)."""
        frozen = {}
        for name, values in self.columns.items():
            if values.shape != (self.n,):
                raise DataError(
                    f"{self.source}: column {name!r} has shape {values.shape}, expected ({self.n},)"
                )
            frozen[name] = values.view()
            frozen[name].flags.writeable = False
        # A plain dict: a read-only view of one cannot be pickled, which parallel work needs.
        object.__setattr__(self, "columns", frozen)

    def columns_frame(self) -> Any:
        """Return the columns as a pyarrow table, for an engine to scan."""
        import pyarrow as pa

        return pa.table({name: pa.array(values) for name, values in self.columns.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.columns)


def take(table: Table, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Table:
    """Return some rows of a table.

    Parameters
    ----------
    table : Table
        The rows to choose from.
    rows : ndarray of bool, shape (n,), or of int, shape (m,)
        A mask, or 0-based positions in the order wanted.

    Returns
    -------
    Table
        The chosen rows of every column; same source.

    Examples
    --------
    >>> take(as_table({"y": [1, 2, 3]}), np.array([True, False, True])).columns["y"].tolist()
    [1, 3]
    """
    n = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else int(rows.size)
    return replace(
        table, columns={name: values[rows] for name, values in table.columns.items()}, n=n
    )


def table_of_columns(columns: Mapping[str, TypedColumn], source: str) -> Table:
    """Return a table of columns of one length."""
    return Table(
        columns={name: one.values for name, one in columns.items()},
        n=len(next(iter(columns.values())).values),
        source=source,
        categories={n: one.categories for n, one in columns.items() if one.categories is not None},
        times=frozenset(name for name, one in columns.items() if one.is_time),
    )


def as_table(
    frame: Any, *, columns: Sequence[str] | None = None, decimal: Decimal | None = None
) -> Table:
    """Convert a data frame of any kind to a `Table`.

    Parameters
    ----------
    frame : data frame, mapping or Table
        Anything narwhals supports (pandas, polars, pyarrow, a DuckDB relation, a lazy frame, which
        is collected), a mapping of names to one-dimensional arrays, or a Table.
    columns : sequence of str, optional
        The columns to take; all by default. A lazy frame then reads only these.
    decimal : {".", ","}, optional
        The decimal mark of numbers that are text, which are then read (see `read_table`).

    Returns
    -------
    Table
        Whole numbers become int64 (float64 with NaN if some are missing; text if they are too
        large for that to be exact), floats and decimals float64, truth values bool (0, 1 and NaN
        if some are missing). Everything else becomes text: categories (numeric ones too: they are
        labels), dates (as ISO text), a column that mixes text and numbers. Declared categories keep
        their order, of which a predictor's reference is the first that has rows; those of polars'
        ``Categorical``, whose order nobody declares (its ``Enum`` has one), are sorted like plain
        text. The index of a pandas frame is not read; ``frame.reset_index()`` makes it a column.

    Raises
    ------
    DataError
        If the frame is of an unknown kind, has no rows or columns, duplicate names, names that are
        not text, columns of unequal length, or lacks one of `columns`.

    Examples
    --------
    >>> table = as_table({"school": ["a", "b", None], "y": [1, 2, None]})
    >>> table.columns["school"].tolist(), table.columns["y"].tolist()
    (['a', 'b', None], [1.0, 2.0, nan])
    """
    if decimal is not None:
        return _with_numerals(as_table(frame, columns=columns), decimal)
    if isinstance(columns, str):
        columns = (columns,)
    if isinstance(frame, Table):
        return frame if columns is None else _select(frame, columns)
    if isinstance(frame, Mapping):
        series, source = dict(frame), "dict"
        wanted = checked_names(list(series), source, columns)
        arrays = {name: from_any(name, series[name]) for name in wanted}
    else:
        source = _source_of(frame)
        arrays = _from_frame(frame, source, columns)
    lengths = {name: len(one.values) for name, one in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns of {source} differ in length: {_pairs(lengths)}")
    n = next(iter(lengths.values()), 0)
    if n == 0:
        raise DataError(f"{source} has no rows; columns: {', '.join(arrays)}")
    return table_of_columns(arrays, source)


def _with_numerals(table: Table, decimal: Decimal) -> Table:
    """Convert columns of numerals to numbers; declared categories and dates stay."""
    check_decimal(decimal)
    columns = dict(table.columns)
    for name, values in columns.items():
        if values.dtype == object and name not in table.categories and name not in table.times:
            columns[name] = read_numerals(values, decimal)
    return replace(table, columns=columns)


def checked_names(names: list[Any], source: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Check the names of the columns of a source and return those that are wanted.

    Parameters
    ----------
    names : list
        Every name found.
    source : str
        Where, for the message.
    wanted : sequence of str or None
        The names that are wanted; None for all.

    Returns
    -------
    tuple of str
        The wanted names, each once.

    Raises
    ------
    DataError
        If there are no names, duplicates, names that are not text, or a wanted one is not there.
    """
    if not names:
        raise DataError(f"{source} has no columns; a table needs at least one")
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        what = "several levels of names" if isinstance(odd[0], tuple) else "a name that is not text"
        raise DataError(f"{source} has {what} ({odd[0]!r}); give every column one name, as text")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{source} has duplicate column names: {', '.join(map(repr, twice))}; "
            "give every column a different name"
        )
    if wanted is None:
        return tuple(names)
    absent = [name for name in wanted if name not in names]
    if absent:
        raise DataError(explain_absent(absent, names, source))
    return tuple(dict.fromkeys(wanted))


def _from_frame(frame: Any, source: str, columns: Sequence[str] | None) -> dict[str, TypedColumn]:
    # The names of pandas are checked first, for a clearer message than that of narwhals.
    if nw.dependencies.is_pandas_dataframe(frame):
        frame = _with_index(frame)
        checked_names(list(frame.columns), source, columns)
    try:
        native = nw.from_native(frame)
        names = native.collect_schema().names()
    except DuplicateError as error:
        found = getattr(frame, "column_names", None) or list(getattr(frame, "columns", ()))
        checked_names(list(found), source, None)
        raise DataError(f"{source} has duplicate column names: {error}") from error
    except TypeError as error:
        raise DataError(
            f"cannot read a table from {source}; give a pandas, polars or pyarrow frame, a DuckDB "
            "relation, or a dict of arrays (for a file: bayes_mlm.read_table)"
        ) from error
    native = native.select(*checked_names(names, source, columns))
    eager = native.collect() if isinstance(native, nw.LazyFrame) else native
    if nw.dependencies.is_pyarrow_table(table := eager.to_native()):
        return dict(typed_from_table(table))
    return {name: from_any(name, eager[name]) for name in eager.columns}


def _with_index(frame: Any) -> Any:
    """Return a pandas frame with the named levels of its index as columns, as Parquet has them."""
    names = [name for name in frame.index.names if isinstance(name, str)]
    names = [name for name in names if name not in frame.columns]
    return frame.reset_index(level=names) if names else frame


def _select(table: Table, columns: Sequence[str]) -> Table:
    wanted = checked_names(list(table.columns), table.source, columns)
    return replace(table, columns={name: table.columns[name] for name in wanted})


def _source_of(frame: Any) -> str:
    kind = type(frame)
    return f"{kind.__module__.split('.')[0].lstrip('_')}.{kind.__qualname__}"


def _pairs(lengths: Mapping[str, int]) -> str:
    shown = [f"{name!r} {length}" for name, length in lengths.items()]
    return ", ".join(shown[:_LISTED]) + (", …" if len(shown) > _LISTED else "")
