"""Write a file whole or not at all, whenever the process ends."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayes_mlm.errors import StorageError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place when all went well.

    Raises
    ------
    StorageError
        If the folder is missing or not writable.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r} ({error.strerror}); make the folder, or choose another"
        ) from error
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o666 & ~umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def umask() -> int:
    """Give the permissions that new files are to lack (temporary ones lack more)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
