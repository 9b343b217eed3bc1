"""What scans of files have in common, whatever engine reads them: names, types, headers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bayes_mlm.base import DataError, shown, visible
from bayes_mlm.data.formats.layout import TextLayout
from bayes_mlm.data.formats.text import Header, read_header
from bayes_mlm.data.lazy.schemas import read_declared
from bayes_mlm.data.lazy.source import Scan
from bayes_mlm.data.lazy.texts import settle_types


def name_of(files: Sequence[Path], source: str) -> str:
    """Return the name of the data without their folders, which are not disclosed."""
    if len(files) == 1:
        return shown(files[0])
    return f"{visible(Path(source).name) or 'files'} ({len(files)} files)"


def called(scan: Scan, names: Sequence[str]) -> Scan:
    """Restore the names of the columns: DuckDB's are not case-sensitive."""
    aliases = dict(zip(names, scan.kinds, strict=True))
    return replace(
        scan,
        kinds={name: scan.kinds[alias] for name, alias in aliases.items()},
        floats=frozenset(name for name, alias in aliases.items() if alias in scan.floats),
        times=frozenset(name for name, alias in aliases.items() if alias in scan.times),
        aliases=aliases,
    )


def with_declared(files: Sequence[Path]) -> Callable[[Scan, Sequence[str]], Scan]:
    """Return a function that adds categories and times from Parquet schemas to a scan."""

    def read(scan: Scan, names: Sequence[str]) -> Scan:
        categories, times = read_declared(files, names)
        return replace(scan, categories=categories, times=scan.times | times)

    return read


def as_text(scan: Scan, names: Sequence[str]) -> Scan:
    """Return a scan whose columns of text get their types when they are needed."""
    return replace(called(scan, names), prepare=settle_types, from_text=True)


def common_headers(files: Sequence[Path], layout: TextLayout) -> list[Header]:
    """Read the headers of text files, whose names must be the same."""
    headers = [read_header(file, layout) for file in files]
    names = headers[0].names
    for file, header in zip(files, headers, strict=True):
        found = header.names
        if found != names:
            odd = next(iter({n: 0 for n in (*found, *names) if (n in found) != (n in names)}), "")
            what = f"column {odd!r}" if odd else "the order of the columns"
            raise DataError(
                f"the columns of {shown(file)} differ from those of {shown(files[0])} ({what}); "
                "files that are scanned together must have the same columns, in one order"
            )
    return headers


def noted(scan: Scan, layout: TextLayout) -> Scan:
    """Return a scan with the remarks on how its text is written."""
    return replace(scan, notes={"": layout.notes} if layout.notes else {})
