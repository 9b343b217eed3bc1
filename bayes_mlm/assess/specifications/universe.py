"""The columns of all models of a multiverse: one design, whose sums serve every model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayes_mlm.assess.specifications.choices import Choices, Specification
from bayes_mlm.base import EngineError, Floats, Ints, describe_value, suggest
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.formula import Call, Factor, calls, label_term
from bayes_mlm.likelihood import GroupPriors, ModelPriors
from bayes_mlm.moments import GroupMoments

# What a column takes of each of its factors.
type Parts = frozenset[tuple[Factor, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Universe:
    """Design and sums of the columns of all models.

    Parameters
    ----------
    choices : Choices
    design : Design
        Of `choices.union`.
    """

    choices: Choices
    design: Design

    @cached_property
    def statistics(self) -> GroupMoments:
        """The sums of all columns: the one pass over the rows."""
        return self.design.moments()

    @cached_property
    def _parts(self) -> list[Parts]:
        return [frozenset(one.parts) for one in self.design.encoding.x_columns]

    @cached_property
    def _term_of(self) -> list[frozenset[Factor]]:
        return [frozenset(factor for factor, _ in parts) for parts in self._parts]

    def columns(self, specification: Specification) -> Ints:
        """Return the places of a model's columns of X."""
        return np.array([k for k, t in enumerate(self._term_of) if t in specification.terms])

    def effects(self, specification: Specification) -> tuple[int, ...]:
        """Return the places of a model's columns of Z."""
        wanted = {frozenset(term) for term in specification.group_term.terms}
        of_columns = self.design.encoding.z_columns[0]
        return tuple(
            k
            for k, one in enumerate(of_columns)
            if frozenset(factor for factor, _ in one.parts) in wanted
        )

    def formula(self, specification: Specification) -> str:
        """Return the formula of a model."""
        union = self.choices.union
        terms = tuple(term for term in union.terms if frozenset(term) in specification.terms)
        return str(replace(union, terms=terms, group_terms=(specification.group_term,)))

    def focal(self, wanted: Sequence[str] | str | None) -> dict[str, tuple[int, Floats]]:
        """Return the coefficients of interest: place of the column, and weights (P,) of all.

        The weights are those of the column's slope averaged over the rows: 1, and of each product
        with it the mean of what it is multiplied by.

        Raises
        ------
        EngineError
            If there is no such predictor.
        """
        terms = self.design.terms
        if wanted is None:
            first = [term for term in self.choices.base.terms if term]
            if not first:
                raise EngineError(
                    "the formula has no predictor that all models share: name the coefficients of "
                    f"interest (focal), such as {terms[1]!r}"
                )
            wanted = [label_term(first[0])]
        given: object = [wanted] if isinstance(wanted, str) else wanted
        if not isinstance(given, Sequence) or not given:
            raise EngineError(
                "focal is a coefficient of interest or a list of some, such as ['ses', 'sector'], "
                f"found {describe_value(wanted)}"
            )
        names = list(given)
        by_term: dict[str, list[int]] = {}
        for term in self.choices.union.terms:
            factors = frozenset(term)
            by_term[label_term(term)] = [k for k, one in enumerate(self._term_of) if one == factors]
        found: dict[str, tuple[int, Floats]] = {}
        for name in names:
            places = by_term.get(name) or [k for k, term in enumerate(terms) if term == name]
            if not places or name == INTERCEPT:
                known = [one for one in dict.fromkeys((*by_term, *terms)) if one != INTERCEPT]
                raise EngineError(
                    f"no coefficient of the models is called {name!r}{suggest(str(name), known)}"
                )
            for place in places:
                found[terms[place]] = place, self._weights(place)
        return found

    def _weights(self, place: int) -> Floats:
        of = self._parts[place]
        means = self.statistics.moments[0]
        weights = np.zeros(len(self._parts))
        by_parts = {parts: k for k, parts in enumerate(self._parts)}
        for k, parts in enumerate(self._parts):
            if of <= parts:
                rest = by_parts.get(parts - of)
                weights[k] = 1.0 if k == place else (0.0 if rest is None else means[rest])
        return weights

    def also_in(self, term: str) -> tuple[str, ...]:
        """Return functions of a coefficient's columns that are predictors too, but for means."""
        place = self.design.terms.index(term)
        columns = {name for factor in self._term_of[place] for name in factor.columns}
        others = {
            str(factor)
            for one in self._term_of
            for factor in one
            if isinstance(factor, Call)
            and factor not in self._term_of[place]
            and columns & {*factor.columns}
            and not any(call.kind == "grouped" for call in calls(factor))
        }
        return tuple(sorted(others))

    def priors_of(
        self, priors: ModelPriors, z: tuple[int, ...], *, correlated: bool
    ) -> ModelPriors:
        """Return the priors of all columns of X and some of Z."""
        group = priors.groups[0]
        several = correlated and len(z) > 1
        some = GroupPriors(
            sigma_u=tuple(group.sigma_u[k] for k in z), rho_u=group.rho_u if several else None
        )
        return replace(priors, groups=(some,))
