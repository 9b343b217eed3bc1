"""Write files whole or not at all, one or a set of them, whenever the process ends."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bayes_mlm.base.errors import StorageError

_STAGE = ".bayes-mlm-"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path` that replaces it if the block ends without an error.

    A link is kept: the file that it points to is replaced.

    Raises
    ------
    StorageError
        If no file can be put there, or an `OSError` (a full disk) comes out of the block.
    """
    _refuse(f"cannot write {str(path)!r}", file_obstacle(path))
    target = Path(os.path.realpath(path))
    partial = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_STAGE)
        partial = Path(name)
        os.close(handle)
        yield partial
        partial.chmod(0o666 & ~umask())
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {system_message(error)}") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, *, without: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a temporary folder whose files move to `folder` if the block ends without an error.

    Either all of them are moved or none.

    Parameters
    ----------
    folder : Path
        Made if need be. Other files in it are left alone.
    without : sequence of str
        Files to remove from it when the new ones are moved, if they are not among them.

    Raises
    ------
    StorageError
        As `atomic_file`; `folder` is then as it was.
    """
    _refuse(f"cannot write to {str(folder)!r}", folder_obstacle(folder))
    target = Path(os.path.realpath(folder))
    stage = None
    try:
        stage = Path(tempfile.mkdtemp(dir=_nearest(target)[0], prefix=_STAGE))
        new = stage / "new"
        new.mkdir()
        yield new
        if target.exists():
            names = [path.name for path in new.iterdir()]
            _swap(new, target, stage / "old", names, [one for one in without if one not in names])
        else:
            _place(new, target)
    except StorageError as error:  # of one of its files: named as it would have been
        raise StorageError(str(error).replace(f"{stage}{os.sep}new", str(folder))) from error
    except OSError as error:
        raise StorageError(f"cannot write to {str(folder)!r}: {system_message(error)}") from error
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def _place(new: Path, target: Path) -> None:
    """Move a folder to a new place; the folders above it are made, and removed if it fails."""
    missing = [path for path in target.parents if not path.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.rename(target)
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


def _swap(new: Path, target: Path, old: Path, names: Sequence[str], without: Sequence[str]) -> None:
    """Move files into a folder, and those that they replace out; if one fails, undo all."""
    _refuse(f"cannot write to {str(target)!r}", folder_obstacle(target, names))
    old.mkdir()
    try:
        for name in (*names, *without):
            if os.path.lexists(target / name):
                (target / name).rename(old / name)
            if name in names:
                (new / name).rename(target / name)
    except BaseException:
        for name in names:
            if not os.path.lexists(new / name):
                (target / name).unlink()
        for path in old.iterdir():
            path.rename(target / path.name)
        raise


def _refuse(what: str, reason: str | None) -> None:
    if reason is not None:
        raise StorageError(f"{what}: {reason}")


def file_obstacle(path: Path) -> str | None:
    """Return the reason why no file can be written at a path, and the remedy; None if one can.

    Examples
    --------
    >>> file_obstacle(Path("/dev/null"))
    'it is a device or a pipe, no file; choose another name'
    """
    try:
        nearest, mode = _nearest(target := Path(os.path.realpath(path)))
    except (OSError, ValueError) as error:
        return f"{system_message(error)}; choose another name"
    if nearest == target:
        if stat.S_ISDIR(mode):
            return "it is a folder; choose another name"
        if not stat.S_ISREG(mode):
            return "it is a device or a pipe, no file; choose another name"
    elif nearest != target.parent:
        return f"there is no folder {str(path.parent)!r}; make the folder, or choose another"
    return _folder_reason(target.parent)


def folder_obstacle(folder: Path, names: Iterable[str] = ()) -> str | None:
    """Return the reason why a folder or files in it cannot be made; None if they can.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Files that are to be put there.
    """
    try:
        nearest, mode = _nearest(Path(os.path.realpath(folder)))
        odd = [name for name in names if not _free(folder / name)]
    except (OSError, ValueError) as error:
        return f"{system_message(error)}; choose another folder"
    if not stat.S_ISDIR(mode):
        return f"{str(nearest)!r} is a file; give a folder"
    if odd:
        return f"{odd[0]!r} exists, is no file, and would be replaced by one; move it elsewhere"
    return _folder_reason(nearest)


def _nearest(path: Path) -> tuple[Path, int]:
    """Return the longest part of a path that exists, and its mode."""
    for place in (path, *path.parents):
        with suppress(FileNotFoundError):
            return place, place.stat().st_mode
    raise FileNotFoundError(f"no part of {str(path)!r} is there")


def _free(path: Path) -> bool:
    """Return whether a path is free, or that of a file that can be replaced."""
    return not os.path.lexists(path) or path.is_file()


def _folder_reason(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"{str(folder)!r} is a file; choose another folder"
    try:
        with tempfile.TemporaryFile(dir=folder):  # the only sure test, as root too
            return None
    except OSError as error:
        return f"{str(folder)!r}: {system_message(error)}; choose another folder"


def system_message(error: Exception) -> str:
    """Return the system's message of an error, without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def umask() -> int:
    """Return the permissions that new files lack (temporary ones lack more)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
