"""Check and write what a command makes: one file, or a folder of several."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from bayes_mlm.base import StorageError

type Inputs = Iterable[str | Path | None]


# Endings of figures, documents and programs: with those of data, of names that are of no folder.
_OTHER = frozenset(
    {
        *(".png", ".svg", ".pdf", ".jpg", ".jpeg", ".eps", ".html", ".htm", ".md", ".tex", ".txt"),
        *(".rtf", ".doc", ".docx", ".odt", ".json", ".toml", ".nc", ".sums", ".log", ".do", ".sps"),
    }
)


def check_file(
    out: Path, example: str, *, inputs: Inputs = (), also: Sequence[str] = (".txt",)
) -> None:
    """Refuse a file that cannot be written, or is one that is read, before computing anything.

    Parameters
    ----------
    out : Path
    example : str
        A name of such a file, for messages; its ending is that of what is written.
    inputs : iterable of str or Path
        What is read.
    also : sequence of str
        Other endings that what is written may have; unknown ones, and none, always may.
    """
    from bayes_mlm.base import file_obstacle

    found, ends = _ending(out), Path(example).suffix
    if found not in ("", ends, *also):
        raise StorageError(
            f"--out {str(out)!r} ends in {found}, which this command does not write; allowed: "
            f"{', '.join(dict.fromkeys((ends, *also)))}; give a file such as {example}"
        )
    _refuse_inputs(out, inputs, f"give another file, such as {example}")
    why = file_obstacle(out)
    if why is not None:
        raise StorageError(f"cannot write --out {str(out)!r}: {why}, such as {example}")


def check_folder(out: Path, names: Sequence[str], *, inputs: Inputs = ()) -> None:
    """Refuse a folder where files cannot be written or one is read, before computing."""
    from bayes_mlm.base import folder_obstacle

    found = _ending(out)
    if found and not out.exists():
        raise StorageError(
            f"--out {str(out)!r} ends in {found}, and is to be a folder, for {', '.join(names[:3])}"
            f"{', …' if len(names) > 3 else ''}; give the name of a folder, such as "
            f"{out.name[: -len(found)] or 'results'}"
        )
    why = folder_obstacle(out, names)
    if why is not None:
        raise StorageError(f"cannot write to --out {str(out)!r}: {why}")
    sources = tuple(inputs)
    for name in names:
        _refuse_inputs(out / name, sources, "give another folder")


def _ending(out: Path) -> str:
    """Return the ending of a name, if it is a known one of data or documents; else ""."""
    from bayes_mlm.data import format_of

    known = format_of(out)
    found = out.suffix.lower() if known is None else known[0]
    return found if known is not None or found in _OTHER else ""


def _refuse_inputs(target: Path, inputs: Inputs, remedy: str) -> None:
    for source in inputs:
        if source is not None and _is_read(target, source):
            raise StorageError(
                f"--out: {str(target)!r} is read as {str(source)!r}, and would be replaced or read "
                f"as data the next time; {remedy}"
            )


def _is_read(out: Path, source: str | Path) -> bool:
    """Return whether a file is, or would be, one of those that a source of data names."""
    from bayes_mlm.base import ABSENT, DIRECTORY, expand_home, unreadable_reason
    from bayes_mlm.data import format_of, split_part

    target, named = out.resolve(), expand_home(split_part(str(source))[0])
    reason = unreadable_reason(named)
    if reason == ABSENT:  # a pattern, or the name of a set or a model, which no file has
        return fnmatch(str(target), str(named.absolute()))
    if reason == DIRECTORY:
        return target.is_relative_to(named.resolve()) and format_of(target) is not None
    return target == named.resolve()


def write_file(out: Path, write: Callable[[Path], object]) -> None:
    """Write a file completely, or leave the existing one unchanged."""
    from bayes_mlm.base import atomic_file

    with atomic_file(out) as partial:
        write(partial)
