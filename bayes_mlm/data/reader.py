"""Readers of data files: what one is given and returns, and the registry of all of them."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bayes_mlm.base import DataError, Registry, shown
from bayes_mlm.data.numerals import Decimal
from bayes_mlm.data.table import Table


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options of reading a file, where it does not state them; as of `bayes_mlm.read_table`."""

    decimal: Decimal | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    cells: str | None = None
    omit_rows: str | None = None
    codes: str | None = None
    na_values: str | None = None

    def over(self, others: "ReadOptions") -> "ReadOptions":
        """Return these options, and the others' where these are not given."""
        return replace(others, **self.given)

    def of_new_rows(self, source: Any) -> "ReadOptions":
        """Return the options that apply to a file of other rows, which may be of another kind.

        Examples
        --------
        >>> ReadOptions(decimal=",", sheet="Data").of_new_rows("new.csv").given
        {'decimal': ','}
        """
        if not isinstance(source, (str, Path)):
            return ReadOptions(decimal=self.decimal, na_values=self.na_values)
        known = format_of(_first_file(str(source)))
        apply = known[1].options - _OF_ONE_FILE if known is not None else ALWAYS
        kept = {name: value for name, value in self.given.items() if name in apply}
        return ReadOptions(**kept)

    @property
    def given(self) -> dict[str, Any]:
        """The options that are given, by name."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


USUAL = ReadOptions()
# Options that apply to data of every kind.
ALWAYS = frozenset({"decimal", "na_values"})
# Options that name places in one file, which mean nothing in another.
_OF_ONE_FILE = frozenset({"sheet", "cells", "omit_rows"})

# From the path of a file that is there, the columns to read (all if None), the options, and the
# part of the file that is wanted (a table of a database, a sheet of a workbook; "" for none named);
# it raises a DataError that says what is wrong with the file. `read_table` words an OSError.
type Reader = Callable[[Path, Sequence[str] | None, ReadOptions, str], Table]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of data file.

    Parameters
    ----------
    read : Reader
        Its reader.
    what : str
        What messages call a file of it: "an SPSS file".
    options : frozenset of str
        Names of the `ReadOptions` that apply to it.
    has_parts : bool
        Whether a file may have several tables, of which ``FILE::PART`` names one.
    """

    read: Reader
    what: str
    options: frozenset[str] = ALWAYS
    has_parts: bool = False


def _first_file(source: str) -> Path:
    """Return the file that is meant, or the first of a folder or pattern."""
    path = Path(split_part(source)[0])
    if format_of(path) is not None:
        return path
    files = path.iterdir() if path.is_dir() else path.parent.glob(path.name or ".")
    return next((file for file in sorted(files) if format_of(file) is not None), path)


# By the ending of a file's name, in lower case.
READERS: Registry[Format] = Registry("kind of data file", DataError)

# Of a whole file, whatever its kind; text files are read as they are decompressed.
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")


def register_format(endings: Sequence[str], found: Format) -> None:
    """Add a kind of data file to the registry, under each ending that its files have."""
    for ending in endings:
        READERS.register(ending, found)


def format_of(path: Path) -> tuple[str, Format] | None:
    """Return the ending of a data file and its format, also of a compressed one; None if unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> [format_of(Path(name))[0] for name in ("a.csv.gz", "B.DTA", "c.sav.gz")]
    ['.csv.gz', '.dta', '.sav.gz']
    """
    name = path.name.lower()
    for ending, found in sorted(READERS.items(), key=lambda item: -len(item[0])):
        for suffix in ("", *COMPRESSED):
            if name.endswith(ending + suffix):
                return ending + suffix, found
    return None


def check_options(path: Path, found: Format, options: ReadOptions) -> None:
    """Refuse options that do not apply to a kind of file.

    Raises
    ------
    DataError
        With those that do.
    """
    odd = [name for name in options.given if name not in found.options]
    if odd:
        apply = [one.name for one in fields(options) if one.name in found.options]
        raise DataError(
            f"{shown(path)} is {found.what}, to which {flag(odd[0])} does not apply; those that "
            f"do: {', '.join(map(flag, apply))}"
        )


def flag(option: str) -> str:
    """Return an option as messages name it, in Python and on the command line."""
    return f"{option} (--{option.replace('_', '-')})"


def split_part(source: str) -> tuple[str, str]:
    """Split a source into the path of a file and the part of it that is named after ``::``.

    Examples
    --------
    >>> split_part("study.duckdb::select * from pupils"), split_part("study.csv")
    (('study.duckdb', 'select * from pupils'), ('study.csv', ''))
    """
    path, mark, part = source.partition("::")
    known = format_of(Path(path)) if mark and path else None
    return (path, part.strip()) if known is not None and known[1].has_parts else (source, "")


def read_omitted(text: str | None) -> frozenset[int]:
    """Read numbers of rows, such as "4,181-190"; return them counted from 0.

    Raises
    ------
    DataError
        If they are none.
    """
    rows: set[int] = set()
    for part in (text or "").split(",") if text is not None else ():
        first, mark, last = part.strip().partition("-")
        if not first.isdigit() or (mark and not last.strip().isdigit()):
            raise DataError(
                f"omit_rows={text!r} are no numbers of rows; give some such as 4,181-190"
            )
        rows |= set(range(int(first) - 1, int(last) if mark else int(first)))
    return frozenset(rows)


def import_extra(module: str, package: str, path: Path, what: str) -> Any:
    """Import an optional library, or raise an error that names what to install.

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"{shown(path)} is {what}, and {package}, which reads it, is not installed: "
            "pip install 'bayes-mlm[files]'"
        ) from error
