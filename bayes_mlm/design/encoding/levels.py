"""Categories of a factor, learned from a column and found again in new data."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, count
from bayes_mlm.data import label_text, label_texts, notes_on_labels
from bayes_mlm.design.encoding.inputs import list_rows, raw_column
from bayes_mlm.design.encoding.means import Scalar
from bayes_mlm.formula import Call, Factor, label

if TYPE_CHECKING:
    from bayes_mlm.data import Table

# Columns beyond which a model is no longer fitted in a reasonable time, kept or summed.
MAX_LEVELS = 300
# More levels than this are mentioned: such a factor may have been meant to group.
_MENTIONED = 12
_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Categories of a factor.

    Parameters
    ----------
    factor : str
        The factor as a formula writes it: ``sex`` or ``C(grade)``.
    column : str
        The column of the table.
    levels : tuple
        Its values, in the order declared for the column, or else sorted; the first is the
        reference.
    labels : tuple of str
        The value labels of numbers that are taken as categories, "" where one has none; empty if
        none has.
    """

    factor: str
    column: str
    levels: tuple[Scalar, ...]
    labels: tuple[str, ...] = ()

    def name(self, place: int) -> str:
        """Return a level as written in the name of a column: ``Male`` in ``sex[Male]``."""
        if self.labels and self.labels[place]:
            return self.labels[place]
        level = self.levels[place]
        return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def learn_levels(factor: Factor, table: "Table") -> Levels:
    """Learn the categories of a factor from the rows of a table.

    Raises
    ------
    DataError
        If the column has one category, or more than a model can have.
    """
    column = factor.columns[0]
    found = set(raw_column(table, column).tolist())
    if len(found) == 1:
        raise DataError(
            f"the predictor {label(factor)!r} has a single category, {found.pop()!r}, in all "
            f"{count(table.n, 'row')}; omit it"
        )
    if len(found) > MAX_LEVELS:
        raise DataError(too_many(factor, len(found), table.n, min(found)))
    ordered = in_order(found, table.categories.get(column))
    levels = with_reference(factor, ordered, table.value_labels.get(column))
    return Levels(
        factor=str(factor),
        column=column,
        levels=levels,
        labels=labels_of(levels, table.value_labels.get(column)),
    )


def with_reference(
    factor: Factor,
    levels: tuple[Scalar, ...],
    labels: Mapping[float | str, str] | None = None,
) -> tuple[Scalar, ...]:
    """Order categories with the reference that a formula names first: ``C(x, ref="a")``.

    Parameters
    ----------
    factor : Factor
    levels : tuple
        In their order.
    labels : mapping, optional
        Value labels of the column, by which a category can be named as well.

    Raises
    ------
    DataError
        If no row has it; with the nearest that rows have.
    """
    settings = factor.settings if isinstance(factor, Call) else {}
    ref, order = settings.get("ref"), settings.get("levels")
    if ref is None and order is None:
        return levels
    named = {label_text(level): place for place, level in enumerate(levels)}
    for place, text in enumerate(labels_of(levels, labels)):
        named.setdefault(text, place)
    if isinstance(order, tuple):
        return _in_stated_order(factor, levels, named, order)
    wanted = label_text(ref)
    if wanted not in named:
        folded = {name.casefold(): name for name in named}
        near = get_close_matches(wanted.casefold(), folded, n=1)
        hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
        shown = ", ".join(map(repr, levels[:_LISTED])) + (", …" if len(levels) > _LISTED else "")
        raise DataError(
            f"{label(factor)}: column {factor.columns[0]!r} has no category {ref!r}{hint} (its "
            f"categories: {shown})"
        )
    place = named[wanted]
    return (levels[place], *levels[:place], *levels[place + 1 :])


def _in_stated_order(
    factor: Factor,
    levels: tuple[Scalar, ...],
    named: Mapping[str, int],
    order: tuple[float | str, ...],
) -> tuple[Scalar, ...]:
    """Order categories as a formula states: ``C(x, levels=["low", "high"])``."""
    stated = [label_text(one) for one in order]
    found = [named[text] for text in stated if text in named]
    left = [str(level) for place, level in enumerate(levels) if place not in found]
    if left:
        raise DataError(
            f"{label(factor)}: levels= omits {', '.join(map(repr, left[:_LISTED]))} of column "
            f"{factor.columns[0]!r}; list every category that has rows"
        )
    return tuple(levels[place] for place in found)


def labels_of(
    levels: Sequence[Scalar], labels: Mapping[float | str, str] | None
) -> tuple[str, ...]:
    """Return the value labels of levels that are numbers, each a text of its own; () if none.

    Examples
    --------
    >>> labels_of((1, 2, 4), {1.0: "general", 2.0: "academic"}), labels_of(("a", "b"), None)
    (('general', 'academic', ''), ())
    """
    if not labels or any(isinstance(level, str) for level in levels):
        return ()
    texts = label_texts(labels)
    found = tuple(texts.get(float(level), "") for level in levels)
    return found if any(found) else ()


def in_order(found: Collection[Scalar], declared: Sequence[str] | None) -> tuple[Scalar, ...]:
    """Order the categories that have rows: as declared, or else sorted.

    Examples
    --------
    >>> in_order({"high", "low"}, ("low", "middle", "high")), in_order({"high", "low"}, None)
    (('low', 'high'), ('high', 'low'))
    """
    places = {level: place for place, level in enumerate(declared or ())}
    last = len(places)
    return tuple(sorted(found, key=lambda level: (places.get(str(level), last), level)))


def notes_on_levels(
    levels: Iterable[Levels], n: int, declared: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Return remarks on the categories of predictors: many of them, or some without rows.

    Parameters
    ----------
    levels : iterable of Levels
        The categories that have rows.
    n : int
        Number of rows.
    declared : mapping of str to sequence of str
        The categories declared for a column.
    """
    notes = []
    for one in levels:
        many = len(one.levels)
        unused = [level for level in declared.get(one.column, ()) if level not in one.levels]
        if unused:
            shown = ", ".join(unused[:_LISTED]) + (", …" if len(unused) > _LISTED else "")
            notes.append(
                f"{len(unused)} of {many + len(unused)} categories of {one.column} have no rows, "
                f"and no coefficient ({shown})"
            )
        if many > _MENTIONED:
            notes.append(
                f"the predictor {one.factor} has {many} levels, of {n / many:,.0f} rows on "
                f"average, and {many - 1} coefficients; if they are a sample of more, group by "
                f"them instead: (1 | {one.column})"
            )
    return tuple(dict.fromkeys(notes))


def codes_of(levels: Levels, table: "Table") -> NDArray[np.int64]:
    """Find the category of each row.

    Returns
    -------
    ndarray of int, shape (n,)
        Index into `levels.levels`.

    Raises
    ------
    DataError
        If a row has a category that the data of the model did not have.
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
            f"column {levels.column!r} has the {what} {found} ({list_rows(codes < 0)}), "
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


def too_many(factor: Factor, n_levels: int, n: int, example: Scalar) -> str:
    """Explain that a factor has too many categories, and where such a column belongs."""
    column = factor.columns[0]
    values = "" if isinstance(example, str) else f", or write {column} for its values"
    return (
        f"the predictor {label(factor)!r} has {n_levels:,} different values in {n:,} rows (such "
        f"as {str(example)[:40]!r}); at most {MAX_LEVELS} can be categories: group by it, as in "
        f"(1 | {column}){values}"
    )
