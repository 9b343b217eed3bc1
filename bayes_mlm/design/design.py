"""Arrays that every engine reads, from a table and a formula.

A `Design` is made once (`build_design`) and handed to the factories, to REML and to OLS, so that
what they disagree about is never the data. `bayes_mlm.design.layouts` lays it out for a kind of
model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, DesignError, Floats, Ints, count
from bayes_mlm.data import (
    Groups,
    Table,
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
from bayes_mlm.design.encoding import Encoded, Encoding, encode, learn_encoding
from bayes_mlm.design.encoding.columns import Column
from bayes_mlm.design.encoding.levels import label_notes, notes_on_levels
from bayes_mlm.design.terms import FixedColumns, GroupTerm, Response, changed, means_by_group
from bayes_mlm.formula import Formula, parse_formula, refuse_several
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
from bayes_mlm.moments import GroupMoments, from_design, refuse_rows

INTERCEPT = "Intercept"
VARIES = 1e-9
# A column is aliased when what the columns before it leave of it is below this part of its sd.
_ALIASED = 1e-8
# Sums of squares hold half the digits that rows do.
_AGGREGATED = 1e-6
_OF_TERM = ("Z", "effects", "correlated", "codes", "labels", "factor")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Design:
    """The arrays of one model, with the names of their rows and columns.

    Of aggregated data (`bayes_mlm.design.aggregated`) the rows are not there: `moments()` answers,
    and what reads a value of a row raises `RowsNeededError`.

    Parameters
    ----------
    response : Response
        The outcome.
    fixed : FixedColumns
        The fixed-effect columns.
    group_terms : tuple of GroupTerm
        One for each grouping factor; a factor that is known without effects has q = 0.
    kind : str
        The kind of model the arrays are laid out for (see `bayes_mlm.design.layouts`).
    formula : Formula
        The formula the arrays came from.
    encoding : Encoding
        What was learned from the table (levels, means), so that new data replay it.
    base : GroupMeans or None
        Group means of the columns as the formula gave them; None unless there is one factor.
    n_dropped : int
        Rows omitted because of missing values, by the user's explicit wish.
    notes : tuple of str
        Remarks on the data that a reader of the results should see.
    family : Family
        Distribution of the outcome given its linear predictor.
    residual : ResidualRows or None
        The residual structure by row, of all that is not Gaussian with independent residuals of
        one sd; None for that.
    aggregated : GroupMoments or None
        Per-group sufficient statistics of the model's columns, in place of the rows.
    batches : tuple of str
        Of merged moments: a checksum of each set of rows, by which none is added twice.
    sample_of : Design or None
        Of rows that are those of a sample of groups: the design of all, in moments.
    """

    response: Response
    fixed: FixedColumns
    group_terms: tuple[GroupTerm, ...] = ()
    kind: str
    formula: Formula
    encoding: Encoding
    base: "GroupMeans | None" = None
    n_dropped: int = 0
    notes: tuple[str, ...] = ()
    family: Family = GAUSSIAN
    residual: ResidualRows | None = None
    aggregated: GroupMoments | None = None
    batches: tuple[str, ...] = ()
    sample_of: "Design | None" = None

    def __repr__(self) -> str:
        """Return the formula, the kind and the size, on one line."""
        groups = "".join(f", {term.J} groups ({term.factor})" for term in self.group_terms)
        return f"<Design {str(self.formula)!r} [{self.kind}], n = {self.n}{groups}>"

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.size) if self.aggregated is None else self.aggregated.n

    @property
    def p(self) -> int:
        """Number of fixed-effect columns."""
        return len(self.terms)

    @property
    def y(self) -> Floats:
        """Values of the outcome, shape (n,)."""
        return self.response.y

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.response.name

    @property
    def X(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Fixed-effect columns, shape (n, p)."""
        return self.fixed.X

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed-effect columns."""
        return self.fixed.terms

    @property
    def group_counts(self) -> tuple[str, ...]:
        """How many groups each factor has: "160 groups (schoolid)"."""
        return tuple(f"{count(one.J, 'group')} ({one.factor})" for one in self.group_terms)

    @property
    def has_group_effects(self) -> bool:
        """Whether a grouping factor has effects."""
        return any(term.q for term in self.group_terms)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the grouping factors."""
        return tuple(term.factor for term in self.group_terms)

    @property
    def has_rows(self) -> bool:
        """Whether the rows are there, and not their moments alone."""
        return self.aggregated is None

    def rows(self) -> "Design":
        """Return the design, whose rows are there.

        Raises
        ------
        RowsNeededError
            If only moments are there.
        """
        if self.aggregated is not None:
            refuse_rows("values")
        return self

    def moments(self) -> GroupMoments:
        """Return the per-group sufficient statistics: those that are there, or of the rows."""
        return from_design(self) if self.aggregated is None else self.aggregated

    def of_factor(self, place: int) -> "Design":
        """Return the design with one of its group terms only."""
        if len(self.group_terms) == 1:
            return self
        encoding = self.encoding.of_factor(place)
        return replace(
            self,
            group_terms=self.group_terms[place : place + 1],
            formula=encoding.formula,
            encoding=encoding,
        )

    def single_term(
        self, what: str = "this", remedy: str = "it needs a model with one group term"
    ) -> GroupTerm:
        """Return the one group term; without a factor, a term of one group and no effects.

        Parameters
        ----------
        what : str
            What takes one factor at most, for the message: "REML".
        remedy : str
            What to do, for the message.

        Raises
        ------
        SeveralFactorsError
            If the model has several grouping factors.
        """
        refuse_several(self.factors, what, remedy)
        return self.group_terms[0] if self.group_terms else self._no_groups

    @cached_property
    def _no_groups(self) -> GroupTerm:
        rows = self.aggregated is None
        return GroupTerm(
            factor="",
            labels=np.zeros(1, dtype=np.int64),
            codes=np.zeros(self.n, dtype=np.int64) if rows else None,
            Z=np.empty((self.n, 0)) if rows else None,
            effects=(),
        )

    @property
    def group(self) -> str | None:
        """Name of the one grouping factor; None without groups."""
        return self.single_term().factor or None

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of the groups of the one factor, shape (J,)."""
        return self.single_term().labels

    @property
    def codes(self) -> Ints:
        """Group of each row, an index into `labels`, shape (n,); zeros without groups."""
        return self.single_term().codes

    @property
    def Z(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Group-effect columns of the one factor, shape (n, q)."""
        return self.single_term().Z

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the group-effect columns of the one factor."""
        return self.single_term().effects

    @property
    def correlated(self) -> bool:
        """Whether the effects of a group of the one factor may correlate."""
        return self.single_term().correlated

    @property
    def q(self) -> int:
        """Number of group-effect columns of the one factor."""
        return self.single_term().q

    @property
    def J(self) -> int:  # noqa: N802  (the field's symbol for the number of groups)
        """Number of groups of the one factor; 1 without groups."""
        return self.single_term().J

    @property
    def group_sizes(self) -> Ints:
        """Rows in each group of the one factor, shape (J,)."""
        return self.single_term().sizes if self.aggregated is None else self.aggregated.counts

    @property
    def has_intercept_effect_only(self) -> bool:
        """Whether an intercept is the only group effect."""
        return self.effects == (INTERCEPT,)

    @property
    def errors(self) -> str:
        """The residual structure and the family in a few words; empty if plain and Gaussian."""
        parts = [] if self.family.gaussian_moments else [self.family.label]
        if self.residual is not None and not self.residual.spec.is_plain:
            parts.append(str(self.residual.spec))
        return ", ".join(parts)

    @property
    def effect_pairs(self) -> tuple[tuple[int, int], ...]:
        """Places of the effects that may correlate: the upper triangle by rows, or none."""
        return self.single_term().pairs

    @property
    def effect_columns(self) -> tuple[Column, ...]:
        """The formula's group-effect columns of the one factor, with the factors in each."""
        self.single_term()
        return self.encoding.z_columns[0] if self.encoding.z_columns else ()

    def group_means(self, values: Floats) -> Floats:
        """Return the mean of each group of the one factor: (n,) or (n, k) to (J,) or (J, k)."""
        return self.single_term().means(values)

    def by_row[A: np.generic](self, values: NDArray[A]) -> NDArray[A]:
        """Return for each row the value of its group of the one factor: (J, ...) to (n, ...)."""
        return self.single_term().by_row(values)

    def take(self, rows: Ints) -> "Design":
        """Return the design of some rows, in the order given; the groups stay."""
        return replace(
            self,
            response=self.response.take(rows),
            fixed=changed(self.fixed, X=self.X[rows]),
            group_terms=tuple(term.take(rows) for term in self.group_terms),
            residual=None if self.residual is None else self.residual.take(rows),
        )

    def with_arrays(self, **changes: Any) -> "Design":
        """Return the design with some arrays, or their names, changed.

        Parameters
        ----------
        **changes
            `y` and `outcome` of the response, `X` and `terms` of the fixed columns, `Z`,
            `factor`, `effects`, `correlated`, `codes` and `labels` of the one group term; any other
            field.
        """
        own = {name: changes.pop(name) for name in _OF_TERM if name in changes}
        fixed = {name: changes.pop(name) for name in ("X", "terms") if name in changes}
        response = {
            field: changes.pop(name)
            for name, field in (("y", "y"), ("outcome", "name"))
            if name in changes
        }
        if response:
            changes["response"] = changed(self.response, **response)
        if fixed:
            changes["fixed"] = changed(self.fixed, **fixed)
        if own and (self.group_terms or own.get("effects") or "labels" in own):
            changes["group_terms"] = (changed(self.single_term("a change of columns"), **own),)
        return replace(self, **changes)

    def with_moments(self, moments: GroupMoments, **changes: Any) -> "Design":
        """Return the design of other moments, with their columns and groups."""
        arrays = dict.fromkeys(("y", "X", "Z", "codes"))
        names = {"terms": moments.terms, "effects": moments.effects}
        groups = {"labels": moments.labels} if self.group_terms else {}
        return self.with_arrays(**arrays, **names, **groups, aggregated=moments, **changes)

    @property
    def whole(self) -> "Design":
        """The design of all the data: itself, or that which its rows are a sample of."""
        return self if self.sample_of is None else self.sample_of

    @property
    def has_intercept(self) -> bool:
        """Whether X has a column of ones named Intercept."""
        return INTERCEPT in self.terms

    @property
    def has_icc(self) -> bool:
        """Whether one intraclass correlation exists: a random intercept only, and a residual sd."""
        alone = len(self.group_terms) == 1 and self.group_terms[0].effects == (INTERCEPT,)
        return alone and self.family.is_additive


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
        of its own size ("is it constant?" is asked by tolerance, never by equality).
    """

    terms: tuple[str, ...]
    means: Floats
    varies: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupRows:
    """The part of one group term in new data.

    Parameters
    ----------
    Z : ndarray, shape (m, q)
        Columns in the order of the term's `effects`.
    codes : ndarray of int, shape (m,)
        Group of each row as an index into the term's `labels`; -1 for a group it never saw.
    """

    Z: Floats
    codes: Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Rows:
    """The columns of new data, laid out as a `Design` was.

    Parameters
    ----------
    X : ndarray, shape (m, p)
        Columns in the order of the design's `terms`.
    groups : tuple of GroupRows
        In the order of the design's `group_terms`; one without groups has one, of codes -1.
    """

    X: Floats
    groups: tuple[GroupRows, ...]

    def __repr__(self) -> str:
        """Return how many there are, on one line."""
        return f"<Rows: {len(self.X):,}, X with {self.X.shape[1]} columns>"

    @property
    def Z(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Columns of the one group term, shape (m, q)."""
        (only,) = self.groups
        return only.Z

    @property
    def codes(self) -> Ints:
        """Group of each row of the one factor, shape (m,); -1 where unknown."""
        (only,) = self.groups
        return only.codes


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
        Any frame narwhals supports, or what `bayes_mlm.read_table` returns.
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
    factors = factors_of(parsed, group)
    asked = as_residual(residual)
    family = FAMILIES[family] if isinstance(family, str) else family
    check_structure(asked, family)
    names = list(dict.fromkeys([*parsed.columns, *factors, *group_level, *asked.columns]))
    require_columns(table, names)
    if missing == "error":  # named as a footer, and not by its missing values
        check_footer(table)
    given, kept = table, handle_missing(table, names, missing=missing)
    table = kept.table
    if missing != "error":
        check_footer(table)
    numbers = [name for name in names if name not in factors]
    require_finite(table, numbers)
    for name in numbers:
        refuse_magnitudes([name], table.columns[name])
    notes = check_outcome(table, parsed.outcome.columns[0])
    found = _check_factors(parsed, factors, table)
    if kept.n_dropped:
        for one in found:
            before = count_labels(given.columns[one.name], as_numbers=one.labels.dtype != object)
            notes = (*notes, *note_on_lost_groups(before, one.labels.size, one.name))
    _check_group_level(table, factors, group_level)
    measured = parsed.measured_columns
    check_predictors(
        table,
        [name for name in parsed.predictor_columns if name not in factors or name in measured],
        categories=set(parsed.predictor_columns) - set(measured),
    )
    encoding = replace(learn_encoding(parsed, table, group=group), strip=strip)
    notes = (*notes, *notes_on_levels(encoding.levels, table.n, table.categories))
    for one in found:
        notes = (*notes, *label_notes(encoding.levels, one.name, one.labels))
    strata, noted = asked.sigma_column, (*factors, *(item.column for item in encoding.levels))
    if strata is not None and strata not in noted:
        notes = (*notes, *notes_on_labels(strata, levels_of(table.columns[strata])[0]))
    if asked.ar is not None:
        refuse_several(factors, "an autoregression of residuals", "leave one of them out")
    by = found[0] if found else None
    codes = np.zeros(table.n, dtype=np.int64) if by is None else by.codes
    structure = lay_out_residual(
        asked,
        table,
        codes,
        [0] if by is None else by.labels.tolist(),
        None if by is None else by.name,
        always=not family.gaussian_moments,
    )
    arrays = encode(encoding, table)
    refuse_magnitudes([encoding.outcome], arrays.y)
    notes = (*notes, *family.check_response(arrays.y))
    refuse_magnitudes(arrays.terms, arrays.X)
    for effects, Z in zip(arrays.effects, arrays.Z, strict=True):
        refuse_magnitudes(effects, Z)
    design = Design(
        response=Response(name=encoding.outcome, y=arrays.y),
        fixed=FixedColumns(X=arrays.X, terms=arrays.terms),
        group_terms=_group_terms(parsed, found, arrays),
        kind="partial_pooling" if parsed.group_terms else "pooled",
        formula=parsed,
        encoding=encoding,
        base=None if len(found) != 1 else _group_means(arrays.X, arrays.terms, found[0]),
        n_dropped=kept.n_dropped,
        notes=(*notes, *encoding.notes, *(() if structure is None else structure.notes)),
        family=family,
        residual=structure,
    )
    check_estimable(design)
    return design


