"""Find the cells of an interaction that have no rows, and the columns that are aliased by them.

An interaction of categorical predictors needs rows in every combination of their categories (a
cell). Without rows in a cell one column too many is left: it is zero throughout, or a linear
combination of the columns before it. As R's `lm` and lme4 do, the later column is dropped, so the
fitted values are those of any other choice; the expected outcome in the empty cell is not
estimable. A numeric predictor of two values (a dummy variable) counts as categorical here.

References
----------
Searle (1987), Linear Models for Unbalanced Data, ch. 5 (empty cells and estimable functions).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import EmptyCellError, Flags, Floats
from bayes_mlm.design.encoding.columns import Column, part_values
from bayes_mlm.design.encoding.inputs import list_rows
from bayes_mlm.design.encoding.levels import Levels
from bayes_mlm.design.encoding.means import Scalar
from bayes_mlm.formula import Factor, Formula, Term, label

# By factor, the place of the category, or the number, of each row or cell.
type Values = Mapping[Factor, NDArray[Any]]

# Residual of a column on those before it, relative to its length, below which it is aliased.
_ALIASED = 1e-9
# The same of a row on the row space of the cells with rows, above which it is not estimable.
_OUTSIDE = 1e-7
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The cells of an interaction that have rows, where others have none.

    Parameters
    ----------
    factors : tuple of str
        The crossed factors as a formula writes them.
    seen : tuple of tuple
        The cells with rows: of each factor a category, or the value of a number.
    dropped : tuple of str
        Columns of X that are aliased by the empty cells.
    dropped_effects : tuple of tuple of str
        The same columns of Z, for each group term.
    """

    factors: tuple[str, ...]
    seen: tuple[tuple[Scalar, ...], ...]
    dropped: tuple[str, ...]
    dropped_effects: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """A formula with its categories, and the columns of X and of each Z before any is dropped."""

    formula: Formula
    levels: tuple[Levels, ...]
    x: tuple[Column, ...]
    z: tuple[tuple[Column, ...], ...]

    @property
    def parts(self) -> tuple[tuple[tuple[Term, ...], tuple[Column, ...]], ...]:
        """Terms and columns of the fixed effects, then of each group term."""
        bars = zip((one.terms for one in self.formula.group_terms), self.z, strict=True)
        return ((self.formula.terms, self.x), *bars)

    @property
    def known(self) -> Mapping[str, Levels]:
        """Categories by factor."""
        return {item.factor: item for item in self.levels}

    def factors_of(self, crossing: Crossing) -> list[Factor]:
        """Return the crossed factors."""
        by_text = {str(factor): factor for factor in self.formula.factors}
        return [by_text[text] for text in crossing.factors]


def find_crossings(
    layout: Layout,
    two_valued: Callable[[Factor], bool],
    cells_of: Callable[[Sequence[Factor]], Values],
) -> tuple[Crossing, ...]:
    """Find the interactions with empty cells that alias a column.

    Parameters
    ----------
    layout : Layout
    two_valued : callable
        Whether a numeric factor takes two values.
    cells_of : callable
        The distinct cells with rows, by factor.

    Returns
    -------
    tuple of Crossing
        One for each set of crossed factors of whose cells some column is dropped.
    """
    parts = [terms for terms, _ in layout.parts]
    candidates = {f for part in parts for term in part if len(term) > 1 for f in term}
    discrete = {f for f in candidates if str(f) in layout.known}
    if len(candidates) > 1:
        discrete |= {f for f in candidates - discrete if two_valued(f)}
    sets = dict.fromkeys(crossed for part in parts for _, crossed in _crossed(part, discrete))
    found = []
    for crossed in sets:
        factors = tuple(f for f in layout.formula.factors if f in crossed)
        cells = cells_of(factors)
        if _is_full(cells, layout):
            continue
        independent = [False, *(not term.correlated for term in layout.formula.group_terms)]
        dropped, *effects = (
            _dropped(columns, _crossed(terms, discrete), crossed, cells, zero_only=zero_only)
            for (terms, columns), zero_only in zip(layout.parts, independent, strict=True)
        )
        if dropped or any(effects):
            found.append(
                Crossing(
                    factors=tuple(map(str, factors)),
                    seen=_as_seen(cells, layout.known),
                    dropped=dropped,
                    dropped_effects=tuple(effects),
                )
            )
    return tuple(found)


