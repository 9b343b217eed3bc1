"""Obstacles in a table to fitting a multilevel model."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, count
from bayes_mlm.data.footers import check_footer
from bayes_mlm.data.group_checks import check_group
from bayes_mlm.data.groups import levels_of
from bayes_mlm.data.labels import notes_on_labels
from bayes_mlm.data.magnitude import refuse_magnitudes
from bayes_mlm.data.misread import refuse_misread
from bayes_mlm.data.missing import count_text, is_missing
from bayes_mlm.data.na_values import notes_on_sentinels
from bayes_mlm.data.numerals import mostly_numbers
from bayes_mlm.data.table import Table, as_table, take
from bayes_mlm.data.validation import constant_predictor, require_columns, require_finite

# Fewer groups say little about the variance between them.
_FEW_GROUPS = 10
_MANY_LEVELS = 300
_LISTED = 6  # columns with missing values, beyond which they are listed on one line

type Mask = NDArray[np.bool_]


def obstacles(
    table: Table, group: str | None = None, columns: Sequence[str] | None = None
) -> tuple[str, ...]:
    r"""List the obstacles to a fit: in each column, and in the groups.

    Parameters
    ----------
    table : Table or frame
    group : str, optional
        The grouping column.
    columns : sequence of str, optional
        The columns that matter; all by default.

    Returns
    -------
    tuple of str
        One sentence each, with what to do; empty if there is nothing.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> found = obstacles(as_table({"g": ["a", "a", "b", "b"], "y": [1, 2, None, 3]}))
    >>> print(*found, sep="\n")
    y: 1 missing value (row 3); drop the row by missing="drop" (--missing drop)
    """
    table = as_table(table)
    names = table.names if columns is None else tuple(dict.fromkeys([*columns]))
    require_columns(table, [*names, *(() if group is None else (group,))])
    found = [*_of_rows(table)]
    missing = {name: is_missing(table.columns[name]) for name in names}
    some = {name: mask for name, mask in missing.items() if mask.any() and not mask.all()}
    if len(some) > _LISTED:
        first = list(some.items())[:_LISTED]
        listed = ", ".join(f"{name} ({mask.sum():,})" for name, mask in first)
        found.append(
            f"{count(len(some), 'column')} with missing values: {listed}, …; drop the rows with "
            'missing values in the columns of a model by missing="drop" (--missing drop)'
        )
    else:
        found += [_missing(name, mask) for name, mask in some.items()]
    for name in names:
        found += _of_column(table, name, is_group=name == group)
    found += notes_on_sentinels(table, [name for name in names if name != group])
    if group is not None:
        found += _of_groups(table, group)
    return tuple(dict.fromkeys(found))


def _missing(name: str, mask: Mask) -> str:
    rows = "the row" if mask.sum() == 1 else "the rows"
    return f'{name}: {count_text(mask, "missing")}; drop {rows} by missing="drop" (--missing drop)'


def _of_rows(table: Table) -> Iterator[str]:
    try:
        check_footer(table)
    except DataError as error:
        yield str(error)


def _of_column(table: Table, name: str, *, is_group: bool) -> Iterator[str]:
    values = table.columns[name]
    gone = is_missing(values)
    if gone.all():
        yield f"{name}: every value is missing; omit it"
        return
    levels = levels_of(values)[0]
    if values.dtype == object:
        yield from notes_on_labels(name, levels.tolist())
    if is_group:
        return
    if levels.size == 1:
        yield constant_predictor(name, levels[0])
        return
    if values.dtype == object:
        yield from _of_labels(table, name, levels.tolist())
        return
    try:
        require_finite(table, [name])
        refuse_magnitudes([name], values[~gone].astype(np.float64))
    except DataError as error:
        yield str(error)


def _of_labels(table: Table, name: str, levels: list[str]) -> Iterator[str]:
    if name in table.categories:
        return
    try:
        refuse_misread(name, "predictor", levels, is_time=name in table.times)
    except DataError as error:
        yield str(error)
        return
    if mostly_numbers(levels):
        odd = next((one for one in levels if not one.strip().replace(".", "").isdigit()), "")
        why = table.notes.get(name, ())
        yield (
            f"{name}: text, though most of its values are numbers (not {odd!r}); correct it, or "
            f"use {name} as the group or as C({name})" + "".join(f" [{note}]" for note in why)
        )
    elif len(levels) > _MANY_LEVELS:
        yield (
            f"{name}: text with {count(len(levels), 'value')}, too many for a predictor; group by "
            f"it, (1 | {name}), or omit it"
        )


def _of_groups(table: Table, group: str) -> Iterator[str]:
    kept = take(table, ~is_missing(table.columns[group]))
    if kept.n == 0:
        return
    try:
        groups = check_group(kept, group)
    except DataError as error:
        yield str(error)
        return
    many = groups.sizes.size
    if many < _FEW_GROUPS:
        yield (
            f"{count(many, 'group')} ({group}): few for estimating the variance between groups, so "
            "that the prior on sigma_u matters"
        )
    single = int((groups.sizes == 1).sum())
    if 2 * single > many:
        yield (
            f"{count(single)} of {count(many, 'group')} ({group}) have one row, and contribute "
            "little to the variance within groups"
        )
