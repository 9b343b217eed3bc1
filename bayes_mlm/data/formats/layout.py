"""Detect the notation of a text file: its encoding, separator and decimal mark."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayes_mlm.base import DataError, shown, visible
from bayes_mlm.data.formats.streams import UTF8, check_encoding, encoding_of, read_head
from bayes_mlm.data.na_values import read_na_values
from bayes_mlm.data.numerals import Decimal, check_decimal, is_number, notation_of, numerals_among
from bayes_mlm.data.reader import ReadOptions
from bayes_mlm.data.texts import BLANKS, MISSING_TEXTS

DELIMITERS = {
    f"{ending}{packed}": mark
    for packed in ("", ".gz", ".zst")
    for ending, mark in ((".csv", ","), (".tsv", "\t"))
}
# Text files that are not looked for in folders: a read-me is one too.
OTHER_TEXT = (".tab", ".txt", ".dat", ".csv2")
_ALIGNED = (".txt", ".dat")  # whose columns may be separated by blanks
RECOGNISED = ": detected "
_USUAL = {**DELIMITERS, ".tab": "\t"}
_SPOKEN = {"tab": "\t", "\\t": "\t", "blank": " ", "space": " "}
_PREAMBLE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # what Excel writes, and reads, before all
_MARKS = (",", ";", "\t", "|")
_LOOKED_AT = 1000  # rows


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """Notation of a text file.

    Parameters
    ----------
    delimiter, encoding : str
    decimal : {".", ","} or None
    preamble : bool
        Whether a line before the header names the separator: ``sep=;``.
    row_names : bool
        Whether every row has a value before those that the header names, as R writes them.
    notes : tuple of str
        What was detected and not given, for the reader of the results.
    na_values : str or None
        Codes of missing values, as of `bayes_mlm.read_table`.
    """

    delimiter: str
    encoding: str = UTF8
    decimal: Decimal | None = None
    preamble: bool = False
    row_names: bool = False
    notes: tuple[str, ...] = ()
    na_values: str | None = None


def layout_of(path: Path, options: ReadOptions) -> TextLayout:
    """Return the notation of a text file: that of the options, or else of its first rows.

    Raises
    ------
    DataError
        If an option is none, or the file is no text.
    """
    check_decimal(options.decimal)
    name = path.name.lower()
    usual = next((m for end, m in _USUAL.items() if name.endswith(end)), ",")
    delimiter = settled_delimiter(options.delimiter, usual)
    encoding = check_encoding(options.encoding)
    head, whole = read_head(path)
    found = encoding or encoding_of(path, head, whole=whole)
    text = head.decode(found, errors="ignore")
    stated = _PREAMBLE.match(text.lstrip("\ufeff"))
    if stated is not None:
        text = text.lstrip("\ufeff")[stated.end() :]
        usual = stated[1]
        delimiter = settled_delimiter(options.delimiter, usual)
    lines = text if whole else text[: text.rfind("\n") + 1]
    if options.delimiter is None:
        marks = (*_MARKS, " ") if name.endswith(_ALIGNED) else _MARKS
        delimiter = _delimiter_in(lines, usual, marks)
    decimal, example = options.decimal, ""
    if decimal is None and delimiter != ",":
        declared = read_na_values(options.na_values)
        codes = () if declared is None else declared.every
        example = _decimal_comma(lines, delimiter, codes)
        decimal = "," if example else None
    detected = {}
    if options.delimiter is None and delimiter != usual:
        mark = {"\t": "tab", " ": "blanks"}.get(delimiter, repr(delimiter))
        detected["delimiter"] = f"columns separated by {mark}"
    if example:
        detected["decimal"] = (
            f"numbers with a decimal comma (such as {example!r}; 1.000,00 is one thousand)"
        )
    if encoding is None and found != UTF8:
        detected["encoding"] = _about_encoding(text, found)
    notes = (_recognised(path, detected),) if detected else ()
    return TextLayout(
        delimiter=delimiter,
        encoding=found,
        decimal=decimal,
        preamble=stated is not None,
        row_names=delimiter in "\t " and _has_row_names(_rows(lines, delimiter)),
        notes=notes,
        na_values=options.na_values,
    )


def settled_delimiter(given: str | None, usual: str) -> str:
    """Return the separator that is given, or else the usual one.

    Raises
    ------
    DataError
        If it is not one character that can separate columns.
    """
    found = usual if given is None else _SPOKEN.get(given, given)
    if len(found) != 1 or not found.isascii() or found in '"\r\n' or found.isalnum():
        raise DataError(
            f"delimiter={given!r} cannot separate columns; give one character such as ';' or '|', "
            "or tab or blank"
        )
    return found


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Return the first rows of a text that are not blank, the header among them."""
    rows = []
    try:
        for row in reader_of(io.StringIO(text, newline=""), delimiter):
            if row:
                rows.append(row)
            if len(rows) > _LOOKED_AT:
                break
    except csv.Error:  # whoever reads it says what is wrong
        pass
    return rows


