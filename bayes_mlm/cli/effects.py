"""Run `bayes-mlm effects`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError
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
    print_sample,
    read_at,
    read_design,
    request_for,
    settings_for,
    source_of_rows,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bayes_mlm.data import Table
    from bayes_mlm.questions import Crossing, Effects, Population


@grouped
def effects(
    model: Model,
    data: Data = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            help="A predictor to compare: NAME, NAME=0,1 (from, to), NAME=sd, NAME=2, "
            "NAME=pairwise; repeatable."
        ),
    ] = None,
    slope: Annotated[
        list[str] | None,
        typer.Option(help="Numeric predictor whose slope to estimate; repeatable."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Values of predictors: NAME=-1,0,1 or NAME=mean±sd; repeatable; also of the "
            "predictor of a slope. Without: averaged over the rows."
        ),
    ] = None,
    crossing: Annotated[
        str | None,
        typer.Option(
            help="Moderator: its values at which the contrast or slope is zero (Johnson-Neyman)."
        ),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            help="Rows to average over in place of those fitted: another population, as a file "
            "(FILE.xlsx::SHEET!A3:D180 for cells of a workbook)."
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="response (probabilities, counts; the default) or link (the linear predictor)."
        ),
    ] = None,
    comparison: Annotated[
        str,
        typer.Option(help="difference, ratio (of risks or rates) or odds_ratio, of contrasts."),
    ] = "difference",
    question: Annotated[
        str | None,
        typer.Option(
            help="With a link: new_group (averaged over the distribution of groups; the default), "
            "population (group effects at zero) or existing_group (each row's own group)."
        ),
    ] = None,
    rope: Annotated[
        str | None,
        typer.Option(help="Region of practical equivalence, in units of the outcome: -0.5,0.5."),
    ] = None,
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None, typer.Option(help="Folder for effects.csv and crossing.csv.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Estimate comparisons and marginal slopes.

    With the values of a moderator at which they are zero (Johnson-Neyman).
    Each with its interval, probability of direction, and practical equivalence.
    """
    from bayes_mlm.base import atomic_folder, tables_csv
    from bayes_mlm.design import is_sums
    from bayes_mlm.engines import check_engine, has_chains, is_drawing, likelihood_engine
    from bayes_mlm.fitting import estimate_design, fit_design, sample_table
    from bayes_mlm.questions import read_again, read_population, rebuild

    if out is not None:
        check_folder(out, ["effects.csv", "crossing.csv"], inputs=(model, data, over))
    query = _read(contrast or [], slope or [], at or [], crossing, rope, prob)
    query = replace(query, scale=scale, comparison=comparison, question=question)
    request = request_for(model, data, **vars(reading), **outcome.options)
    design = read_design(request, data)
    if not query.questions:
        named = ", ".join(
            name for name in design.encoding.predictor_columns if name != design.group
        )
        raise EngineError(f"give --contrast NAME or --slope NAME, of the predictors {named}")
    settings = settings_for(request, sampling)
    source: Table | str | None
    if over is not None:
        source = over
    elif is_sums(request.source.location if data is None else data):
        source = None  # effects at values that are all set need no rows
    elif design.patterns is not None:
        source = None  # the distinct rows and their numbers are all rows
    elif not design.has_rows:
        rows = source_of_rows(request, data)
        sample = sample_table(design, rows, random_seed=settings.random_seed)
        source = sample.table
        print_sample(sample.what)
    else:
        # A column that the design has only transformed (log(x)) is read again.
        source = None if rebuild(design) is not None else read_again(design, request, data)
    # REML or OLS first: a wrong option is refused before anything is drawn.
    drawing = is_drawing(engine)
    check_engine(engine, design)
    population = read_population(design, request, source)
    if not drawing or likelihood_engine(design):
        fast = estimate_design(design, None if drawing else engine, request=request, prob=prob)
        found, zeros = _answer(query, fast, population, data=source)
    if drawing:
        with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
            fit = fit_design(request, design, settings, engine=engine, progressbar=shown)
        found, zeros = _answer(query, fit, population, data=source)
    console = output.console
    for part in [*found, *zeros]:
        console.print(str(part), soft_wrap=True)
        console.print()
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "effects.csv").write_text(tables_csv(found), encoding="utf-8")
            if zeros:
                (stage / "crossing.csv").write_text(tables_csv(zeros), encoding="utf-8")
    output.finish(*found, crossings=zeros, written=out)


