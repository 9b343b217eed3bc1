"""Check and write the one file that a command makes."""

import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path

from bayes_mlm.errors import StorageError


def check_file(out: Path, example: str, *, inputs: Iterable[str | Path | None] = ()) -> None:
    """Refuse a file that cannot be written, or is one that is read, before computing anything."""
    for source in inputs:
        if source is not None and _is_read(out, source):
            raise StorageError(
                f"--out {str(out)!r} is read as {str(source)!r}, and would be replaced or read as "
                f"data the next time; give another file, such as {example}"
            )
    if out.is_dir():
        raise StorageError(f"--out {str(out)!r} is a folder; give a file, such as {out / example}")
    if not out.parent.is_dir():
        raise StorageError(f"--out {str(out)!r}: there is no folder {str(out.parent)!r}; make it")
    if not os.access(out.parent, os.W_OK):
        raise StorageError(f"--out {str(out)!r}: {str(out.parent)!r} cannot be written to")


def _is_read(out: Path, given: str | Path) -> bool:
    """Tell whether a file is, or would be, among those that a source of data stands for."""
    from bayes_mlm.paths import ABSENT, DIRECTORY, at_home, why_not_file
    from bayes_mlm.scan.finding import suffix_of

    target, source = out.resolve(), at_home(given)
    reason = why_not_file(source)
    if reason == ABSENT:  # a formula, a name, or a pattern
        return "~" not in str(given) and fnmatch(str(target), str(source.absolute()))
    if reason == DIRECTORY:
        return target.is_relative_to(source.resolve()) and suffix_of(target) != ""
    return target == source.resolve()


def write_file(out: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole, or leave what was there."""
    from bayes_mlm.atomic import atomic_file

    try:
        with atomic_file(out) as partial:
            write(partial)
    except OSError as error:
        raise StorageError(f"cannot write {str(out)!r}: {error.strerror}") from error
