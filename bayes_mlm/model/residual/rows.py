"""Residual structure by row: the sd of each, and the order of rows in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats, Ints, rounded
from bayes_mlm.data import Table, label_text, levels_of, require_numeric
from bayes_mlm.model.residual.structure import PLAIN, Residual

type Scalar = bool | int | float | str

# More sds than this are no factor but a measurement.
MAX_STRATA = 20
# An sd needs rows to be estimated from.
_LEAST_ROWS = 3
# Gaps are whole steps if they are so to this part of a step.
_WHOLE = 1e-6
_SHOWN = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualRows:
    """Residual structure of n rows.

    Parameters
    ----------
    spec : Residual
    levels : tuple
        Levels of the factor in `sigma`, sorted; empty if there is one sd.
    stratum : ndarray of int, shape (n,)
        Level of each row; zeros if there is one sd.
    time : ndarray, shape (n,)
        The column of times, as given; zeros without `ar`.
    previous : ndarray of int, shape (n,)
        Row of the same group before each one in time; -1 for a group's first row, and for every
        row without `ar`.
    gap : ndarray, shape (n,)
        Steps of time since that row; 0 where there is none.
    step : float
        The unit of `gap`, in the units of the column of times: the smallest gap, where all are
        whole multiples of it, else the median gap.
    whole : bool
        Whether all gaps are whole steps, so that `rho_e` may be negative.
    """

    spec: Residual
    levels: tuple[Scalar, ...]
    stratum: Ints
    time: Floats
    previous: Ints
    gap: Floats
    step: float
    whole: bool

    @property
    def strata(self) -> tuple[str, ...]:
        """Names of the levels, as in ``sex=Male``; empty if there is one sd."""
        return tuple(f"{self.spec.sigma_column}={label_text(level)}" for level in self.levels)

    @property
    def n_sds(self) -> int:
        """Number of residual sds: one, or one a level."""
        return max(1, len(self.levels))

    @property
    def share(self) -> Floats:
        """Return the proportion of the rows with each sd, shape (n_sds,)."""
        return np.bincount(self.stratum, minlength=self.n_sds) / self.stratum.size

    @property
    def least_rho(self) -> float:
        """The lower end of what `rho_e` may be: -1, or 0 where time is not in whole steps."""
        return -1.0 if self.whole else 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the parameters must know."""
        said = []
        if self.levels:
            said.append("sigma_e: the residual sd over all rows, the root of their mean variance")
        if self.spec.ar is not None:
            unit = f"{rounded(self.step)} of {self.spec.ar}"
            between = "" if self.whole else ", the median gap: times are not in whole steps"
            said.append(f"rho_e: correlation of residuals one step apart, which is {unit}{between}")
        return tuple(said)

    @property
    def by_rank(self) -> list[Ints]:
        """The rows that are first, second, ... in time of their groups."""
        ranks, following = [np.flatnonzero(self.previous < 0)], np.full(self.previous.size, -1)
        known = np.flatnonzero(self.previous >= 0)
        following[self.previous[known]] = known
        while (later := following[ranks[-1]])[later >= 0].size:
            ranks.append(later[later >= 0])
        return ranks

    def take(self, order: Ints) -> "ResidualRows":
        """Return the structure of the same rows in another order, (n,) indices of rows."""
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        before = self.previous[order]
        return replace(
            self,
            stratum=self.stratum[order],
            time=self.time[order],
            previous=np.where(before >= 0, place[before], -1),
            gap=self.gap[order],
        )


def plain_rows(n: int) -> ResidualRows:
    """Return the structure of n independent rows of one sd.

    Examples
    --------
    >>> plain_rows(2).n_sds
    1
    """
    none = np.zeros(n, dtype=np.int64)
    return ResidualRows(
        spec=PLAIN,
        levels=(),
        stratum=none,
        time=np.zeros(n),
        previous=none - 1,
        gap=np.zeros(n),
        step=1.0,
        whole=True,
    )


