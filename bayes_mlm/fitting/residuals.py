"""The parameters of outcomes given the linear predictor, from draws, and outcomes made of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.engines import Draws, samples
from bayes_mlm.model import Auxiliary, Known, colour


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualDraws:
    """S draws of what outcomes are like given the linear predictor.

    Parameters
    ----------
    sds : ndarray, shape (S, n_sds)
        Residual sds: one, or one a level of the factor; none of a family without one.
    rho : ndarray, shape (S,)
        Correlation of residuals one step apart; 0 without AR(1).
    others : mapping of str to ndarray, shape (S,) or (S, k)
        Further auxiliary parameters of the family: the degrees of freedom ``nu``, thresholds.
    """

    sds: Floats
    rho: Floats
    others: Mapping[str, Floats]

    def row_sds(self, design: Design) -> Floats:
        """Return the sd of each row's residual, shape (S, n) or (S, 1) if all have the same."""
        if design.residual is None or self.sds.shape[1] == 1:
            return self.sds
        found: Floats = self.sds[:, design.residual.stratum]
        return found

    def auxiliary(self, design: Design, known: Known | None = None) -> Auxiliary:
        """Return what the family's functions take besides eta.

        Auxiliary parameters (S, 1), or (S, 1, k) of k thresholds, sds by level (S, n), and what is
        known of each outcome (1, n): of the design's, unless of others.
        """
        found = {name: values[:, None] for name, values in self.others.items()}
        known = design.response.known if known is None else known
        found |= {name: values[None] for name, values in known.items()}
        if design.family.residual_sd is not None:
            found[design.family.residual_sd] = self.row_sds(design)
        return found

    def at(self, draws: "slice | Ints | list[int]") -> "ResidualDraws":
        """Return some of the draws."""
        others = {name: values[draws] for name, values in self.others.items()}
        return ResidualDraws(sds=self.sds[draws], rho=self.rho[draws], others=others)

    @property
    def mean(self) -> "ResidualDraws":
        """Posterior means, as one draw."""
        return ResidualDraws(
            sds=self.sds.mean(axis=0, keepdims=True),
            rho=self.rho.mean(keepdims=True),
            others={name: one.mean(axis=0, keepdims=True) for name, one in self.others.items()},
        )


def residual_draws(draws: Draws) -> ResidualDraws:
    """Return the parameters of outcomes given the linear predictor, chains joined."""
    known, table = draws.posterior, draws.parameters
    sds = np.empty((draws.n_chains * draws.n_draws, 0))
    for one in table.role("residual sd"):  # those by level come last
        if one.name in known:
            sds = samples(draws, one.name).reshape(len(sds), -1)
    rho = np.zeros(len(sds))
    for one in table.role("autocorrelation"):
        rho = samples(draws, one.name) if one.name in known else rho
    others = {
        one.name: samples(draws, one.name) for one in table.role("auxiliary") if one.name in known
    }
    return ResidualDraws(sds=sds, rho=rho, others=others)


def make_outcomes(
    design: Design, given: ResidualDraws, draw: int, eta: "Floats | float", rng: np.random.Generator
) -> Floats:
    """Draw outcomes (n,) of a design's rows at a linear predictor, given one draw of the rest."""
    one, eta = given.at([draw]), np.broadcast_to(eta, (design.n,))
    if one.rho.any() and design.residual is not None:
        noise = rng.standard_normal(design.n)
        return np.asarray(eta + colour(design.residual, noise, one.sds[0], float(one.rho[0])))
    return np.asarray(design.family.draw(eta[None], one.auxiliary(design), rng)[0])
