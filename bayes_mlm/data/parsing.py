"""Infer the type of a column of text from all its values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bayes_mlm.data.columns import Column, any_match, from_arrow, numbers_in
from bayes_mlm.data.numerals import Decimal, plain_numerals
from bayes_mlm.data.texts import BLANKS, FALSE_TEXTS, MISSING_TEXTS, TRUE_TEXTS


def parse_column(values: Any, decimal: Decimal | None = None) -> Column:
    """Infer the type of a column of text from all its values, and convert it.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray of string, length n
        A column of a CSV file, as written.
    decimal : {".", ","}, optional
        As of `read_table`.

    Returns
    -------
    ndarray, shape (n,)
        int64, float64, bool, or object holding str and None; `read_table` gives the rules.

    Examples
    --------
    >>> parse_column(pa.array(["1", "2.5", "NA"])).tolist()
    [1.0, 2.5, nan]
    >>> parse_column(pa.array(["1", "2.5", "many"])).tolist()
    ['1', '2.5', 'many']
    """
    if any_match(values, '^ "'):  # a space before a quoted value is no part of it
        quoted = '^ "((?:[^"]|"")*)"$'
        inside = pc.replace_substring(pc.replace_substring_regex(values, quoted, r"\1"), '""', '"')
        values = pc.if_else(pc.match_substring_regex(values, quoted), inside, values)
    trimmed = pc.utf8_trim(values, characters=BLANKS)
    gone = pc.is_in(trimmed, value_set=as_texts(MISSING_TEXTS))
    labels, values = (pc.if_else(gone, pa.nulls(1, pa.string())[0], x) for x in (values, trimmed))
    if values.null_count == len(values):
        return np.full(len(values), np.nan)
    numerals = values if decimal is None else plain_numerals(values, decimal)
    numbers = None if numerals is None else numbers_in(numerals)
    if numbers is not None:
        return from_arrow(numbers)
    known = pc.is_in(values, value_set=as_texts(TRUE_TEXTS + FALSE_TEXTS))
    if pc.all(pc.or_(known, pc.is_null(values))).as_py():
        truth = pc.is_in(values, value_set=as_texts(TRUE_TEXTS))
        return from_arrow(pc.if_else(pc.is_null(values), pa.nulls(1, pa.bool_())[0], truth))
    return from_arrow(labels)


def as_texts(texts: Sequence[str]) -> Any:
    """Make an Arrow array of a few texts (pyarrow.array would import pandas: it costs seconds)."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(ends), pa.py_buffer(b"".join(data)))
