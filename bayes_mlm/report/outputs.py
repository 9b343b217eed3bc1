"""Results of a run, written to a folder: every file, or none."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bayes_mlm.base import atomic_folder, csv_text, expand_home, tables_csv, visible
from bayes_mlm.design import rows_at_source
from bayes_mlm.fitting import Analysis, installed_versions
from bayes_mlm.model import SamplerSettings

if TYPE_CHECKING:
    from bayes_mlm.assess import ModelComparison, Sensitivity
    from bayes_mlm.studies import PublishedRow, Record


SENSITIVITY_FILES = ("sensitivity.csv", "sensitivity.png")
COMPARISON_FILES = ("comparison.csv", "pointwise.csv")


def run_files(models: Sequence[str]) -> tuple[str, ...]:
    """Return the files that `write_run` may write for some models, to check before fitting."""
    of_models = (f"{name}.{end}" for name in models for end in ("toml", "nc", "nuts.nc"))
    return (
        "estimates.csv",
        "verdicts.csv",
        "published.csv",
        "report.html",
        "report.pdf",
        *of_models,
    )


def write_run(
    folder: Path,
    analyses: Sequence[Analysis],
    published: "Sequence[PublishedRow]" = (),
    *,
    records: "Sequence[Record]" = (),
    report: str = "",
    pdf: bytes = b"",
) -> tuple[Path, ...]:
    """Write estimates, posteriors, records and published figures to a folder.

    Parameters
    ----------
    folder : Path
        Made if need be. Files of an earlier run are replaced; other files are left alone.
    analyses : sequence of Analysis
    published : sequence of PublishedRow
        Written to ``published.csv`` if there are any.
    records : sequence of Record
        Of the models that have one; of others one is made.
    report : str
        Written to ``report.html`` if there is one (`bayes_mlm.report.rendering.render_report`).
    pdf : bytes
        Written to ``report.pdf`` if there is one (`bayes_mlm.report.print_pdf`).

    Returns
    -------
    tuple of Path
        ``estimates.csv``; ``verdicts.csv`` (each check of each engine, the kind and prob of its
        intervals, rows and groups); for each model ``<model>.toml`` (the record with the seed and
        settings in force; its first line is the command that reproduces the numbers) and, where
        there are draws, ``<model>.nc`` (of further engines ``<model>.<engine>.nc``); of
        several imputations ``<model>.<engine>.draws.nc`` instead, for ArviZ, and ``pooled.csv``;
        ``published.csv``; ``report.html``; and ``report.pdf``.

    Raises
    ------
    StorageError
        If the folder cannot be written to; it is then as it was.
    """
    from bayes_mlm.fitting import save_fit  # which a fit that is only printed does not load

    # An earlier run's posterior or PDF would not belong to the new estimates.
    stale = [f"{one.spec.name}.{end}" for one in analyses for end in ("nc", "nuts.nc")]
    stale += ["report.pdf", "pooled.csv"]
    with atomic_folder(folder, without=stale) as stage:
        known = {record.name: record for record in records}
        summaries = [summary for analysis in analyses for summary in analysis.summaries]
        (stage / "estimates.csv").write_text(tables_csv(summaries), encoding="utf-8")
        for analysis in analyses:
            name = analysis.spec.name
            (stage / f"{name}.toml").write_text(
                _record_text(analysis, known.get(name)), encoding="utf-8"
            )
            for k, fit in enumerate(analysis.fits):
                if analysis.design.imputations:  # draws, which are no fit of one data set
                    fit.data.to_netcdf(stage / f"{name}.{fit.engine}.draws.nc")
                    continue
                save_fit(fit, stage / (f"{name}.nc" if k == 0 else f"{name}.{fit.engine}.nc"))
        pooled = [one.pooled for a in analyses if a.design.imputations for one in a.estimates]
        if pooled:
            (stage / "pooled.csv").write_text(tables_csv(pooled), encoding="utf-8")
        if published:
            (stage / "published.csv").write_text(_published_csv(published), encoding="utf-8")
        (stage / "verdicts.csv").write_text(_verdicts_csv(analyses), encoding="utf-8")
        if report:
            (stage / "report.html").write_text(report, encoding="utf-8")
        if pdf:
            (stage / "report.pdf").write_bytes(pdf)
        names = sorted(path.name for path in stage.iterdir())
    return tuple(folder / name for name in names)


def write_sensitivity(folder: Path, found: "Sensitivity") -> tuple[Path, ...]:
    """Write ``sensitivity.csv`` (a row a model, prior and quantity) and ``sensitivity.png``.

    Raises
    ------
    StorageError
        If the folder cannot be written to; it is then as it was.
    """
    from bayes_mlm.figures import plot_sensitivity

    figure = plot_sensitivity(found)
    with atomic_folder(folder) as stage:
        (stage / "sensitivity.csv").write_text(found.to_csv(), encoding="utf-8")
        figure.savefig(stage / "sensitivity.png", dpi=150)
    return folder / "sensitivity.csv", folder / "sensitivity.png"


def write_comparison(folder: Path, found: "ModelComparison") -> tuple[Path, ...]:
    """Write ``comparison.csv`` (a row a measure and model) and ``pointwise.csv``.

    Raises
    ------
    StorageError
        If the folder cannot be written to; it is then as it was.
    """
    with atomic_folder(folder) as stage:
        (stage / "comparison.csv").write_text(found.to_csv(), encoding="utf-8")
        (stage / "pointwise.csv").write_text(found.pointwise_csv(), encoding="utf-8")
    return folder / "comparison.csv", folder / "pointwise.csv"


def _record_text(analysis: Analysis, record: "Record | None") -> str:
    from bayes_mlm.studies import dump_record, record_of

    versions = installed_versions()
    again = ["bayes-mlm", "fit", f"{analysis.spec.name}.toml", "--engine"]
    again.append(analysis.summaries[0].engine)
    again += ["--prob", f"{analysis.prob:g}"]
    if rows_at_source(analysis.design, analysis.source.data):
        again += ["--rows", "sum"]
    if analysis.fits:
        drawn = analysis.fits[0].settings
        again += ["--random-seed", str(drawn.random_seed)]
        again += ["--target-accept", f"{drawn.target_accept:g}"]
    lines = [f"# {visible(' '.join(again))}"]
    lines += [f"# {package} {number}" for package, number in versions.items()]
    location = analysis.source.location
    data = location if isinstance(location, str) else str(expand_home(location).resolve())
    request = replace(analysis.request, source=replace(analysis.source, data=data))
    if analysis.fits:
        used, named = analysis.fits[0].settings, analysis.fits[0].priors.by_name(analysis.design)
        priors = {name: prior.to_text() for name, prior in named.items()}
        request = replace(
            request,
            model=replace(request.model, priors=priors),
            settings=SamplerSettings(
                draws=used.draws, tune=used.tune, chains=used.chains, random_seed=used.random_seed
            ),
        )
    record = (record or record_of(request)).requesting(request)
    return "\n".join([*lines, "", dump_record(record)])


def _verdicts_csv(analyses: Sequence[Analysis]) -> str:
    rows: list[dict[str, object]] = []
    for analysis in analyses:
        design = analysis.design
        n_groups = " ".join(str(term.J) for term in design.group_terms) or None
        sizes = {"n": design.n, "n_groups": n_groups}
        judged = [
            (summary.engine, summary.interval, finding)
            for summary in analysis.summaries
            for finding in summary.verdict.findings
        ]
        for engine, interval, finding in [*judged, ("all", None, analysis.agreement)]:
            row: dict[str, object] = {"model": analysis.spec.name, "engine": engine}
            row |= {"interval": interval, "n_dropped": design.n_dropped}
            rows.append(row | sizes | asdict(finding))
    return _csv(rows)


def _published_csv(rows: "Sequence[PublishedRow]") -> str:
    return _csv([asdict(row) for row in rows])


def _csv(table: Sequence[dict[str, object]]) -> str:
    return csv_text(list(table[0]), (row.values() for row in table))
