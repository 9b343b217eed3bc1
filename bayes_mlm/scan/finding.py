"""Find the files that a path, a directory or a glob stands for."""

from collections.abc import Iterator
from pathlib import Path

from bayes_mlm.data.reading import DELIMITERS, PARQUET, at_home, require_file
from bayes_mlm.errors import DataError

CSV = tuple(DELIMITERS)


def find_files(source: str) -> list[Path]:
    """List the files that a path, a directory or a glob stands for, all of one kind.

    Raises
    ------
    DataError
        If there are none, or they are of two kinds.
    """
    path = at_home(source)
    kinds = ", ".join([*CSV, *PARQUET])
    if path.is_dir():
        found = sorted(_inside(path))
        if not found:
            raise DataError(f"the directory {source} holds no data files ({kinds})")
    elif path.is_file():
        found = [path]
        if not suffix_of(path):
            raise DataError(f"{path.name} is of an unknown kind; files that can be read: {kinds}")
    elif any(mark in source for mark in "*?["):
        found = sorted(one for one in _glob(path) if _is_data(one))
        if not found:
            raise DataError(f"no data file matches {source} ({kinds})")
    else:
        require_file(path, source)
        found = [path]
    parquet = [file for file in found if suffix_of(file) in PARQUET]
    if parquet and len(parquet) < len(found):
        other = next(file for file in found if file not in parquet)
        raise DataError(
            f"{source} holds both Parquet ({parquet[0].name}) and text files ({other.name}); give "
            "a glob that picks one kind, such as '*.parquet'"
        )
    return found


def _inside(directory: Path) -> Iterator[Path]:
    """Go through the data files of a directory and of those in it, but for hidden ones."""
    for entry in directory.iterdir():
        if entry.is_dir() and not _is_hidden(entry):
            yield from _inside(entry)
        elif _is_data(entry):
            yield entry


def _glob(path: Path) -> list[Path]:
    """Match a pattern from its first part that holds a mark on."""
    parts = path.parts
    first = next(k for k, part in enumerate(parts) if any(mark in part for mark in "*?["))
    return list(Path(*parts[:first]).glob(str(Path(*parts[first:]))))


def suffix_of(path: Path) -> str:
    """Give the ending of a data file, ".csv.gz" whole; empty for other files."""
    name = path.name.lower()
    return next((suffix for suffix in (*CSV, *PARQUET) if name.endswith(suffix)), "")


def _is_data(path: Path) -> bool:
    return path.is_file() and not _is_hidden(path) and bool(suffix_of(path))


def _is_hidden(path: Path) -> bool:
    """Tell names that tools keep for themselves: .venv, _SUCCESS, _temporary."""
    return path.name.startswith((".", "_"))
