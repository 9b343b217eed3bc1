"""Open text files: compressed or not, in an encoding that is given, marked or recognised."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.formats.encodings import guess_encoding

UTF8 = "utf-8-sig"  # drops a byte-order mark, which would otherwise stick to the first name
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD_BYTES = 1_000_000


def open_bytes(path: Path) -> Any:
    """Open a file for reading, decompressed: all the pieces of it, one after the other."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return gzip.open(path, "rb")
    if name.endswith(".bz2"):
        return bz2.open(path, "rb")
    if name.endswith(".xz"):
        return lzma.open(path, "rb")
    if name.endswith(".zst"):
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def open_text(path: Path, encoding: str) -> TextIO:
    """Open a text file for reading, its line ends as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Convert the exceptions of a damaged archive into a `DataError` that names the file."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{shown(path)} is not an intact gzip file ({error}); copy it again"
        ) from error
    except lzma.LZMAError as error:
        raise DataError(
            f"{shown(path)} is not an intact xz file ({error}); copy it again"
        ) from error
    except OSError as error:
        kind = {".zst": "Zstandard", ".bz2": "bzip2"}.get(path.suffix.lower())
        if error.errno is None and kind is not None:
            raise DataError(
                f"{shown(path)} is not an intact {kind} file ({error}); copy it again"
            ) from error
        raise


def read_head(path: Path) -> tuple[bytes, bool]:
    """Return the first megabyte of a file, decompressed, and whether that is all of it."""
    with damage(path), open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
        return head, not stream.read(1)


def check_encoding(encoding: str | None) -> str | None:
    """Return Python's name of an encoding.

    Raises
    ------
    DataError
        If there is no such encoding.
    """
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise DataError(
            f"encoding={encoding!r} is not known; give one such as utf-8, cp1252 (western Europe), "
            "cp1250 (central Europe), cp1251 (Cyrillic), mac-roman, utf-16"
        ) from None
    return UTF8 if name == "utf-8" else name


def encoding_of(path: Path, head: bytes, *, whole: bool) -> str:
    """Return the encoding of a text file from its first bytes: UTF-8 unless they are not.

    Raises
    ------
    DataError
        If they are no text.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\x00" in head:
        if _is_utf16(head):
            return "utf-16-le" if head[1:2] == b"\x00" else "utf-16-be"
        raise DataError(not_text(path, head))
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return fallback_encoding(path, head)
    return UTF8


def fallback_encoding(path: Path, head: bytes) -> str:
    """Return the encoding of text that is not UTF-8.

    Raises
    ------
    DataError
        If it cannot be that one.
    """
    found = None if b"\x00" in head else guess_encoding(head)
    if found is None or not _is_text(head):
        raise DataError(not_text(path, head))
    return found


def _is_text(data: bytes) -> bool:
    """Return whether bytes hold hardly any control characters."""
    odd = sum(data.count(bytes([code])) for code in range(32) if code not in (9, 10, 12, 13, 26))
    return odd <= len(data) // 1000


def _is_utf16(head: bytes) -> bool:
    """Return whether every other byte of a text is null, as in UTF-16 of Latin letters."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    return max(even, odd) > 0.4 * len(head) and min(even, odd) == 0


def not_text(path: Path, begin: bytes) -> str:
    """Return the message on a file whose bytes are no text."""
    if begin[:2] == b"\x1f\x8b":
        return f"{shown(path)} is gzipped; give it a name that ends in .gz ({shown(path)}.gz)"
    if begin[:4] == b"\x28\xb5\x2f\xfd":
        return f"{shown(path)} is a Zstandard archive; give it a name that ends in .zst"
    if begin[:4] == b"PK\x03\x04":
        return (
            f"{shown(path)} is a zip archive or an Excel workbook, not text; give it a name that "
            "ends in .zip or .xlsx"
        )
    return (
        f"{shown(path)} is not UTF-8 text; give its encoding, such as encoding='cp1250' "
        "(--encoding cp1250), or save it again as CSV with encoding UTF-8"
    )
