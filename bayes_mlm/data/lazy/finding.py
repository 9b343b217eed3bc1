"""Files of a path, a directory or a glob."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bayes_mlm.base import (
    ABSENT,
    DIRECTORY,
    DataError,
    expand_home,
    shown,
    unreadable_reason,
    visible,
)
from bayes_mlm.data.formats.arrow import PARQUET
from bayes_mlm.data.formats.layout import DELIMITERS
from bayes_mlm.data.reader import READERS, Format, format_of, split_part
from bayes_mlm.data.reading import require_file

CSV = tuple(DELIMITERS)
_WILDCARDS = "*?["
_OTHERS = (".txt", ".dat", ".db", ".zip")


def find_files(source: str) -> list[Path]:
    """Return the files of a path, a directory or a glob, all of one kind.

    A name is literal if there is such a file or directory, whatever wildcards it contains. A file
    that is there under two names (links) is listed once.

    Raises
    ------
    DataError
        If there are none, one cannot be read, or they are of two kinds.
    """
    path, named = expand_home(split_part(source)[0]), visible(source)
    kinds = ", ".join(READERS)
    reason = unreadable_reason(path)
    try:
        if reason == DIRECTORY:
            found = _once(sorted(_inside(path, set())))
            if not found:
                raise DataError(f"the directory {named} contains no data files ({kinds})")
        elif reason == ABSENT and is_pattern(source):
            found = _once(sorted(_matching(path)))
            if not found:
                raise DataError(f"no data file matches {named} ({kinds})")
        else:
            require_file(path, source)
            if format_of(path) is None:
                raise DataError(
                    f"{shown(path)} is of an unknown kind; files that can be read: "
                    f"{', '.join(READERS)}"
                )
            return [path.absolute()]
    except OSError as error:
        raise DataError(f"{named} cannot be read: {error.strerror or error}") from error
    first: dict[str, Path] = {}
    for file in found:
        first.setdefault(_format(file).what, file)
    if len(first) > 1:
        listed = ", ".join(f"{what} ({shown(file)})" for what, file in first.items())
        ending = found[0].suffix
        raise DataError(
            f"{named} contains files of several kinds: {listed}; give a glob that picks one kind, "
            f"such as '*{ending}'"
        )
    return [file.absolute() for file in found]


def _format(file: Path) -> Format:
    known = format_of(file)
    assert known is not None  # for mypy: others are not found
    return known[1]


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern, if there is no file of that literal name."""
    return any(character in name for character in _WILDCARDS)


def _inside(directory: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the data files of a directory and its subdirectories, except hidden ones."""
    identity = _identity(directory)
    if identity in seen:  # a link back
        return
    seen.add(identity)
    entries = (entry for entry in directory.iterdir() if not _is_hidden(entry))
    named = (entry for entry in entries if entry.is_dir() or not _is_other(entry))
    yield from _data_files(named, seen)


def _data_files(entries: Iterable[Path], seen: set[tuple[int, int]]) -> Iterator[Path]:
    for entry in entries:
        if entry.is_dir():
            yield from _inside(entry, seen)
        elif format_of(entry) is not None:
            require_file(entry, str(entry))
            yield entry


def _matching(path: Path) -> Iterator[Path]:
    """Yield the files that match a pattern, and those in the directories that do."""
    base, pattern = Path(path.anchor), path.relative_to(path.anchor)
    # A part that exists under its literal name is no pattern.
    while not is_pattern(pattern.parts[0]) or (base / pattern.parts[0]).exists():
        base, pattern = base / pattern.parts[0], Path(*pattern.parts[1:])
        if not pattern.parts:
            require_file(path, str(path))
    try:
        entries = sorted(base.glob(str(pattern)))
    except ValueError as error:
        raise DataError(f"{visible(path)} is no pattern: {error}") from error
    hidden = _is_hidden(pattern)
    yield from _data_files((entry for entry in entries if hidden or not _is_hidden(entry)), set())


def _once(files: Sequence[Path]) -> list[Path]:
    """Return one name of each file: a link to another would count its rows twice."""
    return list({_identity(file): file for file in reversed(files)}.values())[::-1]


def _identity(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_dev, info.st_ino


def suffix_of(path: Path) -> str:
    """Return the ending of a text or Parquet file, ".csv.gz" in full; empty for other files."""
    name = path.name.lower()
    return next((suffix for suffix in (*CSV, *PARQUET) if name.endswith(suffix)), "")


def _is_other(path: Path) -> bool:
    """Return whether a file of a directory may be anything: a pattern names it as data."""
    return path.name.lower().endswith(_OTHERS)


def _is_hidden(path: Path) -> bool:
    """Return whether a name is reserved for tools: .venv, _SUCCESS, _temporary."""
    return path.name.startswith((".", "_"))