def factors_of(formula: Formula, group: str | None) -> tuple[str, ...]:
    """Return the grouping factors: those of the bars, or `group` for a formula without one.

    Raises
    ------
    DesignError
        If both are given and differ.
    """
    factors = formula.grouping_factors
    if group is not None and factors not in ((), (group,)):
        raise DesignError(
            f"the formula groups by {', '.join(map(repr, factors))} but group={group!r} was given; "
            "give one of them"
        )
    return factors or (() if group is None else (group,))


def _check_factors(formula: Formula, factors: Sequence[str], table: Table) -> list[Groups]:
    """Find the groups of every factor, after checking that they can be groups."""
    predictors = [name for name in formula.predictor_columns if name not in factors]
    found = []
    for place, factor in enumerate(factors):
        terms = formula.group_terms[place].terms if formula.group_terms else ()
        effects = [name for term in terms for one in term for name in one.columns]
        found.append(check_group(table, factor, predictors, effects=effects))
    return found


def _check_group_level(table: Table, factors: Sequence[str], group_level: Sequence[str]) -> None:
    """Refuse a column declared a property of groups that varies within those of every factor."""
    for name in group_level if factors else ():
        errors = []
        for factor in factors:
            try:
                check_group_level(table, factor, [name])
            except DataError as error:
                errors.append(error)
        if len(errors) == len(factors):
            raise errors[0]


