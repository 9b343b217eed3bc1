"""Grouping factors that are combinations of columns: classes of schools, ``class:school``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import DataError
from bayes_mlm.data.columns import Column
from bayes_mlm.data.groups import levels_of
from bayes_mlm.data.table import Table


def with_interactions(
    table: Table, interactions: Mapping[str, Sequence[str]], *, new: bool = False
) -> Table:
    """Return a table with a column of labels for each interaction of which it has the columns.

    Parameters
    ----------
    table : Table
    interactions : mapping of str to sequence of str
        The columns of each factor, by its name.
    new : bool
        Whether the table is as the user gave it, and must not have such a column.

    Raises
    ------
    DataError
        If `new` and it has a column with the name of an interaction.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> table = as_table({"class": [1, 11, 1], "school": [11, 1, 2]})
    >>> with_interactions(table, {"class:school": ("class", "school")}).columns["class:school"]
    array(['1:11', '11:1', '1:2'], dtype=object)
    """
    added = {}
    for name, columns in interactions.items():
        if new and name in table.columns:
            raise DataError(
                f"{table.source} has a column {name!r}, and the formula means the combinations of "
                f"{' and '.join(columns)}; rename the column, or write it in `backquotes`"
            )
        if all(column in table.columns for column in columns):
            added[name] = combined([table.columns[column] for column in columns])
    return replace(table, columns={**table.columns, **added}) if added else table


def combined(columns: Sequence[Column]) -> Column:
    r"""Return the labels of the combinations of columns, None where a part is missing, shape (n,).

    Different combinations have different labels: a colon within a part is written ``\:``.
    """
    labels = np.array([""], dtype=object)
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for place, values in enumerate(columns):
        levels, places = levels_of(values)
        texts = [*map(_text, levels.tolist()), None]
        pairs = codes * len(texts) + np.where(places < 0, levels.size, places)
        present, codes = np.unique(pairs, return_inverse=True)
        before, after = present // len(texts), present % len(texts)
        found = np.empty(present.size, dtype=object)
        for k, (old, new) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
            if labels[old] is not None and texts[new] is not None:
                found[k] = f"{labels[old]}:{texts[new]}" if place else texts[new]
        labels = found
    return labels[codes]


def _text(value: object) -> str:
    """Return the label of one part in full: an id of 12 digits keeps them."""
    text = int(value) if isinstance(value, float) and value.is_integer() else value
    return str(text).replace("\\", "\\\\").replace(":", "\\:")
