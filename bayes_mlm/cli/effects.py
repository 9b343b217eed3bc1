"""Run `bayes-mlm effects`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayes_mlm.cli.options import (
    EXIT_VERDICT,
    Chains,
    Data,
    Decimal,
    Delimiter,
    Draws,
    Mass,
    Missing,
    Quiet,
    Seed,
    Strip,
    TargetAccept,
    Tune,
    say_sample,
    settings_for,
    source_of_rows,
    status,
)
from bayes_mlm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayes_mlm.data import Table
    from bayes_mlm.effects import Crossing, Effects

Engine = Literal["auto", "direct", "nuts", "reml", "ols"]


def effects(
    model: Annotated[str, typer.Argument(help="A formula, a bundled model, or a record (.toml).")],
    data: Data = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            help="A predictor to compare: sector, sector=0,1 (from, to), ses=sd, ses=2, "
            "grade=pairwise; repeatable."
        ),
    ] = None,
    slope: Annotated[
        list[str] | None, typer.Option(help="A number whose slope is wanted; repeatable.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Values of other predictors: ses=-1,0,1 or ses=mean±sd; repeatable. "
            "Without: averaged over the rows."
        ),
    ] = None,
    crossing: Annotated[
        str | None,
        typer.Option(help="A number: at which value of it is the contrast zero (Johnson-Neyman)?"),
    ] = None,
    rope: Annotated[
        str | None,
        typer.Option(help="Region of practical equivalence, in units of the outcome: -0.5,0.5."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="auto: direct where it can; REML or OLS is beside it.")
    ] = "auto",
    missing: Missing = "error",
    strip: Strip = False,
    decimal: Decimal = None,
    delimiter: Delimiter = None,
    draws: Draws = None,
    tune: Tune = None,
    chains: Chains = None,
    random_seed: Seed = None,
    target_accept: TargetAccept = 0.9,
    mass: Mass = 0.94,
    out: Annotated[
        Path | None, typer.Option(help="Folder for effects.csv and crossing.csv.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Ask a model for differences, slopes, and where a difference is zero.

    Each with its interval, probability of direction, and practical equivalence.
    """
    from bayes_mlm import console as show
    from bayes_mlm.analysis import check_engine
    from bayes_mlm.classical import fit_classical
    from bayes_mlm.effects.rows import read_again, rebuild
    from bayes_mlm.fitting import as_record, fit_design
    from bayes_mlm.model_data import design_of
    from bayes_mlm.outputs import check_folder, staged_folder
    from bayes_mlm.sampling import sample_table
    from bayes_mlm.sums_file import is_sums

    if out is not None:
        check_folder(out)
    asked = _read(contrast or [], slope or [], at or [], crossing, rope, mass)
    record = as_record(
        model, data, missing=missing, strip=strip, decimal=decimal, delimiter=delimiter
    )
    design = design_of(record, data)
    settings = settings_for(record, draws, tune, chains, random_seed, target_accept)
    source: Table | None
    if is_sums(record.data_source if data is None else data):
        source = None  # effects at values that are all set need no rows
    elif design.summed is not None:
        rows = source_of_rows(record, data)
        sample = sample_table(design, rows, random_seed=settings.random_seed)
        source = sample.table
        say_sample(sample.what)
    else:
        # What the design does not hold as it was read (log(x)) is read again.
        source = None if rebuild(design) is not None else read_again(design, record, data)
    # REML or OLS first: a wrong question is told before anything is drawn.
    if engine == "reml" or engine == "ols":
        check_engine(engine, design)
    found, zeros = _answer(asked, fit_classical(design, mass=mass), data=source, design=design)
    if engine != "reml" and engine != "ols":
        with status(f"fitting {record.name}", quiet=quiet, own_bar=engine == "nuts") as shown:
            fit = fit_design(record, design, settings, engine=engine, progressbar=shown)
        found, zeros = _answer(asked, fit, data=source)
    console = show.make_console()
    for part in [*found, *zeros]:
        console.print(str(part), soft_wrap=True)
        console.print()
    if out is not None:
        with staged_folder(out) as stage:
            (stage / "effects.csv").write_text(_csv(found), encoding="utf-8")
            if zeros:
                (stage / "crossing.csv").write_text(_csv(zeros), encoding="utf-8")
        console.print(f"written to {out}")
    if not found[0].verdict.ok:
        raise typer.Exit(EXIT_VERDICT)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Hold the questions of one command, as they were read."""

    contrasts: tuple[tuple[str, Any], ...]
    slopes: tuple[str, ...]
    at: dict[str, list[str]]
    crossing: str | None
    rope: tuple[float, float] | None
    mass: float

    def others(self, *names: str | None) -> dict[str, list[str]]:
        """Give the values of all predictors but some."""
        return {name: values for name, values in self.at.items() if name not in names}


def _read(
    contrast: "Sequence[str]",
    slope: "Sequence[str]",
    at: "Sequence[str]",
    crossing: str | None,
    rope: str | None,
    mass: float,
) -> _Asked:
    if not contrast and not slope:
        raise EngineError("give what is asked for: --contrast sector, or --slope ses")
    if crossing is not None and not contrast:
        raise EngineError("--crossing is that of a difference; give it too: --contrast sector")
    contrasts, settings = tuple(_read_contrast(text) for text in contrast), _read_at(at)
    questions = {*(name for name, _ in contrasts), *slope}
    for name in settings:
        if questions == {name}:
            raise EngineError(
                f"--at {name} sets what is itself compared, and nothing else is asked; leave it "
                "out, or ask for another contrast or slope beside"
            )
    return _Asked(
        contrasts=contrasts,
        slopes=tuple(slope),
        at=settings,
        crossing=crossing,
        rope=_read_rope(rope),
        mass=mass,
    )


def _answer(asked: _Asked, fit: Any, **own: Any) -> "tuple[list[Effects], list[Crossing]]":
    """Put every question to a fit; a question is not asked of the predictor that it sets."""
    from bayes_mlm.effects import comparisons, crossing, slopes

    found, zeros = [], []
    own |= {"mass": asked.mass}
    for name, contrast in asked.contrasts:
        found.append(comparisons(fit, contrast, at=asked.others(name), rope=asked.rope, **own))
        if asked.crossing is not None:
            at = asked.others(name, asked.crossing)
            zeros.append(crossing(fit, contrast, asked.crossing, at=at, **own))
    found += [
        slopes(fit, one, at=asked.others(one), rope=asked.rope, **own) for one in asked.slopes
    ]
    return found, zeros


def _read_contrast(text: str) -> tuple[str, Any]:
    """Read "sector", "sector=0,1", "ses=sd", "ses=2"; give the predictor and the contrast."""
    name, equals, how = (part.strip() for part in text.partition("="))
    if not equals:
        return name, name
    values = [value.strip() for value in how.split(",")]
    if not all(values):
        raise EngineError(f"--contrast {text!r} has an empty value; write it as sector=0,1")
    return name, {name: values if len(values) > 1 else values[0]}


def _read_at(texts: "Sequence[str]") -> dict[str, list[str]]:
    """Read "ses=-1,0,1"."""
    settings: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        listed = [value.strip() for value in values.split(",")]
        if not equals or not name or not all(listed):
            raise EngineError(f"--at {text!r} must be NAME=VALUE,VALUE, such as ses=-1,0,1")
        if name in settings:
            raise EngineError(f"--at {name} is given twice; write its values as {name}=0,1")
        settings[name] = listed
    return settings


def _read_rope(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise EngineError(f"--rope {text!r} must be LOW,HIGH, such as -0.5,0.5") from None
    return low, high


def _csv(parts: "Sequence[Effects] | Sequence[Crossing]") -> str:
    """Join the rows of several questions under all their columns."""
    from bayes_mlm.effects.result import records_csv

    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    return records_csv(columns, [record for part in parts for record in part.records()])
