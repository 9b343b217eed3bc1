"""Learn the categories of a column, and find them again in new data."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.data.labels import notes_on_labels
from bayes_mlm.encoding.inputs import count, is_number, is_text, list_rows, raw_column
from bayes_mlm.encoding.means import Scalar
from bayes_mlm.errors import DataError
from bayes_mlm.formula.expressions import Factor, label

if TYPE_CHECKING:
    from bayes_mlm.data.table import Table

MAX_LEVELS = 200
# Text that is mostly numbers is a spoiled numeric column sooner than it has 200 levels.
MAX_NUMERIC_LEVELS = 20
_LISTED = 12
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]|$)")


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Hold the categories of a factor.

    Parameters
    ----------
    factor : str
        The factor as a formula writes it: ``sex`` or ``C(grade)``.
    column : str
        The column of the table.
    levels : tuple
        Its values, sorted; the first is the reference.
    """

    factor: str
    column: str
    levels: tuple[Scalar, ...]

    def name(self, place: int) -> str:
        """Write a level as it stands in the name of a column: ``Male`` in ``sex[Male]``."""
        level = self.levels[place]
        return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def learn_levels(factor: Factor, table: "Table") -> Levels:
    """Learn the categories of a factor from the rows of a table.

    Raises
    ------
    DataError
        If the column has one category, or so many that it is an identifier or a numeric column
        that was read as text.
    """
    column = factor.columns[0]
    values = raw_column(table, column)
    levels = tuple(sorted(set(values.tolist())))
    if len(levels) == 1:
        raise DataError(
            f"the predictor {label(factor)!r} has a single category, {levels[0]!r}, in all "
            f"{count(table.n, 'row')}; leave it out"
        )
    many = len(levels) > MAX_LEVELS or (
        is_text(values)
        and len(levels) > MAX_NUMERIC_LEVELS
        and 2 * sum(map(is_number, levels)) > len(levels)
    )
    if many and 2 * len(levels) > table.n:
        raise DataError(_too_many(factor, values, len(levels)))
    return Levels(factor=str(factor), column=column, levels=levels)


def codes_of(levels: Levels, table: "Table") -> NDArray[np.int64]:
    """Find the category of each row.

    Returns
    -------
    ndarray of int, shape (n,)
        Index into `levels.levels`.

    Raises
    ------
    DataError
        If a row holds a category that was not there to learn from.
    """
    values = raw_column(table, levels.column)
    places = {level: place for place, level in enumerate(levels.levels)}
    codes = np.array([places.get(value, -1) for value in values.tolist()], dtype=np.int64)
    if (codes < 0).any():
        unknown = list(dict.fromkeys(values[codes < 0].tolist()))
        near = get_close_matches(str(unknown[0]), [str(level) for level in levels.levels], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(repr(level) for level in levels.levels[:_LISTED])
        known += ", …" if len(levels.levels) > _LISTED else ""
        found = ", ".join(repr(value) for value in unknown[:_LISTED])
        found += ", …" if len(unknown) > _LISTED else ""
        what, were = ("category", "was") if len(unknown) == 1 else ("categories", "were")
        raise DataError(
            f"column {levels.column!r} holds the {what} {found} ({list_rows(codes < 0)}), "
            f"which {were} not there when the model was made; known: {known}{hint}"
        )
    return codes


def label_notes(
    levels: Sequence[Levels], group: str | None, labels: Iterable[Any]
) -> tuple[str, ...]:
    """Return remarks on the labels of the group and of every categorical predictor."""
    named = [] if group is None else [(group, labels)]
    named += [(one.column, one.levels) for one in levels]
    return tuple(note for name, values in named for note in notes_on_labels(name, values))


def too_many_remedy(example: object) -> str:
    """Say where text of so many values belongs, by one of them."""
    if _DATE.match(str(example)):
        return "these are dates: code_time makes numbers of them, such as years since the first"
    return "an identifier belongs in a group term, as in (1 | group)"


def _too_many(factor: Factor, values: NDArray[Any], n_levels: int) -> str:
    many = f"{n_levels:,} different values in {count(values.size, 'row')}"
    column = factor.columns[0]
    if is_text(values):
        odd = [
            f"row {row} is {value[:40]!r}"
            for row, value in enumerate(values.tolist(), 1)
            if not is_number(value)
        ]
        if 2 * len(odd) < values.size:
            shown = ", ".join(odd[:3]) + (", …" if len(odd) > 3 else "")
            spoiled = f": {shown}" if odd else ""
            return (
                f"column {column!r} is text{spoiled}, but mostly numbers ({many}); correct those "
                "values so that it reads as numbers"
            )
        return (
            f"column {column!r} is text with {many}, too many for categories ({', '.join(odd[:3])})"
            f"; {too_many_remedy(values[0])}"
        )
    return f"{label(factor)} has {many}, too many for categories; write {column} for its values"
