"""Lay out the tables of the report: text and, for sorting, the number it was rounded from."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Digits, count, digits, signed, split
from bayes_mlm.design import column_moments
from bayes_mlm.engines import ENGINES, is_drawing
from bayes_mlm.fitting import Analysis, Compared, QuantityRow, estimate_texts
from bayes_mlm.report.equations import coefficient
from bayes_mlm.report.group_table import GroupTable

if TYPE_CHECKING:
    from bayes_mlm.studies import PublishedRow


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Hold one cell.

    Parameters
    ----------
    text : str
        Rounded.
    value : float or None
        In full precision, where the cell is one number.
    tail : str
        The end of the text, right of the place where its column is aligned; empty where the column
        is not aligned.
    width : int
        Characters of the longest tail of the column.
    """

    text: str
    value: float | None = None
    tail: str = ""
    width: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one row: its header, and a cell for each further column."""

    header: Cell
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Head:
    """Hold the head of a column, and whether there are numbers below it."""

    text: str
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Span:
    """Hold a heading over several columns; an empty one over those that need none."""

    text: str
    columns: int


@dataclass(frozen=True, kw_only=True)
class Table:
    """Hold a table.

    Parameters
    ----------
    name : str
        Of the element in the page.
    caption : str
        What it is, and how to read it.
    heads : tuple of Head
        The first is that of the row headers.
    rows : tuple of Row
    spans : tuple of Span
        Headings over the heads, if there are any.
    tools : bool
        Whether it can be searched and sorted.
    noun : str
        What a row is, for the count: "group".
    sorted_by : int or None
        The column that it is sorted by from the start, the largest first.
    """

    name: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    spans: tuple[Span, ...] = ()
    tools: bool = False
    noun: str = "row"
    sorted_by: int | None = None


def estimates_table(analysis: Analysis, name: str) -> Table:
    """Lay out one model: each quantity by each engine, their difference, the printed figure."""
    drawn = [one for one in analysis.summaries if is_drawing(one.engine)]
    printed = any(row.published for row in analysis.compared)
    heads, spans = [Head(text="quantity")], [Span(text="", columns=1)]
    for summary in analysis.summaries:
        likelihood = not is_drawing(summary.engine)
        texts = ("estimate", "se") if likelihood else ("mean", "sd")
        heads += [Head(text=text, numeric=True) for text in (*texts, summary.interval)]
        spans.append(Span(text=ENGINES[summary.engine].label, columns=3))
    extra = ([Head(text="difference", numeric=True)] if drawn else []) + (
        [Head(text="printed", numeric=True)] if printed else []
    )
    caption = f"{analysis.spec.name} by " + " and ".join(span.text for span in spans[1:]) + "."
    if drawn:
        caption += f" Difference: posterior mean less {spans[-1].text}, in posterior sds."
    if printed:
        caption += " Printed: elsewhere; * is wrong or imprecise."
    if extra:
        spans.append(Span(text="", columns=len(extra)))
    return Table(
        name=name,
        caption=caption,
        heads=(*heads, *extra),
        spans=tuple(spans),
        rows=aligned(
            [_estimates_row(analysis, row, bool(drawn), printed) for row in analysis.compared]
        ),
    )


def _estimates_row(analysis: Analysis, row: Compared, drawn: bool, printed: bool) -> Row:
    cells: list[Cell] = []
    for estimate in row.estimates:
        cells += _three(estimate, row.estimates[0])
    if drawn:
        gap = row.difference
        cells.append(Cell(text="" if gap is None else signed(gap, style="table"), value=gap))
    if printed:
        cells.append(Cell(text=(row.published or "").replace("-", "−")))
    term = row.quantity.removeprefix("beta[").removesuffix("]")
    text = row.quantity
    if text.startswith("beta[") and term in analysis.design.terms:
        text = f"{coefficient(analysis.design, term)} {term}"
    return Row(header=Cell(text=text), cells=tuple(cells))


def _three(row: QuantityRow | None, first: QuantityRow | None) -> list[Cell]:
    """Give estimate, error and interval."""
    shown = estimate_texts(row, like=first, style="table")
    value, error = (None, None) if row is None else (row.estimate, row.sd)
    return [
        Cell(text=shown.estimate, value=value),
        Cell(text=shown.error, value=error),
        Cell(text=shown.interval),
    ]


def aligned(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows with the tail of each cell set, in columns whose tails differ in length."""
    columns = [_tails(column) for column in zip(*(row.cells for row in rows), strict=True)]
    return tuple(
        replace(row, cells=cells)
        for row, cells in zip(rows, zip(*columns, strict=True), strict=True)
    )


