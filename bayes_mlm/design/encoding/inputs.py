"""Columns of a table for a formula, checked, with messages on their errors."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.data import explain_absent, is_number

if TYPE_CHECKING:
    from bayes_mlm.data import Table

_SHOWN = 5  # rows listed in a message


def raw_column(table: "Table", name: str) -> NDArray[Any]:
    """Fetch a column that has no missing values.

    Raises
    ------
    DataError
        If it is not there (the nearest name is offered) or misses values.
    """
    if name not in table.columns:
        raise DataError(explain_absent([name], list(table.columns), table.source))
    values = table.columns[name]
    if values.dtype.kind == "O":
        missing = np.array([value is None for value in values.tolist()], dtype=np.bool_)
    else:
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(0, dtype=np.bool_)
    if missing.any():
        raise DataError(
            f"column {name!r} has {count(int(missing.sum()), 'missing value')} "
            f'({list_rows(missing)}); drop those rows with missing="drop" (--missing drop)'
        )
    return values


def is_text(values: NDArray[Any]) -> bool:
    """Return whether a column is text."""
    return values.dtype.kind not in "biuf"


def numeric_column(table: "Table", name: str) -> Floats:
    """Fetch a column of finite numbers as float64; truth values become 0 and 1.

    Raises
    ------
    DataError
        As `raw_column`; also if it is text or has infinite values.
    """
    values = raw_column(table, name)
    if is_text(values):
        odd = [row for row, value in enumerate(values.tolist()) if not is_number(value)]
        if table.value_labels.get(name) and name in table.categories:
            raise DataError(
                f"column {name!r} has value labels, and a number is needed; "
                f'codes="{name}" (--codes {name}) reads its values'
            )
        found = f"row {odd[0] + 1} is {values[odd[0]][:40]!r}" if odd else "numbers written as text"
        raise DataError(
            f"column {name!r} is text where a number is needed ({found}); correct its values, or "
            "use it by itself, as categories"
        )
    floats = values.astype(np.float64)
    infinite = ~np.isfinite(floats)
    if infinite.any():
        raise DataError(
            f"column {name!r} has {count(int(infinite.sum()), 'infinite value')} "
            f"({list_rows(infinite)}); correct or drop them"
        )
    return floats


def list_rows(mask: NDArray[np.bool_]) -> str:
    """List the first rows of a mask, counted from 1, for a message."""
    rows = np.flatnonzero(mask) + 1
    more = ", …" if rows.size > _SHOWN else ""
    return f"row{'s' if rows.size > 1 else ''} {', '.join(map(str, rows[:_SHOWN]))}{more}"
