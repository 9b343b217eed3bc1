"""Sum the cross-products of a model's columns by group, where the rows are.

Columns are taken less their means over all rows first, so that an offset costs no digits. Within a
group scatter is then ``sum of products - products of sums / n``, which loses digits where a group
lies far from the others; such columns are summed once more about each group's own means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.data import Column, refuse_magnitude
from bayes_mlm.scan.source import Frame, Scan, as_labels, collect, count
from bayes_mlm.sufficient import FloatArray, IntArray, Sufficient

type Flags = NDArray[np.bool_]

_GROUP = "group_"
# Rows looked at for a guess.
_FEW = 20_000
# Share of a group's sum of squares that must be left as scatter: below it six digits are lost.
_CANCELLED = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Hold the columns to be summed, as the engine reads them.

    Parameters
    ----------
    values : tuple of narwhals.Expr
        The distinct columns other than ones, of X, Z and y.
    centre : (m,) array
        Their means over all rows.
    place : tuple of int or None
        For each column of [X, Z, y] its place among those; None for a column of ones.
    """

    values: tuple[nw.Expr, ...]
    centre: FloatArray
    place: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Hold counts (J,), means (J, m) and scatter (J, m, m) of centred columns.

    `constant` (J, k) tells in which groups each of the k columns `watched` takes one value.
    """

    labels: NDArray[np.generic]
    counts: IntArray
    means: FloatArray
    scatter: FloatArray
    squares: FloatArray
    watched: tuple[int, ...]
    constant: Flags


def sum_by_group(
    scan: Scan,
    columns: Columns,
    group: str | None,
    *,
    terms: tuple[str, ...],
    effects: tuple[str, ...],
) -> Sufficient:
    """Sum cross-products by group.

    Parameters
    ----------
    scan : Scan
        Without missing values in what the columns are made of.
    columns : Columns
    group : str or None
        The grouping column; None for one group of all rows.
    terms, effects : tuple of str
        Names of the columns of X and Z.

    Returns
    -------
    Sufficient
        As `from_rows` makes them, to rounding.
    """
    watched = () if group is None else _seem_constant(scan, columns, group)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _sum(scan, columns, group, watched)
        mean, sd = _laid_out(found, columns, terms, effects, group).moments
    for name, middle, away in zip((*terms, *effects, "of the outcome"), mean, sd, strict=True):
        refuse_magnitude(name, middle - away, middle + away)
    suspects = _suspects(found)
    if suspects.size and group is not None:
        found = _settle(scan, columns, group, found, suspects)
    return _laid_out(found, columns, terms, effects, group)


def _centred(columns: Columns, values: tuple[nw.Expr, ...]) -> dict[str, nw.Expr]:
    return {
        f"x{i}_": value - float(centre)
        for i, (value, centre) in enumerate(zip(values, columns.centre, strict=True))
    }


def _query(scan: Scan, columns: Columns, group: str | None, watched: tuple[int, ...]) -> Frame:
    m = len(columns.values)
    keys = {} if group is None else {_GROUP: scan.col(group)}
    rows = scan.frame.select(**keys, **_centred(columns, columns.values))
    products = {
        f"p{i}_{j}_": nw.col(f"x{i}_") * nw.col(f"x{j}_") for i in range(m) for j in range(i + 1)
    }
    rows = rows.with_columns(**products)
    sums = [nw.len().alias("n_")]
    sums += [nw.col(f"x{i}_").sum().alias(f"s{i}_") for i in range(m)]
    sums += [nw.col(name).sum() for name in products]
    sums += _ends(watched)
    return rows.select(*sums) if group is None else rows.group_by(_GROUP).agg(*sums)


def _ends(places: Sequence[int]) -> list[nw.Expr]:
    names = [f"x{i}_" for i in places]
    return [
        end
        for name in names
        for end in (nw.col(name).min().alias(f"{name}low"), nw.col(name).max().alias(f"{name}high"))
    ]


def _same_ends(found: Mapping[str, Column], places: Sequence[int], order: IntArray) -> Flags:
    """Tell in which groups (J,) each column (k,) takes one value."""
    same = [found[f"x{i}_low"][order] == found[f"x{i}_high"][order] for i in places]
    return np.array(same, dtype=bool).reshape(len(places), len(order)).T


def _seem_constant(scan: Scan, columns: Columns, group: str) -> tuple[int, ...]:
    """Guess from a few rows which columns take one value in some groups, for sums to look at."""
    few = scan.frame.head(_FEW).select(
        scan.col(group).alias(_GROUP), **_centred(columns, columns.values)
    )
    places = range(len(columns.values))
    ends = few.group_by(_GROUP).agg(nw.len().alias("n_"), *_ends(places))
    constant = {
        f"c{i}": count((nw.col(f"x{i}_low") == nw.col(f"x{i}_high")) & (nw.col("n_") > 1))
        for i in places
    }
    found = collect(scan, ends.select(**constant))
    return tuple(i for i in places if found[f"c{i}"][0])


def _sum(scan: Scan, columns: Columns, group: str | None, watched: tuple[int, ...]) -> _Sums:
    found = collect(scan, _query(scan, columns, group, watched))
    m = len(columns.values)
    counts = found["n_"].astype(np.int64)
    labels: NDArray[np.generic] = np.zeros(1, dtype=np.int64)
    order = np.arange(1)
    if group is not None:
        labels, order = as_labels(found[_GROUP])
    counts = counts[order]
    means = np.empty((len(order), m))
    scatter, squares = np.empty((len(order), m, m)), np.empty((len(order), m))
    for i in range(m):
        means[:, i] = found[f"s{i}_"][order] / counts
    for i in range(m):
        for j in range(i + 1):
            raw = found[f"p{i}_{j}_"][order]
            scatter[:, i, j] = scatter[:, j, i] = raw - counts * means[:, i] * means[:, j]
            if i == j:
                squares[:, i] = raw
    return _Sums(
        labels=labels,
        counts=counts,
        means=means,
        scatter=scatter,
        squares=squares,
        watched=watched,
        constant=_same_ends(found, watched, order),
    )


def _suspects(found: _Sums) -> IntArray:
    """List the columns whose scatter lost digits, or which do not vary within groups."""
    own = np.einsum("jmm->jm", found.scatter)
    many = found.counts > 1
    lost = (own < _CANCELLED * found.squares) & (found.squares > 0) & many[:, None]
    return np.flatnonzero(lost.any(axis=0))


def _settle(scan: Scan, columns: Columns, group: str, found: _Sums, suspects: IntArray) -> _Sums:
    """Tell columns that are constant within groups from those that lost digits; sum these anew."""
    if set(suspects.tolist()) <= set(found.watched):
        constant = found.constant[:, [found.watched.index(i) for i in suspects.tolist()]]
    else:
        constant = _constant(scan, columns, group, suspects)
    scatter = found.scatter.copy()
    for place, fixed in zip(suspects.tolist(), constant.T, strict=True):
        scatter[fixed, place] = scatter[fixed, :, place] = 0.0
    own = np.einsum("jmm->jm", scatter)[:, suspects]
    lost = ~constant & (own < _CANCELLED * found.squares[:, suspects])
    if (lost & (found.counts > 1)[:, None]).any():
        return _about_group_means(scan, columns, group, found)
    return replace(found, scatter=scatter)


def _constant(scan: Scan, columns: Columns, group: str, suspects: IntArray) -> Flags:
    """Tell in which groups (J,) each suspect (k,) takes one value."""
    chosen = {f"x{i}_": columns.values[i] for i in suspects.tolist()}
    rows = scan.frame.select(scan.col(group).alias(_GROUP), **chosen)
    extent = collect(scan, rows.group_by(_GROUP).agg(*_ends(suspects.tolist())))
    _, order = as_labels(extent[_GROUP])
    return _same_ends(extent, suspects.tolist(), order)


def _about_group_means(scan: Scan, columns: Columns, group: str, found: _Sums) -> _Sums:
    """Sum the scatter about each group's own means, which are joined on: no digits are lost."""
    rows = scan.frame.select(scan.col(group).alias(_GROUP), **_centred(columns, columns.values))
    m = len(columns.values)
    means = rows.group_by(_GROUP).agg(*(nw.col(f"x{i}_").mean().alias(f"m{i}_") for i in range(m)))
    away = rows.join(means, on=_GROUP, how="left").select(
        _GROUP, **{f"x{i}_": nw.col(f"x{i}_") - nw.col(f"m{i}_") for i in range(m)}
    )
    pairs = [(i, j) for i in range(m) for j in range(i + 1)]
    away = away.with_columns(
        **{f"p{i}_{j}_": nw.col(f"x{i}_") * nw.col(f"x{j}_") for i, j in pairs}
    )
    again = collect(
        scan,
        away.group_by(_GROUP).agg(
            *(nw.col(f"x{i}_").sum().alias(f"s{i}_") for i in range(m)),
            *(nw.col(f"p{i}_{j}_").sum() for i, j in pairs),
        ),
    )
    _, order = as_labels(again[_GROUP])
    scatter = np.empty_like(found.scatter)
    # What rounding of the means left is small, and its square is taken out.
    rest = np.column_stack([again[f"s{i}_"][order] for i in range(m)])
    for i, j in pairs:
        value = again[f"p{i}_{j}_"][order] - rest[:, i] * rest[:, j] / found.counts
        scatter[:, i, j] = scatter[:, j, i] = value
    return replace(found, scatter=scatter)


def _laid_out(
    found: _Sums,
    columns: Columns,
    terms: tuple[str, ...],
    effects: tuple[str, ...],
    group: str | None,
) -> Sufficient:
    """Place the distinct columns where X, Z and y have them; ones have mean 1 and no scatter."""
    k, n_groups = len(columns.place), len(found.counts)
    live = [a for a, place in enumerate(columns.place) if place is not None]
    source = [place for place in columns.place if place is not None]
    centre, means = np.ones(k), np.zeros((n_groups, k))
    scatter = np.zeros((n_groups, k, k))
    centre[live] = columns.centre[source]
    means[:, live] = found.means[:, source]
    scatter[np.ix_(np.arange(n_groups), live, live)] = found.scatter[:, source][:, :, source]
    return Sufficient(
        labels=found.labels,
        counts=found.counts,
        centre=centre,
        means=means,
        scatter=scatter,
        terms=terms,
        effects=effects,
        group=group,
    )
