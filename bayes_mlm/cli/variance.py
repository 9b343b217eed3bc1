"""Run `bayes-mlm variance`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB, check_prob
from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    AnyEngine,
    Data,
    Prob,
    Quiet,
    Sampling,
    grouped,
    read_design,
    read_numbers,
    read_pairs,
    request_for,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayes_mlm.base import TerminalTable
    from bayes_mlm.design import Design
    from bayes_mlm.model import ModelRequest
    from bayes_mlm.questions import VarianceRow, VarianceTable


@grouped
def variance(
    model: Model,
    data: Data = None,
    null: Annotated[
        str | None,
        typer.Option(help="The null model (default: y ~ 1 + (1 | g) on the same rows)."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help='With random slopes: values of the predictor, "NAME=-1,0,1"; repeatable.'
        ),
    ] = None,
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="Folder for variance.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Partition the variance: ICC and R².

    ICC and R² of every kind and their parts, each with its meaning.
    Posterior with intervals, compared with REML (or OLS). For what is not defined, the reason.
    """
    from bayes_mlm.base import atomic_folder, tables_csv
    from bayes_mlm.engines import has_chains, is_drawing
    from bayes_mlm.fitting import Estimate, Fit, fit_by, with_estimate
    from bayes_mlm.questions import (
        along,
        check_null,
        variance_by_level,
    )

    if out is not None:
        check_folder(out, ["variance.csv"], inputs=(model, data, null))
    check_prob(prob)
    request = request_for(model, data, **vars(reading), **outcome.options)
    pairs = read_pairs("--at", at or [], "NAME=NUMBER,NUMBER, such as NAME=-1,0,1")
    points = {name: read_numbers("--at", text) for name, text in pairs.items()} or None
    settings = settings_for(request, sampling)
    design = read_design(request, data)
    along(design, points)  # raises for a wrong name, before anything is fitted
    found_null = _null_of(request, design, null, data)
    if found_null is not None and null is not None:
        check_null(design, found_null[1], null)
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as bar:
        fit = fit_by(request, design, settings, engine=engine, progressbar=bar, prob=prob)
        nulls: tuple[Fit | Estimate | None, ...] = (None, None)
        if found_null is not None:
            name = "auto" if is_drawing(engine) else engine
            null_fit = fit_by(*found_null, settings, engine=name, prob=prob)
            nulls = with_estimate(null_fit, prob)
        tables = [
            variance_by_level(one, null=other, at=points, prob=prob)
            for one, other in zip(with_estimate(fit, prob), nulls, strict=False)
        ]
    console = output.console
    console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    for part in _parts(tables):
        console.print(part, soft_wrap=isinstance(part, str))
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "variance.csv").write_text(tables_csv(tables), encoding="utf-8")
    output.finish(*tables, written=out)


def _null_of(
    request: "ModelRequest", design: "Design", null: str | None, data: str | None
) -> "tuple[ModelRequest, Design] | None":
    """Return the null model: the one named, or that of the same rows; None if there is none."""
    from bayes_mlm.design import design_of
    from bayes_mlm.model import is_formula
    from bayes_mlm.questions import is_null, null_design

    if null is not None:
        other_data = None if null.endswith(".toml") else data
        source = (
            str(request.source.location) if other_data is None and is_formula(null) else other_data
        )
        other = request_for(
            null,
            source,
            missing=request.source.missing,
            strip=request.source.strip,
            **request.source.options.given,
        )
        return other, design_of(other, other_data)
    if is_null(design) or not design.factors or design.kind == "between":
        return None
    bare = null_design(design)
    kept = {"Intercept", design.family.residual_sd} | ({"sigma_u"} if design.has_icc else set())
    priors = {name: prior for name, prior in request.model.priors.items() if name in kept}
    model = replace(
        request.model,
        name=f"{request.name} without predictors",
        formula=str(bare.formula),
        kind="partial_pooling",
        priors=priors,
    )
    return replace(request, model=model), bare


def _parts(tables: "Sequence[VarianceTable]") -> "list[TerminalTable | str]":
    """Return a table for each question: a row for each measure, columns for the engines."""
    from bayes_mlm.base import Span, TerminalTable, View
    from bayes_mlm.questions import QUESTIONS, reasons

    first = tables[0]
    parts: list[TerminalTable | str] = []
    for question, heading in QUESTIONS.items():
        rows = first.where(question=question)
        if not rows:
            continue
        parts.append(heading)
        heads, spans = ["measure"], [Span()]
        for one in tables:
            more = ("estimate", "sd", one.interval) if one.interval else ("estimate",)
            heads += more
            spans.append(Span(text=one.rows[0].engine, columns=len(more)))
        heads.append("what of what")
        known = [row for row in rows if row.estimate is not None]
        cells = tuple(
            (
                row.quantity,
                *(cell for one in tables for cell in _cells(one, row)),
                row.meaning,
            )
            for row in known
        )
        if known:
            view = View(
                headings=tuple(heads),
                spans=(*spans, Span()),
                cells=cells,
                left=frozenset({len(heads) - 1}),
            )
            parts.append(TerminalTable(view=view))
        parts += [f"- {reason}" for reason in reasons(rows)]
        parts.append("")
    notes = dict.fromkeys(note for one in tables for note in one.notes)
    parts += [f"- {note}" for note in notes]
    for one in tables:
        parts.append(one.verdict.line_of(one.rows[0].engine))
    return parts


def _cells(table: "VarianceTable", first: "VarianceRow") -> list[str]:
    """Write a measure by one engine; an estimate alone to the digits of the posterior's."""
    row = table.get(first.quantity)
    if row is None:
        return ["", "", ""] if table.interval else [""]
    if not table.interval:
        return [first.digits.number(row.estimate)]
    shown = row.digits
    return [
        shown.number(row.estimate),
        shown.error(row.sd),
        shown.interval(row.lower, row.upper),
    ]