@dataclass(frozen=True, kw_only=True)
class _Query:
    """Options of one command as read: predictor and contrast of each effect, slopes included."""

    questions: tuple[tuple[str, Any], ...]
    at: dict[str, list[str]]
    crossing: str | None
    rope: tuple[float, float] | None
    prob: float
    scale: str | None = None
    comparison: str = "difference"
    question: str | None = None


def _read(
    contrast: "Sequence[str]",
    slope: "Sequence[str]",
    at: "Sequence[str]",
    crossing: str | None,
    rope: str | None,
    prob: float,
) -> _Query:
    contrasts = tuple(_read_contrast(text) for text in contrast)
    return _Query(
        questions=(*contrasts, *((name, {name: "slope"}) for name in slope)),
        at=read_at(at),
        crossing=crossing,
        rope=_read_rope(rope),
        prob=prob,
    )


def _answer(
    query: _Query, fit: Any, population: "Population", **options: Any
) -> "tuple[list[Effects], list[Crossing]]":
    """Compute effects and zeros of a fit, each at the values of predictors not compared in it."""
    from bayes_mlm.questions import changes, comparisons, crossing, slopes

    found, zeros, used = [], [], set()
    options |= {"prob": query.prob}
    names = {name for name, _ in query.questions}
    for name, contrast in query.questions:
        is_slope = contrast == {name: "slope"}
        compared = () if is_slope else {n for c in changes(population, contrast) for n in c.sets}
        at = {n: values for n, values in query.at.items() if n not in compared}
        used |= set(at)
        estimate, what = (slopes, name) if is_slope else (comparisons, contrast)
        scale: dict[str, Any] = {"scale": query.scale, "question": query.question}
        scale |= {} if is_slope else {"comparison": query.comparison}
        answer = estimate(fit, what, at=at, rope=query.rope, **scale, **options)
        if name in at and names != {name}:  # values that may be meant for another effect
            plain = estimate(fit, what, at=_without(at, name), rope=query.rope, **scale, **options)
            answer = plain if _same_everywhere(answer, plain) else answer
        found.append(answer)
        if query.crossing is not None and (name != query.crossing or names == {name}):
            zeros.append(
                crossing(fit, contrast, query.crossing, at=_without(at, query.crossing), **options)
            )
    for name in query.at:
        if name not in used:
            raise EngineError(
                f"--at {name} sets the predictor that is compared, and there is no other contrast "
                "or slope; omit it, or add a --contrast or --slope"
            )
    return found, zeros


def _without(at: "Mapping[str, list[str]]", name: str) -> dict[str, list[str]]:
    return {one: values for one, values in at.items() if one != name}


def _same_everywhere(at_values: "Effects", plain: "Effects") -> bool:
    """Return whether an effect is the same at all values of its predictor (a straight line)."""
    import numpy as np

    return at_values.is_linear and all(
        any(np.allclose(one, other, rtol=1e-6, atol=1e-9) for other in plain.weights)
        for one in at_values.weights
    )


def _read_contrast(text: str) -> tuple[str, Any]:
    """Read "sector", "sector=0,1", "ses=sd", "ses=2"; give the predictor and the contrast."""
    name, equals, how = (part.strip() for part in text.partition("="))
    if not equals:
        return name, name
    values = [value.strip() for value in how.split(",")]
    if not all(values):
        raise EngineError(f"--contrast {text!r} has an empty value; write it as NAME=0,1")
    return name, {name: values if len(values) > 1 else values[0]}


def _read_rope(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise EngineError(f"--rope {text!r} must be LOW,HIGH, such as -0.5,0.5") from None
    return low, high
