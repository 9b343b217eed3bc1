"""The numbers of every figure as one tidy table: a row a point, an interval, or a place of a curve.

A kind of figure has a function that states its columns (`bayes_mlm.figures.tables`, or a module of
its study); `tidy` and the command line do the rest.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Tabular, UnsupportedModelError, View

# Columns of equal length; a single value stands in every row.
type Block = Mapping[str, Any]
type Blocks = Callable[[Any], Iterator[Block]]

_BLOCKS: dict[type, Blocks] = {}


def tabulates(kind: type) -> Callable[[Blocks], Blocks]:
    """Register the function that states the columns of the data of a figure."""

    def register(blocks: Blocks) -> Blocks:
        _BLOCKS[kind] = blocks
        return blocks

    return register


@dataclass(frozen=True, repr=False)
class TidyTable(Tabular):
    """The numbers of a figure.

    Parameters
    ----------
    columns : mapping of str to list
        Values by column, in full precision; None where a row has no such value.
    """

    columns: Mapping[str, list[Any]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), []))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Return the rows."""
        return zip(*self.columns.values(), strict=True)

    def view(self) -> View:
        """Return the table as text, numbers with four significant digits."""
        return View(headings=self.names, cells=tuple(tuple(map(_text, row)) for row in self.raw()))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tidy(data: Any) -> TidyTable:
    """Return what a figure shows as a table with a row for each thing that is drawn.

    Parameters
    ----------
    data : object
        What the `prepare` of an `Entry` returned.

    Returns
    -------
    TidyTable
        Where a figure has several parts, the column `part` tells which a row is of.

    Raises
    ------
    UnsupportedModelError
        If no function states the columns of such data.

    Examples
    --------
    >>> from bayes_mlm.figures.accuracy import Accuracy, Check
    >>> check = Check(name="Pareto k-hat", value=0.2, limit=0.7, text="0.20")
    >>> found = Accuracy(model="m", method="importance", checks=(check,), n_draws=4000,
    ...                  ess=3900.0, n_evaluations=100, seconds=0.1)
    >>> print(tidy(found).to_csv(), end="")
    check,value,limit
    Pareto k-hat,0.2,0.7
    """
    blocks = _BLOCKS.get(type(data))
    if blocks is None:
        raise UnsupportedModelError(
            f"a figure of {type(data).__name__} has no table; `tabulates` registers one"
        )
    made = [_rows(block) for block in blocks(data)]
    names = dict.fromkeys(name for block in made for name in block)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for block in made:
        size = len(next(iter(block.values())))
        for name in names:
            columns[name] += block.get(name, [None] * size)
    return TidyTable(columns)


def _rows(block: Block) -> dict[str, list[Any]]:
    arrays = {name: np.asarray(one) for name, one in block.items() if np.ndim(one) > 0}
    size = len(next(iter(arrays.values()))) if arrays else 1
    return {
        name: arrays[name].tolist() if name in arrays else [one] * size
        for name, one in block.items()
    }