def _group_terms(
    formula: Formula, found: Sequence[Groups], arrays: Encoded
) -> tuple[GroupTerm, ...]:
    if not formula.group_terms:  # a factor that is known, without effects
        empty = np.empty((len(arrays.X), 0))
        return tuple(
            GroupTerm(factor=one.name, labels=one.labels, codes=one.codes, Z=empty, effects=())
            for one in found
        )
    return tuple(
        GroupTerm(
            factor=one.name,
            labels=one.labels,
            codes=one.codes,
            Z=Z,
            effects=effects,
            correlated=bar.correlated,
        )
        for one, bar, Z, effects in zip(
            found, formula.group_terms, arrays.Z, arrays.effects, strict=True
        )
    )


def _group_means(X: Floats, terms: tuple[str, ...], groups: Groups) -> GroupMeans:
    codes = groups.codes
    means = means_by_group(X, codes, groups.labels.size)
    # A column at a time: a copy of X is the most that a large table leaves room for.
    inside = [
        float(np.sqrt(np.square(column - mean[codes]).mean()))
        for column, mean in zip(X.T, means.T, strict=True)
    ]
    sizes = np.abs([[X.min(axis=0)], [X.max(axis=0)]]).max(axis=(0, 1))
    return GroupMeans(terms=terms, means=means, varies=np.array(inside) > VARIES * sizes)


