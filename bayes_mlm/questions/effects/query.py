"""Read a contrast, and the values at which other predictors are set."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DesignError, describe_value, expect_text, rounded
from bayes_mlm.data import label_text
from bayes_mlm.design import Levels
from bayes_mlm.questions.effects.rows import Population

type Value = float | str | bool
_STATISTICS = ("mean-sd", "mean", "mean+sd", "median")


@dataclass(frozen=True, kw_only=True)
class At:
    """A predictor and the value that it is set to.

    Parameters
    ----------
    name : str
        Column of the table.
    value : float, str or bool
        In the column's units, or one of its categories.
    word : str
        The statistic that was requested in place of a value: "mean+sd".
    """

    name: str
    value: Value
    word: str = ""

    def __str__(self) -> str:
        if self.word and isinstance(self.value, float):
            shown = rounded(self.value)
        else:
            shown = label_text(self.value)
        return f"{self.name} = {self.word} ({shown})" if self.word else f"{self.name} = {shown}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of one predictor.

    Parameters
    ----------
    name : str
        Column of the table.
    low, high : Value or None
        From and to which value; None for a change of each row's value by `step`.
    step : float
        In the column's units; 0 between two values, and for a slope, the change by 1 at the rate
        of the value itself.
    text : str
        Its label: "sector: 1 - 0", "ses: +1".
    """

    name: str
    low: Value | None
    high: Value | None
    step: float
    text: str

    @property
    def is_slope(self) -> bool:
        """Whether it is a rate of change rather than a difference."""
        return self.low is None and self.step == 0.0

    @property
    def sets(self) -> tuple[str, ...]:
        """Predictors set by the change, which `at` cannot set as well."""
        return () if self.low is None else (self.name,)

    def ends(
        self, population: Population, base: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the column (n,) before and after the change.

        A step starts from the column in `base` where that is set, else from the rows.
        """
        if self.low is None or self.high is None:
            before = base[self.name] if self.name in base else population.column(self.name)
            return before, before + self.step
        return constant(population, self.low), constant(population, self.high)


def constant(population: Population, value: Value) -> NDArray[Any]:
    """Return a constant column (n,)."""
    dtype = object if isinstance(value, str) else None
    return np.full(population.table.n, value, dtype=dtype)


def changes(population: Population, contrast: str | Mapping[str, Any]) -> tuple[Change, ...]:
    """Read a contrast.

    Parameters
    ----------
    population : Population
    contrast : str or mapping
        A predictor, or ``{predictor: how}``: two values or categories ``(from, to)``, a number (a
        change by so much), "sd" (by the sd of the rows), "slope" (its slope), "reference" (each
        category against the first) or "pairwise" (every two). Without how: the second against the
        first of two values, each category against the first, and a change by 1 for any other
        number.

    Raises
    ------
    DesignError
        If there is no such predictor or category, or the change has no meaning for it.
    """
    name, how = _one(contrast)
    check_predictor(population, name)
    levels = population.levels(name)
    if isinstance(how, Sequence) and not isinstance(how, str):
        if len(how) != 2:
            raise DesignError(
                f"a contrast of {name!r} is between two values, found {len(how)}: give (from, to)"
            )
        pair = _value(population, name, how[0]), _value(population, name, how[1])
        return (_between(name, *pair),)
    if levels is not None:
        return _of_categories(name, levels, how)
    if how == "slope":
        return (Change(name=name, low=None, high=None, step=0.0, text=f"{name}: slope"),)
    values = population.column(name)
    if how is None:
        known = np.unique(values[: min(values.size, 10_000)])
        if known.size <= 2 and np.unique(values).size == 2:
            return (_between(name, *(value.item() for value in np.unique(values))),)
        how = 1.0
    if how == "sd":
        sd = population.numbers(name).sd(ddof=1)
        return (
            Change(name=name, low=None, high=None, step=sd, text=f"{name}: +1 sd ({rounded(sd)})"),
        )
    step = _number(how)
    if step is None or step == 0.0:
        raise DesignError(
            f"a contrast of the number {name!r} is a change by a number or by 'sd', (from, to), or "
            f"its 'slope'; found {how!r}"
        )
    return (
        Change(
            name=name,
            low=None,
            high=None,
            step=step,
            text=f"{name}: {label_text(step) if step < 0 else '+' + label_text(step)}",
        ),
    )


def grid(
    population: Population, at: Mapping[str, Any] | None, *, without: Sequence[str] = ()
) -> tuple[tuple[At, ...], ...]:
    """Return every combination of the values that other predictors are set to.

    Parameters
    ----------
    population : Population
    at : mapping of str to value or sequence of values, or None
        A number, a category, or for numbers "mean", "mean+sd", "mean-sd", "median" of the rows;
        "mean±sd" stands for mean less sd, mean, and mean plus sd.
    without : sequence of str
        Predictors that are compared, which cannot be set.

    Returns
    -------
    tuple of tuple of At
        One empty tuple if nothing is set.
    """
    axes: list[list[At]] = []
    for name, requested in (at or {}).items():
        check_predictor(population, name)
        if name in without:
            raise DesignError(f"{name!r} is what is compared; it cannot be set (at) as well")
        single = isinstance(requested, str) or not isinstance(requested, Sequence | np.ndarray)
        listed = [requested] if single else list(requested)
        if not listed:
            raise DesignError(f"no value is given for {name!r}; give one or more (at)")
        axes.append([one for value in listed for one in _at(population, name, value)])
    return tuple(product(*axes))


def beyond(population: Population, settings: Iterable[tuple[At, ...]]) -> tuple[str, ...]:
    """Describe the settings outside the range of the data: extrapolations."""
    texts: dict[tuple[str, Value], str] = {}
    if not population.rows_known:  # the range of the data is unknown
        return ()
    for one in (one for setting in settings for one in setting):
        if population.levels(one.name) is not None or isinstance(one.value, str):
            continue
        values = population.column(one.name).astype(np.float64)
        low, high = float(values.min()), float(values.max())
        if not low <= float(one.value) <= high:
            texts[one.name, one.value] = (
                f"caution: {one} lies outside of the data ({label_text(low)} to "
                f"{label_text(high)}); the effect there is an extrapolation"
            )
    return tuple(texts.values())


def check_predictor(population: Population, name: str) -> None:
    """Raise an error if a name is no predictor of the model."""
    known = population.predictors
    expect_text("a question about effects", name, "the name of a predictor", DesignError)
    if name in known:
        return
    if name in population.design.factors:
        raise DesignError(
            f"{name!r} is a grouping factor; its effects are random, and are not compared here"
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    inside = next((one for one in known if f"({one}" in name), None)
    if inside is not None:
        hint = f"; name the column {inside!r} that it is made of"
    listed = ", ".join(known) if known else "none"
    raise DesignError(f"the model has no predictor {name!r}{hint} (predictors: {listed})")


def _one(contrast: object) -> tuple[str, Any]:
    if isinstance(contrast, str):
        return contrast, None
    if isinstance(contrast, Mapping) and len(contrast) == 1:
        name, how = next(iter(contrast.items()))
        return str(name), how
    raise DesignError(
        f"a contrast is a predictor or {{predictor: (from, to)}}, of one predictor, found "
        f"{describe_value(contrast)}"
    )


def _of_categories(name: str, levels: Levels, how: object) -> tuple[Change, ...]:
    if how not in (None, "reference", "pairwise"):
        raise DesignError(
            f"{name!r} is categorical; contrast two of them (from, to), 'reference' or "
            f"'pairwise', found {how!r}"
        )
    known = range(len(levels.levels))
    pairs = combinations(known, 2) if how == "pairwise" else ((0, to) for to in known[1:])
    return tuple(
        _between(name, levels.levels[low], levels.levels[high], levels) for low, high in pairs
    )


def _between(name: str, low: Value, high: Value, levels: Levels | None = None) -> Change:
    if low == high:
        raise DesignError(f"a contrast of {name!r} is between two values, found {low!r} twice")
    known = () if levels is None else levels.levels
    texts = {level: levels.name(place) for place, level in enumerate(known)} if levels else {}
    text = f"{name}: {texts.get(high, label_text(high))} - {texts.get(low, label_text(low))}"
    return Change(name=name, low=low, high=high, step=0.0, text=text)


def _at(population: Population, name: str, requested: object) -> list[At]:
    word = str(requested).replace(" ", "").replace("±", "+-") if isinstance(requested, str) else ""
    levels = population.levels(name)
    if levels is not None or (word not in _STATISTICS and word != "mean+-sd"):
        return [At(name=name, value=_value(population, name, requested))]
    values = population.numbers(name)
    mean, sd = values.mean, values.sd(ddof=1)
    known = {"mean-sd": mean - sd, "mean": mean, "mean+sd": mean + sd}
    words = list(known) if word == "mean+-sd" else [word]
    known["median"] = values.median
    return [At(name=name, value=known[one], word=one) for one in words]


def _value(population: Population, name: str, requested: object) -> Value:
    """Read a value of a predictor: one of its categories, or a finite number."""
    levels = population.levels(name)
    if levels is not None:
        for place, level in enumerate(levels.levels):
            if level == requested or str(requested) in (label_text(level), levels.name(place)):
                return level
        near = difflib.get_close_matches(str(requested), map(label_text, levels.levels), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(repr(level) for level in levels.levels[:12])
        more = ", …" if len(levels.levels) > 12 else ""
        raise DesignError(f"{name!r} has no category {requested!r}{hint} (known: {known}{more})")
    number = _number(requested)
    if number is None:
        raise DesignError(
            f"a value of {name!r} is a number, or one of {', '.join(_STATISTICS)}, mean±sd; found "
            f"{requested!r}"
        )
    return number


def _number(requested: object) -> float | None:
    if not isinstance(requested, str | int | float | np.number | np.bool_):
        return None
    try:
        number = float(requested)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
