"""The linear mixed model of a design, in the units of its outcome: sums and exact draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.posterior import Sums
from bayes_mlm.likelihood import Plan, draw_effects, evaluate, group_views, make_plan
from bayes_mlm.moments import CrossProducts


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """Cross-products with the layout of their Cholesky factor.

    Attributes
    ----------
    plan : Plan
    term_places : tuple of (int, (q,) int array)
        Of each term of the design: the place of its factor, and its columns there.
    """

    plan: Plan
    term_places: tuple[tuple[int, Ints], ...]

    @property
    def products(self) -> CrossProducts:
        """Cross-products of the transformed columns."""
        return self.plan.products

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.products.n

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return self.products.p

    @cached_property
    def log_det(self) -> float:
        """Log of the determinant of the transformation of the coefficients."""
        return self.products.log_det

    @property
    def effect_transforms(self) -> tuple[Floats, ...]:
        """Of each factor, the matrix (q, q) from effects of the system to those of Z as given."""
        return tuple(one.transform for one in self.products.factors)

    @cached_property
    def beta_transform(self) -> tuple[Floats, Floats]:
        """Matrix (p, p) and shift (p,) from coefficients of the system to those of X as given."""
        products = self.products
        return products.transform[:-1, :-1], products.original_beta(np.zeros(products.p))

    def original_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of the system to those of X as given."""
        scale, shift = self.beta_transform
        found: Floats = beta @ scale.T + shift
        return found

    def sums(self, relative: Floats) -> Sums:
        """Evaluate the sums at relative factors (B, sum of q^2)."""
        logdet, root = evaluate(self.plan, relative)
        root[:, -1] *= self.products.y_scale
        return Sums(logdet=logdet, a=np.ascontiguousarray(np.einsum("bik,bjk->ijb", root, root)))

    def draw(
        self, relative: Floats, sigma_e: Floats, beta: Floats, noise: Floats
    ) -> tuple[Floats, ...]:
        """Draw the group effects (B, m, q) of Z as given, of each term of the design.

        Parameters
        ----------
        relative : (B, sum of q^2) array
        sigma_e : (B,) array
        beta : (B, p) array
            Of X as given.
        noise : (B, Q) array
            Standard normal; zero gives the conditional means.
        """
        unit = self.products.y_scale
        found = draw_effects(self.plan, relative, sigma_e / unit, self.own_beta(beta) / unit, noise)
        return self.of_terms(found)

    def own_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of X as given to those of the system."""
        if not self.p:
            return beta
        scale, shift = self.beta_transform
        found: Floats = np.linalg.solve(scale, (beta - shift).T).T
        return found

    def of_terms(self, effects: Sequence[Floats]) -> tuple[Floats, ...]:
        """Return the effects (..., m, q) of Z as given, of each term, from those of each factor."""
        given = [
            self.products.original_effects(place, one)
            if one.shape[-1] > 1
            else one * (self.products.factors[place].transform[0, 0] * self.products.y_scale)
            for place, one in enumerate(effects)
        ]
        return tuple(
            given[factor]
            if len(columns) == given[factor].shape[-1]
            else given[factor][..., columns]
            for factor, columns in self.term_places
        )


def make_system(design: Design) -> System:
    """Return the cross-products of a design, with the layout of their Cholesky factor."""
    products = design.cross_products()
    place_of = {one.factor: place for place, one in enumerate(products.factors)}
    first, where = dict.fromkeys(place_of, 0), []
    for view in group_views(design):
        factor = str(view.group)
        where.append((place_of[factor], np.arange(first[factor], first[factor] + view.q)))
        first[factor] += view.q
    return System(plan=make_plan(products), term_places=tuple(where))
