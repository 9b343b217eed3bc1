"""Compute R-hat and effective sample sizes of every parameter, the group effects included."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, count, scaled
from bayes_mlm.engines import MAX_R_HAT, MIN_ESS_PER_CHAIN, SAMPLE_DIMS, convergence
from bayes_mlm.figures.energy import nuts_fit
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """Hold the diagnostics of all elements of one variable.

    Parameters
    ----------
    name : str
        "beta", "u", "sigma_e", ...
    labels : tuple of str
        Names of its elements.
    r_hat, ess_bulk, ess_tail : ndarray, shape (k,)
    """

    name: str
    labels: tuple[str, ...]
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Converged:
    """Hold the diagnostics of a NUTS fit.

    Parameters
    ----------
    model : str
    families : tuple of Family
    max_r_hat, min_ess : float
        The limits.
    n_draws : int
        Of all chains.
    """

    model: str
    families: tuple[Family, ...]
    max_r_hat: float
    min_ess: float
    n_draws: int

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"R-hat and effective sample size of every parameter ({self.model}, nuts)"

    @property
    def caption(self) -> str:
        """What there is to see."""
        r_hat = np.concatenate([one.r_hat for one in self.families])
        ess = np.concatenate([np.fmin(one.ess_bulk, one.ess_tail) for one in self.families])
        labels = [label for one in self.families for label in one.labels]
        high = int(np.count_nonzero(~(r_hat <= self.max_r_hat)))
        low = int(np.count_nonzero(~(ess >= self.min_ess)))
        worst = int(np.argmax(np.where(np.isfinite(r_hat), r_hat, np.inf)))
        rare = int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))
        return (
            f"Of {count(len(labels), 'parameter')}, {high} have R-hat above {self.max_r_hat} "
            f"(largest {scaled(r_hat[worst], 3)}, {labels[worst]}) and {low} an effective sample "
            f"size below {count(self.min_ess)} (smallest {count(ess[rare])}, {labels[rare]}), "
            f"from {count(self.n_draws)} draws."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            "Points of R-hat (left) and of bulk and tail effective sample size (right) of each "
            "parameter, by variable, with the limits as lines."
        )


def converged(analysis: Analysis) -> Converged | None:
    """Compute the diagnostics of a NUTS fit; ArviZ computes them.

    Returns
    -------
    Converged or None
        None where no fit is by NUTS: independent draws have nothing to converge.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    draws, families = fit.draws, []
    for name, variable in draws.posterior.items():
        if variable.dims[:2] != SAMPLE_DIMS:
            continue
        shape = variable.values.shape[2:]
        found = convergence(variable.values.reshape(*variable.values.shape[:2], -1))
        families.append(
            Family(
                name=name,
                labels=tuple(draws.label(name, index) for index in np.ndindex(*shape)),
                r_hat=np.atleast_1d(found.r_hat),
                ess_bulk=np.atleast_1d(found.ess_bulk),
                ess_tail=np.atleast_1d(found.ess_tail),
            )
        )
    order = [one.name for one in draws.parameters]
    families.sort(key=lambda one: order.index(one.name) if one.name in order else len(order))
    return Converged(
        model=analysis.spec.name,
        families=tuple(families),
        max_r_hat=MAX_R_HAT,
        min_ess=float(MIN_ESS_PER_CHAIN * draws.n_chains),
        n_draws=draws.n_chains * draws.n_draws,
    )
