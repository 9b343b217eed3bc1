"""The outcome, the fixed columns and the terms of group effects of a design."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.moments import CellMoments, EffectColumns, refuse_rows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class RowArray[T]:
    """A field with a value per row; reading it from an aggregated design is an error.

    Raises
    ------
    RowsNeededError
        When it is read and has no value.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object, owner: type | None = None) -> T | None:
        if instance is None:
            return None  # the default of the field
        value: T | None = instance.__dict__[self.name]
        if value is None:
            refuse_rows(self.name)
        return value

    def __set__(self, instance: object, value: T | None) -> None:
        instance.__dict__[self.name] = value


def changed[P: DataclassInstance](part: P, **changes: Any) -> P:
    """Return a part of a design with some fields changed, with or without rows."""
    current = {one.name: vars(part)[one.name] for one in fields(part)}
    return type(part)(**(current | changes))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Response:
    """The outcome, with what belongs to each of its values.

    Parameters
    ----------
    name : str
        Name of the outcome, or of the function of it that is modelled: ``log(y)``.
    y : ndarray, shape (n,)
        Its values, in the units of the data.
    trials : ndarray, shape (n,), or None
        Number of trials of each row, of binomial outcomes.
    offset : ndarray, shape (n,), or None
        Added to the linear predictor.
    weights : ndarray, shape (n,), or None
        How many equal rows of the data each stands for; None where each is one.
    """

    name: str
    y: RowArray[Floats] = RowArray()
    trials: Floats | None = None
    offset: Floats | None = None
    weights: Floats | None = None

    def __repr__(self) -> str:
        """Return the name on one line."""
        return f"<Response {self.name!r}>"

    @property
    def y_less_offset(self) -> Floats:
        """Values less the offset, shape (n,)."""
        return self.y if self.offset is None else self.y - self.offset

    @property
    def known(self) -> dict[str, Floats]:
        """What a family is told of each outcome besides its value, shapes (n,): its trials."""
        return {} if self.trials is None else {"trials": self.trials}

    def take(self, rows: Ints) -> "Response":
        """Return the outcome of some rows, in the order given."""
        arrays = ("y", "trials", "offset", "weights")
        values = {name: vars(self)[name] for name in arrays}
        return changed(self, **{k: None if v is None else v[rows] for k, v in values.items()})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FixedColumns:
    """The columns of the fixed effects.

    Parameters
    ----------
    terms : tuple of str
        Names of the columns, p of them.
    X : ndarray, shape (n, p)
        The columns.
    """

    terms: tuple[str, ...]
    X: RowArray[Floats] = RowArray()

    def __repr__(self) -> str:
        """Return the names on one line."""
        return f"<FixedColumns {', '.join(self.terms)}>"


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
        Columns of the effects; q = 0 where the model has groups without effects.
    effects : tuple of str
        Names of the columns of Z.
    correlated : bool
        Whether the effects of a group may correlate: False for the formula's double bar.
    counts : ndarray of int, shape (J,), or None
        Rows in each group, of aggregated data; else they are counted.

    Examples
    --------
    >>> term = GroupTerm(
    ...     factor="school", labels=np.array(["a", "b"]), codes=np.array([0, 1, 1]),
    ...     Z=np.ones((3, 1)), effects=("Intercept",),
    ... )
    >>> term, term.means(np.array([1.0, 2.0, 4.0])), term.sum_effects(np.array([[0.5], [0.0]]))
    (<GroupTerm (Intercept | school), 2 groups>, array([1., 3.]), array([0.5, 0. , 0. ]))
    """

    factor: str
    labels: NDArray[Any]
    codes: RowArray[Ints] = RowArray()
    Z: RowArray[Floats] = RowArray()
    effects: tuple[str, ...]
    correlated: bool = True
    counts: Ints | None = None

    def __repr__(self) -> str:
        """Return the term and the number of groups, on one line."""
        return f"<GroupTerm ({' + '.join(self.effects) or 0} | {self.factor}), {self.J} groups>"

    @property
    def J(self) -> int:  # noqa: N802  (the field's symbol for the number of groups)
        """Number of groups."""
        return int(self.labels.size)

    @property
    def q(self) -> int:
        """Number of effects."""
        return len(self.effects)

    @cached_property
    def sizes(self) -> Ints:
        """Rows in each group, shape (J,)."""
        return np.bincount(self.codes, minlength=self.J) if self.counts is None else self.counts

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Places of the effects that may correlate: the upper triangle by rows, or none."""
        return tuple(combinations(range(self.q), 2)) if self.correlated else ()

    @property
    def free(self) -> Flags:
        """Which entries of the relative factor are estimated, shape (q, q)."""
        free = np.ones((self.q, self.q)) if self.correlated else np.eye(self.q)
        return np.tril(free).astype(bool)

    @property
    def effect_columns(self) -> EffectColumns:
        """The columns of the effects with their groups, for cross-products."""
        return EffectColumns(
            factor=self.factor,
            codes=self.codes,
            m=self.J,
            Z=self.Z,
            effects=self.effects,
            free=self.free,
        )

    def take(self, rows: Ints) -> "GroupTerm":
        """Return the term for some rows, in the order given; the groups stay."""
        return changed(self, codes=self.codes[rows], Z=self.Z[rows], counts=None)

    def sums(self, values: Floats) -> Floats:
        """Return the sum over the rows of each group: (n,) or (n, k) to (J,) or (J, k)."""
        columns = values.reshape(values.shape[0], math.prod(values.shape[1:]))
        sums = [np.bincount(self.codes, weights=one, minlength=self.J) for one in columns.T]
        return np.array(sums).T.reshape(self.J, *values.shape[1:])

    def means(self, values: Floats) -> Floats:
        """Return the mean over the rows of each group: (n,) or (n, k) to (J,) or (J, k)."""
        return means_by_group(values, self.codes, self.J)

    def by_row[A: np.generic](self, values: NDArray[A]) -> NDArray[A]:
        """Return the value of its group for each row: (J, ...) to (n, ...)."""
        return np.asarray(values[self.codes])

    def deviations(self, values: Floats) -> Floats:
        """Return the values (n,) or (n, k) minus the mean of their group."""
        return np.asarray(values - self.by_row(self.means(values)))

    def sum_effects(self, u: Floats) -> Floats:
        """Return what group effects (..., J, q) add to the linear predictor, shape (..., n)."""
        return sum_effects(u, self.codes, self.Z)

    def column(self, effect: str) -> Floats:
        """Return the column of an effect, shape (n,)."""
        return np.asarray(self.Z[:, self.effects.index(effect)])

    def with_columns(self, Z: Floats) -> "GroupTerm":
        """Return the term with other columns of the effects, such as whitened ones."""
        return changed(self, Z=Z)

    def transformed(self, matrix: Floats) -> "GroupTerm":
        """Return the term of effects v, of which these effects are ``matrix @ v``."""
        return self.with_columns(self.Z @ matrix)

    def cross(self, values: Floats) -> Floats:
        """Return Z'v by group, shape (J, q), of values (n,)."""
        return self.sums(self.Z * values[:, None])

    def products(self, weights: Floats | float = 1.0) -> Floats:
        """Return Z'WZ by group, shape (J, q, q), of weights (n,)."""
        found = np.empty((self.J, self.q, self.q))
        for a, b in combinations_with_replacement(range(self.q), 2):
            both = self.sums(self.Z[:, a] * weights * self.Z[:, b])
            found[:, a, b] = found[:, b, a] = both
        return found

    @cached_property
    def column_means(self) -> Floats:
        """Means of the columns by group, shape (J, q)."""
        return self.means(self.Z)

    def neighbours(self, *within: NDArray[Any]) -> tuple[Ints, Ints]:
        """Return the rows that have a next one in their group, ordered by keys, and the next."""
        order = self.row_order(*within)
        same = np.diff(self.codes[order]) == 0
        return order[:-1][same], order[1:][same]

    def rows_of(self, place: int) -> Flags:
        """Return which rows are of a group, shape (n,)."""
        return np.asarray(self.codes == place)

    def row_order(self, *within: NDArray[Any]) -> Ints:
        """Return the order of the rows by group and, within groups, by keys, the last first."""
        return np.lexsort((*within, self.codes))

    def places_of(self, labels: Iterable[Any]) -> Ints:
        """Return the places of groups by their labels.

        Raises
        ------
        DesignError
            If a label is not that of a group.
        """
        known, found = _places(self.labels), list(labels)
        unknown = [label for label in found if label not in known]
        if unknown:
            shown = ", ".join(map(repr, list(known)[:8])) + (", …" if self.J > 8 else "")
            raise DesignError(f"{self.factor} has no {unknown[0]!r}; its labels are {shown}")
        return np.array([known[label] for label in found], dtype=np.int64)

    def places_in(self, labels: NDArray[Any]) -> Ints:
        """Return the places of the term's groups among the labels of more groups, shape (J,)."""
        known = _places(labels)
        return np.array([known[label] for label in self.labels.tolist()], dtype=np.int64)

    def names(self, places: Ints | slice = slice(None)) -> list[Any]:
        """Return the labels of all groups or of some, as values of Python."""
        return list(self.labels[places].tolist())

    @property
    def row_labels(self) -> NDArray[Any]:
        """Label of the group of each row, shape (n,)."""
        return self.by_row(self.labels)

    def same_groups(self, other: "GroupTerm") -> bool:
        """Return whether another term has the same groups and, if available, the same rows."""
        same = vars(self)["codes"] is None or np.array_equal(self.codes, other.codes)
        return same and np.array_equal(self.labels, other.labels)


