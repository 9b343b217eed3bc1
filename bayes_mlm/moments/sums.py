"""Sum the cross-products of a model's columns by group, where the rows are.

Columns are taken less their means over all rows first, so that an offset costs no digits. Within a
group scatter is then ``sum of products - products of sums / n``, which loses digits where a group
lies far from the others; such columns are summed once more about each group's means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.data import Column, Frame, Scan, as_labels, collect, count, levels_of
from bayes_mlm.moments.group_moments import GroupMoments

type Keys = tuple[nw.Expr, ...]

# Rows looked at for a guess.
_FEW = 20_000
# Share of a group's sum of squares that must be left as scatter: below it six digits are lost.
_CANCELLED = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Columns to be summed, as the engine reads them.

    Parameters
    ----------
    values : tuple of narwhals.Expr
        The distinct columns other than ones, of X, Z and y.
    centre : (m,) array
        Their means over all rows.
    place : tuple of int or None
        For each column of [X, Z, y] its place among those; None for a column of ones.
    weight : narwhals.Expr, optional
        Of the rows.
    """

    values: tuple[nw.Expr, ...]
    centre: Floats
    place: tuple[int | None, ...]
    weight: nw.Expr | None = None

    @property
    def of_row(self) -> dict[str, nw.Expr]:
        """The weight of each row, if there are any."""
        return {} if self.weight is None else {"w_": self.weight}

    def weighted(self, name: str) -> nw.Expr:
        """Return a column, times the weight of the row if there are any."""
        return nw.col(name) if self.weight is None else nw.col(name) * nw.col("w_")


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupSums:
    """Counts (J,), means (J, m) and scatter (J, m, m) of columns less their centre (m,).

    Of weighted rows `totals` (J,) and `weight_squares` (J,) are the sums of their weights and of
    the squares of these; counts are of rows. `constant` (J, k) tells in which groups each of the k
    columns `watched` takes one value. A group is what has one label of each key.
    """

    labels: tuple[NDArray[Any], ...]
    centre: Floats
    counts: Ints
    means: Floats
    scatter: Floats
    squares: Floats
    watched: tuple[int, ...]
    constant: Flags
    totals: Floats | None = None
    weight_squares: Floats | None = None

    @property
    def sizes(self) -> Ints | Floats:
        """What the rows of each group sum to: their number, or that of their weights."""
        return self.counts if self.totals is None else self.totals


def sum_by_keys(scan: Scan, columns: Columns, keys: Keys) -> GroupSums:
    """Sum cross-products of the distinct columns by several keys at once.

    Parameters
    ----------
    scan : Scan
        Without missing values in what the columns are made of.
    columns : Columns
    keys : tuple of narwhals.Expr
        The grouping column, and others; () for one group of all rows.
    """
    watched = _seem_constant(scan, columns, keys) if keys else ()
    found = _sum(scan, columns, keys, watched)
    suspects = _suspects(found)
    if suspects.size and keys:
        found = _settle(scan, columns, keys, found, suspects)
    return found


def _keyed(keys: Keys) -> dict[str, nw.Expr]:
    return {f"group{k}_": key for k, key in enumerate(keys)}


def _ordered(
    found: Mapping[str, Column], keys: Keys
) -> tuple[tuple[NDArray[Any], ...], NDArray[np.int64]]:
    """Return the groups sorted by their labels, and the order."""
    if not keys:
        return (np.zeros(1, dtype=np.int64),), np.arange(1)
    if len(keys) == 1:
        labels, order = as_labels(found["group0_"])
        return (labels,), order
    order = np.lexsort([levels_of(found[name])[1] for name in reversed(_keyed(keys))])
    return tuple(found[name][order] for name in _keyed(keys)), order


def _centred(columns: Columns, values: tuple[nw.Expr, ...]) -> dict[str, nw.Expr]:
    return {
        f"x{i}_": value - float(centre)
        for i, (value, centre) in enumerate(zip(values, columns.centre, strict=True))
    }


