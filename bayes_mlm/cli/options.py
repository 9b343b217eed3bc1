"""Name what the commands of the command line share: exit codes, options, seed, progress."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayes_mlm.base import EngineError
from bayes_mlm.cli.progress import steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bayes_mlm.design import Design
    from bayes_mlm.engines import Settings
    from bayes_mlm.model import HasRequest, ModelRequest

EXIT_VERDICT = 3
# Fixed, so that two people who type the same command read the same numbers.
DEFAULT_SEED = 1982

Data = Annotated[
    str | None,
    typer.Option(help="CSV or Parquet: file, folder or glob; or an embedded set (hsb)."),
]
Missing = Annotated[Literal["error", "drop"], typer.Option(help="What to do with missing values.")]
Decimal = Annotated[
    Literal[".", ","] | None,
    typer.Option(help="Decimal mark of numbers in text: , reads 3,14 and 1.234,50 €; . 1,234.50."),
]
Delimiter = Annotated[
    str | None,
    typer.Option(help="What separates the columns of a text file: ; or | or tab (default: ,)."),
]
Strip = Annotated[bool, typer.Option("--strip", help="Strip spaces from the ends of labels.")]
Seed = Annotated[
    int | None,
    typer.Option(help="Same seed, same draws (default: the record's, else 1982)."),
]
Draws = Annotated[int | None, typer.Option(help="Kept draws a chain (default 1000).")]
Tune = Annotated[int | None, typer.Option(help="Discarded draws a chain (default 1000).")]
Chains = Annotated[int | None, typer.Option(help="Chains (default 4).")]
TargetAccept = Annotated[float, typer.Option(help="Nearer 1: smaller, safer steps.")]
Prob = Annotated[float, typer.Option(help="Probability of the intervals (HDI; Wald or profile).")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only, no progress.")]


RowsOption = Annotated[
    Literal["auto", "keep", "sum"],
    typer.Option(help="Keep rows in memory, or sum them where they lie (auto: by their number)."),
]
Memory = Annotated[
    str | None, typer.Option(help="What DuckDB may take, as in 2GB; it spills beyond.")
]
DataEngine = Annotated[
    Literal["duckdb", "spark"], typer.Option(help="What sums the rows of files.")
]


def resolved(model: str) -> "str | ModelRequest":
    """Return the request of a record by its name or path; a formula or saved sums as they are."""
    from bayes_mlm.design import is_sums
    from bayes_mlm.model import is_formula

    if is_formula(model) or is_sums(model):
        return model
    from bayes_mlm.studies import load_record

    return load_record(model).request


def request_for(model: str, data: str | None, **options: Any) -> "ModelRequest":
    """Return what is requested by a formula, saved sums, or the name or path of a record.

    Parameters
    ----------
    model, data, **options
        As in `bayes_mlm.fitting.as_request`.
    """
    from bayes_mlm.fitting import as_request

    return as_request(resolved(model), data, **options)


def design_for(
    model: str,
    data: str | None,
    *,
    rows: Literal["auto", "keep", "sum"],
    memory: str | None,
    engine_data: Literal["duckdb", "spark"],
    quiet: bool,
    **asked: Any,
) -> "tuple[ModelRequest, Design]":
    """Return a request and its design, showing the progress of a long query.

    Parameters
    ----------
    model, data, rows, memory, engine_data, quiet
        As the commands have them.
    **asked
        For `request_for`.
    """
    from bayes_mlm.base import DataError
    from bayes_mlm.design import design_of, is_sums, notes_on_levels, open_data
    from bayes_mlm.report import console as show

    request = request_for(model, data, **asked)
    source: Any = data
    if memory is not None or engine_data != "duckdb":
        if rows == "keep" or is_sums(request.source.data):
            what = "kept in memory" if rows == "keep" else "in the sums already"
            raise DataError(
                f"--memory and --engine-data are of rows that are summed, and these are {what}; "
                "leave them away"
            )
        place = request.source.location if data is None else data
        source = open_data(
            place,
            engine=engine_data,
            memory=memory,
            decimal=request.source.decimal,
            delimiter=request.source.delimiter,
        )
    with steps(f"reading {data or request.source.data}", quiet=quiet) as shown:
        tell = shown.telling("summing")
        design = design_of(request, source, rows=rows, tell=tell)
    if not quiet:
        console = show.make_console(stderr=True)
        for note in notes_on_levels(design.encoding.levels, design.n, {}):
            console.print(f"note: {note}", soft_wrap=True, highlight=False)
    return request, design


def source_of_rows(request: "HasRequest", data: str | None) -> Any:
    """Say where the rows of summed data are, for a question that needs some of them.

    Raises
    ------
    DataError
        If only their sums are there.
    """
    from bayes_mlm.base import DataError
    from bayes_mlm.design import is_sums, open_data

    own = request.request.source
    source = own.location if data is None else data
    if is_sums(source):
        raise DataError(
            f"{source} holds sums, and this needs rows; give the formula and the data instead"
        )
    if own.decimal is None and own.delimiter is None:
        return source
    return open_data(source, decimal=own.decimal, delimiter=own.delimiter)


def say_sample(what: str) -> None:
    """Say of which rows an answer is, beside the answer."""
    from bayes_mlm.report import console as show

    console = show.make_console(stderr=True)
    console.print(f"rows are those of {what}", soft_wrap=True, highlight=False)


def seed_of(request: "HasRequest", asked: int | None) -> int:
    """Return the seed: the one given, else the record's, else the fixed one."""
    given = request.request.settings.random_seed if asked is None else asked
    return DEFAULT_SEED if given is None else given


def settings_for(
    request: "HasRequest",
    draws: int | None,
    tune: int | None,
    chains: int | None,
    random_seed: int | None,
    target_accept: float,
) -> "Settings":
    """Return the sampler settings: those given, else the record's, else the defaults."""
    from bayes_mlm.fitting import make_settings

    return make_settings(
        request.request,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed_of(request, random_seed),
        target_accept=target_accept,
    )


@contextmanager
def status(message: str, *, quiet: bool, own_bar: bool = False) -> "Iterator[bool]":
    """Say on a terminal what is being done; give whether a bar can be drawn by what does it.

    Parameters
    ----------
    message : str
    quiet : bool
    own_bar : bool
        Whether what is done draws a bar of its own (NUTS does), which two would spoil.
    """
    from bayes_mlm.report import console as show

    if own_bar:
        console = show.make_console(stderr=True)
        on_terminal = console.is_terminal and not quiet
        if on_terminal:
            console.print(message)
        yield on_terminal
        return
    with steps(message, quiet=quiet):
        yield False


def read_at(texts: "Sequence[str]") -> dict[str, list[str]]:
    """Read the values of predictors, as in "ses=-1,0,1"."""
    settings: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        listed = [value.strip() for value in values.split(",")]
        if not equals or not name or not all(listed):
            raise EngineError(f"--at {text!r} must be NAME=VALUE,VALUE, such as NAME=-1,0,1")
        if name in settings:
            raise EngineError(f"--at {name} is given twice; write its values as {name}=0,1")
        settings[name] = listed
    return settings
