"""Layout of a design for each kind of model.

=================== ==============================================================================
kind                rows and columns
=================== ==============================================================================
``pooled``          as they are, groups ignored
``between``         one row a group: the means of y and of every column
``no_pooling``      an intercept for each group, nothing shared between them but the slopes
``within``          every predictor as its deviation from the group's mean; y as it is
``mundlak``         every predictor that varies within groups joined by its group mean
``partial_pooling`` as they are, with group effects
=================== ==============================================================================
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DesignError, Floats, Ints, check_choice, expect, expect_text
from bayes_mlm.data import (
    Groups,
    Table,
    as_table,
    find_groups,
    relabelled,
    strip_labels,
    with_interactions,
)
from bayes_mlm.design.aggregated.layouts import base_of, instead_of_kind, lay_out_sums
from bayes_mlm.design.aggregated.patterns import without_rows
from bayes_mlm.design.design import INTERCEPT, Design
from bayes_mlm.design.encoding import encode, known_of
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.imputations import pool_designs
from bayes_mlm.design.new_rows import GroupRows, NewRows
from bayes_mlm.design.terms import GroupMeans, changed, means_by_group
from bayes_mlm.formula import refuse_several
from bayes_mlm.model import KINDS


def for_kind(design: Design, kind: str) -> Design:
    """Return a design laid out for one kind of model.

    Parameters
    ----------
    design : Design
        As made by `build_design`, or already laid out for this kind.
    kind : str
        One of `KINDS`; see the table at the top of this module.

    Raises
    ------
    DesignError
        If the design lacks what the kind needs: a group, group effects, or predictors that vary
        at the level of the kind.

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    >>> between = for_kind(design, "between")
    >>> between.n, for_kind(design, "mundlak").terms
    (160, ('Intercept', 'ses', 'between(ses)'))
    """
    expect("for_kind", design, Design)
    expect_text("for_kind", kind, f"a kind of model ({', '.join(KINDS)})", DesignError)
    check_choice("kind", kind, KINDS, DesignError)
    design = design.whole  # a sample of rows is for display, not for fitting
    if design.kind == kind:
        return design
    if kind in ("between", "no_pooling") and design.residual is not None:
        raise DesignError(
            f"the {kind} model has independent normal residuals of one sd, and the design has "
            f"{design.errors}; build it without residual and family, or use partial_pooling"
        )
    if design.kind not in ("pooled", "partial_pooling"):
        raise DesignError(f"the design is already laid out for {design.kind!r}; build a new one")
    if kind == "partial_pooling":
        raise DesignError(
            f"partial pooling needs group effects, and the formula '{design.formula}' has none; "
            f"add a term such as (1 | {design.group or 'group'})"
        )
    if design.imputations:
        return pool_designs([for_kind(one, kind) for one in design.imputations])
    if design.patterns is not None:
        return without_rows(for_kind(design.patterns, kind))
    if not design.has_rows:
        return lay_out_sums(design, kind)
    if kind == "pooled":
        return replace(without_effects(design), kind=kind)
    refuse_several(design.factors, f"the {kind} model", instead_of_kind(design, kind))
    base = base_of(design, kind)
    X, terms = _lay_out(kind, design.X, design.group_term.by_row(base.means), base)
    laid_out = design.with_arrays(X=X, terms=terms, kind=kind)
    if kind == "between":
        laid_out = laid_out.with_arrays(
            y=design.group_term.means(design.y),
            offset=None
            if design.response.offset is None
            else design.group_term.means(design.response.offset),
            X=base.means,
            codes=np.arange(design.J),
            inputs={},
        )
    if kind != "mundlak":
        Z = np.ones((laid_out.n, 1)) if kind == "no_pooling" else np.empty((laid_out.n, 0))
        laid_out = laid_out.with_arrays(Z=Z, effects=(INTERCEPT,) * Z.shape[1])
    check_estimable(laid_out)
    return laid_out


def without_effects(design: Design) -> Design:
    """Return the design without group effects; its factors stay."""
    if design.imputations:
        return pool_designs([without_effects(one) for one in design.imputations])
    if design.patterns is not None:
        return without_rows(without_effects(design.patterns))
    none = np.empty((design.n, 0))
    bare = tuple(changed(term, Z=none, effects=()) for term in design.group_terms)
    return replace(design, group_terms=bare)


def as_learned(design: Design, table: Table) -> Table:
    """Return new rows whose columns with value labels hold labels where the design's did.

    Whether a column holds its labels depends on the rows: on whether every value there has one.
    """
    if not table.value_labels:
        return table
    held = dict.fromkeys(design.encoding.columns, False)
    held |= {one.column: isinstance(one.levels[0], str) for one in design.encoding.levels}
    held |= {term.factor: term.labels.dtype == object for term in design.group_terms}
    return relabelled(table, held)


def replay(
    design: Design,
    table: Table,
    *,
    means_of: Table | None = None,
    extend: bool = False,
    weights: Floats | None = None,
) -> NewRows:
    """Return the rows of new data under a design, with the means and levels it learned.

    Parameters
    ----------
    design : Design
        Any kind; the group means of `within` and `mundlak` are those it learned.
    table : Table
        New rows; the outcome need not be there.
    means_of : Table, optional
        As many rows, of the same groups: `within` and `mundlak` use their group means instead of
        those learned, for counterfactual groups.
    extend : bool
        Whether splines go on past the ends where they are not defined; see `encode`.
    weights : ndarray, shape (m,), optional
        How many equal rows each stands for, in means of groups.

    Returns
    -------
    NewRows
        New groups have code -1 and, where a kind needs a group mean, the mean of their new rows.

    Examples
    --------
    >>> from bayes_mlm.data import as_table
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> replay(design, as_table({"ses": [0.5], "schoolid": [1224]})).X
    array([[1. , 0.5]])
    """
    expect("replay", design, Design)
    table = as_table(table)
    table = strip_labels(table) if design.encoding.strip else table
    table = with_interactions(as_learned(design, table), design.formula.interactions)
    arrays = encode(design.encoding, table, outcome=False, extend=extend)
    offset = np.zeros(table.n) if arrays.offset is None else arrays.offset
    known = known_of(design.encoding, table)
    if len(design.group_terms) > 1:
        found = zip(design.group_terms, _laid_out_effects(design, arrays.Z), strict=True)
        groups_of_rows = tuple(
            GroupRows(Z=Z, codes=_codes_of(table, term.factor, term.labels)) for term, Z in found
        )
        return NewRows(X=arrays.X, offset=offset, groups=groups_of_rows, known=known)
    X = arrays.X
    codes = np.full(table.n, -1, dtype=np.int64)
    if design.group is not None and design.group in table.columns:
        groups = find_groups(table, design.group)
        codes = _known(groups, design.labels)[groups.codes]
        if design.base is not None and design.kind in ("within", "mundlak", "no_pooling"):
            supposed = X if means_of is None else encode(design.encoding, means_of, outcome=False).X
            new = means_by_group(supposed, groups.codes, groups.labels.size, weights)[groups.codes]
            learned = (codes[:, None] >= 0) & (means_of is None)
            means = np.where(learned, design.base.means[codes], new)
            X, _ = _lay_out(design.kind, X, means, design.base)
    elif design.kind in ("within", "mundlak", "no_pooling"):
        raise DesignError(
            f"the {design.kind} model needs the column {design.group!r} in the new data too"
        )
    if design.kind == "no_pooling":
        Z = np.ones((table.n, 1))
    else:
        Z = arrays.Z[0] if design.q else np.empty((table.n, 0))
    of_rows = (GroupRows(Z=Z, codes=codes),)
    return NewRows(X=X, offset=offset, groups=of_rows, known=known)


def _laid_out_effects(design: Design, Z: Sequence[Floats]) -> list[Floats]:
    """Return the columns of each group term; none where the kind has no effects."""
    pairs = zip(design.group_terms, Z, strict=True)
    return [columns if term.q else columns[:, :0] for term, columns in pairs]


def _codes_of(table: Table, factor: str, labels: NDArray[Any]) -> Ints:
    """Return the group of each new row; -1 if it is new, or without the column."""
    if factor not in table.columns:
        return np.full(table.n, -1, dtype=np.int64)
    groups = find_groups(table, factor)
    return _known(groups, labels)[groups.codes]


def _known(groups: Groups, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place of each group of new data among a design's labels; -1 for an unseen one."""
    if (groups.labels.dtype.kind == "O") != (labels.dtype.kind == "O"):
        raise DesignError(
            f"the labels of {groups.name!r} are text in one of old and new data and numbers in the "
            "other; convert them"
        )
    place = np.clip(np.searchsorted(labels, groups.labels), 0, labels.size - 1)
    return np.where(labels[place] == groups.labels, place, -1)


def _lay_out(
    kind: str, X: Floats, means: Floats, base: GroupMeans
) -> tuple[Floats, tuple[str, ...]]:
    """Return the columns, and their names, that a kind makes of X and its group means by row."""
    slopes = np.array([term != INTERCEPT for term in base.terms])
    if kind == "no_pooling":
        return X[:, slopes], tuple(term for term in base.terms if term != INTERCEPT)
    if kind == "within":
        names = [term if term == INTERCEPT else f"within({term})" for term in base.terms]
        return X - np.where(slopes, means, 0.0), tuple(names)
    if kind == "mundlak":
        moving = slopes & base.varies
        names = [f"between({term})" for term in np.array(base.terms)[moving]]
        return np.column_stack([X, means[:, moving]]), (*base.terms, *names)
    return X, base.terms
