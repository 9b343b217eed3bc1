"""Mean, sd and median of a column whose values stand for one row or several."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """Values (n,) of a column, and how many rows each stands for; None where each is one."""

    values: Floats
    weights: Floats | None = None

    @property
    def mean(self) -> float:
        """Mean over the rows."""
        return float(np.average(self.values, weights=self.weights))

    def sd(self, ddof: int = 0) -> float:
        """Return the sd over the rows; 0 of one row."""
        n = self.values.size if self.weights is None else float(self.weights.sum())
        square = float(np.average(np.square(self.values - self.mean), weights=self.weights))
        return math.sqrt(square * n / max(n - ddof, 1))

    @property
    def median(self) -> float:
        """Median over the rows.

        Examples
        --------
        >>> Numbers(values=np.array([3.0, 1, 2]), weights=np.array([2.0, 1, 1])).median
        2.5
        """
        if self.weights is None:
            return float(np.median(self.values))
        order = np.argsort(self.values)
        last = np.cumsum(self.weights[order])  # rows up to each value
        half = 0.5 * last[-1]
        middle = [np.searchsorted(last, half, side=side) for side in ("left", "right")]
        return float(np.mean(self.values[order][middle]))
