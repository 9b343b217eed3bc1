"""Run `bayes-mlm sum`, `bayes-mlm merge` and `bayes-mlm groups`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB, StorageError, visible
from bayes_mlm.cli.files import check_file
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    AnyEngine,
    DataEngine,
    Memory,
    Prob,
    Quiet,
    RowsOption,
    Sampling,
    design_for,
    grouped,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import SurveyWeights, WeightScaling
from bayes_mlm.cli.progress import steps
from bayes_mlm.cli.reading import Reading
from bayes_mlm.engines import has_chains

if TYPE_CHECKING:
    from bayes_mlm.design import Design

_SMALL = 5
AllowRepeats = Annotated[
    bool,
    typer.Option("--allow-repeats", help="Add rows that equal some already included."),
]


@grouped
def sum_data(
    formula: Annotated[
        str, typer.Argument(help="A formula, or saved sums to add further rows to.")
    ],
    data: Annotated[str, typer.Option(help="File, directory, or glob: CSV or Parquet.")],
    out: Annotated[Path, typer.Option(help="File for the sums, such as year1.sums.")],
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone",
            help="Code the further rows as in the saved sums, and save their sums only.",
        ),
    ] = False,
    allow_repeats: AllowRepeats = False,
    reading: Reading = Reading(),
    weights: SurveyWeights = None,
    scaling: WeightScaling = None,
    memory: Memory = None,
    engine_data: DataEngine = "duckdb",
    least_rows: Annotated[
        int, typer.Option(min=1, help="Refuse groups of fewer rows, whose sums disclose them.")
    ] = 1,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Aggregate data by group for a model.

    Writes the sums by group, or by combination of the levels of several factors, without rows.

    `bayes-mlm fit year1.sums` fits them; `bayes-mlm sum year1.sums --data new.csv` adds further
    rows, without the old ones; `bayes-mlm merge` adds up sums of several sites. A site that lacks
    a category, or has one group, makes its sums with `bayes-mlm sum plan.sums --alone`, where
    plan.sums has all categories (of artificial rows, for example).
    """
    from bayes_mlm.base import DataError, OneValueError
    from bayes_mlm.data import open_files
    from bayes_mlm.design import (
        check_name,
        is_sums,
        load_sums,
        merge_sums,
        save_sums,
        sum_more_rows,
        sum_rows,
    )
    from bayes_mlm.model import as_weights

    check_name(out)
    check_file(out, "data.sums", inputs=(data,))
    before = load_sums(formula) if is_sums(formula) else None
    if alone and before is None:
        raise DataError("--alone sums rows by the design of saved sums; give their file first")
    if reading.strip and before is not None and not before.encoding.strip:
        raise DataError(
            f"{formula} contains sums whose labels were not stripped; omit --strip, or sum the old "
            "rows again with it"
        )
    scan = open_files(data, reading.options, engine=engine_data, memory=memory)
    with steps(f"summing {scan.source}", quiet=quiet) as shown:
        scan = shown.watching(scan)
        try:
            if before is None:
                found = sum_rows(
                    formula,
                    scan,
                    group=group,
                    missing=reading.missing,
                    strip=reading.strip,
                    weights=as_weights(weights, scaling=scaling),
                )
            else:
                found = sum_more_rows(before, scan, missing=reading.missing)
        except OneValueError as error:
            raise OneValueError(
                f"{error}; if other sites have more, use their design: bayes-mlm sum THEIRS.sums "
                "--data … --alone"
            ) from error
    if before is not None and not alone:
        found = merge_sums(before, found, allow_repeats=allow_repeats)
    save_sums(found, out, least_rows=least_rows)
    _print_summary(found, out, output)


@grouped
def merge(
    sums: Annotated[list[Path], typer.Argument(help="Two or more files of sums of one model.")],
    out: Annotated[Path, typer.Option(help="File for the joined sums.")],
    allow_repeats: AllowRepeats = False,
    output: Output = Output(),
) -> None:
    """Add up the sums of several sites or years.

    No site discloses its rows to another.
    """
    from functools import partial, reduce

    from bayes_mlm.base import DesignError
    from bayes_mlm.design import check_name, load_sums, merge_sums, save_sums

    check_name(out)
    check_file(out, "all.sums", inputs=sums)
    if len(sums) < 2:
        raise DesignError(f"merge needs two files of sums or more, found {len(sums)}")
    add = partial(merge_sums, allow_repeats=allow_repeats)
    found = reduce(add, [load_sums(path) for path in sums])
    save_sums(found, out)
    _print_summary(found, out, output)


def _print_summary(design: "Design", out: Path, output: Output) -> None:
    from bayes_mlm.design import n_cells, small_groups

    console, size = output.console, out.stat().st_size
    groups = "".join(f", {one.J:,} groups ({one.factor})" for one in design.group_terms)
    several = len(design.factors) > 1
    cells = f" in {n_cells(design):,} combinations of levels" if several else ""
    console.print(
        f"{design.formula}: {design.n:,} rows{groups}{cells}, {size / 1e6:.1f} MB", soft_wrap=True
    )
    few = small_groups(design, _SMALL) if design.factors else 0
    if few:
        what = "combinations of levels" if several else "groups"
        console.print(
            f"{few:,} {what} have fewer than {_SMALL} rows: their sums disclose much about them "
            "(of one row, all of it)",
            soft_wrap=True,
        )
    output.finish(
        formula=str(design.formula),
        n=design.n,
        groups={term.factor: term.J for term in design.group_terms},
        groups_of_few_rows=few,
        size=size,
        written=out,
        remark=f"; fit it with: bayes-mlm fit {shlex.quote(visible(out))}",
    )


@grouped
def groups(
    model: Annotated[str, typer.Argument(help="A formula, a model, a record, or saved sums.")],
    out: Annotated[Path, typer.Option(help="Parquet file, one row per group and effect.")],
    data: Annotated[str | None, typer.Option(help="File, directory or glob.")] = None,
    rows: RowsOption = "auto",
    memory: Memory = None,
    engine_data: DataEngine = "duckdb",
    engine: AnyEngine = "auto",
    factor: Annotated[
        str | None, typer.Option(help="Whose groups, if there are several grouping factors.")
    ] = None,
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Write the effects of all groups to a file.

    Mean, sd and interval of each, for any number of groups.
    """
    from bayes_mlm.data import PARQUET
    from bayes_mlm.fitting import fit_by
    from bayes_mlm.questions import write_group_effects

    if out.suffix.lower() not in PARQUET:
        raise StorageError(f"--out {str(out)!r} is written as Parquet; end it in {PARQUET[0]}")
    check_file(out, "groups.parquet", inputs=(model, data), also=PARQUET)
    request, design = design_for(
        model,
        data,
        **vars(reading),
        rows=rows,
        memory=memory,
        engine_data=engine_data,
        quiet=quiet,
    )
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
        settings = settings_for(request, sampling)
        fit = fit_by(request, design, settings, engine=engine, progressbar=shown, prob=prob)
        write_group_effects(fit, out, factor=factor, prob=prob)
    console = output.console
    console.print(f"{fit.engine} ({fit.reason}): {fit.verdict}", soft_wrap=True)
    groups = {term.factor: term.J for term in design.group_terms}
    for factor, J in groups.items():
        console.print(f"{J:,} groups ({factor})", soft_wrap=True)
    output.finish(
        ok=fit.verdict.ok,
        verdicts=[fit.verdict.line_of(fit.engine)],
        engine=fit.engine,
        formula=str(design.formula),
        n=design.n,
        groups=groups,
        written=out,
    )
