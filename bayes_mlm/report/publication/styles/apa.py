"""Tables as the Publication Manual of the APA (7th edition, chapter 7) lays them out."""

import re
from collections.abc import Iterator

from bayes_mlm.base import Emphasised, Span, View
from bayes_mlm.report.publication.table import ModelColumn, PublicationTable, Row

_SECTIONS = {"Fixed part": "Fixed effects", "Random part": "Random effects"}
_LABELS = {
    "R² between": Emphasised(("R",), "² between"),
    "R² within": Emphasised(("R",), "² within"),
    "rows": Emphasised(("N",)),
    "groups": "Groups",
    "log-likelihood (REML)": "Log-likelihood (REML)",
    "log-likelihood (OLS)": "Log-likelihood (OLS)",
    "log-likelihood (ML)": "Log-likelihood (ML)",
}
# More columns of estimates than these have their errors below them.
MOST_WIDE = 2
_LEADING_ZERO = re.compile(r"(?<![\d.,])0(?=\.\d)")


def apa_view(table: PublicationTable) -> View:
    """Return a table with italic title and symbols, and one note below.

    One or two columns of estimates have error and interval next to them; more have the error, or
    the interval, below. Quantities that cannot exceed 1 have no zero before the point (6.36).
    """
    wide = len(table.columns) <= MOST_WIDE
    rows = [_wide(table, row) if wide else _narrow(table, row) for row in table.rows]
    return View(
        title=Emphasised((table.title,)),
        headings=(
            "",
            *(
                heading
                for column in table.columns
                for heading in (_headings(table, column) if wide else [column.engine])
            ),
        ),
        spans=_spans(table) if wide else table.model_spans(),
        cells=tuple(
            (_LABELS.get(row.label, row.label), *cells)
            for row, cells in zip(table.rows, rows, strict=True)
        ),
        below=()
        if wide
        else tuple(("", *(_bare(row, cell.below) for cell in row.cells)) for row in table.rows),
        estimates=True,
        sections=tuple(_SECTIONS.get(row.section, row.section) for row in table.rows),
        legend=(Emphasised(("Note.",), f" {' '.join(table.notes)}"), *_probabilities(table)),
    )


def _headings(table: PublicationTable, column: ModelColumn) -> list[str]:
    error = Emphasised(("SD" if column.drawn else "SE",))
    return ["Estimate", *([] if table.interval else [error]), column.interval]


def _spans(table: PublicationTable) -> tuple[Span, ...]:
    several = len({one.number for one in table.columns}) < len(table.columns)
    return (
        Span(),
        *(
            Span(
                text=f"({one.number}) {one.model}".rstrip() + f", {one.engine}" * several,
                columns=len(_headings(table, one)),
                short=f"({one.number})" + f" {one.engine}" * several,
            )
            for one in table.columns
        ),
    )


def _wide(table: PublicationTable, row: Row) -> Iterator[str]:
    for cell in row.cells:
        yield _bare(row, table.starred(cell))
        if not table.interval:
            yield _bare(row, cell.error)
        yield _bare(row, cell.interval)


def _narrow(table: PublicationTable, row: Row) -> Iterator[str]:
    return (_bare(row, table.starred(cell)) for cell in row.cells)


def _bare(row: Row, text: str) -> str:
    """Omit the zero before the point of a quantity that cannot exceed 1."""
    return _LEADING_ZERO.sub("", text) if row.bounded else text


def _probabilities(table: PublicationTable) -> Iterator[str]:
    """Return the note on stars, a paragraph of its own (7.14)."""
    if table.levels:
        parts: list[str | tuple[str]] = []
        for k, level in enumerate(table.levels, start=1):
            parts += [f"{'*' * k}", ("p",), f" < {level:g}. ".replace("0.", ".", 1)]
        yield Emphasised(
            *parts, "Two-sided t or Wald tests of coefficients of zero; posteriors have none."
        )