def refuse_empty(
    layout: Layout, crossings: Sequence[Crossing], values: Values, source: str
) -> None:
    """Refuse rows in a cell where the expected outcome is not estimable.

    Raises
    ------
    EmptyCellError
        With the rows, and the first such cell.
    """
    for crossing in crossings:
        factors = layout.factors_of(crossing)
        rows = np.column_stack([np.asarray(values[f], dtype=np.float64) for f in factors])
        cells, place = np.unique(rows, axis=0, return_inverse=True)
        seen = _from_seen(crossing, factors, layout.known)
        held = set(map(tuple, seen.tolist()))
        empty = np.array([tuple(cell) not in held for cell in cells.tolist()], dtype=np.bool_)
        if empty.any():
            empty[empty] = _not_estimable(layout, factors, cells[empty], seen)
        if not empty.any():
            continue
        first = cells[np.flatnonzero(empty)[0]]
        mask = empty[place.reshape(-1)]
        where = f"{list_rows(mask)} of {source}" if mask.size > 1 else source
        raise EmptyCellError(
            f"{where}: the data of the model have no rows with "
            f"{_name(factors, first, layout.known)}, "
            "so the outcome expected in that cell cannot be estimated; give "
            f"{' and '.join(label(f) for f in factors)} values that rows had together (at, --at), "
            "or, to add rows of that cell to saved sums, sum all the data together"
        )


def notes_on(layout: Layout, crossings: Sequence[Crossing]) -> tuple[str, ...]:
    """Return remarks that name the empty cells, and the columns dropped because of them."""
    return tuple(_note(layout, one) for one in crossings)


