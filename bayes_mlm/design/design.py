"""Arrays that every engine reads, from a table and a formula.

A `Design` is made once (`build_design`) and given to every engine, so that what they disagree about
is never the data. `bayes_mlm.design.layouts` lays it out for a kind of model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints, SeveralFactorsError
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.design.encoding.columns import Column
from bayes_mlm.design.grouped_rows import GroupedRows
from bayes_mlm.design.terms import (
    FixedColumns,
    GroupMeans,
    changed,
    terms_of_moments,
)
from bayes_mlm.formula import Formula
from bayes_mlm.model import GAUSSIAN, Family, ResidualRows
from bayes_mlm.moments import (
    CellMoments,
    CrossedTable,
    CrossProducts,
    GroupMoments,
    by_group,
    by_level,
    cross_products,
    cross_products_of_cells,
    from_rows,
    is_nested,
    one_group,
    refuse_rows,
)

INTERCEPT = "Intercept"
VARIES = 1e-9
_OF_TERM = ("Z", "effects", "correlated", "codes", "labels", "factor", "counts")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Design(GroupedRows):
    """The arrays of one model, with the names of their rows and columns.

    Of aggregated data (`bayes_mlm.design.aggregated`) there are `moments()`, of counted rows
    `weighted_rows` too, and what reads a value of a row raises `RowsNeededError`.

    Parameters
    ----------
    response, group_terms, aggregated, patterns
        As of `GroupedRows`.
    fixed : FixedColumns
        The fixed-effect columns.
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
    residual : ResidualRows or None
        The residual structure by row, of all that is not Gaussian with independent residuals of
        one sd; None for that.
    crossed : CrossedTable or None
        Of two crossed random intercepts of too many cells: sums by level and lists of neighbours;
        `aggregated` then has all rows as one cell.
    batches : tuple of str
        Of merged moments: a checksum of each set of rows, by which none is added twice.
    sample_of : Design or None
        Of rows that are those of a sample of groups: the design of all, in moments.
    inputs : mapping of str to ndarray, shape (n,)
        Columns that X and Z have only functions of: x of ``log(x)``; of categories the places.
    omitted : tuple of str
        Of the arrays of one factor (`of_factor`): the model's other factors.
    imputations : tuple of Design
        Of several imputations of the data (`pool_designs`): the design of each.
    """

    fixed: FixedColumns
    kind: str
    formula: Formula
    encoding: Encoding
    base: GroupMeans | None = None
    n_dropped: int = 0
    notes: tuple[str, ...] = ()
    family: Family = GAUSSIAN
    residual: ResidualRows | None = None
    crossed: CrossedTable | None = None
    batches: tuple[str, ...] = ()
    sample_of: "Design | None" = None
    inputs: Mapping[str, Floats] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()
    imputations: "tuple[Design, ...]" = ()

    def __repr__(self) -> str:
        """Return the formula, the kind and the size, on one line."""
        groups = "".join(f", {term.J} groups ({term.factor})" for term in self.group_terms)
        groups += f", {len(self.imputations)} imputations" if self.imputations else ""
        return f"<Design {str(self.formula)!r} [{self.kind}], n = {self.n}{groups}>"

    @property
    def p(self) -> int:
        """Number of fixed-effect columns."""
        return len(self.terms)

    @property
    def y(self) -> Floats:
        """Values of the outcome, shape (n,)."""
        return self.response.y

    @property
    def offset(self) -> Floats:
        """What is added to the linear predictor, shape (n,); zero without an offset."""
        return np.zeros(self.n) if self.response.offset is None else self.response.offset

    @property
    def y_less_offset(self) -> Floats:
        """What the coefficients and group effects are fitted to, shape (n,).

        Of a family with the identity link, whose linear predictor is in units of the outcome.
        """
        return self.response.y_less_offset

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.response.name

    @property
    def outcome_title(self) -> str:
        """Variable label of the outcome, or its name."""
        return self.encoding.title(self.outcome)

    @property
    def X(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Fixed-effect columns, shape (n, p)."""
        return self.fixed.X

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed-effect columns."""
        return self.fixed.terms

    def rows(self, remedy: str = "") -> "Design":
        """Return the design, after checking that it has rows; `remedy` is for the message.

        Raises
        ------
        RowsNeededError
            If it has moments alone.
        """
        if not self.has_rows:
            refuse_rows("values", remedy, imputations=len(self.imputations))
        return self

    def require_all_factors(self, what: str) -> None:
        """Check that no effects of the model's factors are omitted.

        Parameters
        ----------
        what : str
            What needs them, for the message: "predict".

        Raises
        ------
        SeveralFactorsError
        """
        if self.omitted:
            raise SeveralFactorsError(
                f"{what} needs the effects of every grouping factor, and found are those of "
                f"{self.factors[0]} without {' and '.join(self.omitted)}; use what of_factor was "
                "called on"
            )

    def moments(self, *, grouped: bool = True) -> GroupMoments:
        """Return the sufficient statistics by group, or of all rows as one group."""
        self.single_term("the moments by group")
        if self.imputations:
            refuse_rows("sums by group", imputations=len(self.imputations))
        if self.crossed is not None and grouped:
            raise EngineError(
                "of two factors with so many cells there are no moments by group, which this "
                "needs; use a sample of the rows"
            )
        if not grouped:
            return self.compute(lambda of: of.moments_of(of.columns, grouped=False), one_group)
        return self.compute(
            lambda of: of._moments(of.y_less_offset, of.X, of.Z), lambda moments: moments
        )

    def cross_products(self) -> CrossProducts:
        """Return the sufficient statistics of all grouping factors, from the rows or moments."""
        terms = [term for term in self.group_terms if term.q]
        if self.crossed is not None:
            raise EngineError(
                "two factors with so many cells are fitted without a factorisation, by "
                "engine='reml', 'ml' or 'direct'"
            )
        if self.aggregated is not None:
            return cross_products_of_cells(self.aggregated, [term.free for term in terms])
        columns = [term.effect_columns for term in terms]
        return cross_products(self.y_less_offset, self.X, columns, terms=self.terms)

    def compute[A](self, rows: "Callable[[Design], A]", moments: Callable[[GroupMoments], A]) -> A:
        """Return what one function computes from the rows or, without them, another from moments.

        Parameters
        ----------
        rows, moments : callable
            Of the design with its rows, and of its sufficient statistics by group or, of several
            factors, by cell.
        """
        if self.has_rows:
            return rows(self)
        found = self.aggregated
        return moments(self.weighted_rows.moments() if found is None else found.cells)

    def of_factor(self, place: int) -> "Design":
        """Return the design with one of its group terms only, for questions on its groups.

        The rows, and what is fitted to them, need all (`require_all_factors`).
        """
        if len(self.group_terms) == 1:
            return self
        encoding, moments = self.encoding.of_factor(place), self.aggregated
        return replace(
            self,
            group_terms=self.group_terms[place : place + 1],
            formula=encoding.formula,
            encoding=encoding,
            omitted=tuple(name for k, name in enumerate(self.factors) if k != place),
            aggregated=None if moments is None else by_group(by_level(moments, place)),
            patterns=None if self.patterns is None else self.patterns.of_factor(place),
            imputations=tuple(one.of_factor(place) for one in self.imputations),
        )

    def is_nested(self, place: int, other: int) -> bool:
        """Return whether each group of one factor lies in one group of another, by their places."""
        if self.crossed is not None or place == other:
            return place == other
        found = self.aggregated
        known = self.weighted_rows.group_terms if found is None else found.factors
        inner, outer = (known[k].codes for k in (place, other))
        return is_nested(inner, outer, self.group_terms[place].J)

    @property
    def errors(self) -> str:
        """The residual structure and the family in a few words; empty if plain and Gaussian."""
        parts = [] if self.family.gaussian_moments else [self.family.label]
        if self.residual is not None and not self.residual.spec.is_plain:
            parts.append(str(self.residual.spec))
        return ", ".join(parts)

    @property
    def errors_text(self) -> str:
        """What follows a formula: "; residuals: ...", or the family and its link."""
        if not self.family.is_additive:
            return f"; {self.family.label} outcomes, link {self.family.link}"
        return f"; residuals: {self.errors}" if self.errors else ""

    @property
    def effect_columns(self) -> tuple[Column, ...]:
        """The formula's group-effect columns of the one factor, with the factors in each."""
        self.single_term()
        return self.encoding.z_columns[0] if self.encoding.z_columns else ()

    @property
    def columns(self) -> Floats:
        """Columns [X, Z, y less the offset], with Z of the one factor, shape (n, p + q + 1)."""
        return np.column_stack([self.X, self.Z, self.y_less_offset])

    def moments_of(
        self, columns: Floats, terms: tuple[str, ...] = (), *, grouped: bool = True
    ) -> GroupMoments:
        """Return the moments of other columns of the rows, laid out as `columns` are.

        Parameters
        ----------
        columns : ndarray, shape (n, p + k + q + 1)
            As whitened, for example.
        terms : tuple of str
            Names of the k columns that follow those of X.
        grouped : bool
            Whether by group.
        """
        p = self.p + len(terms)
        return self._moments(columns[:, -1], columns[:, :p], columns[:, p:-1], terms, grouped)

    def _moments(
        self, y: Floats, X: Floats, Z: Floats, terms: tuple[str, ...] = (), grouped: bool = True
    ) -> GroupMoments:
        term, survey = self.group_term, self.weights if grouped else None
        found = from_rows(
            y,
            X,
            Z,
            term.codes if grouped else np.zeros(self.n, dtype=np.int64),
            term.J if grouped else 1,
            labels=term.labels if grouped else None,
            terms=(*self.terms, *terms),
            effects=term.effects,
            group=term.factor or None,
            weights=self.response.weights if survey is None else survey.of_rows,
        )
        return found if survey is None else survey.scaled(found)

    def take(self, rows: Ints) -> "Design":
        """Return the design of some rows, in the order given; the groups stay."""
        return replace(
            self,
            response=self.response.take(rows),
            fixed=changed(self.fixed, X=self.X[rows]),
            group_terms=tuple(term.take(rows) for term in self.group_terms),
            residual=None if self.residual is None else self.residual.take(rows),
            weights=None,
            inputs={name: values[rows] for name, values in self.inputs.items()},
        )

    def drop_empty_groups(self) -> "Design":
        """Return the design with those groups of the one factor only that have rows."""
        groups, codes = np.unique(self.codes, return_inverse=True)
        return self.with_arrays(codes=codes, labels=self.labels[groups])

    def grouped_by(self, other: "Design") -> "Design":
        """Return the design with the groups of another design of the same rows."""
        term = other.group_term
        return self.with_arrays(codes=term.codes, labels=term.labels, factor=term.factor)

    def with_arrays(self, **changes: Any) -> "Design":
        """Return the design with some arrays, or their names, changed.

        Parameters
        ----------
        **changes
            `y`, `offset` and `outcome` of the response, `X` and `terms` of the fixed columns, `Z`,
            `factor`, `effects`, `correlated`, `codes` and `labels` of the one group term; any other
            field.
        """
        of_term = {name: changes.pop(name) for name in _OF_TERM if name in changes}
        if "codes" in of_term:  # the rows are counted anew
            of_term.setdefault("counts", None)
        fixed = {name: changes.pop(name) for name in ("X", "terms") if name in changes}
        response = {
            field: changes.pop(name)
            for name, field in (("y", "y"), ("offset", "offset"), ("outcome", "name"))
            if name in changes
        }
        if response:
            changes["response"] = changed(self.response, **response)
        if fixed:
            changes["fixed"] = changed(self.fixed, **fixed)
        if of_term and (self.group_terms or of_term.get("effects") or "labels" in of_term):
            changes["group_terms"] = (changed(self.single_term("a change of columns"), **of_term),)
        return replace(self, **changes)

    def with_moments(self, moments: GroupMoments | CellMoments, **changes: Any) -> "Design":
        """Return the design of other moments, with their columns and groups.

        Parameters
        ----------
        moments : GroupMoments or CellMoments
        **changes
            `correlated` of the one group term; any other field.
        """
        found = moments if isinstance(moments, CellMoments) else by_group(moments)
        correlated = [changes.pop("correlated", one.correlated) for one in self.group_terms]
        return replace(
            self,
            response=changed(self.response, y=None, offset=None),
            fixed=FixedColumns(terms=found.cells.terms),
            group_terms=terms_of_moments(found, correlated),
            aggregated=found,
            **changes,
        )

    @property
    def whole(self) -> "Design":
        """The design of all the data: itself, or the one its rows are a sample of."""
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
