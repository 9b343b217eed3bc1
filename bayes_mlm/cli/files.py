"""Check and write the one file that a command makes."""

import os
from collections.abc import Callable
from pathlib import Path

from bayes_mlm.errors import StorageError


def check_file(out: Path, example: str) -> None:
    """Refuse a file that cannot be written, before anything is computed for it."""
    if out.is_dir():
        raise StorageError(f"--out {str(out)!r} is a folder; give a file, such as {out / example}")
    if not out.parent.is_dir():
        raise StorageError(f"--out {str(out)!r}: there is no folder {str(out.parent)!r}; make it")
    if not os.access(out.parent, os.W_OK):
        raise StorageError(f"--out {str(out)!r}: {str(out.parent)!r} cannot be written to")


def write_file(out: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole, or leave what was there."""
    from bayes_mlm.atomic import atomic_file

    try:
        with atomic_file(out) as partial:
            write(partial)
    except OSError as error:
        raise StorageError(f"cannot write {str(out)!r}: {error.strerror}") from error