def lay_out_residual(
    spec: Residual,
    table: Table,
    codes: Ints,
    labels: Sequence[Any],
    group: str | None,
    *,
    always: bool = False,
) -> ResidualRows | None:
    """Arrange the residual structure by row; None if residuals are plain.

    Parameters
    ----------
    spec : Residual
    table : Table
        Without missing values in the columns that are requested.
    codes : ndarray of int, shape (n,)
        Group of each row.
    labels : sequence
        Labels of the groups, for messages.
    group : str or None
        The grouping column.
    always : bool
        Whether plain residuals are laid out too: of families that need rows.

    Raises
    ------
    DataError
        If the factor has one level, too many, or one of fewer than three rows; or if times are
        text, or two rows of a group have the same.

    Examples
    --------
    >>> from bayes_mlm.data import as_table
    >>> table = as_table({"age": [8, 12, 10, 8], "sex": ["f", "f", "f", "m"]})
    >>> spec = Residual(ar="age")
    >>> rows = lay_out_residual(spec, table, np.array([0, 0, 0, 1]), ["a", "b"], "child")
    >>> rows.previous.tolist(), rows.gap.tolist(), rows.step
    ([-1, 2, 0, -1], [0.0, 1.0, 1.0, 0.0], 2.0)
    """
    if spec.is_plain and not always:
        return None
    levels: tuple[Scalar, ...] = ()
    stratum = np.zeros(table.n, dtype=np.int64)
    if spec.sigma_column is not None:
        levels, stratum = _strata(table, spec.sigma_column)
    previous, gap = np.full(table.n, -1, dtype=np.int64), np.zeros(table.n)
    step, whole, times = 1.0, True, np.zeros(table.n)
    if spec.ar is not None:
        if group is None:
            raise DataError(
                f"AR(1) residuals along {spec.ar!r} need groups; name the groups, "
                "as in (1 | person)"
            )
        require_numeric(table, [spec.ar], role="time")
        times = table.columns[spec.ar].astype(np.float64)
        previous = _previous(times, codes, labels, spec.ar, group)
        known = previous >= 0
        if not known.any():
            raise DataError(
                f"no group of {group!r} has two rows, so AR(1) residuals are not identified"
            )
        gap[known] = times[known] - times[previous[known]]
        step, whole = _step(gap[known])
        gap = np.round(gap / step) if whole else gap / step
    return ResidualRows(
        spec=spec,
        levels=levels,
        stratum=stratum,
        time=times,
        previous=previous,
        gap=gap,
        step=step,
        whole=whole,
    )


def strata_of(rows: ResidualRows, table: Table) -> Ints:
    """Find the residual sd of each row of new data, shape (m,).

    Raises
    ------
    DataError
        If a level was not there when the model was made.
    """
    column = rows.spec.sigma_column
    if column is None:
        return np.zeros(table.n, dtype=np.int64)
    places = {level: place for place, level in enumerate(rows.levels)}
    found = np.array([places.get(one, -1) for one in table.columns[column].tolist()])
    if (found < 0).any():
        unknown = dict.fromkeys(table.columns[column][found < 0].tolist())
        raise DataError(
            f"column {column!r} of {table.source} holds {_listed(list(unknown))}, whose residual "
            f"sd the model does not know; known: {_listed(list(rows.levels))}"
        )
    return found.astype(np.int64)


def _strata(table: Table, column: str) -> tuple[tuple[Scalar, ...], Ints]:
    levels, stratum = levels_of(table.columns[column])
    if levels.size == 1:
        raise DataError(
            f"sigma ~ {column}: it has one level, {label_text(levels[0])!r}, so there is one "
            "residual sd; leave sigma out"
        )
    if levels.size > MAX_STRATA:
        raise DataError(
            f"sigma ~ {column}: it has {levels.size} values, more than {MAX_STRATA}; residual sds "
            "differ by the levels of a factor: cut it into a few classes in a column of their own"
        )
    sizes = np.bincount(stratum, minlength=levels.size)
    if (sizes < _LEAST_ROWS).any():
        small = int(np.argmin(sizes))
        rows = "1 row" if sizes[small] == 1 else f"{sizes[small]} rows"
        raise DataError(
            f"sigma ~ {column}: level {label_text(levels[small])!r} has {rows}, and a residual sd "
            f"needs {_LEAST_ROWS}; join it to another level"
        )
    return tuple(levels.tolist()), stratum


def _previous(times: Floats, codes: Ints, labels: Sequence[Any], column: str, group: str) -> Ints:
    """Find the row before each one in its group."""
    order = np.lexsort((times, codes))
    same = np.diff(codes[order]) == 0
    tied = np.flatnonzero(same & (np.diff(times[order]) == 0))
    if tied.size:
        row = order[tied[0]]
        raise DataError(
            f"{group} {label_text(labels[codes[row]])} has two rows at {column} = "
            f"{label_text(times[row])} ({tied.size} such pairs in all); AR(1) residuals need one "
            "row a time: average them, or use another column of times"
        )
    previous = np.full(times.size, -1, dtype=np.int64)
    previous[order[1:][same]] = order[:-1][same]
    return previous


def _step(gaps: Floats) -> tuple[float, bool]:
    """Return the unit of time, and whether all gaps are whole multiples of it."""
    step = float(gaps.min())
    ratio = gaps / step
    if (np.abs(ratio - np.round(ratio)) <= _WHOLE * ratio).all():
        return step, True
    return float(np.median(gaps)), False


def _listed(values: list[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:_SHOWN])
    return shown + (", …" if len(values) > _SHOWN else "")
