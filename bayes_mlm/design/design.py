"""Turn a table and a formula into the arrays that every engine reads.

A `Design` is made once (`build_design`) and handed to the factories, to REML and to OLS, so that
what they disagree about is never the data. `bayes_mlm.design.layouts` lays it out for a kind of
model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.data import (
    as_table,
    check_footer,
    check_group,
    check_group_level,
    check_outcome,
    check_predictors,
    count_labels,
    handle_missing,
    levels_of,
    note_on_lost_groups,
    notes_on_labels,
    refuse_magnitudes,
    require_columns,
    require_finite,
    strip_labels,
)
from bayes_mlm.design.aliasing import left_of_rows, left_of_sums
from bayes_mlm.design.encoding import Encoding, encode, learn_encoding
from bayes_mlm.design.encoding.levels import label_notes, notes_on_levels
from bayes_mlm.formula import Formula, parse_formula
from bayes_mlm.model import (
    FAMILIES,
    GAUSSIAN,
    Family,
    Residual,
    ResidualRows,
    as_residual,
    check_structure,
    lay_out_residual,
)
from bayes_mlm.moments import Sufficient

INTERCEPT = "Intercept"
VARIES = 1e-9
# A column is aliased when what the columns before it leave of it is below this part of its sd.
_ALIASED = 1e-8
# Sums of squares hold half the digits that rows do.
_SUMMED = 1e-6


@dataclass(frozen=True, kw_only=True, repr=False)
class Design:
    """Hold the arrays of one model, with the names of their rows and columns.

    Of data that were summed where they lie (`bayes_mlm.design.aggregated`) the rows are not there:
    `summed` is, and what uses `y`, `X`, `Z` or `codes` raises `RowsNeededError`.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome, in its own units.
    X : ndarray, shape (n, p)
        Fixed-effect columns, named by `terms`.
    Z : ndarray, shape (n, q)
        Group-effect columns, named by `effects`; q = 0 without group effects.
    codes : ndarray of int, shape (n,)
        Group of each row, an index into `labels`; zeros when there is no group.
    labels : ndarray, shape (J,)
        The real group labels, sorted.
    outcome, group : str, str or None
        Names of the outcome and of the grouping factor.
    terms, effects : tuple of str
        Names of the columns of X and Z.
    kind : str
        The kind of model the arrays are laid out for (see `bayes_mlm.design.layouts`).
    formula : Formula
        The formula the arrays came from.
    encoding : Encoding
        What was learned from the table (levels, means), so that new data replay it.
    correlated : bool
        Whether the effects of a group may correlate: False for the formula's double bar.
    base : GroupMeans or None
        Group means of the columns as the formula gave them; None when there is no group.
    n_dropped : int
        Rows left out because of missing values, by the user's explicit wish.
    notes : tuple of str
        Remarks on the data that a reader of the results should see.
    family : Family
        Distribution of the outcome given its linear predictor.
    residual : ResidualRows or None
        The residual structure by row, of all that is not Gaussian with independent residuals of
        one sd; None for that.
    summed : Sufficient or None
        Sums by group of the model's columns, in place of the rows.
    batches : tuple of str
        Of sums that were added up: a mark of each set of rows, by which none is added twice.
    sample_of : Design or None
        Of rows that are those of a sample of groups: the design of all, in sums.
    """

    y: Floats
    X: Floats
    Z: Floats
    codes: Ints
    labels: NDArray[Any]
    outcome: str
    terms: tuple[str, ...]
    effects: tuple[str, ...]
    group: str | None
    kind: str
    formula: Formula
    encoding: Encoding
    correlated: bool = True
    base: "GroupMeans | None" = None
    n_dropped: int = 0
    notes: tuple[str, ...] = ()
    family: Family = GAUSSIAN
    residual: ResidualRows | None = None
    summed: Sufficient | None = None
    batches: tuple[str, ...] = ()
    sample_of: "Design | None" = None

    def __repr__(self) -> str:
        """Say what the design is of, and its size."""
        groups = f", {self.J} groups ({self.group})" if self.group else ""
        return f"<Design {str(self.formula)!r} [{self.kind}], n = {self.n}{groups}>"

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.size) if self.summed is None else self.summed.n

    @property
    def p(self) -> int:
        """Number of fixed-effect columns."""
        return len(self.terms)

    @property
    def q(self) -> int:
        """Number of group-effect columns."""
        return len(self.effects)

    @property
    def J(self) -> int:  # noqa: N802  (the field's symbol for the number of groups)
        """Number of groups."""
        return int(self.labels.size)

    @property
    def group_sizes(self) -> Ints:
        """Rows in each group, shape (J,)."""
        if self.summed is not None:
            return self.summed.counts
        return np.bincount(self.codes, minlength=self.J)

    @property
    def whole(self) -> "Design":
        """Give the design of all the data: itself, or that which its rows are a sample of."""
        return self if self.sample_of is None else self.sample_of

    @property
    def has_intercept(self) -> bool:
        """Tell whether X holds a column of ones named Intercept."""
        return INTERCEPT in self.terms

    @property
    def has_icc(self) -> bool:
        """Whether one intraclass correlation exists: a random intercept only, and a residual sd."""
        return self.has_intercept_effect_only and self.family.is_additive

    @property
    def has_intercept_effect_only(self) -> bool:
        """Return whether an intercept is the only group effect."""
        return self.effects == (INTERCEPT,)

    @property
    def errors(self) -> str:
        """The residual structure and the family in a few words; empty if plain and Gaussian."""
        parts = [] if self.family.gaussian_moments else [self.family.label]
        if self.residual is not None and not self.residual.asked.is_plain:
            parts.append(str(self.residual.asked))
        return ", ".join(parts)

    @property
    def effect_pairs(self) -> tuple[tuple[int, int], ...]:
        """Places of the effects that may correlate: the upper triangle by rows, or none."""
        return tuple(combinations(range(self.q), 2)) if self.correlated else ()


@dataclass(frozen=True, kw_only=True)
class GroupMeans:
    """Hold the group means of the formula's own columns, which several kinds are made of.

    Parameters
    ----------
    terms : tuple of str
        Names of the columns, p of them.
    means : ndarray, shape (J, p)
        Mean of each column in each group.
    varies : ndarray of bool, shape (p,)
        Whether the column varies within groups: its deviations from the group means exceed 1e-9
        of its own size ("is it constant?" is asked by tolerance, never by equality).
    """

    terms: tuple[str, ...]
    means: Floats
    varies: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, repr=False)
class Rows:
    """Hold the columns of new data, laid out as a `Design` was.

    Parameters
    ----------
    X, Z : ndarray, shapes (m, p) and (m, q)
        Columns in the order of the design's `terms` and `effects`.
    codes : ndarray of int, shape (m,)
        Group of each row as an index into the design's `labels`; -1 for a group it never saw.
    """

    X: Floats
    Z: Floats
    codes: Ints

    def __repr__(self) -> str:
        """Return how many there are, on one line."""
        return f"<Rows: {len(self.X):,}, X with {self.X.shape[1]} columns>"


def build_design(
    formula: str | Formula,
    table: Any,
    *,
    group: str | None = None,
    missing: Literal["error", "drop"] = "error",
    group_level: Sequence[str] = (),
    residual: Residual | Mapping[str, Any] | None = None,
    family: str | Family = "gaussian",
    strip: bool = False,
) -> Design:
    """Evaluate a formula on a table, after checking that the two make an estimable model.

    Parameters
    ----------
    formula : str or Formula
        For example ``"mathach ~ ses * sector + (1 | schoolid)"``.
    table : data frame, mapping or Table
        Any frame narwhals supports, or what `bayes_mlm.read_table` gives.
    group : str, optional
        The grouping column of a formula without a bar, for the kinds that need groups.
    missing : {"error", "drop"}
        What to do with rows that miss a value in a column the model uses.
    group_level : sequence of str
        Columns declared to be properties of the group; an error if one varies within a group.
    residual : Residual or mapping, optional
        How residuals depart from independent ones of one sd: ``{"sigma": "sector"}``,
        ``{"ar": "age"}``; see `bayes_mlm.model.residual`.
    family : str or Family
        Distribution of the outcome given its linear predictor: a name in `FAMILIES`.
    strip : bool
        Whether to strip spaces from the ends of labels, as of new data that the design replays.

    Returns
    -------
    Design
        With kind "partial_pooling" if the formula has a bar, else "pooled".

    Raises
    ------
    DataError, FormulaError, SpecError, DesignError
        If the table, the formula or the two together cannot make the model.

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> design.n, design.J, design.terms, design.effects
    (7185, 160, ('Intercept', 'ses'), ('Intercept',))
    """
    if not isinstance(formula, (str, Formula)):
        raise DesignError(f"the formula must be text, found {type(formula).__name__}; it is first")
    if isinstance(group_level, str):
        group_level = (group_level,)
    table = strip_labels(as_table(table)) if strip else as_table(table)
    parsed = parse_formula(formula) if isinstance(formula, str) else formula
    if group is not None and parsed.group is not None and group != parsed.group:
        raise DesignError(
            f"the formula groups by {parsed.group!r} but group={group!r} was given; "
            "give one of them"
        )
    group = parsed.group or group
    asked = as_residual(residual)
    family = FAMILIES[family] if isinstance(family, str) else family
    check_structure(asked, family)
    names = list(
        dict.fromkeys([*parsed.columns, *([group] if group else []), *group_level, *asked.columns])
    )
    require_columns(table, names)
    if missing == "error":  # named as a footer, and not by its missing values
        check_footer(table)
    given, kept = table, handle_missing(table, names, missing=missing)
    table = kept.table
    if missing != "error":
        check_footer(table)
    require_finite(table, [name for name in names if name != group])
    for name in names:
        if name != group:
            refuse_magnitudes([name], table.columns[name])
    notes = check_outcome(table, parsed.outcome.columns[0])
    labels: NDArray[Any] = np.zeros(1, dtype=np.int64)
    codes = np.zeros(table.n, dtype=np.int64)
    if group is not None:
        predictors = [name for name in parsed.predictor_columns if name != group]
        effects = [name for term in parsed.effects for factor in term for name in factor.columns]
        groups = check_group(table, group, predictors, effects=effects)
        labels, codes = groups.labels, groups.codes
        if kept.n_dropped:
            before = count_labels(given.columns[group], as_numbers=labels.dtype != object)
            notes = (*notes, *note_on_lost_groups(before, labels.size, group))
        check_group_level(table, group, group_level)
    measured = parsed.measured_columns
    check_predictors(
        table,
        [name for name in parsed.predictor_columns if name != group or name in measured],
        categories=set(parsed.predictor_columns) - set(measured),
    )
    encoding = replace(learn_encoding(parsed, table, group=group), strip=strip)
    notes = (*notes, *notes_on_levels(encoding.levels, table.n, table.categories))
    notes = (*notes, *label_notes(encoding.levels, group, labels))
    strata, noted = asked.sigma_column, (group, *(item.column for item in encoding.levels))
    if strata is not None and strata not in noted:
        notes = (*notes, *notes_on_labels(strata, levels_of(table.columns[strata])[0]))
    structure = lay_out_residual(
        asked, table, codes, labels.tolist(), group, always=not family.gaussian_moments
    )
    arrays = encode(encoding, table)
    refuse_magnitudes([encoding.outcome], arrays.y)
    notes = (*notes, *family.check_response(arrays.y))
    refuse_magnitudes(arrays.terms, arrays.X)
    refuse_magnitudes(arrays.effects, arrays.Z)
    design = Design(
        y=arrays.y,
        X=arrays.X,
        Z=arrays.Z,
        codes=codes,
        labels=labels,
        outcome=encoding.outcome,
        terms=arrays.terms,
        effects=arrays.effects,
        group=group,
        kind="partial_pooling" if arrays.Z.shape[1] else "pooled",
        formula=parsed,
        encoding=encoding,
        correlated=parsed.correlated,
        base=_group_means(arrays.X, arrays.terms, codes, labels.size) if group else None,
        n_dropped=kept.n_dropped,
        notes=(*notes, *encoding.notes, *(() if structure is None else structure.notes)),
        family=family,
        residual=structure,
    )
    check_estimable(design)
    return design


def _group_means(X: Floats, terms: tuple[str, ...], codes: Ints, n_groups: int) -> GroupMeans:
    means = means_by_group(X, codes, n_groups)
    # A column at a time: a copy of X is the most that a large table leaves room for.
    inside = [
        float(np.sqrt(np.square(column - mean[codes]).mean()))
        for column, mean in zip(X.T, means.T, strict=True)
    ]
    sizes = np.abs([[X.min(axis=0)], [X.max(axis=0)]]).max(axis=(0, 1))
    return GroupMeans(terms=terms, means=means, varies=np.array(inside) > VARIES * sizes)


def means_by_group(values: Floats, codes: Ints, n_groups: int) -> Floats:
    """Average the rows of each group: (n,) or (n, k) to (J,) or (J, k)."""
    columns = values.reshape(values.shape[0], -1)
    sums = [np.bincount(codes, weights=column, minlength=n_groups) for column in columns.T]
    means = np.array(sums).T / np.bincount(codes, minlength=n_groups)[:, None]
    return means.reshape(n_groups, *values.shape[1:])


def check_estimable(design: Design) -> None:
    """Refuse columns that the rest of the model already says."""
    wanted = design.p + (design.J if design.kind == "no_pooling" else 0)
    if design.n <= wanted:
        raise DesignError(
            f"{design.n} rows cannot estimate {wanted} coefficients and a residual sd "
            f"({', '.join(design.terms)}); use fewer predictors or more data"
        )
    if design.summed is not None and design.q and design.J == 1:
        raise DesignError(
            f"the sums are of one group of {design.group!r}: how groups differ cannot be learned "
            "from one; add those of others (merge_sums, bayes-mlm merge)"
        )
    where, remedy = "", "leave one of them out"
    if design.kind in ("no_pooling", "within"):
        where = f" within {design.group}"
    if design.kind == "no_pooling":
        remedy = "a no-pooling model has an own intercept a group, which leaves only what varies"
        remedy += " within groups; use partial pooling for predictors of the group"
    aliased, near = _ALIASED, ""
    intercept = np.array([term == INTERCEPT for term in design.terms])
    if design.summed is not None:
        found = left_of_sums(design.summed, intercept, inside=design.kind == "no_pooling")
        aliased, near = _SUMMED, ", or so near to one that sums cannot tell"
    else:
        origin = np.zeros((1, design.p))
        if design.kind == "no_pooling":
            origin = means_by_group(design.X, design.codes, design.J)
        elif design.has_intercept:
            origin = np.where(intercept, 0.0, design.X.mean(axis=0))[None]
        found = left_of_rows(design.X, origin, design.codes)
    for term, own, left, several in zip(design.terms, *found, strict=True):
        if own <= VARIES and several and not where:
            raise DesignError(
                f"the predictor {term!r} varies by next to nothing of its own size, too little to "
                "tell from the intercept; take a constant off it first, as center() does"
            )
        if own <= VARIES:
            raise DesignError(f"the predictor {term!r} does not vary{where}; {remedy}")
        if left <= aliased * own:
            raise DesignError(
                f"the predictor {term!r} is a linear combination of the predictors before "
                f"it{near}; {remedy}"
            )
