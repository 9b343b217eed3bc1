"""Refuse a damaged file of sums or a fit, or one with impossible content, in an error naming it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bayes_mlm.base import BayesMLMError, StorageError
from bayes_mlm.design.design import Design
from bayes_mlm.moments import CellMoments, GroupMoments

# Raised by pyarrow, HDF5, json and msgspec when they read damage. A MemoryError is not among them:
# the file may be sound.
_READING = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
# Of the sd of a column over all rows: far above the rounding of a sum of squares.
_ROUNDING = 1e-6
_LONGEST = 300


@contextmanager
def naming(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Convert errors of reading a damaged file into a `StorageError` with the file's name.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be: "a saved fit".
    remedy : str
        What to do if it is not.
    """
    cause: Exception
    try:
        yield
    except BayesMLMError as error:
        reason, cause = str(error), error
    except _READING as error:
        reason, cause = f"{type(error).__name__}: {error}", error
    else:
        return
    reason = " ".join(reason.split())
    reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
    raise StorageError(f"{str(path)!r} cannot be read as {what}: {reason}; {remedy}") from cause


def require(met: bool | np.bool_, why: str) -> None:
    """Raise a `StorageError` with the reason unless a condition is met."""
    if not met:
        raise StorageError(why)


def check_sums(s: GroupMoments) -> None:
    """Refuse sums that no rows can have.

    Parameters
    ----------
    s : GroupMoments
        As read from a file.

    Raises
    ------
    StorageError
        If shapes disagree, labels repeat, a count is not a positive whole number, a number is not
        finite, or the scatter of a group is not that of so many rows: not positive semi-definite,
        or of a rank above their number less one (a group of one row has none).

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm.moments import from_rows
    >>> one = np.ones((3, 1))
    >>> check_sums(from_rows(np.array([1.0, 2.0, 4.0]), one, one, np.array([0, 0, 1]), 2))
    """
    n_groups, k = s.J, s.p + s.q + 1
    shapes = (s.labels.shape, s.counts.shape, s.centre.shape, s.means.shape, s.scatter.shape)
    require(
        shapes == ((n_groups,), (n_groups,), (k,), (n_groups, k), (n_groups, k, k)),
        f"labels, counts, centre, means and scatter have the shapes {shapes}, which do not agree",
    )
    require(n_groups > 0, "it has no groups")
    if s.weights is None:
        whole = s.counts.dtype.kind in "iu"
        require(whole, f"its counts are of type {s.counts.dtype}, not whole")
    else:
        require(bool((s.weights > 0).all()), "a weight of a group is not positive")
    require(bool((s.counts > 0).all()), f"it counts {s.counts.min()} rows in a group")
    require(np.unique(s.labels).size == n_groups, "a group is in it twice")
    for name in ("centre", "means", "scatter"):
        require(np.isfinite(getattr(s, name)).all(), f"a value of its {name} is not finite")
    _check_scatter(s)


def check_cells(moments: CellMoments) -> None:
    """Refuse sums by cell that no rows can have; as `check_sums`."""
    s = moments.cells
    check_sums(s)
    if len(moments.factors) < 2:
        return
    for one in moments.factors:
        name = one.factor
        require(one.codes.shape == (s.J,), f"its cells and the levels of {name} do not agree")
        require(np.unique(one.codes).size == one.m, f"a level of {name} has no cell")
    levels = np.column_stack([one.codes for one in moments.factors])
    require(len(np.unique(levels, axis=0)) == s.J, "a combination of levels is in it twice")


def check_names(design: Design) -> None:
    """Refuse names of columns, outcome and group that are not those of the formula.

    Parameters
    ----------
    design : Design
        As read from a file. Column names are checked only for kinds that keep the formula's.
    """
    formula, encoding = design.formula, design.encoding
    require(
        encoding.formula == formula, f"its encoding is of '{encoding.formula}', not of '{formula}'"
    )
    require(design.outcome == encoding.outcome, f"its outcome is called {design.outcome!r}")
    require(
        formula.grouping_factors in ((), design.factors),
        f"its groups are called {', '.join(design.factors)}",
    )
    if design.kind in ("pooled", "partial_pooling"):
        pairs = [(design.terms, encoding.terms)]
        for term, effects in zip(design.group_terms, encoding.effects, strict=False):
            pairs.append((term.effects, effects if design.kind == "partial_pooling" else ()))
        for names, wanted in pairs:
            require(
                names == wanted,
                f"its columns are called {', '.join(names) or 'nothing'}, and those of the formula "
                f"{', '.join(wanted) or 'nothing'}",
            )


def _check_scatter(s: GroupMoments) -> None:
    """Refuse a scatter that the rows of its group cannot have, on the scale of all rows."""
    _, sd = s.moments
    live = np.flatnonzero(sd > 0.0)
    size = np.sqrt(s.counts)[:, None] * sd[live]
    scaled = s.scatter[:, live[:, None], live] / (size[:, :, None] * size[:, None, :])
    rest = np.delete(s.scatter, live, axis=1)
    require(not rest.any(), "a column without variance has scatter")
    require(
        np.abs(scaled - np.swapaxes(scaled, 1, 2)).max(initial=0.0) <= _ROUNDING,
        "the scatter of a group is not symmetric",
    )
    roots = np.linalg.eigvalsh(scaled)
    require(roots.min(initial=0.0) >= -_ROUNDING, "the scatter of a group is not positive")
    rank = (roots > _ROUNDING).sum(axis=1)
    most = np.inf if s.weights is not None else s.counts - 1
    many = np.flatnonzero(rank > most)
    if many.size:
        j = many[0]
        raise StorageError(
            f"the group {s.labels[j]!s} has {s.counts[j]} rows, and scatter in {rank[j]} directions"
        )
