"""Read the files of statistical packages: Stata, SPSS and SAS."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.formats.value_labels import Coded, table_of_coded
from bayes_mlm.data.reader import ReadOptions, import_extra
from bayes_mlm.data.table import Table, checked_names


def read_stata(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a Stata file; .a to .z are missing."""
    return _read(path, columns, options, "dta", "a Stata file", user_missing=True)


def read_spss(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read an SPSS file, compressed or not; user-missing codes are missing."""
    return _read(path, columns, options, "sav", "an SPSS file", user_missing=True)


def read_por(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a portable SPSS file."""
    return _read(path, columns, options, "por", "a portable SPSS file")


def read_sas(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a SAS file, with the catalogue of value labels of the same name if there is one."""
    catalogue = path.with_suffix(".sas7bcat")
    labels = {"catalog_file": str(catalogue)} if catalogue.is_file() else {}
    return _read(path, columns, options, "sas7bdat", "a SAS file", user_missing=True, **labels)


def read_xport(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a SAS transport file."""
    return _read(path, columns, options, "xport", "a SAS transport file")


def _read(
    path: Path,
    columns: Sequence[str] | None,
    options: ReadOptions,
    kind: str,
    what: str,
    **settings: Any,
) -> Table:
    library = import_extra("pyreadstat", "pyreadstat", path, what)
    if options.encoding is not None:
        settings["encoding"] = options.encoding
    read: Callable[..., tuple[Mapping[str, Any], Any]] = getattr(library, f"read_{kind}")
    if path.stat().st_size == 0:
        raise DataError(f"{shown(path)} is empty (0 bytes)")
    try:
        if columns is not None:
            _, about = read(str(path), output_format="dict", metadataonly=True)
            settings["usecols"] = list(checked_names(about.column_names, shown(path), columns))
        values, about = read(str(path), output_format="dict", **settings)
    except UnicodeDecodeError as error:
        raise DataError(_badly_encoded(path, str(error))) from error
    except (library.ReadstatError, library.PyreadstatError, ValueError, OverflowError) as error:
        text = " ".join(str(error).split())
        if ("convert" in text and "encoding" in text) or "invalid byte" in text:
            raise DataError(_badly_encoded(path, text)) from error
        raise DataError(
            f"{shown(path)} cannot be read as {what} ({text[:200]}); copy it again, or save it "
            "anew from the program that made it"
        ) from error
    names = checked_names(list(about.column_names), shown(path), columns)
    if not len(values[names[0]]):
        raise DataError(f"{shown(path)} has columns ({', '.join(names)}) but no rows")
    long = [name for name in names if kind == "dta" and _is_long(name, about)]
    values = {**values, **_long_texts(path, long)}
    unread = [name for name in long if values[name] is None]
    if len(unread) == len(names):
        raise DataError(f"{shown(path)}: long texts (strL) of this file cannot be read; use str#")
    table = table_of_coded(
        {name: _coded(name, values[name], about) for name in names if name not in unread},
        shown(path),
        options.codes,
    )
    if not unread:
        return table
    note = f"omitted long texts (strL), which cannot be read from this file: {', '.join(unread)}"
    return replace(table, notes={**table.notes, "": (note,)})


def _is_long(name: str, about: Any) -> bool:
    """Return whether a variable is one of Stata's long texts (strL), which have no width."""
    is_text = about.readstat_variable_types.get(name) == "string"
    return bool(is_text and about.variable_storage_width.get(name) == 0)


def _long_texts(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Read long texts of Stata by pandas, as pyreadstat returns them empty; None if it fails."""
    if not names:
        return {}
    import pandas as pd

    try:
        frame = pd.read_stata(path, columns=list(names), convert_categoricals=False)
    except (KeyError, ValueError, OverflowError):
        return dict.fromkeys(names)
    return {name: frame[name].tolist() for name in names}


def _badly_encoded(path: Path, reason: str) -> str:
    return (
        f"the texts of {shown(path)} are not in the encoding it states ({reason[:100]}); give the "
        "right one, such as encoding='utf-8' (--encoding utf-8) or cp1252"
    )


def _coded(name: str, values: Sequence[Any], about: Any) -> Coded:
    """Return a column with what the file says about it."""
    tags = frozenset(about.missing_user_values.get(name, ()))
    labels = {
        (key.lstrip(".") if isinstance(key, str) and key.lstrip(".") in tags else key): str(label)
        for key, label in about.variable_value_labels.get(name, {}).items()
    }
    ranges = about.missing_ranges.get(name, ())
    return Coded(
        values=values,
        label=about.column_names_to_labels.get(name) or "",
        labels=labels,
        missing=tuple((one["lo"], one["hi"]) for one in ranges),
        tags=tags,
    )