def _places(labels: NDArray[Any]) -> dict[Any, int]:
    return {label: place for place, label in enumerate(labels.tolist())}


def terms_of_moments(moments: CellMoments, correlated: Sequence[bool]) -> tuple[GroupTerm, ...]:
    """Return the group terms of aggregated data.

    Parameters
    ----------
    moments : CellMoments
    correlated : sequence of bool
        Whether the effects of a group may correlate, of each factor; True beyond its end.
    """
    return tuple(
        GroupTerm(
            factor=one.factor,
            labels=one.labels,
            effects=one.effects,
            correlated=correlated[place] if place < len(correlated) else True,
            counts=moments.counts_of(place),
        )
        for place, one in enumerate(moments.factors)
    )


def sum_effects(u: Floats, codes: Ints, Z: Floats) -> Floats:
    """Return what effects (..., J, q) of groups add to the linear predictor of rows, (..., n)."""
    added = np.zeros((*u.shape[:-2], len(Z)))
    for k, column in enumerate(Z.T):
        added += u[..., codes, k] * column
    return added


def means_by_group(
    values: Floats, codes: Ints, n_groups: int, weights: Floats | None = None
) -> Floats:
    """Average the rows of each group, weighted: (n,) or (n, k) to (J,) or (J, k)."""
    columns = values.reshape(values.shape[0], -1)
    if weights is not None:
        columns = columns * weights[:, None]
    sums = [np.bincount(codes, weights=column, minlength=n_groups) for column in columns.T]
    means = np.array(sums).T / np.bincount(codes, weights, minlength=n_groups)[:, None]
    return means.reshape(n_groups, *values.shape[1:])


@dataclass(frozen=True, kw_only=True)
class GroupMeans:
    """Group means of the formula's columns, which several kinds are made of.

    Parameters
    ----------
    terms : tuple of str
        Names of the columns, p of them.
    means : ndarray, shape (J, p)
        Mean of each column in each group.
    varies : ndarray of bool, shape (p,)
        Whether the column varies within groups: its deviations from the group means exceed 1e-9
        of its size.
    """

    terms: tuple[str, ...]
    means: Floats
    varies: Flags
