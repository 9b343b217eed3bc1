"""Convergence diagnostics of a sampler's draws, with remedies.

Thresholds are those of Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021, Bayesian Analysis
16(2), sec. 4): rank-normalised split R-hat up to 1.01, bulk and tail effective sample sizes of 100
a chain; no divergences; and E-BFMI of 0.3 (Betancourt 2016, arXiv:1604.00695). ArviZ computes
them; none depends on the units of the outcome.
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Array, Finding, Verdict, count, scaled
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable

MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
MIN_EBFMI = 0.3


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """Convergence diagnostics of one or several quantities, one number a quantity.

    Parameters
    ----------
    r_hat : ndarray
        Rank-normalised split R-hat.
    ess_bulk, ess_tail : ndarray
        Effective sample sizes: of the centre, and of the 5 % and 95 % quantiles.
    mcse_mean : ndarray
        Monte Carlo standard error of the posterior mean, in the quantity's units.
    """

    r_hat: Array
    ess_bulk: Array
    ess_tail: Array
    mcse_mean: Array


def convergence(values: Array) -> Convergence:
    """Compute ArviZ's convergence diagnostics.

    Parameters
    ----------
    values : ndarray, shape (chains, draws) or (chains, draws, k)

    Returns
    -------
    Convergence
        Of arrays of shape () or (k,).

    Examples
    --------
    >>> import numpy as np
    >>> independent = np.random.default_rng(1).normal(size=(4, 1000))
    >>> bool(convergence(independent).r_hat < 1.01)
    True
    """
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    # Draws that never move have no variance to divide by; their R-hat is nan, and judged as such.
    with np.errstate(divide="ignore", invalid="ignore"):
        return Convergence(
            r_hat=np.asarray(array_stats.rhat(values, **axes)),
            ess_bulk=np.asarray(array_stats.ess(values, **axes, method="bulk")),
            ess_tail=np.asarray(array_stats.ess(values, **axes, method="tail", prob=(0.05, 0.95))),
            mcse_mean=np.asarray(array_stats.mcse(values, **axes)),
        )


def diagnose(draws: Draws) -> Verdict:
    """Return convergence diagnostics of all parameters, group effects included.

    Parameters
    ----------
    draws : Draws
        From a Markov chain sampler.

    Returns
    -------
    Verdict
        Its text names the worst parameter and a remedy.
    """
    found = convergence(_all_parameters(draws))
    wanted = MIN_ESS_PER_CHAIN * draws.n_chains
    r_hats = np.where(np.isfinite(found.r_hat), found.r_hat, np.inf)
    sizes = np.fmin(found.ess_bulk, found.ess_tail)
    worst, rarest = int(np.argmax(r_hats)), int(np.nanargmin(sizes))
    r_hat, ess = float(r_hats[worst]), float(sizes[rarest])
    n_diverging = int(draws.sample_stats["diverging"].values.sum())
    energy = draws.sample_stats["energy"].values
    ebfmi = float((np.diff(energy, axis=1) ** 2).mean(axis=1).min() / energy.var(axis=1).max())
    findings = (
        Finding(
            "R-hat",
            r_hat <= MAX_R_HAT,
            f"largest R-hat {scaled(r_hat, 3)} ({_name(draws, worst)})"
            + _remedy(r_hat > MAX_R_HAT, "the chains disagree: raise --draws and --tune"),
        ),
        Finding(
            "ESS",
            ess >= wanted,
            f"smallest effective sample size {count(ess)} ({_name(draws, rarest)})"
            + _remedy(ess < wanted, f"{wanted} are needed: raise --draws"),
        ),
        Finding(
            "divergences",
            n_diverging == 0,
            f"{n_diverging} divergences"
            + _remedy(n_diverging > 0, "raise target_accept, or use the other parametrisation"),
        ),
        Finding(
            "E-BFMI",
            ebfmi >= MIN_EBFMI,
            f"smallest E-BFMI {scaled(ebfmi, 2)}"
            + _remedy(ebfmi < MIN_EBFMI, "raise --tune, or use the other parametrisation"),
        ),
    )
    return Verdict(findings)


def _remedy(needed: bool, text: str) -> str:
    return f": {text}" if needed else ""


def _all_parameters(draws: Draws) -> Array:
    """Join every scalar parameter into one (chains, draws, k) array."""
    shape = (draws.n_chains, draws.n_draws, -1)
    return np.concatenate([v.values.reshape(shape) for v in _drawn(draws).values()], axis=2)


def _drawn(draws: Draws) -> dict[str, Variable]:
    """Return the variables with draws, without summaries (``u_mean``, ``u_sd``)."""
    return {name: v for name, v in draws.posterior.items() if v.dims[:2] == SAMPLE_DIMS}


def _name(draws: Draws, place: int) -> str:
    """Return the name of the parameter at one index of `_all_parameters`."""
    for name, variable in _drawn(draws).items():
        shape = variable.values.shape[2:]
        if place < math.prod(shape):
            return draws.label(name, tuple(int(k) for k in np.unravel_index(place, shape)))
        place -= math.prod(shape)
    raise IndexError(place)
