"""Tables of the report, which may be searched and sorted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Finding, Floats, View, count, digits, split
from bayes_mlm.design import INTERCEPT, Design, column_moments, event_name
from bayes_mlm.engines import ENGINES
from bayes_mlm.fitting import Analysis, ratio_of
from bayes_mlm.report.estimates import PRINTED, estimates_view
from bayes_mlm.report.remarks import typeset

if TYPE_CHECKING:
    from bayes_mlm.studies import PublishedRow


# Of a table that is to be read on paper.
MOST_COLUMNS = 8
# Rows of either end of a long table that can be searched; the rest is on the screen alone.
ON_PAPER = 15


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Cell of a table of the report.

    Parameters
    ----------
    text : str
        Rounded, without its tail.
    value : float or None
        In full precision, for sorting.
    tail : str
        Part of the text to the right of the alignment of its column.
    width : int
        Characters of the longest tail of the column; 0 for a column without tails.
    """

    text: str
    value: float | None = None
    tail: str = ""
    width: int = 0


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """Table of the report.

    Parameters
    ----------
    name : str
        Identifier of the element.
    view : View
        Its title is the caption.
    tools : bool
        Whether it can be searched and sorted.
    noun : str
        Noun for a row, for the count: "group".
    sorted_by : int or None
        Column by which it is sorted initially, in descending order.
    passed : tuple of bool, optional
        Of each row, whether it reports a check that was passed: on paper the others are printed.
    """

    name: str
    view: View
    tools: bool = False
    noun: str = "row"
    sorted_by: int | None = None
    passed: tuple[bool, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether paper has its first and last rows alone."""
        return self.tools and not self.passed and len(self.view.cells) > 4 * ON_PAPER

    @property
    def on_paper(self) -> str:
        """What stands on paper of a table that is not printed whole."""
        many = len(self.view.cells)
        if self.is_cut:
            return (
                f"On paper, the first {ON_PAPER} and the last {ON_PAPER} of {many:,} rows; "
                "report.html has all."
            )
        if not self.passed:
            return ""
        n = sum(self.passed)
        what = count(n, self.noun)
        rest = f"All {what}" if n == many else f"The other {what}"
        return f"{rest} passed; each is at its model, and in the table of report.html."

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells, row by row; the first is the row's header."""
        names, *columns = zip(*self.view.cells, strict=True) if self.view.cells else [()]
        split_columns = [[(name, "", 0) for name in names], *map(_tails, columns)]
        values = self.view.values or [(None,) * len(split_columns)] * len(names)
        return [
            tuple(
                Cell(text=text, tail=tail, width=width, value=value)
                for (text, tail, width), value in zip(row, of_row, strict=True)
            )
            for row, of_row in zip(zip(*split_columns, strict=True), values, strict=True)
        ]


def _tails(cells: Sequence[str]) -> list[tuple[str, str, int]]:
    """Split the cells of a column whose tails differ in length; others stay whole."""
    parts = split(cells) or []
    widths = {len(tail) for _, tail in parts if tail is not None}
    if len(widths) < 2:
        return [(cell, "", 0) for cell in cells]
    return [(text, tail or "", max(widths)) for text, tail in parts]


def page_table(
    name: str, caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]
) -> PageTable:
    """Return a table of text."""
    cells = tuple(map(tuple, rows))
    return PageTable(name=name, view=View(title=caption, headings=tuple(headings), cells=cells))


def estimates_tables(analysis: Analysis, name: str) -> tuple[PageTable, ...]:
    """Return each quantity of a model by each engine, in tables of at most `MOST_COLUMNS`.

    The preferred engine comes first, then the likelihood estimate, further posteriors, and printed
    figures, as many in a table as it has room for.
    """
    view = estimates_view(analysis, "table")
    if len(view.headings) <= MOST_COLUMNS:
        return (PageTable(name=name, view=view),)
    engines = [one for span, one in zip(view.spans, _places(view), strict=True) if span.text]
    extra = {heading: k for k, heading in enumerate(view.headings) if k > max(engines[-1])}
    first, *others = engines
    likelihood = [*others.pop(), *filter(None, [extra.get("difference")])] if others else []
    tables: list[list[int]] = [[]]
    for part in (first, likelihood, *others, [*filter(None, [extra.get("printed")])]):
        if len(tables[-1]) + len(part) > MOST_COLUMNS - 1:
            tables.append([])
        tables[-1] += part
    title = view.title.removesuffix(PRINTED).rstrip()
    found = []
    for k, places in enumerate(tables):
        shown = view.only([0, *places])
        names = [f"by {span.text}" for span in shown.spans if span.text]
        names += ["as printed"] * ("printed" in shown.headings)
        text = f"{analysis.spec.name}, {' and '.join(names)}." if k else title
        text += f" {PRINTED}" * ("printed" in shown.headings)
        found.append(
            PageTable(
                name=f"{name}-{k + 1}" if k else name,
                view=replace(shown, title=text, legend=() if k else view.legend),
            )
        )
    return tuple(found)