def _query(scan: Scan, columns: Columns, keys: Keys, watched: tuple[int, ...]) -> Frame:
    m = len(columns.values)
    rows = scan.frame.select(**_keyed(keys), **_centred(columns, columns.values), **columns.of_row)
    products = {
        f"p{i}_{j}_": columns.weighted(f"x{i}_") * nw.col(f"x{j}_")
        for i in range(m)
        for j in range(i + 1)
    }
    sums = [nw.len().alias("n_")]
    if columns.weight is None:
        rows = rows.with_columns(**products)
        sums += [nw.col(f"x{i}_").sum().alias(f"s{i}_") for i in range(m)]
    else:
        summed = {f"s{i}_": columns.weighted(f"x{i}_") for i in range(m)}
        rows = rows.with_columns(**products, **summed, w2_=nw.col("w_") * nw.col("w_"))
        sums += [nw.col(name).sum() for name in (*summed, "w_", "w2_")]
    sums += [nw.col(name).sum() for name in products]
    sums += _ends(watched)
    return rows.group_by(*_keyed(keys)).agg(*sums) if keys else rows.select(*sums)


def _ends(places: Sequence[int]) -> list[nw.Expr]:
    names = [f"x{i}_" for i in places]
    return [
        end
        for name in names
        for end in (nw.col(name).min().alias(f"{name}low"), nw.col(name).max().alias(f"{name}high"))
    ]


def _same_ends(found: Mapping[str, Column], places: Sequence[int], order: Ints) -> Flags:
    """Flag the groups (J,) in which each column (k,) takes one value."""
    same = [found[f"x{i}_low"][order] == found[f"x{i}_high"][order] for i in places]
    return np.array(same, dtype=bool).reshape(len(places), len(order)).T


def _seem_constant(scan: Scan, columns: Columns, keys: Keys) -> tuple[int, ...]:
    """Guess from a few rows which columns take one value in some groups, for sums to look at."""
    few = scan.frame.head(_FEW).select(**_keyed(keys), **_centred(columns, columns.values))
    places = range(len(columns.values))
    ends = few.group_by(*_keyed(keys)).agg(nw.len().alias("n_"), *_ends(places))
    constant = {
        f"c{i}": count((nw.col(f"x{i}_low") == nw.col(f"x{i}_high")) & (nw.col("n_") > 1))
        for i in places
    }
    found = collect(scan, ends.select(**constant))
    return tuple(i for i in places if found[f"c{i}"][0])


def _sum(scan: Scan, columns: Columns, keys: Keys, watched: tuple[int, ...]) -> GroupSums:
    found = collect(scan, _query(scan, columns, keys, watched))
    m = len(columns.values)
    counts = found["n_"].astype(np.int64)
    labels, order = _ordered(found, keys)
    counts = counts[order]
    weighted = columns.weight is not None
    sizes = found["w_"][order] if weighted else counts
    means = np.empty((len(order), m))
    scatter, squares = np.empty((len(order), m, m)), np.empty((len(order), m))
    for i in range(m):
        means[:, i] = found[f"s{i}_"][order] / sizes
    for i in range(m):
        for j in range(i + 1):
            raw = found[f"p{i}_{j}_"][order]
            scatter[:, i, j] = scatter[:, j, i] = raw - sizes * means[:, i] * means[:, j]
            if i == j:
                squares[:, i] = raw
    return GroupSums(
        labels=labels,
        centre=columns.centre,
        counts=counts,
        means=means,
        scatter=scatter,
        squares=squares,
        watched=watched,
        constant=_same_ends(found, watched, order),
        totals=sizes.astype(float) if weighted else None,
        weight_squares=found["w2_"][order] if weighted else None,
    )


def _suspects(found: GroupSums) -> Ints:
    """List the columns whose scatter lost digits, or which do not vary within groups."""
    diagonal = np.einsum("jmm->jm", found.scatter)
    many = found.counts > 1
    lost = (diagonal < _CANCELLED * found.squares) & (found.squares > 0) & many[:, None]
    return np.flatnonzero(lost.any(axis=0))


