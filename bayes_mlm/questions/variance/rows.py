"""Hold what was found about variance by level as tidy rows, grouped by the question they answer."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from bayes_mlm.base import Digits, Verdict, digits

if TYPE_CHECKING:
    import pandas as pd

QUESTIONS = {
    "shares": "How much of the variance lies between groups?",
    "partition": "How does that depend on a predictor whose slope varies?",
    "null": "What do the predictors explain, against the model without them?",
    "whole": "What part of the whole variance does the model explain?",
    "parts": "Where does the variance come from (Rights & Sterba)?",
}


@dataclass(frozen=True, kw_only=True)
class VarianceRow:
    """Hold one measure of one model by one engine.

    Parameters
    ----------
    model, engine : str
    question : str
        A key of `QUESTIONS`.
    quantity : str
        ``icc_null``, ``icc_adjusted``, ``icc_unadjusted``, ``vpc[ses=-0.78]``, ``r2_between``,
        ``r2_within`` (Raudenbush & Bryk), ``r2_level1``, ``r2_level2`` (Snijders & Bosker),
        ``r2_marginal``, ``r2_conditional`` (Nakagawa & Schielzeth), ``r2_bayes``,
        ``r2_bayes_marginal``, ``part_total[means]`` and so on (Rights & Sterba).
    estimate : float or None
        Posterior mean, or the plug-in at the REML or OLS estimate; None where not defined.
    sd, lower, upper : float or None
        Of the posterior.
    meaning : str
        What it is of what, in one line.
    note : str
        Why it is not defined, or why it is below zero; empty otherwise.
    """

    model: str
    engine: str
    question: str
    quantity: str
    estimate: float | None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    meaning: str
    note: str = ""

    @property
    def digits(self) -> Digits:
        """The digits of its sd; without one, three of a share or of what it lacks of the whole."""
        error = self.sd
        if error is None and self.estimate is not None:
            error = min(abs(self.estimate), abs(1.0 - self.estimate)) / 10
        return digits(self.estimate, error, self.lower, self.upper)


COLUMNS = tuple(field.name for field in fields(VarianceRow))


@dataclass(frozen=True, kw_only=True, repr=False)
class VarianceTable:
    """Hold the measures of one model by one engine, and whether to believe them.

    Parameters
    ----------
    rows : tuple of VarianceRow
    interval : str
        What `lower` and `upper` are: "95% HDI"; empty for a plug-in.
    notes : tuple of str
        What a reader must know of the model's layout.
    verdict : Verdict
        Of the fit.
    """

    rows: tuple[VarianceRow, ...]
    interval: str
    notes: tuple[str, ...]
    verdict: Verdict

    def __repr__(self) -> str:
        """Name the model and how many measures are defined for it."""
        known = sum(row.estimate is not None for row in self.rows)
        return f"<VarianceTable of {self.rows[0].model} by {self.rows[0].engine}: {known} measures>"

    def __getitem__(self, quantity: str) -> VarianceRow:
        """Give the row of one quantity."""
        row = self.get(quantity)
        if row is None:
            known = ", ".join(row.quantity for row in self.rows)
            raise KeyError(f"no quantity {quantity!r}; there are {known}")
        return row

    def get(self, quantity: str) -> VarianceRow | None:
        """Give the row of one quantity, or None if there is none."""
        return next((row for row in self.rows if row.quantity == quantity), None)

    def __contains__(self, quantity: object) -> bool:
        """Tell whether there is a row for a quantity."""
        return any(row.quantity == quantity for row in self.rows)

    def __iter__(self) -> Iterator[VarianceRow]:
        """Go through the rows."""
        return iter(self.rows)

    def by(self, question: str) -> tuple[VarianceRow, ...]:
        """Give the rows that answer one question."""
        return tuple(row for row in self.rows if row.question == question)

    def to_csv(self) -> str:
        """Write the rows as CSV text in full precision; what is not defined is left empty."""
        return variance_csv(self.rows)

    def to_frame(self) -> "pd.DataFrame":
        """Give the rows as a tidy data frame, one column a field of `VarianceRow`."""
        import pandas as pd

        return pd.DataFrame([astuple(row) for row in self.rows], columns=list(COLUMNS))

    def __str__(self) -> str:
        """Show the rows by question as aligned text, with notes and verdict."""
        width = max(len(row.quantity) for row in self.rows)
        lines = []
        for question, asked in QUESTIONS.items():
            rows = self.by(question)
            if not rows:
                continue
            lines.append(asked)
            lines += [
                f"  {row.quantity:<{width}}  {shown(row):<30}  {row.meaning}".rstrip()
                for row in rows
            ]
            lines += [f"  {note}" for note in dict.fromkeys(row.note for row in rows) if note]
        sign = "ok" if self.verdict.ok else "NOT OK"
        return "\n".join([*lines, *self.notes, f"{sign}: {self.verdict}"])


def variance_csv(rows: Iterable[VarianceRow]) -> str:
    """Write rows of one or several models and engines as CSV text in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def shown(row: VarianceRow) -> str:
    """Write a row's numbers: ``0.180 (0.019) [0.144, 0.217]``, or that it is not defined.

    Examples
    --------
    >>> shown(VarianceRow(
    ...     model="m", engine="reml", question="shares", quantity="icc_null", estimate=0.18,
    ...     meaning="",
    ... ))
    '0.180'
    """
    if row.estimate is None:
        return "not defined"
    error, ends = row.digits.error(row.sd), row.digits.interval(row.lower, row.upper)
    parts = (row.digits.number(row.estimate), f"({error})" if error else "", ends)
    return " ".join(part for part in parts if part)
