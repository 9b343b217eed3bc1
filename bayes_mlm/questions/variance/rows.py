"""Measures of variance by level as tidy rows, grouped by the question they answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_mlm.base import Column, Digits, ResultTable, digits

QUESTIONS = {
    "shares": "How much of the variance lies between groups?",
    "partition": "How does that depend on a predictor whose slope varies?",
    "null": "What do the predictors explain, against the model without them?",
    "whole": "What part of the whole variance does the model explain?",
    "parts": "Where does the variance come from (Rights & Sterba)?",
}


@dataclass(frozen=True, kw_only=True)
class VarianceRow:
    """One measure of one model by one engine.

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


@dataclass(frozen=True, kw_only=True, repr=False)
class VarianceTable(ResultTable[VarianceRow]):
    """Measures of variance of one model by one engine, and whether they can be relied on.

    Parameters
    ----------
    rows : tuple of VarianceRow
        ``table["icc_null"]`` is that of a quantity.
    interval : str
        What `lower` and `upper` are: "95% HDI"; empty for a plug-in.
    notes : tuple of str
        What limits the measures in the model's layout.
    verdict : Verdict
        Of the fit.
    """

    key = ("quantity",)
    row_type = VarianceRow
    sectioned = True

    interval: str

    def __repr__(self) -> str:
        """Return the model and the number of measures that are defined for it."""
        known = sum(row.estimate is not None for row in self.rows)
        return f"<VarianceTable of {self.rows[0].model} by {self.rows[0].engine}: {known} measures>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        drawn = (
            Column(name="sd", kind="error"),
            Column(name="lower", heading=self.interval, kind="interval"),
        )
        return (
            Column(name="quantity"),
            Column(name="estimate", kind="number"),
            *(drawn if self.interval else ()),
            Column(name="meaning", kind="label"),
        )

    def section(self, row: VarianceRow) -> str:
        """Return the question that a row answers."""
        return QUESTIONS[row.question]

    def digits(self, row: VarianceRow) -> Digits:
        """Return the digits of a row."""
        return row.digits

    def cells(self, row: VarianceRow) -> tuple[str, ...]:
        """Return the texts of a row."""
        name, number, *rest = super().cells(row)
        return name, number or "not defined", *rest

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table; the reasons why measures are not defined come first."""
        return (*reasons(self.rows), *super().legend)


def reasons(rows: Sequence[VarianceRow]) -> list[str]:
    """Return why measures are not defined, or below zero: ``icc_null: needs a null model``."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            found.setdefault(row.note, []).append(row.quantity)
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]
