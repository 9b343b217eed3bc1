"""Check that a column can group the rows, and that group-level columns are."""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import DataError
from bayes_mlm.data.footers import check_footer_label
from bayes_mlm.data.groups import Groups, find_groups, group_spread, is_whole, label_text, levels_of
from bayes_mlm.data.table import Table

# Doses or waves may group rows as decimals; a measurement has more values than this.
_DECIMAL_LEVELS = 20
_SHOWN = 3


def check_group(
    table: Table, group: str, others: Sequence[str] = (), *, effects: Sequence[str] = ()
) -> Groups:
    """Check that a column can group the rows.

    Parameters
    ----------
    table : Table
        The rows.
    group : str
        The column right of the bar.
    others : sequence of str
        The other columns of the formula: candidates for the group that was meant.
    effects : sequence of str
        The columns left of the bar, if known.

    Returns
    -------
    Groups
        Labels, codes and sizes.

    Raises
    ------
    DataError
        If a label is missing, there is one group, every group is of size one, or the column looks
        like a measurement (more than 20 distinct values that are not whole numbers), or an effect
        looks like the group (text with more levels than the group has).

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
    >>> check_group(load_dataset("hsb"), "ses", ["mathach", "schoolid"], effects=["schoolid"])
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: group 'ses' has 373 different decimal numbers: it looks like
    a \
measurement, and the group goes right of the bar. Write (1 | schoolid) or (ses | schoolid), \
not (schoolid | ses)
    """
    groups = find_groups(table, group)
    count = groups.sizes.size
    check_footer_label(group, groups.labels, groups.sizes)
    if groups.labels.dtype.kind == "f" and count > _DECIMAL_LEVELS:
        raise DataError(
            f"group {group!r} has {count} different decimal numbers: it looks like a "
            "measurement, and the group goes right of the bar. "
            f"{_suggest_group(table, group, others, effects)}"
        )
    if count == 1:
        raise DataError(one_level(group, groups.labels[0]))
    if count == table.n:
        raise DataError(
            f"every group of {group!r} has one row ({table.n} labels, {table.n} rows): group and "
            f"residual are not identified. {_suggest_group(table, group, others, effects)}"
        )
    for name in effects:
        if table.columns[name].dtype == object and name != group:
            levels = levels_of(table.columns[name])[0].size
            if levels > count:
                raise DataError(
                    f"({name} | {group}) seems to be reversed: {name!r} has {levels} "
                    f"labels, {group!r} has {count}. Write (1 | {name}) or ({group} | {name})"
                )
    return groups


def one_level(group: str, label: object) -> str:
    """Return the message on a grouping column with one level."""
    return (
        f"group {group!r} has one level ({label_text(label)}): how groups differ cannot be "
        "estimated from one; give another group, or omit the bar"
    )


def check_group_level(table: Table, group: str, names: Sequence[str]) -> None:
    """Check that columns declared to be properties of the group are constant within it.

    Raises
    ------
    DataError
        If one varies within a group by more than rounding, with the first groups and their values.

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
    >>> check_group_level(load_dataset("hsb"), "schoolid", ["sector", "meanses"])
    """
    if not names:
        return
    groups = find_groups(table, group)
    for name in names:
        values = table.columns[name]
        varying = np.flatnonzero(group_spread(values, groups))
        if varying.size == 0:
            continue
        examples = []
        for code in varying[:_SHOWN]:
            found = levels_of(values[groups.codes == code])[0]
            shown = ", ".join(label_text(value) for value in found[:_SHOWN])
            more = ", …" if found.size > _SHOWN else ""
            examples.append(f"{label_text(groups.labels[code])}: {shown}{more}")
        raise DataError(
            f"{name!r} was declared constant within {group!r} but varies in {varying.size} of "
            f"{groups.sizes.size} groups ({'; '.join(examples)}); correct the values, or do not "
            "declare it"
        )


def _suggest_group(table: Table, group: str, others: Sequence[str], effects: Sequence[str]) -> str:
    found = _likely_group(table, [*effects, *others], group)
    found = found or _likely_group(table, table.names, group)
    if found is None:
        return "Give a column of labels shared by several rows, such as a school id"
    if found in effects:
        return f"Write (1 | {found}) or ({group} | {found}), not ({found} | {group})"
    return f"Write (1 | {found}), not (1 | {group}), if {found!r} is the group"


def _likely_group(table: Table, names: Sequence[str], group: str) -> str | None:
    """Return the column of labels with the most levels that still has two rows a level."""
    counts: dict[str, int] = {}
    for name in names:
        values = table.columns[name]
        if name != group and (
            values.dtype.kind in "iO" or (values.dtype.kind == "f" and is_whole(values))
        ):
            counts[name] = levels_of(values)[0].size
    fit = {name: count for name, count in counts.items() if 2 < count <= table.n / 2}
    return max(fit, key=lambda name: fit[name]) if fit else None
