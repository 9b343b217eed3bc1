"""Rows, or moments, by grouping factors, and what is defined where there is one at most."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints, UnsupportedModelError
from bayes_mlm.design.terms import GroupTerm, Response
from bayes_mlm.design.weights import GroupWeights
from bayes_mlm.formula import refuse_several
from bayes_mlm.moments import CellMoments


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupedRows:
    """Rows, or their moments, and their grouping factors.

    Parameters
    ----------
    response : Response
        The outcome.
    group_terms : tuple of GroupTerm
        One for each grouping factor; a factor that is known without effects has q = 0.
    aggregated : CellMoments or None
        Sufficient statistics of the model's columns, by combination of the levels of its factors,
        in place of the rows.
    patterns : Design or None
        Of an outcome that is not Gaussian, in place of the rows: the distinct ones, with their
        numbers as ``response.weights``.
    weights : GroupWeights or None
        Survey weights, by which the model is fitted; ``response.weights`` are then the
        unconditional ones, of mean one, by which averages over rows are taken.
    """

    response: Response
    group_terms: tuple[GroupTerm, ...] = ()
    aggregated: CellMoments | None = None
    patterns: Self | None = None
    weights: GroupWeights | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        if self.weights is not None:
            return self.weights.n
        if self.patterns is not None:
            weights = self.patterns.response.weights
            return self.patterns.n if weights is None else round(float(weights.sum()))
        return int(self.response.y.size) if self.aggregated is None else self.aggregated.n

    @property
    def weighted_rows(self) -> Self:
        """The rows that sums and means are over, each as often as ``response.weights`` says.

        All rows, without weights; or the distinct ones, where these alone were read.
        """
        return self if self.patterns is None else self.patterns

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
        """Whether the design has rows, and not their moments or the distinct ones alone."""
        return self.aggregated is None and self.patterns is None

    def require_likelihood(self, what: str) -> None:
        """Check that the model has no survey weights, under which there is no likelihood.

        Parameters
        ----------
        what : str
            What needs one, for the message: "leave_one_group_out".

        Raises
        ------
        UnsupportedModelError
        """
        if self.weights is not None:
            raise UnsupportedModelError(
                f"{what} needs a likelihood, and the model has survey weights "
                f"({self.weights.spec}): their pseudo-likelihood is not the density of the rows "
                "that were drawn, so that ratios of it and outcomes drawn from the model have no "
                "known distribution; use the coefficients' intervals and tests, or fit without "
                "weights"
            )

    def single_term(
        self, what: str = "this", remedy: str = "use a model with one group term"
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

    @property
    def group_term(self) -> GroupTerm:
        """The one group term; without a factor, a term of one group and no effects."""
        return self.single_term()

    @cached_property
    def _no_groups(self) -> GroupTerm:
        rows = self.has_rows
        return GroupTerm(
            factor="",
            labels=np.zeros(1, dtype=np.int64),
            codes=np.zeros(self.n, dtype=np.int64) if rows else None,
            Z=np.empty((self.n, 0)) if rows else None,
            effects=(),
            counts=np.array([self.n]),
        )

    @property
    def group(self) -> str | None:
        """Name of the one grouping factor; None without groups."""
        return self.group_term.factor or None

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of the groups of the one factor, shape (J,)."""
        return self.group_term.labels

    @property
    def codes(self) -> Ints:
        """Group of each row, an index into `labels`, shape (n,); zeros without groups."""
        return self.group_term.codes

    @property
    def Z(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Group-effect columns of the one factor, shape (n, q)."""
        return self.group_term.Z

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the group-effect columns of the one factor."""
        return self.group_term.effects

    @property
    def q(self) -> int:
        """Number of group-effect columns of the one factor."""
        return self.group_term.q

    @property
    def J(self) -> int:  # noqa: N802  (the field's symbol for the number of groups)
        """Number of groups of the one factor; 1 without groups."""
        return self.group_term.J

    @property
    def group_sizes(self) -> Ints:
        """Rows in each group of the one factor, shape (J,)."""
        return self.group_term.sizes