def _tails(cells: Sequence[Cell]) -> list[Cell]:
    parts = split([cell.text for cell in cells]) or []
    tails = [len(tail) for _, tail in parts if tail is not None]
    if len(set(tails)) < 2:
        return list(cells)
    return [
        replace(cell, tail=tail or "", width=max(tails))
        for cell, (_, tail) in zip(cells, parts, strict=True)
    ]


def verdict_table(analyses: Sequence[Analysis]) -> Table:
    """Lay out every check of every engine, those that are not fine first."""
    found = [
        (analysis.spec.name, ENGINES[summary.engine].label, finding)
        for analysis in analyses
        for summary in analysis.summaries
        for finding in summary.verdict.findings
    ]
    found += [(one.spec.name, "all", one.agreement) for one in analyses if one.fits]
    found.sort(key=lambda one: one[2].ok)
    rows = tuple(
        Row(
            header=Cell(text=model),
            cells=(
                Cell(text=engine),
                Cell(text=finding.check),
                Cell(text="passed" if finding.ok else "NOT passed"),
                Cell(text=finding.message),
            ),
        )
        for model, engine, finding in found
    )
    return Table(
        name="checks-table",
        caption="Every check, those that are not passed first.",
        heads=tuple(Head(text=text) for text in ("model", "engine", "check", "result", "found")),
        rows=rows,
        tools=len(rows) > 20,
        noun="check",
    )


def corrections_table(published: "Sequence[PublishedRow]") -> Table | None:
    """Lay out the printed figures that are wrong, beside the right ones; None if there are none."""
    wrong = [row for row in published if row.status in ("corrected", "differs")]
    if not wrong:
        return None
    rows = tuple(
        Row(
            header=Cell(text=row.model),
            cells=(
                Cell(text=row.corrects or row.quantity),
                Cell(text=row.printed.replace("-", "−"), value=_as_number(row.printed)),
                Cell(text=row.right_text("table"), value=row.right),
                Cell(text=row.where),
                Cell(text=row.reason or "nobody has said why"),
                Cell(text=row.cause or "unknown"),
            ),
        )
        for row in wrong
    )
    heads = ("model", "quantity", "printed", "right", "printed at", "why", "cause")
    return Table(
        name="corrections-table",
        caption="Every printed figure that is wrong, or off by rounding or early stopping.",
        heads=tuple(Head(text=text, numeric=text in ("printed", "right")) for text in heads),
        rows=rows,
        tools=True,
        noun="figure",
    )


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def reasons_table(published: "Sequence[PublishedRow]") -> Table | None:
    """Lay out each reason why figures are wrong: how many it spoils, and the first of them."""
    wrong = [row for row in published if row.status == "corrected"]
    if not wrong:
        return None
    by_reason: dict[str, list[PublishedRow]] = {}
    for row in wrong:
        by_reason.setdefault(row.reason, []).append(row)
    rows = []
    by_size = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, spoiled in sorted(by_size, key=lambda item: item[1][0].cause == "imprecise"):
        one = spoiled[0]
        example = f"{one.model}, {one.corrects or one.quantity}: {one.printed}"
        if one.right is not None:
            example += f", right {one.right_text('table')}"
        cells = (
            Cell(text=f"{len(spoiled)}", value=float(len(spoiled))),
            Cell(text=example),
            Cell(text=one.cause),
        )
        rows.append(Row(header=Cell(text=reason), cells=cells))
    return Table(
        name="reasons-table",
        caption="Why printed figures are wrong or imprecise, the most common reason first.",
        heads=(
            Head(text="reason"),
            Head(text="figures", numeric=True),
            Head(text="example"),
            Head(text="cause"),
        ),
        rows=tuple(rows),
    )


