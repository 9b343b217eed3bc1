"""Read a table from a file in a zip archive."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.reader import COMPRESSED, Format, ReadOptions, check_options, format_of
from bayes_mlm.data.table import Table


def read_archive(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, part: str = ""
) -> Table:
    """Read the data file of a zip archive, or the one that is named, as its kind is."""
    with tempfile.TemporaryDirectory(prefix="bayes-mlm-") as folder:
        whole, found, inner = _unpack(path, part, Path(folder))
        check_options(whole, found, options)
        return replace(found.read(whole, columns, options, inner), source=shown(path))


def _unpack(path: Path, part: str, folder: Path) -> tuple[Path, Format, str]:
    """Write the file of an archive that is to be read; return it, its kind, and the part of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            name, found, inner = _member(path, archive.namelist(), part)
            whole = folder / PurePosixPath(name).name
            with archive.open(name) as packed, whole.open("wb") as target:
                shutil.copyfileobj(packed, target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{shown(path)} is not an intact zip archive ({error}); copy it again"
        ) from error
    except RuntimeError as error:  # zipfile's of a password
        raise DataError(f"{shown(path)} cannot be read ({error}); unpack it first") from error
    return whole, found, inner


def _member(path: Path, names: Sequence[str], part: str) -> tuple[str, Format, str]:
    """Return the name of the file to read, its kind, and the part of it that is named after it."""
    kinds = {name: found for name in names if (found := _kind(name)) is not None}
    files = list(kinds)
    wanted, _, inner = part.partition("::")
    if wanted:
        named = [name for name in files if wanted in (name, PurePosixPath(name).name)]
        if named:
            return named[0], kinds[named[0]], inner
        raise DataError(
            f"{shown(path)} has no data file {wanted!r}; it has {', '.join(map(repr, files))}"
        )
    if len(files) == 1:
        return files[0], kinds[files[0]], ""
    if not files:
        held = ", ".join(map(repr, names[:5])) or "nothing"
        raise DataError(f"{shown(path)} has no data file, but {held}; unpack it first")
    raise DataError(
        f"{shown(path)} has {len(files)} data files ({', '.join(map(repr, files[:10]))}); name one "
        f"after two colons: {f'{path.name}::{files[0]}'!r}"
    )


def _kind(name: str) -> Format | None:
    """Return the kind of a file of an archive; None of a folder, and of what macOS adds."""
    file = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in file.parts)
    known = format_of(Path(file.name))
    if hidden or name.endswith("/") or known is None or known[0].endswith((".zip", *COMPRESSED)):
        return None
    return known[1]
