"""Results for a program to read: one JSON object on standard output."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_mlm.base import visible

if TYPE_CHECKING:
    from rich.console import Console

    from bayes_mlm.base import ResultTable, Tabular

EXIT_VERDICT = 3
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, in full precision, for a program.")
]


@dataclass(frozen=True)
class Output:
    """Destination of a command's result: text for a reader, or one JSON object for a program.

    A command has it as a parameter (`bayes_mlm.cli.options.grouped` makes the option of it), prints
    text on `console`, and ends with `finish`.

    Parameters
    ----------
    as_json : bool
        Whether to print the object, and no text.
    """

    as_json: Json = False

    @cached_property
    def console(self) -> "Console":
        """Console for text: none of it is printed if a program reads."""
        from rich.console import Console

        from bayes_mlm.report import console as show

        return Console(quiet=True) if self.as_json else show.make_console()

    def finish(
        self,
        *tables: "ResultTable[Any]",
        ok: bool | None = None,
        verdicts: Iterable[str] | None = None,
        notes: Iterable[str] | None = None,
        written: Path | None = None,
        remark: str = "",
        **more: Any,
    ) -> None:
        """Print where a result was written, or all of it as an object; then end the command.

        Parameters
        ----------
        *tables : ResultTable
            Their rows stand together, under "results".
        ok : bool, optional
            Whether the numbers can be relied on, if not by the verdicts of the tables.
        verdicts, notes : iterable of str, optional
            Those of the tables, unless given.
        written : Path, optional
            File or folder that was written.
        remark : str
            What follows its name in the text: "; read report.html".
        **more
            As of `print_json`.

        Raises
        ------
        typer.Exit
            With the exit code of a failed check, unless `ok`.
        """
        ok = all(table.verdict.ok for table in tables) if ok is None else ok
        if verdicts is None:
            verdicts = dict.fromkeys(table.verdict.line for table in tables)
        if notes is None:
            notes = dict.fromkeys(note for table in tables for note in table.notes)
        if tables:
            more = {"results": [row for table in tables for row in rows_of(table)], **more}
        if self.as_json:
            print_json(ok=ok, verdicts=verdicts, notes=notes, **more, written=written)
        elif written is not None:
            self.console.print(f"written to {visible(written)}{remark}", soft_wrap=True)
        if not ok:
            raise typer.Exit(EXIT_VERDICT)


def print_json(
    *, ok: bool, verdicts: Iterable[str] = (), notes: Iterable[str] = (), **tables: Any
) -> None:
    """Print results as one JSON object.

    Parameters
    ----------
    ok : bool
        Whether the numbers can be relied on: the exit code is 0.
    verdicts, notes : iterable of str
    **tables : Tabular, sequence of them, or plain values
        By name; of a table a list of its rows, each an object.
    """
    found = {"ok": ok, "verdicts": list(verdicts), "notes": list(notes)}
    found |= {name: _plain(value) for name, value in tables.items()}
    print(json.dumps(found, ensure_ascii=False, allow_nan=False))


def rows_of(table: "Tabular") -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, by the names of its columns."""
    return [
        {name: _plain(value) for name, value in zip(table.names, row, strict=True)}
        for row in table.raw()
    ]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not defined, or not finite, is null."""
    from bayes_mlm.base import Tabular

    if isinstance(value, Tabular):
        return rows_of(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