def reader_of(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Return a reader of the rows of a text; of blanks any number separate two values."""
    if delimiter != " ":
        return csv.reader(lines, delimiter=delimiter)
    rows = csv.reader(
        (line.replace("\t", " ") for line in lines), delimiter=" ", skipinitialspace=True
    )
    return (row[:-1] if row and not row[-1] else row for row in rows)


def _has_row_names(rows: list[list[str]]) -> bool:
    """Return whether all rows have one value more than the header, and none an empty last one."""
    wide = len(rows[0]) + 1 if rows else 0
    return len(rows) > 1 and all(len(row) == wide and row[-1].strip(BLANKS) for row in rows[1:])


def lines_of_title(path: Path, layout: TextLayout) -> int:
    """Return how many lines stand above the names of the columns: titles, comments; 0 if none.

    They are lines of one value above three rows or more of equally many values.
    """
    head, whole = read_head(path)
    text = head.decode(layout.encoding, errors="ignore").lstrip("\ufeff")
    text = text if whole else text[: text.rfind("\n") + 1]
    for mark in (layout.delimiter, *(one for one in _MARKS if one != layout.delimiter)):
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        above, wide, seen = 0, 0, 0
        try:
            for row in rows:
                filled = sum(bool(value.strip(BLANKS)) for value in row)
                if not wide and filled < 2 and len(row) < 2:
                    above = rows.line_num
                    continue
                wide = wide or len(row)
                if len(row) != wide or seen > _LOOKED_AT:
                    break
                seen += 1
        except csv.Error:
            continue
        if above and wide > 1 and seen > 3:
            return above
    return 0


def _delimiter_in(text: str, usual: str, marks: Sequence[str]) -> str:
    """Return the separator by which every row has as many values as the header, two or more."""

    def separates(mark: str) -> bool:
        rows = _rows(text, mark)
        widths = {len(row) for row in rows[1:]}
        wide = len(rows[0]) if rows else 0
        return wide > 1 and len(rows) > 1 and widths <= {wide, wide + 1} and len(widths) == 1

    others = (mark for mark in marks if mark != usual and mark in text)
    header = next((row for row in _rows(text, usual)), [])
    if len(header) != 1:
        return usual
    return next((mark for mark in others if separates(mark)), usual)


def _decimal_comma(text: str, delimiter: str, codes: Sequence[str]) -> str:
    """Return an example of numbers that have a decimal comma and can have no other, or ""."""
    rows = _rows(text, delimiter)
    example = ""
    wide = max((len(rows[0]), len(rows[1]))) if len(rows) > 1 else 0  # with names of the rows
    for column in range(wide):
        values = {row[column].strip(BLANKS) for row in rows[1:] if len(row) > column}
        levels = sorted(values - {*MISSING_TEXTS, *codes})
        if not levels:
            continue
        if any(is_number(one) and notation_of(one, ",") is None for one in levels):
            return ""  # 3.14 somewhere: the points of the file are decimal
        found = numerals_among(levels)
        if found is not None and found.decimals == (",",):
            marked = (one for one in levels if "," in one and notation_of(one, ",") is not None)
            example = example or max(marked, key=len, default=found.example)
    return example


def note_on_encoding(path: Path, text: str, encoding: str) -> str:
    """Return a note on the encoding of a file that was not given."""
    return _recognised(path, {"encoding": _about_encoding(text, encoding)})


def _recognised(path: Path, detected: Mapping[str, str]) -> str:
    options, flags = ", ".join(detected), ", ".join(f"--{name}" for name in detected)
    what = "; ".join(detected.values())
    return f"{shown(path)}{RECOGNISED}{what}. Set {options} ({flags}) to override"


def _about_encoding(text: str, encoding: str) -> str:
    """Name an encoding, with the first word that is not ASCII, by which a reader can judge."""
    words = text.replace(";", " ").replace(",", " ").replace('"', " ").split()
    word = next((word for word in words if not word.isascii()), "")
    sample = f" (such as {visible(word[:30])!r})" if word else ""
    return f"encoding {encoding}{sample}"
