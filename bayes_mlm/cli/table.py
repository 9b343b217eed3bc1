"""Run `bayes-mlm table`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError, StorageError, require_word, visible
from bayes_mlm.cli.files import check_file, write_file
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
    Prob,
    Quiet,
    Sampling,
    grouped,
    refuse_repeats,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Exponentiate, Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.cli.showing import all_verdicts
from bayes_mlm.cli.words import of_words
from bayes_mlm.engines import AUTO, engine_names, has_chains, is_drawing

Format = Literal["markdown", "latex", "html", "word"]
TableStyles = Literal["plain", "apa", "econometrics"]
_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".txt": "markdown",
    ".markdown": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".docx": "word",
}


@grouped
def table(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Formulas, bundled models, or records (.toml); none: the whole study.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    format: Annotated[  # noqa: A002  (the option's name)
        Format | None,
        typer.Option("--format", help="Format (default: by the ending of --out, else markdown)."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        of_words(
            typer.Option(help="Repeatable, a column each.", show_default="auto"), engine_names()
        ),
    ] = None,
    interval: Annotated[
        bool,
        typer.Option(
            "--interval", help="Print intervals below the estimates, not standard errors."
        ),
    ] = False,
    style: Annotated[
        TableStyles,
        typer.Option("--style", help="As in the report, by the APA manual, or as in economics."),
    ] = "plain",
    stars: Annotated[
        bool,
        typer.Option("--stars", help="Mark p-values of REML, ML and OLS; posteriors have none."),
    ] = False,
    outcome: Outcome = Outcome(),
    exponentiate: Exponentiate = False,
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="File (default: standard output).")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Tabulate models for a paper.

    In Markdown, LaTeX (booktabs), HTML or Word, one column per model: coefficients, sds between and
    within groups, ICC, R², sizes, and notes.
    """
    from bayes_mlm.engines import Settings
    from bayes_mlm.model import family_of
    from bayes_mlm.report import publication_table
    from bayes_mlm.studies import WORKED_STUDY, Record, analyse_ladder, as_record, records

    chosen = format or ("markdown" if out is not None and out.is_dir() else _format_of(out))
    if out is not None:
        check_file(out, "table.tex", inputs=(data, *(model or [])), also=tuple(_SUFFIXES))
    if chosen == "word":
        if out is None:
            raise StorageError("a document of Word needs a file: add --out table.docx")
        require_word()
    engines = _engines(engine or ["auto"])
    if stars and all(map(is_drawing, engines)):
        raise EngineError(
            "--stars: they mark p-values, and a posterior has none; add --engine reml, ml or ols, "
            "or omit --stars"
        )
    names = model or []
    refuse_repeats(names)
    ladder = [as_record(one, data, **vars(reading), **outcome.options) for one in names]
    ladder = ladder or list(records(WORKED_STUDY))
    if exponentiate:  # refused before anything is fitted
        for one in ladder:
            family_of(one.request.model.family).require_ratio()

    def settings_of(record: "Record") -> "Settings":
        return settings_for(record, sampling)

    drawn = [one for one in engines if is_drawing(one)]
    text = f"fitting {len(ladder)} models"
    with status(text, quiet=quiet, draws_bar=any(map(has_chains, drawn))) as shown:
        results = analyse_ladder(
            ladder, settings_of, data=data, engines=drawn, prob=prob, progressbar=shown
        )
        analyses = [one.analysis for one in results]
    laid_out = publication_table(
        analyses,
        likelihood=any(not is_drawing(one) for one in engines),
        interval=interval,
        exponentiate=exponentiate,
        style=style,
        stars=stars,
    )
    made = laid_out.render({"html": "page", "word": "console"}.get(chosen, chosen))
    content = laid_out.to_word() if chosen == "word" else made.encode("utf-8")
    if out is None:
        output.console.print(made, soft_wrap=True, end="")
    else:
        write_file(out, lambda partial: partial.write_bytes(content))
    # Separate from the table, whose notes contain it too.
    bad = [one.spec.name for one in analyses if not one.ok]
    if bad:
        typer.echo(f"verdict NOT clean for: {visible(', '.join(bad))}; see bayes-mlm fit", err=True)
    output.finish(
        ok=not bad,
        verdicts=all_verdicts(analyses),
        notes=laid_out.notes,
        results=laid_out,
        format=chosen,
        text=made,
        written=out,
    )


def _engines(names: list[str]) -> list[str]:
    engines = list(dict.fromkeys(names))
    drawing = [name for name in engines if is_drawing(name)]
    if AUTO in engines and len(drawing) > 1:
        raise EngineError(
            f"--engine auto is already {' or '.join(engine_names(drawing=True, auto=False))}; omit "
            "it next to these"
        )
    return engines


def _format_of(out: Path | None) -> Format:
    if out is None:
        return "markdown"
    if out.suffix.lower() not in _SUFFIXES:
        raise StorageError(
            f"--out {str(out)!r} does not end in {', '.join(_SUFFIXES)}; change the "
            "ending, or choose the format with --format"
        )
    return _SUFFIXES[out.suffix.lower()]
