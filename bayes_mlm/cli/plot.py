"""Run `bayes-mlm plot`."""

import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    RowsNeededError,
    SpecError,
    StorageError,
    visible,
)
from bayes_mlm.cli.files import Inputs, check_file, write_file
from bayes_mlm.cli.labels import Labels, labelled, read_labels
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
    DrawingEngine,
    Prob,
    Quiet,
    Sampling,
    grouped,
    print_sample,
    refuse_repeats,
    settings_for,
    source_of_rows,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.cli.showing import all_verdicts
from bayes_mlm.engines import has_chains

if TYPE_CHECKING:
    from bayes_mlm.figures import Entry
    from bayes_mlm.fitting import Analysis
    from bayes_mlm.studies import Record

_SUFFIXES = (".png", ".svg", ".pdf", ".csv")
_DPI = 150
# Letters of vector files stay text, to be searched, copied and edited: in .pdf as TrueType.
_AS_TEXT: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42}
# In matplotlib's warning of a letter that its font lacks.
_GLYPH = "missing from font"


@grouped
def plot(
    name: Annotated[
        str | None, typer.Argument(help="A figure; see --list.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Formula, bundled model, or record (.toml); of a ladder's figure several, or "
            "none for the whole study.",
            show_default=False,
        ),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List all figures, and what each shows.")
    ] = False,
    data: Data = None,
    factor: Annotated[
        str | None,
        typer.Option(help="Of a figure of groups: whose, if there are several grouping factors."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="Of group effects: link (as they are), ratio (odds or rate ratios), response "
            "(probabilities or means)."
        ),
    ] = None,
    engine: DrawingEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File (.png, .svg, .pdf; .csv has the numbers); default: the figure's name, "
            ".png, here."
        ),
    ] = None,
    label: Labels = None,
    theme: Annotated[
        str, typer.Option(help="default, grey, talk (for slides), or a style of matplotlib.")
    ] = "default",
    size: Annotated[
        str | None,
        typer.Option(help="Inches: a width (3.3 is a column), or width and height (3.3x4)."),
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Draw one figure of a model, or of several."""
    from bayes_mlm.engines import Settings
    from bayes_mlm.figures import Canvas
    from bayes_mlm.report import console as show
    from bayes_mlm.studies import FIGURES, analyse_ladder

    console = output.console
    if list_all or name is None:
        console.print(show.figures_table(FIGURES.values()))
        console.print("bayes-mlm plot NAME MODEL draws one into NAME.png", soft_wrap=True)
        output.finish(figures=[_listed(one) for one in FIGURES.values()])
        return
    entry = FIGURES[name]
    file = Path(f"{entry.name}.png") if out is None else out
    _check(file, inputs=(data, *(model or [])))
    figsize = _size(size)
    Canvas(theme=theme, figsize=figsize)  # raises what is wrong before anything is fitted
    options = _options(entry, factor=factor, scale=scale)
    labels = read_labels(label)
    ladder = _records(entry, model or [], data, **vars(reading), **outcome.options)

    def settings_of(record: "Record") -> "Settings":
        return settings_for(record, sampling)

    many = "a model" if len(ladder) == 1 else f"{len(ladder)} models"
    with status(f"fitting {many}", quiet=quiet, draws_bar=has_chains(engine)) as bar:
        results = analyse_ladder(
            ladder, settings_of, data=data, engines=[engine], prob=prob, progressbar=bar
        )
        found = labelled([one.analysis for one in results], labels)
    try:
        picture = _prepare(entry, found, options)
    except RowsNeededError:
        with status("fetching the rows of a sample", quiet=quiet):
            found = [_with_sample(one, data) for one in found]
        picture = _prepare(entry, found, options)
    drawing = status(f"drawing {entry.name}", quiet=quiet)
    with drawing, warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")  # each is repeated below
        _write(file, entry, picture, theme=theme, figsize=figsize)
    lacking = [one for one in raised if _GLYPH in str(one.message)]
    if lacking:
        typer.echo("some letters are not in the font, and drawn as boxes", err=True)
    for one in raised:
        if one not in lacking:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if not quiet:
        console.print(f"{picture.text.title}\n{picture.text.caption}", soft_wrap=True)
    bad = [one.spec.name for one in found if not one.ok]
    if bad:
        typer.echo(f"verdict NOT clean for: {visible(', '.join(bad))}; see bayes-mlm fit", err=True)
    output.finish(
        ok=not bad,
        verdicts=all_verdicts(found),
        figure=_listed(entry),
        models={one.spec.name: one.spec.formula for one in found},
        **{part.name: getattr(picture.text, part.name) for part in fields(picture.text)},
        written=file,
    )


def _size(text: str | None) -> "float | tuple[float, float] | None":
    """Return a width, or width and height, in inches."""
    if text is None:
        return None
    try:
        sizes = [float(part) for part in text.lower().split("x")]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2):
        raise SpecError(f"--size {text!r} is no size; give inches: 3.3, or 6.3x4")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def _write(file: Path, entry: "Entry", picture: Any, **look: Any) -> None:
    """Write a figure, or its numbers, as the ending of the file says."""
    from bayes_mlm.figures import tidy

    kind = file.suffix.lower().removeprefix(".")
    if kind == "csv":
        text = tidy(picture).to_csv()
        write_file(file, lambda partial: partial.write_text(text, encoding="utf-8"))
        return
    figure = entry.draw(picture, **look)
    from matplotlib import rc_context

    with rc_context(_AS_TEXT):
        write_file(file, lambda partial: figure.savefig(partial, format=kind, dpi=_DPI))


def _listed(entry: "Entry") -> dict[str, str]:
    return {name: getattr(entry, name) for name in ("name", "of", "shows", "applies")}


def _check(out: Path, inputs: Inputs) -> None:
    if out.suffix.lower() not in _SUFFIXES:
        found = f"ends in {out.suffix!r}" if out.suffix else "has no ending"
        raise StorageError(f"--out {str(out)!r} {found}; allowed: {', '.join(_SUFFIXES)}")
    check_file(out, "figure.png", inputs=inputs, also=_SUFFIXES)


def _records(
    entry: "Entry",
    models: list[str],
    data: str | None,
    **options: Any,
) -> "list[Record]":
    """Load the models models for (`as_record`); for a figure of a ladder their null models too."""
    from bayes_mlm.fitting import named_apart
    from bayes_mlm.studies import WORKED_STUDY, as_record, baseline, records

    refuse_repeats(models)
    if entry.of == "ladder":
        if not models and data is not None:
            raise SpecError(f"--data needs models too: bayes-mlm plot {entry.name} MODEL --data …")
        ladder = [as_record(one, data, **options) for one in models]
        apart = named_apart([record.request for record in ladder])
        ladder = [record.requesting(request) for record, request in zip(ladder, apart, strict=True)]
        ladder = ladder or list(records(WORKED_STUDY))
        nulls = [null for record in ladder if (null := baseline(record)) is not None]
        known = {record.name for record in ladder}
        return [*{null.name: null for null in nulls if null.name not in known}.values(), *ladder]
    if len(models) != 1:
        raise SpecError(
            f"the figure {entry.name!r} is of one model, found {len(models)}: "
            f"bayes-mlm plot {entry.name} MODEL, such as hsb_sector_ses"
        )
    return [as_record(models[0], data, **options)]


def _with_sample(analysis: "Analysis", data: str | None) -> "Analysis":
    """Return an analysis of aggregated data with the rows of some groups, and a note of which."""
    from bayes_mlm.fitting import sample_groups

    if analysis.design.has_rows or analysis.design.imputations or not analysis.fits:
        return analysis
    rows = source_of_rows(analysis, data)
    fits = tuple(sample_groups(fit, rows) for fit in analysis.fits)
    design = fits[0].design
    print_sample(design.notes[-1])
    solution = analysis.estimate.single_solution().of_groups(design)
    estimate = replace(analysis.estimate, design=design, solution=solution)
    return replace(analysis, design=design, fits=fits, estimates=(estimate,))


def _options(entry: "Entry", factor: str | None, scale: str | None) -> dict[str, str]:
    """Return the options of a figure that are given, after checking that it has them."""
    if factor is not None and not entry.by_factor:
        raise SpecError(
            f"the figure {entry.name!r} is not of the groups of one factor; omit --factor"
        )
    if scale is not None and not entry.by_scale:
        raise SpecError(f"the figure {entry.name!r} has one scale; omit --scale")
    given = {"factor": factor, "scale": scale}
    return {name: value for name, value in given.items() if value is not None}


def _prepare(entry: "Entry", found: "list[Analysis]", options: dict[str, str]) -> Any:
    picture = entry.find(found if entry.of == "ladder" else found[-1], **options)
    if picture is None:
        names = "these models" if entry.of == "ladder" else found[-1].spec.name
        raise EngineError(
            f"the figure {entry.name!r} does not apply to {names}; it requires that {entry.applies}"
        )
    return picture
