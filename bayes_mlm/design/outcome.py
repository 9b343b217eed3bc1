"""Outcomes as a family takes them: numbers as they are, two categories as 0 and 1, ordered ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import DataError, DesignError
from bayes_mlm.data import check_outcome, constant_outcome
from bayes_mlm.design.encoding.inputs import is_text, raw_column
from bayes_mlm.design.encoding.levels import Levels, in_order, labels_of, with_reference
from bayes_mlm.formula import Call, Formula, Name

if TYPE_CHECKING:
    from bayes_mlm.data import Table
    from bayes_mlm.model import Family

# Ordered categories beyond it are a measurement.
MOST_CATEGORIES = 30
_LISTED = 12


def check_coded(formula: Formula, table: "Table", family: "Family") -> tuple[str, ...]:
    """Check that the column of an outcome varies, and that a family can take it.

    Returns
    -------
    tuple of str
        Notes for the reader of the results.

    Raises
    ------
    DataError
        If it is constant, or text where numbers are needed.
    DesignError
        If the formula makes categories of it, or has trials, and the family takes none.
    """
    name = formula.outcome.columns[0]
    if formula.trials is not None and not family.takes_trials:
        raise DesignError(
            f"the formula has trials({formula.trials}), and the {family.label} family takes none; "
            "use family='binomial'"
        )
    if family.outcome == "number":
        if _is_categorical(formula):
            raise DesignError(
                f"the outcome {formula.outcome} is categories, and the {family.label} family takes "
                "numbers; use family='bernoulli' for two, or 'cumulative' for ordered ones"
            )
        return check_outcome(table, name, gaussian=family.gaussian_moments)
    values = raw_column(table, name)
    coded = is_text(values) or _is_categorical(formula) or family.outcome == "ordered levels"
    if coded and len(set(values.tolist())) == 1:
        raise DataError(constant_outcome(name, values[0]))
    return ()


def learn_outcome(formula: Formula, table: "Table", family: "Family") -> Levels | None:
    """Return the categories of an outcome in their order; None of numbers taken as they are.

    Raises
    ------
    DataError
        If there are more than a family takes, or their order is not known.
    DesignError
        If the formula has a function of an outcome that is to be categories.
    """
    if family.outcome == "number":
        return None
    outcome = formula.outcome
    if not isinstance(outcome, Name) and not _is_categorical(formula):
        raise DesignError(
            f"the {family.label} family takes a column as it is, or C(column), not {outcome}"
        )
    column = outcome.columns[0]
    values = raw_column(table, column)
    found = set(values.tolist())
    if family.outcome == "two levels":
        if not _is_categorical(formula) and not is_text(values):
            return None  # 0 and 1, or refused by the family
        if len(found) > 2:
            raise DataError(
                f"outcome {column!r} has {len(found)} categories "
                f"({_shown(sorted(found, key=str))}), and the {family.label} family takes "
                "two; use family='cumulative' for ordered ones, or a column of truth values"
            )
    elif len(found) > MOST_CATEGORIES:
        raise DataError(
            f"outcome {column!r} has {len(found)} values, more than {MOST_CATEGORIES} ordered "
            "categories; use a family of numbers, or group them"
        )
    declared = table.categories.get(column)
    labels = table.value_labels.get(column)
    stated = isinstance(outcome, Call) and "levels" in outcome.settings
    if family.outcome == "ordered levels" and is_text(values) and not (declared or stated):
        listed = ", ".join(f'"{one}"' for one in sorted(found)[:_LISTED])
        raise DataError(
            f"outcome {column!r} is text, and the order of its categories is not stated; write "
            f"C({column}, levels=[{listed}]) with them from lowest to highest, or make the column "
            "an ordered categorical (pandas) or number it"
        )
    levels = with_reference(outcome, in_order(found, declared), labels)
    return Levels(
        factor=str(outcome), column=column, levels=levels, labels=labels_of(levels, labels)
    )


def outcome_notes(
    levels: Levels | None,
    codes: np.ndarray,
    table: "Table",
    family: "Family",
    weights: np.ndarray | None = None,
) -> tuple[str, ...]:
    """Return what a reader must know of categories: which is 1, their order, those without rows.

    Weights (n,) are how many rows each code stands for.
    """
    if levels is None:
        return ()
    names = [levels.name(place) for place in range(len(levels.levels))]
    rows = np.bincount(np.asarray(codes, dtype=np.int64), weights, len(names)).astype(np.int64)
    if family.outcome == "two levels":
        return (
            f"outcome {levels.column}: 1 is {names[1]!r} ({rows[1]:,} rows), 0 is {names[0]!r} "
            f'({rows[0]:,}); C({levels.column}, ref="{names[1]}") exchanges them',
        )
    order = " < ".join(f"{name} ({n:,} rows)" for name, n in zip(names, rows, strict=True))
    notes = [f"outcome {levels.column}, in order: {order}"]
    unused = _without_rows(levels, table)
    if unused:
        notes.append(
            f"categories of {levels.column} without rows ({_shown(unused)}) have no threshold: "
            "none can be estimated there"
        )
    return tuple(notes)


def _without_rows(levels: Levels, table: "Table") -> list[str]:
    """Return the categories declared, or the whole numbers in between, that have no rows."""
    declared = table.categories.get(levels.column)
    if declared:
        return [one for one in declared if one not in levels.levels]
    numbers = [one for one in levels.levels if not isinstance(one, str)]
    if len(numbers) < 2 or any(float(one) != int(one) for one in numbers):
        return []
    low, high = int(min(numbers)), int(max(numbers))
    if high - low > MOST_CATEGORIES:
        return []
    return [str(k) for k in range(low, high + 1) if k not in {int(one) for one in numbers}]


def _is_categorical(formula: Formula) -> bool:
    return isinstance(formula.outcome, Call) and formula.outcome.kind == "categorical"


def _shown(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:_LISTED])) + (", …" if len(names) > _LISTED else "")
