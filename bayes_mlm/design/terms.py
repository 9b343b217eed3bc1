"""The outcome and the terms of group effects of a design."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Response:
    """The outcome, with what belongs to each of its values.

    Parameters
    ----------
    name : str
        Name of the outcome, or of the function of it that is modelled: ``log(y)``.
    y : ndarray, shape (n,)
        Its values, in its own units.
    trials : ndarray of int, shape (n,), or None
        Number of trials of each row, of binomial outcomes.
    offset : ndarray, shape (n,), or None
        What is added to the linear predictor.
    weights : ndarray, shape (n,), or None
        Weight of each row.
    """

    name: str
    y: Floats
    trials: Ints | None = None
    offset: Floats | None = None
    weights: Floats | None = None

    def __repr__(self) -> str:
        """Return the name on one line."""
        return f"<Response {self.name!r}>"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupTerm:
    """One ``(effects | factor)`` of a formula, laid over data.

    Parameters
    ----------
    factor : str
        Name of the grouping factor; it names the dimension of the groups everywhere.
    labels : ndarray, shape (J,)
        Labels of the groups as the user wrote them, sorted.
    codes : ndarray of int, shape (n,)
        Group of each row, an index into `labels`.
    Z : ndarray, shape (n, q)
        Columns of the effects.
    effects : tuple of str
        Names of the columns of Z.
    correlated : bool
        Whether the effects of a group may correlate: False for the formula's double bar.
    """

    factor: str
    labels: NDArray[Any]
    codes: Ints
    Z: Floats
    effects: tuple[str, ...]
    correlated: bool = True

    def __repr__(self) -> str:
        """Return the term and the number of groups, on one line."""
        return f"<GroupTerm ({' + '.join(self.effects)} | {self.factor}), {self.J} groups>"

    @property
    def J(self) -> int:  # noqa: N802  (the field's symbol for the number of groups)
        """Number of groups."""
        return int(self.labels.size)

    @property
    def q(self) -> int:
        """Number of effects."""
        return len(self.effects)

    @property
    def sizes(self) -> Ints:
        """Rows in each group, shape (J,)."""
        return np.bincount(self.codes, minlength=self.J)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Places of the effects that may correlate: the upper triangle by rows, or none."""
        return tuple(combinations(range(self.q), 2)) if self.correlated else ()
