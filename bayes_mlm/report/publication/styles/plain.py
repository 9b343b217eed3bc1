"""The style of the report: engines under the models, errors below the estimates."""

from bayes_mlm.base import View
from bayes_mlm.report.publication.table import PublicationTable


def plain_view(table: PublicationTable) -> View:
    """Return a table with the parts of the model as sections."""
    stars = (stars_text(table),) if table.levels else ()
    return View(
        title=table.title,
        headings=("engine", *(column.engine for column in table.columns)),
        spans=table.model_spans(),
        cells=tuple((row.label, *map(table.starred, row.cells)) for row in table.rows),
        below=tuple(("", *(cell.below for cell in row.cells)) for row in table.rows),
        estimates=True,
        sections=tuple(row.section for row in table.rows),
        legend=(*table.notes, *stars),
    )


def stars_text(table: PublicationTable) -> str:
    """Return what the stars stand for."""
    shown = [f"{'*' * k} p < {level:g}" for k, level in enumerate(table.levels, start=1)]
    what = "two-sided t or Wald tests of coefficients of zero; posteriors have none"
    return f"{', '.join(shown)} ({what})."
