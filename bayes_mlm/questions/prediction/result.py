"""Predictions of new rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.base import (
    Floats,
    Tabular,
    Verdict,
    View,
    count,
    digits,
    level,
    probability,
    share_digits,
)
from bayes_mlm.data import Table, label_text
from bayes_mlm.questions.response.rows import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows that are printed.
MOST_SHOWN = 20
type GroupStatus = Literal["known", "new", "mean"]
type PredictionKind = Literal["mean", "observation"]
_ANSWERS: dict[Question, str] = {
    "existing_group": "for a new member of a group of the data",
    "new_group": "for a member of a new group like those of the data",
    "population": "for the population, with group effects at zero",
}
_MEAN, _RESIDUAL = "the expected outcome", "one outcome, with its residual"
_VARIATION = "one outcome, with its variation about the expected one"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlugIn:
    """Predictions of m rows from one set of estimates.

    Parameters
    ----------
    engine : str
    estimate, se, lower, upper : ndarray, shape (m,)
        In units of the outcome. The standard error is that of the prediction error, with estimated
        coefficients and group effects and known variances; the interval is Wald's.
    what : str
        Description, for the table.
    """

    engine: str
    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    what: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prediction(Tabular):
    """Predictions of m new rows.

    Parameters
    ----------
    model, engine : str
    question : {"existing_group", "new_group", "population"}
    kind : {"mean", "observation"}
    rows : Table
        The new rows.
    mean, sd, lower, upper : ndarray, shape (m,)
        Mean, sd and ends of the equal-tailed interval of the predictive distribution, in units
        of the outcome. Residuals and effects of new groups, normal conditional on a draw, are
        integrated out, not drawn.
    prob : float
        Of the intervals.
    draws : ndarray, shape (S, m), or None
        If requested. Rows of one group share their group effects in each draw.
    plug_in : PlugIn or None
        The REML or OLS prediction, with its variances treated as known.
    random_seed : int
        Of the draws.
    notes : tuple of str
        Remarks below the table.
    verdict : Verdict
        Of the fit.
    new_factors, known_factors : tuple of str
        Grouping factors whose groups are new, and whose groups are those of the data.
    categories : tuple of str
        Of ordered outcomes, whose mean is the expected score: what `chances` has columns of.
    chances : ndarray, shape (m, K), or None
        Probability of each category.
    has_residual : bool
        Whether an outcome is its expectation plus a residual.
    """

    model: str
    engine: str
    question: Question
    kind: PredictionKind
    rows: Table
    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    prob: float
    draws: Floats | None
    plug_in: PlugIn | None
    random_seed: int
    notes: tuple[str, ...]
    verdict: Verdict
    new_factors: tuple[str, ...] = ()
    known_factors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    chances: Floats | None = None
    has_residual: bool = True

    def __repr__(self) -> str:
        """Return the kind, the estimand and the number of rows."""
        return f"<Prediction of the {self.kind}, {self.question}, of {self.rows.n} rows>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data: those of the rows, then the predictions."""
        found = ["mean", "sd", "lower", "upper", *self.categories]
        if self.plug_in is not None:
            engine = self.plug_in.engine
            found += [engine, f"{engine}_se", f"{engine}_lower", f"{engine}_upper"]
        # A result with the name of a column of the rows gets a prefix.
        names = [f"predicted_{name}" if name in self.rows.names else name for name in found]
        return (*self.rows.names, *names)

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows with their predictions; None for a missing value."""
        arrays: list[NDArray[Any]] = [self.rows.columns[name] for name in self.rows.names]
        arrays += [self.mean, self.sd, self.lower, self.upper]
        arrays += [] if self.chances is None else list(self.chances.T)
        if self.plug_in is not None:
            known = self.plug_in
            arrays += [known.estimate, known.se, known.lower, known.upper]
        listed = [[_or_none(value) for value in array.tolist()] for array in arrays]
        return zip(*listed, strict=True)

    def view(self, most: int = MOST_SHOWN) -> View:
        """Return the first rows with their predictions, and the verdict."""
        shown = (self.rows.columns[name][:most].tolist() for name in self.rows.names)
        columns = [[_label(value) for value in column] for column in shown]
        columns += _texts(most, self.mean, self.sd, self.lower, self.upper)
        for chance in () if self.chances is None else self.chances[:most].T.tolist():
            columns.append([probability(one) for one in chance])
        if self.plug_in is not None:
            other = self.plug_in
            columns += _texts(most, other.estimate, other.se, other.lower, other.upper)
        rest = self.rows.n - most
        more = (f"… and {count(rest)} rows more",) if rest > 0 else ()
        return View(
            headings=self.names,
            cells=tuple(zip(*columns, strict=True)),
            legend=(*more, *self.legend),
        )

    @property
    def _answer(self) -> str:
        """For whom the prediction is, by factor where some groups are new and others known."""
        if not self.new_factors or not self.known_factors:
            return _ANSWERS[self.question]
        new, known = (" and ".join(names) for names in (self.new_factors, self.known_factors))
        return f"for a member of a new {new}, like those of the data, in a known {known}"

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table: estimand, intervals, notes and verdict."""
        one = _RESIDUAL if self.has_residual else _VARIATION
        lines = [f"{self._answer}: {_MEAN if self.kind == 'mean' else one}"]
        lines.append(
            f"{self.engine}: mean, sd and {level(self.prob)} interval (equal tails) of the "
            "prediction"
        )
        if self.plug_in is not None:
            lines.append(f"{self.plug_in.engine}: {self.plug_in.what}")
        return (*lines, *self.notes, self.verdict.line)


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _label(value: object) -> str:
    """Return a value of the rows as text; empty if it is missing."""
    return "" if _or_none(value) is None else label_text(value)


def _texts(most: int, mean: Floats, sd: Floats, lower: Floats, upper: Floats) -> list[list[str]]:
    """Return the columns as text, to common decimals where the sds of rows are similar."""
    columns = [values[:most].tolist() for values in (mean, sd, lower, upper)]
    rows = list(zip(*columns, strict=True))
    shared = share_digits([digits(*row) for row in rows])
    written = [
        (one.number(value), one.error(error), one.number(low), one.number(high))
        for one, (value, error, low, high) in zip(shared, rows, strict=True)
        if one is not None
    ]
    return [list(column) for column in zip(*written, strict=True)]
