"""Imputations as they come: a list of data, columns of plausible values, a long table, files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, describe_value
from bayes_mlm.data import Table, find_files, is_distributed, require_columns, take
from bayes_mlm.formula import Formula, parse_formula
from bayes_mlm.model import ModelRequest

# In place of a column: each file of several is an imputation.
EACH_FILE = "each-file"


@dataclass(frozen=True, kw_only=True, eq=False)
class ImputedPart:
    """The data of one imputation, and the model with plain columns in place of sets.

    Parameters
    ----------
    name : str
        What messages call it: "imputation 3 (PV3MATH)".
    request : ModelRequest
    data : Any
    """

    name: str
    request: ModelRequest
    data: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class ImputedParts:
    """The imputations of a model's data, with notes on them for the reader of the results."""

    parts: tuple[ImputedPart, ...]
    notes: tuple[str, ...] = ()


def is_list_of_data(data: Any) -> bool:
    """Return whether data are a list of data frames or files, one for each imputation.

    Raises
    ------
    DataError
        If it is a list of something else.
    """
    if not isinstance(data, Sequence) or isinstance(data, (str, bytes)):
        return False
    for k, one in enumerate(data, start=1):
        number = isinstance(one, (int, float, bool, np.generic)) or one is None
        values = list(one.values()) if isinstance(one, Mapping) else []
        if number or (values and not any(hasattr(value, "__len__") for value in values)):
            raise DataError(
                f"a list of data is a list of imputations, each a data frame or a file, and entry "
                f"{k} is {describe_value(one)}"
            )
    return True


def imputed_parts(
    request: ModelRequest, location: Any, rows: str, read: Callable[[], Table]
) -> ImputedParts | None:
    """Return the imputations of a model's data; None of a single data set.

    Parameters
    ----------
    request : ModelRequest
    location : Any
        Where the data are, or a list of such.
    rows : str
        As of `design_of`.
    read : callable
        Returns the rows of the location.

    Raises
    ------
    DataError
        If imputations are stated in two ways, or the data do not have them.
    """
    formula, column = parse_formula(request.model.formula), request.source.imputation
    listed = is_list_of_data(location)
    ways = {
        "a list of data": listed,
        "a set of columns in the formula (pv)": bool(formula.imputed),
        "a column of imputations": column is not None,
    }
    stated = [name for name, there in ways.items() if there]
    if not stated:
        return None
    if len(stated) > 1:
        raise DataError(f"imputations are stated by {' and by '.join(stated)}; use one of these")
    plain = replace(
        request,
        model=replace(request.model, formula=formula.text) if formula.imputed else request.model,
        source=replace(request.source, imputation=None),
    )
    if listed or column == EACH_FILE:
        data = list(location) if listed else [str(one) for one in find_files(location)]
        return _of_list(plain, data, None if listed else str(location))
    if is_distributed(location) or rows == "sum":
        raise DataError(
            f"{stated[0]} is read from rows, and those of this table would be summed where they "
            'lie; keep the rows (rows="keep", --rows keep), or give a list of tables or files, one '
            "for each imputation"
        )
    table = read()
    if formula.imputed:
        return _of_sets(plain, formula, table)
    return _of_column(plain, formula, str(column), table)


def _of_list(plain: ModelRequest, data: Sequence[Any], location: str | None) -> ImputedParts:
    if len(data) < 2:
        where = "the list has" if location is None else f"{location} is"
        raise DataError(
            f"several imputations are needed, and {where} {len(data)}: how much they differ is a "
            "part of the errors; fit a single data set as it is"
        )
    return ImputedParts(
        parts=tuple(
            ImputedPart(
                name=f"imputation {k} ({one})" if isinstance(one, str) else f"imputation {k}",
                request=plain,
                data=one,
            )
            for k, one in enumerate(data, start=1)
        )
    )


def _of_sets(plain: ModelRequest, formula: Formula, table: Table) -> ImputedParts:
    """Return the table with each column of every set under the name of the set."""
    sets = formula.imputed
    require_columns(table, [name for one in sets for name in one.columns])
    parts = []
    for k in range(len(sets[0].columns)):
        names = {one.name: one.columns[k] for one in sets}
        renamed = replace(
            table,
            columns={**table.columns, **{new: table.columns[old] for new, old in names.items()}},
            times=table.times | {new for new, old in names.items() if old in table.times},
            categories=_with_names(table.categories, names),
            value_labels=_with_names(table.value_labels, names),
        )
        named = ", ".join(names.values())
        parts.append(ImputedPart(name=f"imputation {k + 1} ({named})", request=plain, data=renamed))
    notes = tuple(
        f"{one.name}: {len(one.columns)} columns, {one.columns[0]} to {one.columns[-1]}, each "
        "fitted and the results pooled"
        for one in sets
    )
    return ImputedParts(parts=tuple(parts), notes=notes)


def _with_names[V](known: Mapping[str, V], names: Mapping[str, str]) -> dict[str, V]:
    """Return what is known of columns, with that of columns under new names."""
    return {**known, **{new: known[old] for new, old in names.items() if old in known}}


def _of_column(plain: ModelRequest, formula: Formula, column: str, table: Table) -> ImputedParts:
    """Return the rows of each value of a column, but for 0, the incomplete original."""
    require_columns(table, [column])
    if column in formula.columns:
        raise DataError(f"{column} tells imputations apart, and is in the formula too; take it out")
    values = table.columns[column]
    absent = np.array([one is None or one != one for one in values.tolist()])
    if absent.any():
        raise DataError(
            f"column {column} of imputations is missing in {int(absent.sum()):,} of {table.n:,} "
            "rows; number the imputations from 1 (0: the incomplete original)"
        )
    numbers = sorted(set(values.tolist()), key=lambda one: (isinstance(one, str), one))
    originals = [one for one in numbers if str(one) in ("0", "0.0")]
    kept = [one for one in numbers if one not in originals]
    if len(kept) < 2:
        raise DataError(
            f"column {column} has {len(kept)} imputation{'s' * (len(kept) != 1)}"
            f"{', and 0, the incomplete original' if originals else ''}; several are needed, as "
            "how much they differ is a part of the errors"
        )
    if len(kept) * 2 > table.n:
        raise DataError(
            f"column {column} has {len(kept):,} values in {table.n:,} rows; it is to number the "
            "imputations, each of which has all rows"
        )
    parts = tuple(
        ImputedPart(
            name=f"imputation {_shown(one)}",
            request=plain,
            data=take(table, np.asarray(values == one)),
        )
        for one in kept
    )
    notes = [f"{len(kept)} imputations by {column}, each fitted and the results pooled"]
    if originals:
        notes.append(f"rows of {column} = 0, the incomplete original, are omitted")
    return ImputedParts(parts=parts, notes=tuple(notes))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
