"""Number the levels of a factor in the order in which they occur, a part of the rows at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Ints


class LevelCodes:
    """Numbers of the levels that have occurred.

    Examples
    --------
    >>> codes = LevelCodes()
    >>> codes.of_integers(np.array([7, 3, 7])), codes.of_integers(np.array([9, 3]))
    (array([0, 1, 0], dtype=int32), array([2, 1], dtype=int32))
    >>> codes.labels
    [7, 3, 9]
    """

    def __init__(self, size: int = 1 << 16) -> None:
        self._keys = np.zeros(size, dtype=np.int64)
        self._values = np.full(size, -1, dtype=np.int32)
        self._found = np.zeros(size, dtype=np.int64)
        self._n = 0
        self._others: dict[Any, int] = {}

    @property
    def n(self) -> int:
        """Number of levels."""
        return self._n or len(self._others)

    @property
    def labels(self) -> list[Any]:
        """Levels by number."""
        return list(self._others) if self._others else self._found[: self._n].tolist()

    def of_integers(self, values: Ints) -> NDArray[np.int32]:
        """Return the numbers (n,) of the levels of rows, which are whole numbers."""
        from bayes_mlm.moments.neighbours import number_levels

        found = np.empty(len(values), dtype=np.int32)
        wide = values.astype(np.int64, copy=False)
        while True:
            n = number_levels(wide, self._keys, self._values, self._found, self._n, found)
            if n >= 0:
                self._n = n
                return found
            self._grow()

    def of_dictionary(self, levels: Sequence[Any], places: Ints) -> NDArray[np.int32]:
        """Return the numbers (n,) of the levels of rows, which are places in a list of levels."""
        known = self._others
        numbers = np.array([known.setdefault(one, len(known)) for one in levels], dtype=np.int32)
        return np.asarray(numbers[places])

    def _grow(self) -> None:
        # Levels of the part that failed are numbered again, in the same order.
        from bayes_mlm.moments.neighbours import number_levels

        known = self._found[: int((self._values >= 0).sum())]
        larger = LevelCodes(2 * len(self._keys))
        number_levels(
            known, larger._keys, larger._values, larger._found, 0, np.empty(len(known), np.int32)
        )
        self._keys, self._values, self._found = larger._keys, larger._values, larger._found
        self._n = len(known)
