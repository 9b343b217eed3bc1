"""Options, exit codes, seeds and progress that the commands share."""

import functools
import inspect
import re
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayes_mlm.base import BayesMLMError, EngineError
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.progress import steps
from bayes_mlm.cli.reading import NewPlaces, Reading
from bayes_mlm.cli.words import of_words, with_words
from bayes_mlm.engines import ENGINES, engine_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bayes_mlm.design import Design
    from bayes_mlm.engines import Settings
    from bayes_mlm.model import HasRequest, ModelRequest

# Fixed, so that two people who type the same command read the same numbers.
DEFAULT_SEED = 1982

Data = Annotated[
    str | None,
    typer.Option(
        help=(
            "Data file (CSV, Parquet, Stata, SPSS, SAS, R, workbook, FILE.duckdb::TABLE), folder "
            "or glob; or an embedded set (hsb)."
        )
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Same seed, same draws (default: the record's, else 1982)."),
]
Draws = Annotated[int | None, typer.Option(help="Draws kept for each chain (default 1000).")]
Tune = Annotated[int | None, typer.Option(help="Draws discarded for each chain (default 1000).")]
Chains = Annotated[int | None, typer.Option(help="Chains (default 4).")]
TargetAccept = Annotated[float, typer.Option(help="Target acceptance rate of NUTS, below 1.")]
Prob = Annotated[float, typer.Option(help="Probability of the intervals (HDI; Wald or profile).")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only, without progress.")]


RowsOption = Annotated[
    Literal["auto", "keep", "sum"],
    typer.Option(help="Keep rows in memory, or aggregate them out of core (auto: by number)."),
]
Memory = Annotated[
    str | None, typer.Option(help="Memory limit of DuckDB, as in 2GB; beyond it spills to disk.")
]


def _engine_option(names: tuple[str, ...], more: str) -> Any:
    about = "; ".join(f"{name}: {ENGINES[name].what}" for name in names if name in ENGINES)
    option = typer.Option(help=f"auto: the first applicable engine; {about}. {more}")
    return of_words(option, names)


# The registry of engines is the only list of them.
AnyEngine = Annotated[
    str, _engine_option(engine_names(), "A posterior is compared with REML or OLS.")
]
DrawingEngine = Annotated[str, _engine_option(engine_names(drawing=True), "")]
DataEngine = Annotated[
    Literal["duckdb", "spark"], typer.Option(help="Engine that aggregates the rows of files.")
]


ReportSections = Annotated[
    str | None,
    typer.Option(
        "--sections",
        help="Sections of the report, separated by commas: answer,models,methods (default: all).",
    ),
]


ReportPdf = Annotated[
    bool,
    typer.Option(
        "--pdf", help="Print the report as report.pdf too, by an installed Chromium or Chrome."
    ),
]


def read_sections(text: str | None) -> "list[str] | None":
    """Return the names of sections in an option, which are checked before anything is fitted.

    Raises
    ------
    StorageError
        If there is no section of a name.
    """
    if text is None:
        return None
    from bayes_mlm.report import choose_sections

    names = [one.strip() for one in text.split(",") if one.strip()]
    return [one.name for one in choose_sections(names)]


def resolved(model: str) -> "str | ModelRequest":
    """Return the request of a record by its name or path; a formula or saved sums as they are."""
    from bayes_mlm.design import is_sums
    from bayes_mlm.model import is_formula

    if is_formula(model) or is_sums(model):
        return model
    from bayes_mlm.studies import load_record

    return load_record(model).request


def request_for(model: str, data: str | None, **options: Any) -> "ModelRequest":
    """Return the request of a formula, saved sums, or the name or path of a record.

    Parameters
    ----------
    model, data, **options
        As in `bayes_mlm.fitting.as_request`.
    """
    from bayes_mlm.fitting import as_request

    return as_request(resolved(model), data, **options)


@dataclass(frozen=True)
class Sampling:
    """Options of how a posterior is drawn."""

    draws: Draws = None
    tune: Tune = None
    chains: Chains = None
    random_seed: Seed = None
    target_accept: TargetAccept = 0.9


_GROUPS = (Reading, NewPlaces, Outcome, Sampling, Output)


def grouped(command: "Callable[..., None]") -> "Callable[..., None]":
    """Return a command whose parameters of type `Reading`, `Sampling`, ... are options each.

    An option of few words (a `Literal`) names the nearest of them where another is given.

    Examples
    --------
    >>> @grouped
    ... def show(sampling: Sampling = Sampling()) -> None:
    ...     print(sampling.draws)
    >>> ", ".join(inspect.signature(show).parameters)
    'draws, tune, chains, random_seed, target_accept'
    >>> show(draws=100)
    100
    """
    signature = inspect.signature(command, eval_str=True)
    kinds = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.annotation in _GROUPS
    }
    spelled_out: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name not in kinds:
            spelled_out.append(parameter.replace(annotation=with_words(parameter.annotation)))
            continue
        spelled_out += [
            parameter.replace(name=one.name, annotation=with_words(one.type), default=one.default)
            for one in fields(kinds[name])
        ]

    @functools.wraps(command)
    def spelled(**options: Any) -> None:
        for name, kind in kinds.items():
            found = {one.name: options.pop(one.name) for one in fields(kind) if one.name in options}
            options[name] = kind(**found)
        command(**options)

    vars(spelled)["__signature__"] = signature.replace(parameters=spelled_out)
    return spelled


def design_for(
    model: str,
    data: str | None,
    *,
    rows: Literal["auto", "keep", "sum"],
    memory: str | None,
    engine_data: Literal["duckdb", "spark"],
    quiet: bool,
    **options: Any,
) -> "tuple[ModelRequest, Design]":
    """Return a request and its design, showing the progress of a long query.

    Parameters
    ----------
    model, data, rows, memory, engine_data, quiet
        As the commands have them.
    **options
        For `request_for`.
    """
    from bayes_mlm.base import DataError
    from bayes_mlm.data import open_files
    from bayes_mlm.design import design_of, is_sums, notes_on_levels
    from bayes_mlm.report import console as show

    request = request_for(model, data, **options)
    source: Any = data
    if memory is not None or engine_data != "duckdb":
        if rows == "keep" or is_sums(request.source.data):
            what = "kept in memory" if rows == "keep" else "sums already"
            raise DataError(
                f"--memory and --engine-data apply to aggregated rows, and these are {what}; "
                "omit them"
            )
        place = request.source.location if data is None else data
        source = open_files(place, request.source.options, engine=engine_data, memory=memory)
    with steps(f"reading {data or request.source.data}", quiet=quiet) as shown:
        progress = shown.progress_of("summing")
        design = design_of(request, source, rows=rows, on_progress=progress)
    if not quiet:
        console = show.make_console(stderr=True)
        for note in notes_on_levels(design.encoding.levels, design.n, {}):
            console.print(f"note: {note}", soft_wrap=True, highlight=False)
    return request, design


def read_design(request: "ModelRequest", data: str | None) -> "Design":
    """Return the design of a request, after printing how its data file is read, where it seems so.

    Parameters
    ----------
    request, data
        As in `bayes_mlm.design.design_of`.
    """
    from bayes_mlm.data import RECOGNISED
    from bayes_mlm.design import design_of
    from bayes_mlm.report import console as show

    design = design_of(request, data)
    console = show.make_console(stderr=True)
    for note in design.notes:
        if RECOGNISED in note:
            console.print(f"note: {note}", soft_wrap=True, highlight=False)
    return design


def source_of_rows(request: "HasRequest", data: str | None) -> Any:
    """Return the data whose rows a request needs that the group moments cannot serve.

    Raises
    ------
    DataError
        If only their sums are available.
    """
    from bayes_mlm.base import DataError
    from bayes_mlm.data import open_files
    from bayes_mlm.design import is_sums

    declared = request.request.source
    source = declared.location if data is None else data
    if is_sums(source):
        raise DataError(
            f"{source} contains sums, and this needs rows; give the formula and the data instead"
        )
    return open_files(source, declared.options) if declared.options.given else source


def print_sample(what: str) -> None:
    """Print on standard error which rows a result is computed from."""
    from bayes_mlm.report import console as show

    console = show.make_console(stderr=True)
    console.print(f"rows are those of {what}", soft_wrap=True, highlight=False)


def seed_of(request: "HasRequest", seed: int | None) -> int:
    """Return the seed: the one passed, else the record's, else the default."""
    found = request.request.settings.random_seed if seed is None else seed
    return DEFAULT_SEED if found is None else found


def settings_for(request: "HasRequest", sampling: Sampling) -> "Settings":
    """Return the sampler settings: those passed, else the record's, else the defaults."""
    from bayes_mlm.fitting import make_settings

    options = vars(sampling) | {"random_seed": seed_of(request, sampling.random_seed)}
    return make_settings(request.request, **options)


def refuse_repeats(models: "Sequence[str]") -> None:
    """Raise an error if a model is listed twice."""
    twice = next((one for k, one in enumerate(models) if one in models[:k]), None)
    if twice is not None:
        raise EngineError(f"{twice!r} is given twice; omit one")


@contextmanager
def status(message: str, *, quiet: bool, draws_bar: bool = False) -> "Iterator[bool]":
    """Show on a terminal what is being done; yield whether the callee may draw a progress bar.

    Parameters
    ----------
    message : str
    quiet : bool
    draws_bar : bool
        Whether the callee draws a progress bar itself, as NUTS does.
    """
    from bayes_mlm.report import console as show

    if draws_bar:
        console = show.make_console(stderr=True)
        on_terminal = console.is_interactive and not quiet
        if on_terminal:
            console.print(message)
        yield on_terminal
        return
    with steps(message, quiet=quiet):
        yield False


_PAIR = re.compile(r"(?P<name>[^=\[]+(?:\[.*?\](?=\s*=))?)=(?P<value>.*)")


def read_pairs(
    option: str, texts: "Sequence[str]", form: str, error: type[BayesMLMError] = EngineError
) -> dict[str, str]:
    """Return the values of a repeatable option by name, as in "ses=-1,0,1".

    Parameters
    ----------
    option : str
        For messages: "--at".
    texts : sequence of str
    form : str
        What a text must be, for messages: "NAME=VALUE,VALUE, such as NAME=-1,0,1".
    error : type

    Raises
    ------
    BayesMLMError
        Of class `error`, if a text has another form, or a name is given twice.

    Examples
    --------
    >>> read_pairs("--prior", ["sigma_e[sex=Male]=HalfNormal(sigma=5)"], "NAME=DISTRIBUTION")
    {'sigma_e[sex=Male]': 'HalfNormal(sigma=5)'}
    """
    pairs: dict[str, str] = {}
    for text in texts:
        found = _PAIR.fullmatch(text)  # the first = outside of brackets separates
        name, value = (found["name"].strip(), found["value"].strip()) if found else ("", "")
        if not name or not value:
            raise error(f"{option} {text!r} must be {form}")
        if name in pairs:
            raise error(f"{option} {name} is given twice; give it once, as {form}")
        pairs[name] = value
    return pairs


def read_at(texts: "Sequence[str]") -> dict[str, list[str]]:
    """Return the values of predictors, as in "ses=-1,0,1"."""
    form = "NAME=VALUE,VALUE, such as NAME=-1,0,1"
    settings: dict[str, list[str]] = {}
    for name, values in read_pairs("--at", texts, form).items():
        settings[name] = [value.strip() for value in values.split(",")]
        if not all(settings[name]):
            raise EngineError(f"--at {name}={values!r} must be {form}")
    return settings


def read_numbers(option: str, text: str) -> list[float]:
    """Return the numbers of an option, as in "0,5,9"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise EngineError(f"{option} {text!r} must be numbers, such as 0,5,9") from None
