"""Marginal means and their contrasts as tidy rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import (
    Column,
    Floats,
    ResultTable,
    count,
    level,
    scaled,
)
from bayes_mlm.data import label_text
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.rows import Population


@dataclass(frozen=True, kw_only=True)
class MarginalMean:
    """One mean by one engine.

    Parameters
    ----------
    model, engine : str
    mean : str
        What it is of: "Male", "Male, age 8".
    of, by : tuple of At
        The values of the predictors that were named, and of those within which means are compared.
    estimate : float
        Posterior mean, or the estimate; nan where it cannot be estimated.
    sd : float
        Posterior sd, or standard error.
    df : float or None
        Degrees of freedom of the t distribution, infinite of the normal; None of a posterior.
    lower, upper : float
        Ends of the interval that the table states.
    outcome : str
        Which expected outcome, where there are several.
    letters : str
        Means of a family that share one do not differ significantly, where these were requested.
    """

    model: str
    engine: str
    mean: str
    of: tuple[At, ...]
    by: tuple[At, ...]
    estimate: float
    sd: float
    df: float | None
    lower: float
    upper: float
    outcome: str = ""
    letters: str = ""


@dataclass(frozen=True, kw_only=True)
class MeanContrast:
    """One contrast of means by one engine.

    Parameters
    ----------
    model, engine, contrast : str
    by : tuple of At
        The values within which means are compared: its family.
    estimate, sd, lower, upper : float
        As of `MarginalMean`; a ratio where ratios were requested.
    df, t, p : float or None
        Of an estimate: degrees of freedom, statistic, and two-sided p-value as adjusted.
    direction : float or None
        Of a posterior: the probability of the more probable sign (of a ratio, side of one).
    outcome : str
    """

    model: str
    engine: str
    contrast: str
    by: tuple[At, ...]
    estimate: float
    sd: float
    df: float | None
    lower: float
    upper: float
    t: float | None = None
    p: float | None = None
    direction: float | None = None
    outcome: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MeansTable[R: MarginalMean | MeanContrast](ResultTable[R]):
    """What tables of means and of contrasts share.

    Parameters
    ----------
    prob : float
        Of the intervals.
    """

    prob: float

    def values(self, row: R) -> tuple[Any, ...]:
        """Return the raw values of a row, in the order of `names`."""
        found = {one.name: one.value for one in (*getattr(row, "of", ()), *row.by)}
        return tuple(
            found[name] if name in found else getattr(row, name, None) for name in self.names
        )

    @property
    def _named(self) -> tuple[str, ...]:
        row = self.rows[0]
        return tuple(one.name for one in (*getattr(row, "of", ()), *row.by))

    @property
    def _by(self) -> tuple[Column, ...]:
        names = [one.name for one in self.rows[0].by]
        return tuple(
            Column(name="by", heading=name, text=_By(place)) for place, name in enumerate(names)
        )

    @property
    def _several(self) -> tuple[Column, ...]:
        return (Column(name="outcome"),) if any(row.outcome for row in self.rows) else ()

    def cells(self, row: R) -> tuple[str, ...]:
        """Return the texts of a row; of what is not estimable no numbers."""
        if not math.isnan(row.estimate):
            return super().cells(row)
        texts = []
        for one in self.columns:
            if one.name == "estimate":
                texts.append("not estimable")
            elif one.name == "by" and one.text is not None:
                texts.append(one.text(row))
            else:
                texts.append(str(getattr(row, one.name)) if one.name in _LABELS else "")
        return tuple(texts)


_LABELS = ("mean", "contrast", "engine", "outcome")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContrastTable(MeansTable[MeanContrast]):
    """Contrasts of marginal means, of each the posterior first.

    Parameters
    ----------
    rows : tuple of MeanContrast
    adjust : str
        Name of the adjustment of the estimate's p-values and intervals.
    comparison : {"difference", "ratio", "odds_ratio"}
    weights : ndarray, shape (c, k)
        Of the k means of a family.
    """

    key = ("contrast", "by", "outcome", "engine")
    row_type = MeanContrast

    adjust: str
    comparison: str
    weights: Floats

    def __repr__(self) -> str:
        """Return the names of the contrasts; `print` shows their numbers."""
        return f"<ContrastTable: {', '.join(dict.fromkeys(row.contrast for row in self.rows))}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        found = ("estimate", "sd", "df", "lower", "upper", "t", "p", "direction")
        outcome = ("outcome",) if self._several else ()
        return ("model", "engine", "contrast", *outcome, *self._named, *found)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        columns = [
            Column(name="contrast", kind="label"),
            *self._by,
            *self._several,
            Column(name="engine"),
            Column(name="estimate", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=level(self.prob), kind="interval"),
        ]
        if any(row.df is not None for row in self.rows):
            columns += [
                Column(name="df", text=lambda row: df_text(row.df)),
                Column(name="t", text=lambda row: "" if row.t is None else scaled(row.t, 2)),
                Column(name="p", kind="p"),
            ]
        if any(row.direction is not None for row in self.rows):
            columns.append(Column(name="direction", heading="P(direction)", kind="probability"))
        return tuple(columns)


def df_text(value: float | None) -> str:
    """Return degrees of freedom as text; empty of a posterior."""
    if value is None:
        return ""
    return "∞" if math.isinf(value) else scaled(value, 1) if value < 1e4 else count(round(value))


def mean_name(of: Sequence[At], population: Population) -> str:
    """Return the name of a mean: its categories, and numbers with the names of their columns."""
    return ", ".join(_named(one, population) for one in of)


def _named(one: At, population: Population) -> str:
    levels = population.levels(one.name)
    if levels is not None:
        text = levels.name(levels.levels.index(one.value))
        if isinstance(one.value, str) or (levels.labels and text in levels.labels):
            return text
    return f"{one.name} {label_text(one.value)}"


@dataclass(frozen=True)
class _By:
    """Text of the value of one predictor within which means are compared."""

    place: int

    def __call__(self, row: MarginalMean | MeanContrast) -> str:
        """Return the value of a row."""
        return label_text(row.by[self.place].value)
