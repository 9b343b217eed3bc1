"""Run `bayes-mlm contextual`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    read_pairs,
    request_for,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.engines import has_chains

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayes_mlm.base import TerminalTable
    from bayes_mlm.design import Design
    from bayes_mlm.model import ModelRequest
    from bayes_mlm.questions import ContextualTable


@grouped
def contextual(
    model: Model,
    data: Data = None,
    mean: Annotated[
        list[str] | None,
        typer.Option(help="A column of group means: PREDICTOR=COLUMN; repeatable."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    factor: Annotated[
        str | None, typer.Option(help="Whose groups, if there are several grouping factors.")
    ] = None,
    latent: Annotated[
        bool, typer.Option("--latent", help="Latent group means, next to the observed ones.")
    ] = False,
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None, typer.Option(help="Folder for contextual.csv (and latent.csv).")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Estimate within, between and contextual effects.

    With the Hausman test.
    A model with one slope for both levels is extended to a Mundlak model first: the group means
    of its predictors are added. --latent corrects for the sampling of
    members: group means as random effects of the predictor.
    """
    from bayes_mlm.base import (
        DesignError,
        SeveralFactorsError,
        Verdict,
        atomic_folder,
        tables_csv,
    )
    from bayes_mlm.fitting import fit_by, with_estimate
    from bayes_mlm.questions import (
        contextual_effects,
        describe_contextual,
        hausman,
        latent_contextual_effects,
    )

    if out is not None:
        files = ["contextual.csv", *(["latent.csv"] if latent else [])]
        check_folder(out, files, inputs=(model, data))
    check_prob(prob)
    means = read_pairs("--mean", mean or [], "PREDICTOR=COLUMN")
    request = request_for(model, data, group=group, **vars(reading), **outcome.options)
    request, design, laid_out = _two_levels(request, data, means)
    settings = settings_for(request, sampling)
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as bar:
        fit = fit_by(request, design, settings, engine=engine, progressbar=bar, prob=prob)
        tables = [
            contextual_effects(one, means=means, prob=prob, factor=factor)
            for one in with_estimate(fit, prob)
        ]
        corrected = None
        if latent:
            corrected = latent_contextual_effects(fit, means=means, prob=prob)
        try:
            test = str(hausman(design))
        except (DesignError, SeveralFactorsError) as reason:
            test = f"no Hausman test: {reason}"
    console = output.console
    console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]{laid_out}")
    console.print(_table(tables))
    lines = [f"- {note}" for note in tables[0].notes]
    lines += [f"caution: {text}" for text in tables[0].cautions]
    if corrected is not None:
        lines += ["", *str(replace(corrected, verdict=Verdict(()))).splitlines()]
    lines += ["", test, *(f"  {line}" for line in describe_contextual(tables[0])), ""]
    for one in tables:
        lines.append(one.verdict.line_of(one.rows[0].engine))
    for line in lines:
        console.print(line, soft_wrap=True)
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "contextual.csv").write_text(tables_csv(tables), encoding="utf-8")
            if corrected is not None:
                (stage / "latent.csv").write_text(corrected.to_csv(), encoding="utf-8")
    more: dict[str, Any] = {} if corrected is None else {"latent": corrected}
    output.finish(*tables, hausman=test, **more, written=out)


def _two_levels(
    request: "ModelRequest", data: str | None, means: dict[str, str]
) -> "tuple[ModelRequest, Design, str]":
    """Return a model with group means of its predictors, added where it has none."""
    from bayes_mlm.base import DesignError
    from bayes_mlm.design import for_kind, pairs_of

    design = read_design(request, data)
    if len(design.factors) > 1:
        return request, design, ""
    found, left_out = pairs_of(design, means or None)
    fits = request.model.kind in ("pooled", "partial_pooling") and design.group is not None
    if found or left_out or not fits:
        return request, design, ""
    changed = replace(request, model=replace(request.model, kind="mundlak"))
    try:
        laid_out = for_kind(design, "mundlak")
    except DesignError as reason:
        raise DesignError(
            f"cannot add the group means of every predictor of '{design.formula}' ({reason}); "
            "add between(x) to the formula, for the predictors whose group means differ"
        ) from reason
    return changed, laid_out, ", group means of its predictors added"


def _table(tables: "Sequence[ContextualTable]") -> "TerminalTable":
    from bayes_mlm.base import Span, TerminalTable, View, probability, texts

    heads, spans, left = ["predictor", "slope", "group mean"], [Span(columns=3)], {2}
    for one in tables:
        drawn = one.rows[0].above is not None
        heads += ["estimate", "sd" if drawn else "se", one.interval]
        if drawn:
            left.add(len(heads))
            heads.append("P(direction)")
        spans.append(Span(text=one.rows[0].engine, columns=4 if drawn else 3))
    lines = []
    for rows in zip(*(one.rows for one in tables), strict=True):
        cells: list[str] = []
        for row in rows:
            cells += texts(row.estimate, row.sd, row.lower, row.upper)
            if row.direction is not None:
                sign = "+" if (row.above or 0) >= 0.5 else "−"
                cells.append(f"{probability(row.direction)} {sign}")
        first = rows[0].quantity == "within"
        name, mean = (rows[0].predictor, rows[0].mean) if first else ("", "")
        lines.append((name, rows[0].quantity, mean, *cells))
    view = View(headings=tuple(heads), spans=tuple(spans), cells=tuple(lines), left=frozenset(left))
    return TerminalTable(view=view, names=2)