def _note(layout: Layout, crossing: Crossing) -> str:
    factors = layout.factors_of(crossing)
    seen = _from_seen(crossing, factors, layout.known)
    axes = [_axis(f, seen[:, k], layout.known) for k, f in enumerate(factors)]
    held = set(map(tuple, seen.tolist()))
    # Listed lazily: a nested design has as many empty cells as it has columns.
    empty = (cell for cell in product(*axes) if cell not in held)
    total = int(np.prod([len(axis) for axis in axes])) - len(held)
    shown = [_name(factors, np.array(cell), layout.known) for cell in islice(empty, _SHOWN)]
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    gone = [
        f"{_listed(names)} {'was' if len(names) == 1 else 'were'} dropped{what}"
        for names, what in (
            (crossing.dropped, ""),
            *((names, " from the group effects") for names in crossing.dropped_effects),
        )
        if names
    ]
    return (
        f"no rows have {'; or '.join(shown)}{more}: {', and '.join(gone)}, and nothing is "
        "predicted there"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _name(factors: Sequence[Factor], cell: Floats, known: Mapping[str, Levels]) -> str:
    parts = []
    for factor, value in zip(factors, cell.tolist(), strict=True):
        levels = known.get(str(factor))
        shown = f"{value:.6g}" if levels is None else levels.name(int(value))
        parts.append(f"{label(factor)} = {shown}")
    return ", ".join(parts)


def _crossed(
    terms: Sequence[Term], discrete: set[Factor]
) -> tuple[tuple[frozenset[Factor], frozenset[Factor]], ...]:
    """Return the largest sets of crossed factors, each with the numeric factors of its term."""
    pairs = [(frozenset(term) - discrete, frozenset(term) & discrete) for term in terms]
    return tuple(
        (numeric, crossed)
        for numeric, crossed in dict.fromkeys(pairs)
        if len(crossed) > 1 and not any(n == numeric and crossed < other for n, other in pairs)
    )


def _is_full(cells: Values, layout: Layout) -> bool:
    """Return whether every cell has rows."""
    n = next(iter(cells.values())).size
    axes = [_axis(factor, values, layout.known) for factor, values in cells.items()]
    return n == int(np.prod([len(axis) for axis in axes]))


def _axis(factor: Factor, values: NDArray[Any], known: Mapping[str, Levels]) -> list[float]:
    """Return the values of a factor: places of all its categories, or its two numbers."""
    levels = known.get(str(factor))
    if levels is None:
        return sorted(set(values.astype(np.float64).tolist()))
    return [float(place) for place in range(len(levels.levels))]


def _family(
    columns: Sequence[Column], numeric: frozenset[Factor], crossed: frozenset[Factor]
) -> list[Column]:
    """Return the columns with just these numeric factors, and none but these crossed ones."""
    return [column for column in columns if {f for f, _ in column.parts} - crossed == numeric]


def _matrix(columns: Sequence[Column], cells: Values) -> Floats:
    """Return the part that crossed factors have in some columns, by cell (m, k)."""
    rows = np.ones((next(iter(cells.values())).size, len(columns)))
    for k, column in enumerate(columns):
        for factor, place in column.parts:
            if factor in cells:
                rows[:, k] *= part_values(cells[factor], place)
    return rows


def _dropped(
    columns: Sequence[Column],
    largest: Sequence[tuple[frozenset[Factor], frozenset[Factor]]],
    crossed: frozenset[Factor],
    cells: Values,
    *,
    zero_only: bool = False,
) -> tuple[str, ...]:
    """Return the names of columns aliased over the cells with rows, as R's pivoting finds them."""
    names: list[str] = []
    for numeric, one in largest:
        if one != crossed:
            continue
        family = _family(columns, numeric, crossed)
        rows = _matrix(family, cells)
        aliased = ~rows.any(axis=0) if zero_only else _aliased(rows)
        of = [frozenset(f for f, _ in column.parts) & crossed for column in family]
        # A predictor that adds nothing at all to those before it is collinear, whatever the cells.
        whole = {
            s
            for s in of
            if len(s) == 1 and all(a for a, o in zip(aliased, of, strict=True) if o == s)
        }
        names += [
            column.name
            for column, gone, s in zip(family, aliased, of, strict=True)
            if gone and s not in whole
        ]
    return tuple(names)


def _aliased(rows: Floats) -> Flags:
    """Return which columns are linear combinations of those before them."""
    found = ~rows.any(axis=0)
    basis = np.zeros((rows.shape[0], 0))
    for k in np.flatnonzero(~found):
        unit = rows[:, k] / np.linalg.norm(rows[:, k])
        left = unit
        for _ in range(2):  # twice, against rounding
            left = left - basis @ (basis.T @ left)
        size = float(np.linalg.norm(left))
        if size <= _ALIASED:
            found[k] = True
        else:
            basis = np.column_stack([basis, left / size])
    return found


def _not_estimable(layout: Layout, factors: Sequence[Factor], cells: Floats, seen: Floats) -> Flags:
    """Return which cells lie outside of the row space of those with rows."""
    outside = np.zeros(len(cells), dtype=np.bool_)
    crossed = frozenset(factors)
    numerics = {f for f in layout.formula.factors if str(f) not in layout.known} - crossed
    pair = [{f: m[:, k] for k, f in enumerate(factors)} for m in (cells, seen)]
    for terms, columns in layout.parts:
        for term in terms:
            if not crossed <= frozenset(term):
                continue
            family = _family(columns, frozenset(term) & numerics, crossed)
            new, old = (_matrix(family, one) for one in pair)
            _, sizes, basis = np.linalg.svd(old, full_matrices=False)
            basis = basis[sizes > _ALIASED * sizes.max(initial=0.0)]
            left = np.linalg.norm(new - (new @ basis.T) @ basis, axis=1)
            outside |= left > _OUTSIDE * np.maximum(np.linalg.norm(new, axis=1), 1e-300)
    return outside


def _as_seen(cells: Values, known: Mapping[str, Levels]) -> tuple[tuple[Scalar, ...], ...]:
    columns = [
        [known[str(f)].levels[int(v)] if str(f) in known else float(v) for v in values]
        for f, values in cells.items()
    ]
    return tuple(zip(*columns, strict=True))


def _from_seen(
    crossing: Crossing, factors: Sequence[Factor], known: Mapping[str, Levels]
) -> Floats:
    """Return the cells with rows (m, k) as places and numbers."""
    columns = []
    for factor, values in zip(factors, zip(*crossing.seen, strict=True), strict=True):
        levels = known.get(str(factor))
        places = {} if levels is None else {one: k for k, one in enumerate(levels.levels)}
        columns.append([float(places.get(one, one)) for one in values])
    return np.array(columns).T
