"""Columns of a table as an imputation model takes them: numbers of rows, and of groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DataError, Flags, Floats, Ints
from bayes_mlm.data import Table, count_text, is_missing, levels_of
from bayes_mlm.engines import TwoLevelRows

# Categories of a complete column that become columns of 0 and 1; more are an identifier.
_MOST_LEVELS = 12
_ELSEWHERE = "R's mice (2l.bin, polyreg) and jomo, or Blimp, impute categories"


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelColumns:
    """The columns of an imputation model.

    Parameters
    ----------
    rows : TwoLevelRows
    individual, group_level : tuple of str
        Names of the columns of z and of v; those of categories as ``column[level]``.
    missing : tuple of str
        Columns of the table with missing values, in its order.
    filled : mapping of str to ndarray, shape (J,)
        Columns of groups whose missing values other rows of the group have.
    """

    rows: TwoLevelRows
    individual: tuple[str, ...]
    group_level: tuple[str, ...]
    missing: tuple[str, ...]
    filled: Mapping[str, Floats]


def lay_out(
    table: Table, names: Sequence[str], codes: Ints, J: int, group: str, as_numbers: Sequence[str]
) -> ModelColumns:
    """Return the columns of an imputation model, checked.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Columns of the model, the group's excepted.
    codes : ndarray of int, shape (n,)
    J : int
        Number of groups.
    group : str
    as_numbers : sequence of str
        Columns of two values that are imputed as any number.

    Raises
    ------
    DataError
        If a column cannot be imputed, or the groups are too few.
    """
    z, v, w = {}, {}, {"Intercept": np.ones(J)}
    filled: dict[str, Floats] = {}
    gone = [name for name in names if is_missing(table.columns[name]).any()]
    for name in names:
        mask = is_missing(table.columns[name])
        for label, column in _numbers(table, name, mask, as_numbers).items():
            _check_spread(name, column, mask)
            means, spread = _by_group(column, codes, J)
            if spread <= 1e-12 * np.nanmax(np.abs(column)):
                if np.isnan(means).any():
                    v[label] = means
                elif np.ptp(means) > 0:
                    w[label] = means
                if mask.any() and not np.isnan(means).any():
                    filled[name] = means
                if mask.any():
                    _check_level(name, column, codes, group)
            else:
                z[label] = column
    if not z:
        raise DataError(
            f"no column of the imputation model varies within {group}, so it has one level only; "
            "name the individual-level columns, the outcome among them"
        )
    found = ModelColumns(
        rows=TwoLevelRows(
            z=np.column_stack(list(z.values())),
            codes=codes,
            v=np.column_stack([np.empty((J, 0)), *v.values()]),
            w=_of_full_rank(np.column_stack(list(w.values()))),
            names=(*z, *v),
        ),
        individual=tuple(z),
        group_level=tuple(v),
        missing=tuple(gone),
        filled=filled,
    )
    _check_size(found, J, group)
    return found


def _numbers(table: Table, name: str, mask: Flags, as_numbers: Sequence[str]) -> dict[str, Floats]:
    """Return a column as numbers; complete categories as columns of 0 and 1."""
    values = table.columns[name]
    if mask.all():
        raise DataError(
            f"every value of {name!r} is missing, so there is nothing to impute it from; omit it"
        )
    if values.dtype == object or name in table.categories:
        if mask.any():
            raise DataError(
                f"column {name!r} is of categories, with {count_text(mask, 'missing')}, and the "
                f"imputation model is normal: it imputes numbers; {_ELSEWHERE}, and fit takes the "
                "list of completed frames"
            )
        levels, places = levels_of(values)
        if len(levels) > _MOST_LEVELS:
            raise DataError(
                f"column {name!r} has {len(levels)} categories, too many for the imputation model "
                f"(at most {_MOST_LEVELS}); omit it, or merge some"
            )
        return {
            f"{name}[{level}]": (places == k).astype(float)
            for k, level in enumerate(levels.tolist())
            if k
        }
    numbers = values.astype(float)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataError(
            f"column {name!r} has {count_text(infinite, 'infinite')}; make them missing or finite"
        )
    seen = np.unique(numbers[~mask])
    if mask.any() and len(seen) == 2 and name not in as_numbers:
        raise DataError(
            f"column {name!r} has two values, with {count_text(mask, 'missing')}, and the "
            "imputation model is normal: it would impute numbers between and beyond them, and "
            f"rounding those biases results; {_ELSEWHERE}; or have it imputed as a number, "
            f"unrounded, which a predictor may be: as_numbers=[{name!r}] (--as-number {name})"
        )
    return {name: numbers}


def _by_group(column: Floats, codes: Ints, J: int) -> tuple[Floats, float]:
    """Return the group means of what is observed, NaN without any, and the largest deviation."""
    known = ~np.isnan(column)
    counts = np.bincount(codes[known], minlength=J)
    sums = np.bincount(codes[known], column[known], minlength=J)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, float(np.abs(column[known] - means[codes[known]]).max())


def _check_level(name: str, column: Floats, codes: Ints, group: str) -> None:
    """Refuse an incomplete column of which no group has two values: its level is not known."""
    if np.bincount(codes[~np.isnan(column)]).max() < 2:
        raise DataError(
            f"no {group} has two values of column {name!r}, so whether it varies within {group} "
            "is not known; omit it, or fill it in where it is constant"
        )


def _check_spread(name: str, values: Floats, mask: Flags) -> None:
    known = values[~mask]
    if not mask.any() or np.ptp(known) > 0:
        return
    raise DataError(
        f"column {name!r} has {count_text(mask, 'missing')}, and one value otherwise, "
        f"{known[0]:g}: a distribution cannot be estimated from it; omit the column, or fill it in"
    )


def _of_full_rank(w: Floats) -> Floats:
    """Return w with its columns at unit size, without those that others determine."""
    unit = w.copy()
    if w.shape[1] > 1:
        unit[:, 1:] = (w[:, 1:] - w[:, 1:].mean(axis=0)) / w[:, 1:].std(axis=0)
    kept: list[int] = []
    for k in range(unit.shape[1]):
        if np.linalg.matrix_rank(unit[:, [*kept, k]], tol=1e-8 * len(w)) > len(kept):
            kept.append(k)
    return unit[:, kept]


def _check_size(found: ModelColumns, J: int, group: str) -> None:
    rows = found.rows
    needed = rows.w.shape[1] + len(rows.names) + 1
    if needed > J:
        raise DataError(
            f"{J} groups of {group} cannot determine the covariance between groups of "
            f"{len(rows.names)} columns given {rows.w.shape[1] - 1} of groups: at least {needed} "
            "are needed; omit columns"
        )
    complete = rows.z[~np.isnan(rows.z).any(axis=1)]
    if len(complete) <= rows.z.shape[1]:
        return
    centred = complete - complete.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(unit.T @ unit)
    if values[0] < 1e-9:
        tied = [
            name
            for name, weight in zip(found.individual, vectors[:, 0], strict=True)
            if abs(weight) > 1e-3
        ]
        raise DataError(
            f"{', '.join(tied)} determine one another (they are linearly dependent), so the "
            "imputation model has no covariance of them; omit one, and compute it from the "
            "completed others"
        )
