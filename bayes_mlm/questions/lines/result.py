"""Hold the own coefficients and lines of groups as tidy rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bayes_mlm.base import EngineError, Verdict, digits, level, rounded
from bayes_mlm.data import format_rows
from bayes_mlm.questions.effects.result import records_csv

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class OwnCoefficient:
    """Hold an own intercept or slope of one group.

    Parameters
    ----------
    model, engine : str
        Name of the model, and what made the draws.
    group : object
        The group's label.
    effect : str
        "Intercept", or the predictor whose slope it is.
    estimate, sd, lower, upper : float
        Posterior mean, sd and interval, in units of the outcome (for one unit of the predictor).
    reml : float or None
        The same of REML: its coefficients and the best linear unbiased predictions.
    """

    model: str
    engine: str
    group: Any
    effect: str
    estimate: float
    sd: float
    lower: float
    upper: float
    reml: float | None


@dataclass(frozen=True, kw_only=True)
class LinePoint:
    """Hold the expected outcome of one group at one value of the predictor.

    Parameters
    ----------
    model, engine, group
        As in `OwnCoefficient`; `group` is None for the population, whose group effects are zero.
    x : float
        Value of the predictor.
    estimate, lower, upper : float
        Posterior mean and interval of the expected outcome, in its units.
    reml : float or None
    """

    model: str
    engine: str
    group: Any
    x: float
    estimate: float
    lower: float
    upper: float
    reml: float | None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupLines:
    """Hold the own coefficients and lines of groups, and whether to believe them.

    Parameters
    ----------
    along : str
        The column of the table that the lines run along.
    outcome, group : str
        Names.
    coefficients : tuple of OwnCoefficient
        By group, an effect after the other. Where every predictor that varies within groups is
        zero, the expected outcome is the own intercept.
    points : tuple of LinePoint
        By group; other predictors keep the values that the group's rows have.
    prob : float
        Of the intervals: highest density for coefficients, equal tails along lines.
    verdict : Verdict
        Of the posterior.
    """

    along: str
    outcome: str
    group: str
    coefficients: tuple[OwnCoefficient, ...]
    points: tuple[LinePoint, ...]
    prob: float
    verdict: Verdict

    def __repr__(self) -> str:
        """Say how many lines there are; `print` shows the coefficients."""
        n = len(dict.fromkeys(point.group for point in self.points))
        return f"<GroupLines of {self.outcome} along {self.along}: {n} groups ({self.group})>"

    def of(self, group: Any) -> tuple[LinePoint, ...]:
        """Give the line of one group.

        Raises
        ------
        EngineError
            If it is not among them.
        """
        found = tuple(point for point in self.points if point.group == group)
        if not found:
            known = list(dict.fromkeys(point.group for point in self.points))
            listed = ", ".join(map(str, known[:12])) + (", …" if len(known) > 12 else "")
            raise EngineError(f"there is no line of {group!r}; there are those of {listed}")
        return found

    def to_frame(self) -> "pd.DataFrame":
        """Give the own coefficients as a tidy data frame, a row a group and effect."""
        import pandas as pd

        return pd.DataFrame(_records(self.coefficients), columns=_columns(OwnCoefficient))

    def lines_to_frame(self) -> "pd.DataFrame":
        """Give the lines as a tidy data frame, a row a group and point."""
        import pandas as pd

        return pd.DataFrame(_records(self.points), columns=_columns(LinePoint))

    def to_csv(self) -> str:
        """Write the own coefficients as CSV text in full precision."""
        return records_csv(tuple(_columns(OwnCoefficient)), _records(self.coefficients))

    def lines_to_csv(self) -> str:
        """Write the lines as CSV text in full precision."""
        return records_csv(tuple(_columns(LinePoint)), _records(self.points))

    def __str__(self) -> str:
        """Show the own coefficients as an aligned table."""
        head = (self.group, "effect", "estimate", "sd", f"{level(self.prob)} HDI", "reml")
        cells = [head]
        for row in self.coefficients:
            shown = digits((row.estimate, row.reml), row.sd, row.lower, row.upper)
            numbers = (shown.number(row.estimate), shown.error(row.sd))
            ends = shown.interval(row.lower, row.upper)
            cells.append((str(row.group), row.effect, *numbers, ends, shown.number(row.reml)))
        sign = "ok" if self.verdict.ok else "NOT OK"
        return f"{format_rows(cells)}\n{sign}: {self.verdict}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PopulationLine:
    """The line of the population: a sequence of points.

    Parameters
    ----------
    along : str
        The column of the table that it runs along.
    at : str
        What other predictors are set to, in words; empty if they keep the values of the rows.
    points : tuple of LinePoint
        With None for their group.
    prob : float
        Of the intervals, with equal tails.
    verdict : Verdict
    """

    along: str
    at: str
    points: tuple[LinePoint, ...]
    prob: float
    verdict: Verdict

    def __iter__(self) -> Iterator[LinePoint]:
        """Iterate over the points."""
        return iter(self.points)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def __getitem__(self, place: int) -> LinePoint:
        """Return the point at a place."""
        return self.points[place]

    def __repr__(self) -> str:
        """Return the column, the settings and the number of points."""
        at = f" at {self.at}" if self.at else ""
        return f"<PopulationLine along {self.along!r}{at}, {len(self.points)} points>"

    def to_frame(self) -> "pd.DataFrame":
        """Return the points as a tidy data frame."""
        import pandas as pd

        return pd.DataFrame(_records(self.points), columns=_columns(LinePoint))

    def to_csv(self) -> str:
        """Return the points as CSV text in full precision."""
        return records_csv(tuple(_columns(LinePoint)), _records(self.points))

    def __str__(self) -> str:
        """Return the points as an aligned table."""
        cells: list[tuple[str, ...]] = [(self.along, "expected", level(self.prob), "reml")]
        for one in self.points:
            shown = digits((one.estimate, one.reml), None, one.lower, one.upper)
            numbers = (shown.number(one.estimate), shown.interval(one.lower, one.upper))
            cells.append((rounded(one.x), *numbers, shown.number(one.reml)))
        at = f" at {self.at}" if self.at else ""
        sign = "ok" if self.verdict.ok else "NOT OK"
        return (
            f"{format_rows(cells)}\nthe population{at}: group effects at zero, their mean\n"
            f"{sign}: {self.verdict}"
        )


def _columns(row: type[OwnCoefficient] | type[LinePoint]) -> list[str]:
    return [field.name for field in fields(row)]


def _records(rows: Sequence[OwnCoefficient | LinePoint]) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in _columns(type(row))} for row in rows]
