"""Data and priors of a model with several grouping factors, as the direct engine reads them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, column_moments
from bayes_mlm.engines.direct.posterior import EffectBlock, Sums, Variances
from bayes_mlm.engines.direct.priors import BetaPrior, coefficient_priors, correlation_factor
from bayes_mlm.engines.direct.several.system import System, make_system
from bayes_mlm.likelihood import (
    GroupParameters,
    ModelPriors,
    effects_transform,
    group_parameters,
    group_views,
)
from bayes_mlm.model import Prior

# Numbers in the matrices of [X, y] that are worked on at a time.
_MOST = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class TermOfEffects:
    """One term of group effects: its names, and how its priors' effects become those of Z.

    Attributes
    ----------
    names : GroupParameters
    block : EffectBlock
    transform : (q, q) array
        From the effects that have the priors to those of Z as given.
    factor : int
        Place of its factor in the system.
    columns : (q,) int array
        Places of its effects among those of its factor.
    """

    names: GroupParameters
    block: EffectBlock
    transform: Floats
    factor: int
    columns: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralProblem:
    """Posterior density of a model with several grouping factors; a `Posterior`.

    Attributes
    ----------
    system : System
        Of the cross-products, centred and scaled.
    priors : ModelPriors
    beta : BetaPrior
    terms : tuple of TermOfEffects
        In the order of the design.
    size : str
        Rows and groups, for messages.
    approximation : callable, optional
        The sums at values of the variance parameters, in place of a factorisation of each.
    """

    system: System
    priors: ModelPriors
    beta: BetaPrior
    terms: tuple[TermOfEffects, ...]
    size: str
    approximation: Callable[[Variances], Sums] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.system.n

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return self.system.p

    @property
    def residual_df(self) -> int:
        """Rows less columns of X."""
        return self.system.n - self.system.p

    @property
    def constant(self) -> float:
        """Log of the volume that a unit of the transformed coefficients has."""
        return self.system.log_det

    @property
    def blocks(self) -> tuple[EffectBlock, ...]:
        """The terms of group effects."""
        return tuple(term.block for term in self.terms)

    @cached_property
    def sds(self) -> tuple[Prior, ...]:
        """Priors of the sds of the group effects, of all terms."""
        return tuple(prior for group in self.priors.groups for prior in group.sigma_u)

    @property
    def sd_names(self) -> tuple[str, ...]:
        """Names of these sds in tables."""
        return tuple(name for term in self.terms for name in term.names.sd_names)

    @property
    def sigma_e(self) -> Prior:
        """Prior of the residual sd."""
        return self.priors.sigma_e

    @property
    def place_e(self) -> int:
        """Place of sigma_e among the coordinates."""
        return len(self.sds) + sum(block.n_pairs for block in self.blocks)

    @cached_property
    def roots(self) -> tuple[tuple[Ints, Floats], ...]:
        """Of each factor of the system: places of its effects, and what takes them to its Z."""
        found = []
        for place, scaled in enumerate(self.system.effect_transforms):
            q = len(scaled)
            places, transform = np.empty(q, dtype=np.int64), np.eye(q)
            for term in self.terms:
                if term.factor == place:
                    places[term.columns] = range(term.block.first, term.block.first + term.block.q)
                    transform[np.ix_(term.columns, term.columns)] = term.transform
            found.append((places, np.linalg.solve(scaled, transform)))
        return tuple(found)

    def relative(self, at: Variances) -> Floats:
        """Return the relative factors Lambda (B, sum of q^2) of the system's effects."""
        root = np.exp(at.log_sigma_u - at.log_sigma_e[:, None])[:, :, None] * at.factor
        return np.concatenate(
            [
                (to @ root[:, places[:, None], places]).reshape(len(root), -1)
                for places, to in self.roots
            ],
            axis=1,
        )

    def at_relative(self, relative: Floats) -> Variances:
        """Return variance parameters at relative coordinates (B, d), with sigma_e = 1.

        These are log(sd / sigma_e) of every effect, then atanh of the partial correlations.
        """
        b, q = len(relative), len(self.sds)
        factor = np.broadcast_to(np.eye(q), (b, q, q)).copy()
        first = q
        for block in self.blocks:
            if block.n_pairs:
                w = relative[:, first : first + block.n_pairs]
                factor[:, block.places, block.places] = correlation_factor(block.q, w)
                first += block.n_pairs
        return Variances(
            log_sigma_u=relative[:, :q],
            factor=factor,
            log_sigma_e=np.zeros(b),
            log_scale=np.zeros((b, 0)),
        )

    def sums(self, at: Variances) -> Sums:
        """Evaluate the sums: one Cholesky factor a value, or an approximation."""
        if self.approximation is not None:
            return self.approximation(at)
        return self.system.sums(self.relative(at))

    def parts(self, n: int) -> Iterator[slice]:
        """Split n values so that the matrices of [X, y] of a part fit the memory."""
        step = max(1, _MOST // (self.p + 1) ** 2)
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))

    def original_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of the system to those of X as given."""
        return self.system.original_beta(beta)


def make_several(design: Design, priors: ModelPriors) -> SeveralProblem:
    """Return the problem of a design and its priors.

    Parameters
    ----------
    design : Design
        With rows, laid out for its kind.
    priors : ModelPriors
    """
    system = make_system(design)
    free, mean, precision, nu = coefficient_priors(
        design.terms, priors, column_moments(design.whole).x_mean
    )
    scale, shift = system.beta_transform
    beta = BetaPrior(
        form=np.column_stack([free @ scale, mean - free @ shift]), precision=precision, nu=nu
    )
    terms, first = [], 0
    places = system.term_places
    for place, (view, names) in enumerate(
        zip(group_views(design), group_parameters(design), strict=True)
    ):
        own = priors.of_term(place)
        eta = None if own.rho_u is None else own.rho_u["eta"]
        z_mean = column_moments(view.whole).z_mean
        factor, columns = places[place]
        terms.append(
            TermOfEffects(
                names=names,
                block=EffectBlock(first=first, q=view.q, eta=eta),
                transform=effects_transform(view.effects, z_mean, own),
                factor=factor,
                columns=columns,
            )
        )
        first += view.q
    counts = ", ".join(f"{view.J} groups ({view.group})" for view in group_views(design))
    return SeveralProblem(
        system=system,
        priors=priors,
        beta=beta,
        terms=tuple(terms),
        size=f"{design.n} rows, {counts}",
    )
