"""One design of several imputations of the data, or several plausible values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from bayes_mlm.base import DataError, Floats, Ints
from bayes_mlm.data import Table, check_outcome, notes_on_sentinels, refuse_magnitudes
from bayes_mlm.design.aggregated.patterns import without_rows
from bayes_mlm.design.design import Design
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.design.terms import FixedColumns, GroupMeans, Response, changed
from bayes_mlm.model import ResidualRows, plain_rows
from bayes_mlm.moments import CellMoments, GroupMoments

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pool_designs(designs: Sequence[Design]) -> Design:
    """Return the design of several imputations: what is fitted is each, and pooled.

    It has no rows of its own. Averages over rows are over those of all imputations, each weighted
    by 1 / M; questions on the rows of one data set, such as residuals, raise `RowsNeededError`.

    Parameters
    ----------
    designs : sequence of Design
        Of one formula, in the order of the imputations.

    Raises
    ------
    DataError
        If there are fewer than two, or they differ in rows, groups or columns.

    Examples
    --------
    >>> from bayes_mlm.design import build_design
    >>> x = np.arange(6.0)
    >>> found = pool_designs(
    ...     [build_design("y ~ x", {"y": np.sin(x + k), "x": x}) for k in range(3)])
    >>> found.n, len(found.imputations), found.weighted_rows.n
    (6, 3, 18)
    """
    designs = tuple(designs)
    if len(designs) < 2:
        raise DataError(
            f"several imputations are needed, and found {len(designs)}: how much they differ is a "
            "part of the errors; fit a single data set as it is"
        )
    for k, one in enumerate(designs[1:], start=2):
        _check_alike(designs[0], one, k)
    pooled = _of_sums(designs) if designs[0].aggregated is not None else _of_rows(designs)
    notes = dict.fromkeys(note for one in designs for note in one.notes)
    encoding = _encoding(designs)
    return replace(pooled, imputations=designs, notes=tuple(notes), encoding=encoding)


def _encoding(designs: tuple[Design, ...]) -> Encoding:
    """Return what new rows replay: means and sds averaged over the imputations.

    Raises
    ------
    DataError
        If splines or polynomials have other constants in each, so that their coefficients do.
    """
    first, every = designs[0].encoding, [one.encoding for one in designs]
    for k, one in enumerate(first.bases):
        if any(other.bases[k] != one for other in every):
            raise DataError(
                f"{one.expression} has constants of the data (knots, bounds, centres), which "
                "differ between imputations, so that its coefficients mean something else in each; "
                "state them, as in bs(x, knots=(1, 2), lower_bound=0, upper_bound=3), or write "
                "I(x ** 2)"
            )
    centrings = tuple(
        replace(
            one,
            mean=float(np.mean([other.centrings[k].mean for other in every])),
            sd=float(np.mean([other.centrings[k].sd for other in every])),
        )
        for k, one in enumerate(first.centrings)
    )
    means = tuple(
        replace(
            one, means=tuple(np.mean([other.means[k].means for other in every], axis=0).tolist())
        )
        for k, one in enumerate(first.means)
    )
    return replace(first, centrings=centrings, means=means)


def mean_moments(design: Design) -> GroupMoments:
    """Return the sums by group of a design; of several imputations their mean.

    For moments of predictors: what is fitted needs those of one imputation.
    """
    if not design.imputations:
        return design.moments()
    return replace(design.weighted_rows, imputations=()).moments()


def with_outcome(design: Design, data: Any, first: Any) -> Design | None:
    """Return the design of a table that differs from that of a design in the outcome alone.

    None where it may differ in more, or the outcome is not taken as it is.

    Parameters
    ----------
    design : Design
        Of the first table.
    data, first : Table or other
        Columns that lie in the same memory are the same.
    """
    if not (isinstance(data, Table) and isinstance(first, Table) and design.has_rows):
        return None
    name, known = design.outcome, first.columns
    apart = [one for one in data.columns if not _same_memory(data.columns[one], known.get(one))]
    plain = design.formula.outcome.columns == (name,) and design.family.gaussian_moments
    if apart != [name] or not plain or design.n_dropped or design.kind == "between":
        return None
    values = data.columns[name]
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        return None  # what is wrong is said where a design is built
    refuse_magnitudes([name], values)
    notes = (*check_outcome(data, name), *notes_on_sentinels(data, [name]))
    found = design.with_arrays(y=np.asarray(values, dtype=float))
    return replace(found, notes=tuple(dict.fromkeys((*design.notes, *notes))))


def _same_memory(one: "NDArray[Any]", other: "NDArray[Any] | None") -> bool:
    """Return whether two arrays are views of the same values."""
    if other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    place, known = one.__array_interface__, other.__array_interface__
    return bool(place["data"] == known["data"] and place["strides"] == known["strides"])


def _check_alike(first: Design, other: Design, k: int) -> None:
    """Refuse an imputation that differs in more than the values of columns."""

    def refuse(what: str, found: object, expected: object) -> NoReturn:
        raise DataError(
            f"imputation {k} has {found} {what}, and imputation 1 has {expected}: imputations are "
            "of the same rows in the same groups, and only values that were missing differ; check "
            "the data, and rows omitted for missing values"
        )

    if other.n != first.n:
        refuse("rows", f"{other.n:,}", f"{first.n:,}")
    if other.terms != first.terms:
        apart = [term for term in other.terms if term not in first.terms]
        missing = [term for term in first.terms if term not in other.terms]
        refuse("columns", f"({', '.join(apart or missing)}) other", "none of these")
    for one, term in zip(other.group_terms, first.group_terms, strict=True):
        if one.J != term.J:
            refuse(f"groups ({term.factor})", f"{one.J:,}", f"{term.J:,}")
        if not np.array_equal(one.labels, term.labels):
            refuse(f"labels of {term.factor}", "other", "its")
        if not np.array_equal(one.sizes, term.sizes):
            refuse(f"rows in some groups of {term.factor}", "other numbers of", "its")
        if one.effects != term.effects:
            refuse(f"group effects of {term.factor}", "other", "its")


def _of_rows(designs: tuple[Design, ...]) -> Design:
    """Return the design whose distinct rows are those of all imputations, with weights of 1/M."""
    rows = [one.weighted_rows for one in designs]
    first, n = rows[0], sum(one.n for one in rows)

    def joined(parts: Sequence[Floats]) -> Floats:
        return np.concatenate(parts)

    def known(arrays: Sequence[Floats | None]) -> Floats | None:
        found = [one for one in arrays if one is not None]
        return joined(found) if len(found) == len(rows) else None

    response = Response(
        name=first.outcome,
        y=joined([one.y for one in rows]),
        trials=known([one.response.trials for one in rows]),
        offset=known([one.response.offset for one in rows]),
        weights=joined([_weights(one) for one in rows]) / len(rows),
    )
    terms = tuple(
        changed(
            term,
            codes=_ints([one.group_terms[k].codes for one in rows]),
            Z=joined([one.group_terms[k].Z for one in rows]),
            counts=designs[0].group_terms[k].sizes,
        )
        for k, term in enumerate(first.group_terms)
    )
    stacked = replace(
        first,
        response=response,
        fixed=FixedColumns(terms=first.terms, X=joined([one.X for one in rows])),
        group_terms=terms,
        weights=None,  # those of the rows are in the response's
        residual=None if first.residual is None else _residual(rows, n),
        base=_base(rows),
        inputs={name: joined([one.inputs[name] for one in rows]) for name in first.inputs},
    )
    found = without_rows(stacked)
    return replace(found, residual=designs[0].residual, weights=designs[0].weights)


def _residual(rows: Sequence[Design], n: int) -> ResidualRows:
    found = rows[0].residual
    assert found is not None  # for mypy
    if found.spec.is_plain or len({one.n for one in rows}) > 1:
        return plain_rows(n)
    return found.take(np.tile(np.arange(rows[0].n), len(rows)))


def _weights(design: Design) -> Floats:
    weights = design.response.weights
    return np.ones(design.n) if weights is None else weights


def _ints(arrays: Sequence[Ints]) -> Ints:
    found: NDArray[np.int64] = np.concatenate(arrays)
    return found


def _base(rows: Sequence[Design]) -> GroupMeans | None:
    """Return the group means of the columns, averaged over the imputations."""
    found = [one.base for one in rows if one.base is not None]
    if len(found) < len(rows):
        return None
    means = np.mean([one.means for one in found], axis=0)
    return replace(found[0], means=means, varies=np.any([one.varies for one in found], axis=0))


def _of_sums(designs: tuple[Design, ...]) -> Design:
    """Return the design of the mean sums by group of the imputations."""
    found = [one.aggregated for one in designs]
    cells = [one.cells for one in found if one is not None]
    first = cells[0]
    if any(not np.array_equal(one.labels, first.labels) for one in cells):
        raise DataError("the imputations differ in the combinations of groups that have rows")
    means = np.array([one.means + (one.centre - first.centre) for one in cells])
    off = means - means.mean(axis=0)
    spread = np.einsum("mja,mjb->jab", off, off) * first.counts[:, None, None]
    scatter = np.array([one.scatter for one in cells]).sum(axis=0) + spread
    mean = replace(first, means=means.mean(axis=0), scatter=scatter / len(cells))
    assert found[0] is not None  # for mypy
    return replace(designs[0], aggregated=CellMoments(cells=mean, factors=found[0].factors))
