"""Read a data frame that R saved: `.rds`, and `.RData` with several objects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.columns import TypedColumn
from bayes_mlm.data.formats.value_labels import Coded, table_of_coded
from bayes_mlm.data.reader import ReadOptions, import_extra
from bayes_mlm.data.table import Table, checked_names

_EPOCH = datetime(1970, 1, 1)
_NO_INTEGER = -(2**63)


def read_r(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, part: str = ""
) -> Table:
    """Read a data frame of R: factors are categories, haven's labels are value labels."""
    rdata = import_extra("rdata", "rdata", path, "an R file")
    try:
        root = rdata.parser.parse_file(path).object
    except Exception as error:
        # The parser raises any class on a damaged file: zlib.error, LZMAError, EOFError,
        # ValueError, IndexError, AssertionError, BadGzipFile, even UnboundLocalError.
        if isinstance(error, OSError) and error.errno is not None:  # of the disk
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{shown(path)} is not an intact file of saveRDS ({reason}); save it again"
        ) from error
    root = _frame(path, root, part)
    about = _attributes(root)
    found = dict(zip(_texts(about.get("names")), root.value, strict=True))
    names = checked_names(list(found), shown(path), columns)
    coded, factors = {}, {}
    for name in names:
        kind = _attributes(found[name])
        if found[name].info.type.name not in ("STR", "INT", "REAL", "LGL"):
            continue  # a list, a matrix in a cell, complex numbers: nothing a model takes
        if "factor" in _texts(kind.get("class")):
            factors[name] = _factor(found[name], kind)
        coded[name] = _column(found[name], kind)
    absent = [name for name in names if name not in coded]
    if not coded or (absent and columns is not None):
        raise DataError(f"column {(absent or ['?'])[0]!r} of {shown(path)} is a list, not values")
    if not len(next(iter(coded.values())).values):
        raise DataError(f"{shown(path)} has columns ({', '.join(names)}) but no rows")
    table = table_of_coded(coded, shown(path), options.codes)
    notes = dict(table.notes)
    for name in absent:
        notes[""] = (*notes.get("", ()), f"{name} is a column of lists, and is not read")
    return replace(
        table,
        categories={**table.categories, **{n: one.categories or () for n, one in factors.items()}},
        notes=notes,
    )


def _frame(path: Path, root: Any, part: str) -> Any:
    """Return the data frame of a file: the object of saveRDS, or one of those of save.

    Raises
    ------
    DataError
        If it has none, or several and none is named.
    """
    objects = _pairs(root) if root.info.type.name == "LIST" else {"": root}
    frames = {name: one for name, one in objects.items() if _is_frame(one)}
    if part in frames:
        return frames[part]
    if len(frames) == 1 and not part:
        return next(iter(frames.values()))
    listed = ", ".join(map(repr, frames))
    if part and "" not in objects:
        raise DataError(f"{shown(path)} has no data frame {part!r}; it has {listed or 'none'}")
    if part:
        raise DataError(f"{shown(path)} is of one object, which has no name; omit ::{part}")
    if frames:
        raise DataError(
            f"{shown(path)} has {len(frames)} data frames ({listed}); name one after two colons: "
            f"{f'{path.name}::{next(iter(frames))}'!r}"
        )
    raise DataError(f"{shown(path)} has no data frame; save one in R: saveRDS(as.data.frame(x), …)")


def _is_frame(node: Any) -> bool:
    found = _texts(_attributes(node).get("class")) if node.info.type.name == "VEC" else []
    return "data.frame" in found


def _attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of an R object by name."""
    return _pairs(node.attributes)


def _pairs(link: Any) -> dict[str, Any]:
    """Return the values of a pairlist of R by their names."""
    found = {}
    while link is not None and link.info.type.name == "LIST":
        symbol = link.tag
        if symbol.info.type.name == "REF":
            symbol = symbol.referenced_object
        name = symbol.value.value.decode()
        value, link = link.value
        found[name] = value
    return found


def _texts(node: Any) -> list[Any]:
    """Return the texts of a character vector; none of anything else."""
    if node is None or node.info.type.name != "STR":
        return []
    return [None if one.value is None else _decoded(one.value) for one in node.value]


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _factor(node: Any, kind: Mapping[str, Any]) -> TypedColumn:
    levels = _texts(kind.get("levels"))
    codes = np.ma.filled(np.ma.asarray(node.value), 0)
    texts = np.array([None, *levels], dtype=object)
    valid = (codes >= 1) & (codes <= len(levels))
    return TypedColumn(values=texts[np.where(valid, codes, 0)], categories=tuple(levels))


def _column(node: Any, kind: Mapping[str, Any]) -> Coded:
    """Return a vector of R with its label, value labels and user-missing codes (haven's)."""
    classes = _texts(kind.get("class"))
    if "integer64" in classes:  # bit64 stores them in the bits of doubles
        bits = np.ma.getdata(np.ma.asarray(node.value)).view(np.int64).tolist()
        return Coded(values=[None if one == _NO_INTEGER else one for one in bits])
    label = next(iter(_texts(kind.get("label"))), "") or ""
    if "factor" in classes:
        return Coded(values=_factor(node, kind).values.tolist(), label=label)
    values: Sequence[Any] = _texts(node) if node.info.type.name == "STR" else _plain(node)
    if "Date" in classes:
        values = [None if _is_na(v) else _EPOCH.date() + timedelta(days=float(v)) for v in values]
    elif "POSIXct" in classes:
        values = [None if _is_na(v) else _EPOCH + timedelta(seconds=float(v)) for v in values]
    missing: list[tuple[Any, Any]] = []
    if "na_values" in kind:
        missing += [(one, one) for one in _of_vector(kind["na_values"])]
    if "na_range" in kind:
        low, high = _of_vector(kind["na_range"])
        missing.append((low, high))
    labels = {}
    if "labels" in kind and any(one.startswith("haven_labelled") for one in classes):
        named = _texts(_attributes(kind["labels"]).get("names"))
        labels = dict(zip(_of_vector(kind["labels"]), named, strict=True))
        labels = {value: text for value, text in labels.items() if not _is_na(value)}
    return Coded(values=values, label=label, labels=labels, missing=tuple(missing))


def _of_vector(node: Any) -> list[Any]:
    return _texts(node) if node.info.type.name == "STR" else _plain(node)


def _plain(node: Any) -> list[Any]:
    """Return the numbers or truth values of a vector; None for those that are NA."""
    values: list[Any] = np.ma.asarray(node.value).tolist()
    if node.info.type.name == "LGL":
        return [None if value is None else bool(value) for value in values]
    return values


def _is_na(value: Any) -> bool:
    """Return whether a value of R is NA or NaN."""
    return value is None or value != value