def _settle(
    scan: Scan, columns: Columns, keys: Keys, found: GroupSums, suspects: Ints
) -> GroupSums:
    """Separate columns constant within groups from those that lost digits; sum the latter anew."""
    if set(suspects.tolist()) <= set(found.watched):
        constant = found.constant[:, [found.watched.index(i) for i in suspects.tolist()]]
    else:
        constant = _constant(scan, columns, keys, suspects)
    scatter = found.scatter.copy()
    for place, fixed in zip(suspects.tolist(), constant.T, strict=True):
        scatter[fixed, place] = scatter[fixed, :, place] = 0.0
    diagonal = np.einsum("jmm->jm", scatter)[:, suspects]
    lost = ~constant & (diagonal < _CANCELLED * found.squares[:, suspects])
    if (lost & (found.counts > 1)[:, None]).any():
        return _about_group_means(scan, columns, keys, found)
    return replace(found, scatter=scatter)


def _constant(scan: Scan, columns: Columns, keys: Keys, suspects: Ints) -> Flags:
    """Flag the groups (J,) in which each suspect (k,) takes one value."""
    chosen = {f"x{i}_": columns.values[i] for i in suspects.tolist()}
    rows = scan.frame.select(**_keyed(keys), **chosen)
    extent = collect(scan, rows.group_by(*_keyed(keys)).agg(*_ends(suspects.tolist())))
    _, order = _ordered(extent, keys)
    return _same_ends(extent, suspects.tolist(), order)


def _about_group_means(scan: Scan, columns: Columns, keys: Keys, found: GroupSums) -> GroupSums:
    """Sum the scatter about each group's means, which are joined on: no digits are lost."""
    by = list(_keyed(keys))
    rows = scan.frame.select(**_keyed(keys), **_centred(columns, columns.values), **columns.of_row)
    m = len(columns.values)
    means = rows.group_by(*by).agg(*(nw.col(f"x{i}_").mean().alias(f"m{i}_") for i in range(m)))
    deviations = rows.join(means, on=by, how="left").select(
        *by,
        *columns.of_row,
        **{f"x{i}_": nw.col(f"x{i}_") - nw.col(f"m{i}_") for i in range(m)},
    )
    pairs = [(i, j) for i in range(m) for j in range(i + 1)]
    deviations = deviations.with_columns(
        **{f"p{i}_{j}_": columns.weighted(f"x{i}_") * nw.col(f"x{j}_") for i, j in pairs},
        **{f"s{i}_": columns.weighted(f"x{i}_") for i in range(m)},
    )
    again = collect(
        scan,
        deviations.group_by(*by).agg(
            *(nw.col(f"s{i}_").sum() for i in range(m)),
            *(nw.col(f"p{i}_{j}_").sum() for i, j in pairs),
        ),
    )
    _, order = _ordered(again, keys)
    scatter = np.empty_like(found.scatter)
    # What is left of the means, by rounding or by weights, is small, and its square is taken out.
    rest = np.column_stack([again[f"s{i}_"][order] for i in range(m)])
    for i, j in pairs:
        value = again[f"p{i}_{j}_"][order] - rest[:, i] * rest[:, j] / found.sizes
        scatter[:, i, j] = scatter[:, j, i] = value
    return replace(found, scatter=scatter)


def lay_out_sums(
    found: GroupSums,
    columns: Columns,
    terms: tuple[str, ...],
    effects: tuple[str, ...],
) -> GroupMoments:
    """Place the distinct columns where X, Z and y have them; ones have mean 1 and no scatter.

    The groups are numbered, in the order in which they were found.
    """
    k, n_groups = len(columns.place), len(found.counts)
    live = [a for a, place in enumerate(columns.place) if place is not None]
    source = [place for place in columns.place if place is not None]
    centre, means = np.ones(k), np.zeros((n_groups, k))
    scatter = np.zeros((n_groups, k, k))
    centre[live] = columns.centre[source]
    means[:, live] = found.means[:, source]
    scatter[np.ix_(np.arange(n_groups), live, live)] = found.scatter[:, source][:, :, source]
    return GroupMoments(
        labels=np.arange(n_groups),
        counts=found.sizes,
        centre=centre,
        means=means,
        scatter=scatter,
        terms=terms,
        effects=effects,
        group=None,
    )