def _places(view: View) -> list[list[int]]:
    """Return the places of the columns under each span."""
    found, start = [], 0
    for span in view.spans:
        found.append(list(range(start, start + span.columns)))
        start += span.columns
    return found


def ratios_table(analysis: Analysis, name: str) -> PageTable | None:
    """Return coefficients as odds, rate or hazard ratios; None where they are no ratios."""
    design = analysis.design
    ratio = design.family.ratio_name
    if not ratio or not design.p:
        return None
    named = {ratio_of(design.family, f"beta[{term}]"): term for term in design.terms}
    found = replace(analysis.exponentiated(), printed=())
    summaries = tuple(
        replace(one, rows=tuple(row for row in one.rows if row.quantity in named), notes=())
        for one in found.summaries
    )
    view = estimates_view(replace(found, summaries=summaries), "table")
    at_zero = f"{ratio.removesuffix(' ratio')} where all are zero"
    cells = [
        (at_zero if named[quantity] == INTERCEPT else named[quantity], *others)
        for quantity, *others in view.cells
    ]
    title = f"{ratio.capitalize()}s of {event_name(design)} for one unit more: exp(β)."
    return PageTable(name=name, view=replace(view, title=title, cells=tuple(cells)))


# What a check is called where it is read without the code, and what it says of a computation.
_DIAGNOSTICS = {
    "R-hat": ("R-hat", "compares the variance between and within chains: 1 where they agree"),
    "ESS": ("effective sample size", "is how many independent draws the chains are worth"),
    "divergences": (
        "divergences",
        "are steps that left the region NUTS can follow: none is allowed",
    ),
    "E-BFMI": ("E-BFMI", "is low where chains explore the tails too slowly"),
    "k-hat": ("Pareto k", "is the tail of the importance weights: above 0.7 they are not reliable"),
    "copies": ("distinct draws", "counts draws that are repeated by importance resampling"),
    "quadrature": ("quadrature", "is the largest error of a posterior probability"),
    "integrals": ("group integrals", "is the error of the integrals over group effects"),
    "rejection": (
        "group effects",
        "counts draws of group effects above the bound of their density",
    ),
    "interpolation": ("interpolated density", "compares interpolated with exact log densities"),
    "optimum": ("certificate", "says whether the optimum was found: what a Newton step would gain"),
    "agreement": ("agreement", "compares posterior means with likelihood estimates"),
}


# Checks of a table that is printed whole.
_MOST_CHECKS = 20


def explained_checks(analyses: Sequence[Analysis]) -> str:
    """Return what the diagnostics of some analyses are, in one paragraph."""
    made = {one.check for a in analyses for s in a.summaries for one in s.verdict.findings}
    made |= {one.agreement.check for one in analyses if one.fits}
    said = [f"{name} {text}" for check, (name, text) in _DIAGNOSTICS.items() if check in made]
    return f"Of these: {'; '.join(said)}." if said else ""


def verdict_table(analyses: Sequence[Analysis]) -> PageTable:
    """Return every check of every engine, failed ones first."""
    found = [
        (analysis.spec.name, ENGINES[summary.engine].label, _with_worth(analysis, finding))
        for analysis in analyses
        for summary in analysis.summaries
        for finding in summary.verdict.findings
    ]
    found += [(one.spec.name, "all", one.agreement) for one in analyses if one.fits]
    found.sort(key=lambda one: one[2].ok)
    view = View(
        title="Diagnostics of the computation, failed ones first.",
        headings=("model", "engine", "diagnostic", "result", "details"),
        cells=tuple(
            (
                model,
                engine,
                _diagnostic(one.check),
                "passed" if one.ok else "FAILED",
                typeset(one.message),
            )
            for model, engine, one in found
        ),
    )
    many = len(found) > _MOST_CHECKS
    passed = tuple(one.ok for _, _, one in found) if many else ()
    return PageTable(name="checks-table", view=view, tools=many, noun="check", passed=passed)


