"""Group-specific coefficients and lines as tidy rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import DEFAULT_PROB, Column, EngineError, ResultTable, level, rounded


@dataclass(frozen=True, kw_only=True)
class GroupCoefficient:
    """Intercept or slope of one group.

    Parameters
    ----------
    model, engine : str
        Name of the model; a name in `ENGINES`.
    group : object
        The group's label.
    effect : str
        "Intercept", or the predictor whose slope it is.
    estimate, sd, lower, upper : float
        Posterior mean, sd and interval, in units of the linear predictor, which are those of a
        Gaussian outcome (for one unit of the predictor);
        of an estimate the prediction with its standard error.
    reml : float or None
        Next to a posterior of Gaussian outcomes: the same by REML, with best linear unbiased
        predictions.
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
    """Expected outcome of one group at one value of the predictor.

    Parameters
    ----------
    model, engine, group
        As in `GroupCoefficient`; `group` is None for the population, whose group effects are zero.
    x : float
        Value of the predictor.
    estimate, lower, upper : float
        Posterior mean and interval of the expected outcome, in its units, or of the linear
        predictor where lines are on its scale.
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
class LinePoints(ResultTable[LinePoint]):
    """Expected outcomes along lines.

    Parameters
    ----------
    along, prob, scale : optional
        As in `PopulationLine`.
    """

    key = ("group", "x")
    row_type = LinePoint

    along: str = "x"
    prob: float = DEFAULT_PROB
    scale: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        known = any(row.group is not None for row in self.rows)
        return (
            *((Column(name="group"),) if known else ()),
            Column(name="x", heading=self.along, text=lambda row: rounded(row.x)),
            Column(name="estimate", heading=self.scale or "expected", kind="number"),
            Column(name="lower", heading=level(self.prob), kind="interval"),
            *_compared(self.rows),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupLines(ResultTable[GroupCoefficient]):
    """Group-specific coefficients and lines.

    Parameters
    ----------
    rows : tuple of GroupCoefficient
        By group, then by effect. The intercept of a group is its expected outcome where every
        predictor that varies within groups is zero.
    along : str
        The column of the table on the horizontal axis.
    outcome, group : str
        Names.
    points : LinePoints
        By group; other predictors keep their values in the rows of the group.
    prob : float
        Of the intervals: highest density for coefficients, equal tails along lines.
    interval_kind : str
        Of the coefficients: "HDI", or "CI", the normal interval of a prediction.
    verdict : Verdict
        Of the posterior.
    """

    key = ("group", "effect")
    row_type = GroupCoefficient

    along: str
    outcome: str
    group: str
    points: LinePoints
    prob: float
    interval_kind: str

    def __repr__(self) -> str:
        """Return the number of lines; `print` shows the coefficients."""
        n = len(dict.fromkeys(point.group for point in self.points))
        return f"<GroupLines of {self.outcome} along {self.along}: {n} groups ({self.group})>"

    def line(self, group: Any) -> tuple[LinePoint, ...]:
        """Return the line of one group.

        Raises
        ------
        EngineError
            If it is not in the result.
        """
        found = self.points.where(group=group)
        if not found:
            known = list(dict.fromkeys(point.group for point in self.points))
            listed = ", ".join(map(str, known[:12])) + (", …" if len(known) > 12 else "")
            raise EngineError(f"there is no line of {group!r}; there are those of {listed}")
        return found

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        interval = f"{level(self.prob)} {self.interval_kind}"
        return (
            Column(name="group", heading=self.group),
            Column(name="effect"),
            Column(name="estimate", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=interval, kind="interval"),
            *_compared(self.rows),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PopulationLine(LinePoints):
    """The line of the population: points with None for their group.

    Parameters
    ----------
    rows : tuple of LinePoint
    along : str
        The column of the table on the horizontal axis.
    at : str
        Values that other predictors are set to; empty if they keep those of the rows.
    prob : float
        Of the equal-tailed intervals.
    scale : str
        What the points are, of a family with a link.
    question : {"population", "new_group"}
        Group effects at zero, or averaged over their distribution.
    verdict : Verdict
    """

    at: str = ""
    question: str = "population"

    def __repr__(self) -> str:
        """Return the column, the settings and the number of points."""
        at = f" at {self.at}" if self.at else ""
        return f"<PopulationLine along {self.along!r}{at}, {len(self)} points>"

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table."""
        at = f" at {self.at}" if self.at else ""
        of = "group effects at zero, their mean"
        if self.question == "new_group":
            of = "averaged over the distribution of group effects"
        return (f"the population{at}: {of}", *super().legend)


def _compared(rows: Sequence[GroupCoefficient | LinePoint]) -> tuple[Column, ...]:
    """Return the column of REML, if there is one."""
    known = any(row.reml is not None for row in rows)
    return (Column(name="reml", kind="number"),) if known else ()
