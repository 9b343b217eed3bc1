"""Take the parameters of the residuals out of posterior draws, and make residuals of them."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines import Draws, samples
from bayes_mlm.model import colour


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualDraws:
    """Hold S draws of what the residuals are like, plain ones included.

    Parameters
    ----------
    sds : ndarray, shape (S, n_sds)
        Residual sds: one, or one a level of the factor.
    rho : ndarray, shape (S,)
        Correlation of residuals one step apart; 0 without AR(1).
    nu : ndarray, shape (S,), or None
        Degrees of freedom of Student-t residuals.
    """

    sds: Floats
    rho: Floats
    nu: Floats | None

    def row_sds(self, design: Design) -> Floats:
        """Give the sd of each row's residual, shape (S, n) or (S, 1) if all have the same."""
        if design.residual is None or self.sds.shape[1] == 1:
            return self.sds
        found: Floats = self.sds[:, design.residual.stratum]
        return found

    @property
    def mean(self) -> "ResidualDraws":
        """Posterior means, as one draw."""
        return ResidualDraws(
            sds=self.sds.mean(axis=0, keepdims=True),
            rho=self.rho.mean(keepdims=True),
            nu=None if self.nu is None else self.nu.mean(keepdims=True),
        )


def residual_draws(draws: Draws) -> ResidualDraws:
    """Take the residual parameters out of draws, chains joined."""
    known = draws.posterior
    sds = samples(draws, "sigma_e_by" if "sigma_e_by" in known else "sigma_e")
    return ResidualDraws(
        sds=sds.reshape(len(sds), -1),
        rho=samples(draws, "rho_e") if "rho_e" in known else np.zeros(len(sds)),
        nu=samples(draws, "nu") if "nu" in known else None,
    )


def make_residuals(
    design: Design, given: ResidualDraws, draw: int, rng: np.random.Generator
) -> Floats:
    """Draw the residuals (n,) of a design's rows, given one draw of their parameters."""
    noise = rng.standard_normal(design.n)
    if given.nu is not None:
        noise *= mixing(given.nu[draw], rng, design.n)
    if design.residual is None:
        plain: Floats = given.sds[draw, 0] * noise
        return plain
    return colour(design.residual, noise, given.sds[draw], float(given.rho[draw]))


def mixing(nu: "float | Floats", rng: np.random.Generator, size: object) -> Floats:
    """Draw factors of sd one that make a normal of sd 1 a Student-t of sd 1."""
    found: Floats = np.sqrt((nu - 2.0) / (2.0 * rng.standard_gamma(0.5 * nu, size=size)))  # type: ignore[call-overload]
    return found
