"""Multiply out model formulas: the algebra of Wilkinson and Rogers (1973).

A model is an ordered set of terms, a term a set of factors. Factors are numbered as they are met,
so that a set operation costs the same however long the factor's text is.

References
----------
Wilkinson, G. N. and Rogers, C. E. (1973). Symbolic description of factorial models for analysis
of variance. Applied Statistics 22(3), 392-399.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bayes_mlm.base import FormulaError
from bayes_mlm.formula.expressions import Factor, Term

MAX_TERMS = 1000
MAX_POWER = 5
# Factors looked at while multiplying out. The largest square of a sum under MAX_TERMS, of 44
# columns, needs 4,000; a text made to hang the parser runs into this in half a second.
_MAX_WORK = 500_000
_TOO_MANY = (
    f"the formula multiplies out to more than {MAX_TERMS} terms; "
    "write + for predictors that need no interaction"
)

type Product = tuple[int, ...]
type Products = dict[frozenset[int], Product]


@dataclass
class Algebra:
    """Number the factors of one formula, and bound the work spent on it."""

    factors: list[Factor] = field(default_factory=list)
    numbers: dict[Factor, int] = field(default_factory=dict)
    work: int = 0

    def single(self, factor: Factor) -> Products:
        """Return the set of one term of one factor."""
        number = self.numbers.setdefault(factor, len(self.factors))
        if number == len(self.factors):
            self.factors.append(factor)
        return {frozenset((number,)): (number,)}

    def term(self, product: Product) -> Term:
        """Return the factors of a term."""
        return tuple(self.factors[number] for number in product)

    def add(self, target: Products, terms: Iterable[Product]) -> None:
        """Add terms to a set in place, keeping the first of those that hold the same factors."""
        for product in terms:
            self.work += len(product)
            target.setdefault(frozenset(product), product)
            if len(target) > MAX_TERMS or self.work > _MAX_WORK:
                raise FormulaError(_TOO_MANY)

    def union(self, *parts: Products) -> Products:
        """Join sets of terms."""
        joined: Products = {}
        for part in parts:
            self.add(joined, part.values())
        return joined

    def interact(self, left: Products, right: Products) -> Products:
        """Multiply each term of one set with each of another (``:``)."""
        pairs = ((first, second) for first in left.values() for second in right.values())
        result: Products = {}
        self.add(result, (tuple(dict.fromkeys(first + second)) for first, second in pairs))
        return result

    def cross(self, left: Products, right: Products) -> Products:
        """Return both sets and their interactions (``*``)."""
        return self.union(left, right, self.interact(left, right))

    def nest(self, left: Products, right: Products) -> Products:
        """Return a set, and another inside the combination of all its factors (``/``)."""
        outer = tuple(dict.fromkeys(number for product in left.values() for number in product))
        return self.union(left, self.interact({frozenset(outer): outer}, right))

    def power(self, terms: Products, exponent: int) -> Products:
        """Return all interactions of up to `exponent` of the terms (``**``)."""
        result = terms
        for _ in range(exponent - 1):
            result = self.union(result, self.interact(result, terms))
        return result


def by_degree(terms: Products) -> tuple[Product, ...]:
    """Sort main effects before interactions, otherwise as written, as R does."""
    return tuple(sorted(terms.values(), key=len))
