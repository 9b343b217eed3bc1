"""Print an analysis, and render its report, for the commands that fit."""

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_mlm.base import visible
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.progress import Steps

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from bayes_mlm.fitting import Analysis
    from bayes_mlm.report import LiveModel
    from bayes_mlm.studies import PublishedRow


def print_analysis(analysis: "Analysis", output: Output, *, priors: bool = False) -> None:
    """Print one model: what was fitted, the estimates, the verdicts."""
    from bayes_mlm.report import console as show

    console = output.console
    console.print(show.analysis_title(analysis))
    if analysis.design.encoding.titles:
        console.print(visible(analysis.design.encoding.titles_text), soft_wrap=True)
    if priors and analysis.fits:
        console.print(show.priors_table(analysis))
        console.print(f"engine: {analysis.fits[0].engine} ({analysis.fits[0].reason})")
    console.print(show.estimates_table(analysis))
    for one in analysis.estimates if analysis.design.imputations else ():
        console.print(one.pooled.render(), soft_wrap=True, highlight=False)
        console.print()
    for line in [*show.verdict_lines(analysis), *analysis.design.notes]:
        console.print(visible(line))
    console.print()


def parts_of(analysis: "Analysis") -> dict[str, Any]:
    """Return one model for a program: its estimates by each engine, verdicts and notes."""
    from bayes_mlm.report import console as show

    design = analysis.design
    return {
        "ok": analysis.ok,
        "verdicts": show.verdict_lines(analysis),
        "notes": design.notes,
        "model": {"name": analysis.spec.name, "formula": analysis.spec.formula},
        "kind": analysis.spec.kind,
        "n": design.n,
        "n_dropped": design.n_dropped,
        "groups": {term.factor: term.J for term in design.group_terms},
        "estimates": {summary.engine: summary for summary in analysis.summaries},
        **(
            {"pooled": {one.engine: one.pooled for one in analysis.estimates}}
            if design.imputations
            else {}
        ),
    }


def all_verdicts(analyses: "Sequence[Analysis]") -> list[str]:
    """Return the verdicts on several models, each with the name of its model."""
    from bayes_mlm.report import console as show

    return [f"{one.spec.name}: {line}" for one in analyses for line in show.verdict_lines(one)]


def report_of(
    analyses: "Sequence[Analysis]",
    *,
    title: str,
    subtitle: str = "",
    published: "Sequence[PublishedRow]" = (),
    notes: Sequence[str] = (),
    started: float,
    pool: "ProcessPoolExecutor | None",
    shown: Steps,
    live: "LiveModel | None" = None,
    sections: Sequence[str] | None = None,
) -> str:
    """Render the report of a run, and show how far the figures are.

    Parameters
    ----------
    analyses, title, subtitle, published, notes
        As in `bayes_mlm.report.page.Origin` and `render_report`.
    started : float
        When the run began, by `time.monotonic`.
    pool : ProcessPoolExecutor or None
        That draws.
    shown : Steps
        The run's progress.
    live, sections
        As in `render_report`.
    """
    from bayes_mlm.report import Origin, render_report

    def on_figure(done: int, of: int) -> None:
        shown.update("drawing the report", done=done, of=of)

    shown.update("preparing the report")
    origin = Origin(
        title=title,
        subtitle=subtitle,
        published=tuple(published),
        notes=tuple(notes),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        started=started,
        command=_command(sys.argv[1:]),
    )
    return render_report(
        analyses, origin, live=live, sections=sections, pool=pool, on_figure=on_figure
    )


def _command(arguments: Sequence[str]) -> str:
    """Return the command that reproduces the numbers, without local folders."""
    from bayes_mlm.data import split_part

    kept, arguments = [], list(arguments)
    while arguments:
        one = arguments.pop(0)
        if one == "--out":  # where the results went does not change them
            arguments[:1] = []
        elif not one.startswith("--out="):
            file, part = split_part(one)
            name = Path(file).name if Path(file).is_file() else file
            kept.append(f"{name}::{part}" if part else name)
    return shlex.join(["bayes-mlm", *kept])