def check_estimable(design: Design) -> None:
    """Refuse columns that the rest of the model already says."""
    wanted = design.p + (design.J if design.kind == "no_pooling" else 0)
    if design.n <= wanted:
        raise DesignError(
            f"{design.n} rows cannot estimate {wanted} coefficients and a residual sd "
            f"({', '.join(design.terms)}); use fewer predictors or more data"
        )
    if design.aggregated is not None and design.q and design.J == 1:
        raise DesignError(
            f"the sums are of one group of {design.group!r}: how groups differ cannot be learned "
            "from one; add those of others (merge_sums, bayes-mlm merge)"
        )
    where, remedy = "", "leave one of them out"
    if design.kind in ("no_pooling", "within"):
        where = f" within {design.group}"
    if design.kind == "no_pooling":
        remedy = "a no-pooling model has an intercept for each group, which leaves only what varies"
        remedy += " within groups; use partial pooling for predictors of the group"
    aliased, near = _ALIASED, ""
    intercept = np.array([term == INTERCEPT for term in design.terms])
    if design.aggregated is not None:
        found = left_of_sums(design.aggregated, intercept, inside=design.kind == "no_pooling")
        aliased, near = _AGGREGATED, ", or so near to one that sums cannot tell"
    else:
        origin = np.zeros((1, design.p))
        if design.kind == "no_pooling":
            origin = design.group_means(design.X)
        elif design.has_intercept:
            origin = np.where(intercept, 0.0, design.X.mean(axis=0))[None]
        codes = design.codes if design.kind == "no_pooling" else None
        found = left_of_rows(design.X, origin, codes)
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
