"""Read the files of statistical packages: Stata, SPSS and SAS."""

from collections.abc import Callable, Mapping, Sequence
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
    return table_of_coded(
        {name: _coded(name, values[name], about) for name in names}, shown(path), options.codes
    )


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
