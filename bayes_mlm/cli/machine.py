"""Results for a program to read: one JSON object on standard output."""

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bayes_mlm.base import ResultTable, Tabular

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, in full precision, for a program.")
]


def output(*, as_json: bool) -> "Console":
    """Return the console that a command prints text on: none of it, if a program reads."""
    from rich.console import Console

    from bayes_mlm.report import console as show

    return Console(quiet=True) if as_json else show.make_console()


def print_results(*tables: "ResultTable[Any]", ok: bool | None = None, **more: Any) -> None:
    """Print tables of results as one JSON object, with their verdicts and notes.

    Parameters
    ----------
    *tables : ResultTable
        Their rows stand together, under "results".
    ok : bool, optional
        Whether the numbers can be relied on, if not by the verdicts of the tables.
    **more
        As of `print_json`.
    """
    print_json(
        ok=all(table.verdict.ok for table in tables) if ok is None else ok,
        verdicts=dict.fromkeys(table.verdict.line for table in tables),
        notes=dict.fromkeys(note for table in tables for note in table.notes),
        results=[row for table in tables for row in rows_of(table)],
        **more,
    )


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
