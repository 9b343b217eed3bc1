"""Table of measures of variance by level, grouped by question."""

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_mlm.base import Column, Digits, ResultTable, digits

QUESTIONS = {
    "shares": "How much of the variance lies between groups?",
    "partition": "How does that depend on a predictor with a random slope?",
    "observation": "How much of the variance of the outcome itself lies between groups?",
    "ratios": "How far apart are groups, as ratios and expected outcomes?",
    "null": "What do the predictors explain, relative to the null model?",
    "whole": "What proportion of the total variance does the model explain?",
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
        ``r2_bayes_marginal``, ``part_total[means]`` and so on (Rights & Sterba). Of families
        without a residual sd also ``icc_observation_adjusted``, ``vpc_observation[means]``,
        ``median_odds_ratio``, ``group_p10`` and others; ``r2_marginal[delta]`` by another
        distribution-specific variance than the default.
    estimate : float or None
        Posterior mean, or the value at the REML or OLS estimate; None where not defined.
    sd, lower, upper : float or None
        Of the posterior.
    meaning : str
        Numerator and denominator, in one line.
    note : str
        Reason why it is not defined, or is below zero; else empty.
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
        """Digits by its sd; without one, three significant of it or its complement."""
        error = self.sd
        if error is None and self.estimate is not None:
            error = min(abs(self.estimate), abs(1.0 - self.estimate)) / 10
        return digits(self.estimate, error, self.lower, self.upper)


@dataclass(frozen=True, kw_only=True, repr=False)
class VarianceTable(ResultTable[VarianceRow]):
    """Measures of variance of one model by one engine, with diagnostics.

    Parameters
    ----------
    rows : tuple of VarianceRow
        ``table["icc_null"]`` is the row of a quantity.
    interval : str
        Level and kind of the intervals, "95% HDI"; empty at an estimate.
    notes : tuple of str
        How the predictors enter the model.
    verdict : Verdict
        Of the fit.
    """

    key = ("quantity",)
    row_type = VarianceRow

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

    @property
    def sections(self) -> tuple[str, ...]:
        """Question that each row answers."""
        return tuple(QUESTIONS[row.question] for row in self.rows)

    def digits(self, row: VarianceRow) -> Digits:
        """Return the digits of a row."""
        return row.digits

    def cells(self, row: VarianceRow) -> tuple[str, ...]:
        """Return the texts of a row."""
        name, number, *rest = super().cells(row)
        return name, number or "not defined", *rest

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table, first the reasons why measures are not defined."""
        return (*reasons(self.rows), *super().legend)


def reasons(rows: Sequence[VarianceRow]) -> list[str]:
    """Return why measures are not defined or below zero: ``icc_null: needs a null model``."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            found.setdefault(row.note, []).append(row.quantity)
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]