def groups_table(found: GroupTable) -> Table:
    """Lay out the groups, to be searched and sorted."""
    own = found.effects == ("Intercept",)
    heads = [Head(text=found.group, numeric=found.labels.dtype.kind in "iuf")]
    if found.split is not None:
        heads.append(Head(text=found.split))
    heads.append(Head(text="rows", numeric=True))
    heads.append(Head(text=f"mean of {found.outcome}", numeric=True))
    for effect in found.effects:
        name = "effect" if own else effect
        heads.append(Head(text=name, numeric=True))
        heads.append(Head(text=f"{found.interval} of it", numeric=True))
    # One number of decimals a column, so that the eye can go down it.
    spreads = np.median(found.upper - found.lower, axis=0) / 4
    columns = [
        digits(found.estimate[:, q], spread, style="table") for q, spread in enumerate(spreads)
    ]
    own_means = digits(found.means, float(spreads[0]), style="table")
    rows = tuple(_group_row(found, k, own_means, columns) for k in range(found.labels.size))
    shown = f"The {count(found.labels.size)} of {count(found.n_groups)} groups that stand out most"
    which = "Every group" if found.labels.size == found.n_groups else shown
    caption = (
        f"{which} of {found.model} ({ENGINES[found.engine].label}): rows, mean, and effect, the "
        f"largest first. An effect is in units of {found.outcome}; that of a group of which the "
        "data say little is drawn towards zero."
    )
    return Table(
        name="groups-table",
        caption=caption,
        heads=tuple(heads),
        rows=rows,
        tools=True,
        noun="group",
        sorted_by=len(heads) - 2 * len(found.effects),
    )


def _group_row(found: GroupTable, k: int, means: Digits, columns: Sequence[Digits]) -> Row:
    label = found.labels[k]
    value = float(label) if found.labels.dtype.kind in "iuf" else None
    cells = [Cell(text=found.sides[k])] if found.split is not None else []
    size, mean = int(found.sizes[k]), float(found.means[k])
    cells.append(Cell(text=count(size), value=float(size)))
    cells.append(Cell(text=means.number(mean), value=mean))
    for q, shown in enumerate(columns):
        estimate, lower, upper = (
            float(values[k, q]) for values in (found.estimate, found.lower, found.upper)
        )
        cells.append(Cell(text=shown.number(estimate), value=estimate))
        cells.append(Cell(text=shown.interval(lower, upper), value=lower))
    return Row(header=Cell(text=str(label), value=value), cells=tuple(cells))


def variables_table(analysis: Analysis) -> Table:
    """Lay out the outcome and the columns that the model takes in."""
    design = analysis.design
    if not design.has_rows:
        return _summed_variables(analysis)
    columns = [(design.outcome, design.y)]
    columns += [
        (term, design.X[:, k]) for k, term in enumerate(design.terms) if term != "Intercept"
    ]
    rows = []
    for name, values in columns:
        sd = float(values.std(ddof=1)) if values.size > 1 else 0.0
        figures = (float(values.mean()), sd, float(values.min()), float(values.max()))
        rows.append(_variable(name, sd, *figures))
    heads = (Head(text="variable"), *_numeric("mean", "sd", "lowest", "highest"))
    caption = f"The outcome and the predictors of {analysis.spec.name}, over its rows."
    return Table(name="variables-table", caption=caption, heads=heads, rows=aligned(rows))


def _summed_variables(analysis: Analysis) -> Table:
    """Lay out the same of summed data, which hold no lowest and highest values."""
    design = analysis.design
    moments = column_moments(design)
    figures = [(design.outcome, moments.y_mean, moments.y_sd)]
    figures += [
        (term, float(moments.x_mean[k]), float(moments.x_sd[k]))
        for k, term in enumerate(design.terms)
        if term != "Intercept"
    ]
    rows = aligned([_variable(name, sd, mean, sd) for name, mean, sd in figures])
    caption = f"The outcome and the predictors of {analysis.spec.name}, over its rows."
    heads = (Head(text="variable"), *_numeric("mean", "sd"))
    return Table(name="variables-table", caption=caption, heads=heads, rows=rows)


def _variable(name: str, sd: float, *figures: float) -> Row:
    """Return a variable's row, its figures to three digits of the sd."""
    shown = digits(figures, sd / 10, style="table")
    cells = tuple(Cell(text=shown.number(one), value=one) for one in figures)
    return Row(header=Cell(text=name), cells=cells)


def _numeric(*texts: str) -> Iterator[Head]:
    return (Head(text=text, numeric=True) for text in texts)


def finite(value: float | None) -> bool:
    """Tell whether a cell has a number to sort by."""
    return value is not None and math.isfinite(value)