def _with_worth(analysis: Analysis, finding: Finding) -> Finding:
    """Return the finding on importance weights with the number of draws that they leave."""
    report = next((fit.report for fit in analysis.fits if fit.report is not None), None)
    if finding.check != "k-hat" or report is None:
        return finding
    worth = f"{count(report.n_draws)} draws are worth {count(report.ess)} independent ones"
    return replace(finding, message=f"{finding.message}; {worth}")


def _diagnostic(check: str) -> str:
    return _DIAGNOSTICS[check][0] if check in _DIAGNOSTICS else check


def corrections_table(published: "Sequence[PublishedRow]") -> PageTable | None:
    """Return the wrong printed figures with the correct ones; None if there are none."""
    wrong = [row for row in published if row.status in ("corrected", "differs")]
    if not wrong:
        return None
    view = View(
        title="Printed figures that are wrong, or inexact by rounding or early stopping.",
        headings=("model", "quantity", "printed", "correct", "place", "reason", "cause"),
        cells=tuple(
            (
                row.model,
                row.corrects or row.quantity,
                row.printed.replace("-", "−"),
                row.right_text("table"),
                row.where,
                row.reason or "unknown",
                row.cause or "unknown",
            )
            for row in wrong
        ),
        values=tuple(
            (None, None, _as_number(row.printed), row.right, None, None, None) for row in wrong
        ),
    )
    return PageTable(name="corrections-table", view=view, tools=True, noun="figure")


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def reasons_table(published: "Sequence[PublishedRow]") -> PageTable | None:
    """Return each reason why figures are wrong: how many it affects, and an example."""
    by_reason: dict[str, list[PublishedRow]] = {}
    for row in published:
        if row.status == "corrected":
            by_reason.setdefault(row.reason, []).append(row)
    if not by_reason:
        return None
    by_size = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    rows = []
    for reason, affected in sorted(by_size, key=lambda item: item[1][0].cause == "imprecise"):
        one = affected[0]
        right = "" if one.right is None else f", correct {one.right_text('table')}"
        example = f"{one.model}, {one.corrects or one.quantity}: {one.printed}{right}"
        rows.append((reason, f"{len(affected)}", example, one.cause))
    return page_table(
        "reasons-table",
        "Reasons why printed figures are wrong or imprecise, the most frequent first.",
        ("reason", "figures", "example", "cause"),
        rows,
    )


def variables_table(analysis: Analysis) -> PageTable:
    """Return the outcome and the predictors; sums have no extremes."""
    design = analysis.design
    terms = [(k, term) for k, term in enumerate(design.terms) if term != "Intercept"]

    def of_rows(rows: Design) -> list[tuple[str, *tuple[float, ...]]]:
        columns = [(event_name(rows), rows.y), *((term, rows.X[:, k]) for k, term in terms)]
        weights, least = rows.response.weights, max(design.n - 1, 1)

        def line(name: str, one: Floats) -> tuple[str, *tuple[float, ...]]:
            mean = float(np.average(one, weights=weights))
            spread = np.average(np.square(one - mean), weights=weights) * design.n / least
            return name, mean, float(np.sqrt(spread)), float(one.min()), float(one.max())

        return [line(*one) for one in columns]

    def of_moments() -> list[tuple[str, *tuple[float, ...]]]:
        found = column_moments(design)
        columns = [(term, float(found.x_mean[k]), float(found.x_sd[k])) for k, term in terms]
        return [(event_name(design), found.y_mean, found.y_sd), *columns]

    rows = []
    whole = of_moments() if design.aggregated is not None else of_rows(design.weighted_rows)
    for name, *values in whole:
        shown = digits(values, values[1] / 10, style="table")  # three digits of the sd
        rows.append((name, *map(shown.number, values)))
    caption = f"Outcome and predictors of {analysis.spec.name}, over its rows."
    headings = ("variable", "mean", "sd", "min", "max")[: len(rows[0])]
    return page_table("variables-table", caption, headings, rows)
