"""Outcomes with AR(1) residuals, in PyMC: their correlation, density and replicates."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood.pymc.prior_variables import cut_variable
from bayes_mlm.model import Prior, ResidualRows, colour, given_previous, lag_correlation

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


def observe_series(
    name: str,
    rows: ResidualRows,
    mu: "TensorVariable",
    sd: "TensorVariable",
    rho: "TensorVariable",
    observed: "TensorVariable",
) -> None:
    """Add the likelihood of the outcome to the model, with AR(1) residuals.

    The density of a row is conditional on the row before in its group; replicates are whole
    series, not steps from the outcomes observed.
    """
    import pymc as pm

    def logp(
        value: "TensorVariable", mu: "TensorVariable", sd: "TensorVariable", rho: "TensorVariable"
    ) -> "TensorVariable":
        mean, spread = _given_previous(rows, value, mu, sd, rho[0])  # PyMC gives it a dimension
        return pm.logp(pm.Normal.dist(mu=mean, sigma=spread), value)

    def random(
        mu: Floats, sd: Floats, rho: Floats, *, rng: np.random.Generator, **_: Any
    ) -> Floats:
        noise = rng.standard_normal(rows.previous.size)
        made: Floats = mu + sd * colour(rows, noise, np.ones(rows.n_sds), float(rho.item()))
        return made

    pm.CustomDist(name, mu, sd, rho, logp=logp, random=random, observed=observed, dims="obs")


def autocorrelation(rows: ResidualRows, prior: Prior) -> "TensorVariable":
    """Add the AR(1) correlation to the model, within what the gaps allow, and return it."""
    return cut_variable("rho_e", prior, (rows.least_rho, 1.0))


def _given_previous(
    rows: ResidualRows,
    y: "TensorVariable",
    mu: "TensorVariable",
    sd: "TensorVariable",
    rho: "TensorVariable",
) -> "tuple[TensorVariable, TensorVariable]":
    """Return mean and sd of each outcome given the one before in its group."""
    import pytensor.tensor as pt

    known = rows.previous >= 0
    # A power for each different gap, not for each row: there are a few of them.
    gaps, which = np.unique(rows.gap[known], return_inverse=True)
    powers = pt.stack([lag_correlation(rho, gap) for gap in gaps])[which]
    weight, variance = given_previous(
        pt.set_subtensor(pt.zeros(known.size)[np.flatnonzero(known)], powers)
    )
    previous = ((y - mu) / sd)[np.maximum(rows.previous, 0)]
    return mu + sd * weight * previous, sd * variance**0.5
