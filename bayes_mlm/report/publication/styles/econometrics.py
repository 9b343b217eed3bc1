"""Tables as journals of economics print regressions."""

from itertools import groupby

from bayes_mlm.base import Emphasised, Span, View
from bayes_mlm.report.publication.styles.plain import stars_text
from bayes_mlm.report.publication.table import PublicationTable, Row

_LABELS = {"rows": "Observations", "groups": "Groups"}
_SIZE = "Size and fit"


def econometrics_view(table: PublicationTable) -> View:
    """Return a table with the outcome above the models and errors below the estimates.

    Coefficients stand first; sds, ICC and R² below a rule; estimator, observations, groups and fit
    at the foot. Neither section has a heading.
    """
    estimator = ("Estimator", *(column.engine for column in table.columns))
    cells: list[tuple[str, ...]] = []
    below: list[tuple[str, ...]] = []
    rules, above = set(), table.rows[0].section
    for row in table.rows:
        if row.section != above:
            rules.add(len(cells))
            above = row.section
            if above == _SIZE:
                cells.append(estimator)
                below.append(("",) * len(estimator))
        cells.append((_label(row), *map(table.starred, row.cells)))
        below.append(("", *(cell.below for cell in row.cells)))
    return View(
        title=table.title,
        headings=("", *(f"({column.number})" for column in table.columns)),
        spans=_outcomes(table),
        cells=tuple(cells),
        below=tuple(below),
        rules=frozenset(rules),
        estimates=True,
        legend=(
            Emphasised(("Notes:",), f" {' '.join(table.notes)}"),
            *([stars_text(table)] if table.levels else []),
        ),
    )


def _label(row: Row) -> str:
    if row.section != _SIZE:
        return row.label
    return _LABELS.get(row.label, row.label[:1].upper() + row.label[1:])


def _outcomes(table: PublicationTable) -> tuple[Span, ...]:
    """Return the outcome over the columns of models of it."""
    spans = [Span()]
    for outcome, group in groupby(table.columns, lambda column: column.outcome):
        spans.append(Span(text=outcome, columns=len(list(group))))
    return tuple(spans)
