"""Choose coordinates without bounds for the variance parameters of any model.

========================== ==========================================================
parameter                  coordinate
========================== ==========================================================
an sd                      its log; its place between the bounds on the logit scale
                           where the prior is Uniform
correlations               atanh of canonical partial correlations
scale of a t or Cauchy     its log
========================== ==========================================================

An sd near zero is far to the left, where the density falls off as the sd itself or faster.
"""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import log_posterior
from bayes_mlm.engines.direct.posterior import Posterior, Sums, Variances
from bayes_mlm.engines.direct.priors import correlation_factor, partial_correlation_log_density
from bayes_mlm.model import Prior


def dimension(problem: Posterior) -> int:
    """Return the number of coordinates."""
    return problem.place_e + 1 + len(problem.beta.mixed)


def variances_at(problem: Posterior, x: Floats) -> Variances:
    """Return the variance parameters at points x (B, d)."""
    return _place(problem, x)[0]


def log_density(problem: Posterior, x: Floats) -> Floats:
    """Evaluate the log posterior density (B,) with respect to the coordinates, at x (B, d)."""
    out = np.empty(len(x))
    for part in problem.parts(len(x)):
        out[part] = density_and_sums(problem, x[part])[0]
    return out


def density_and_sums(problem: Posterior, x: Floats) -> tuple[Floats, Sums]:
    """Evaluate the log posterior density (B,) at x (B, d), and the sums over groups there."""
    with np.errstate(all="ignore"):
        at, jacobian = _place(problem, x)
        sums = problem.sums(at)
        value = log_posterior(problem, at, sums) + jacobian
    return np.where(np.isfinite(value), value, -np.inf), sums


def _place(problem: Posterior, x: Floats) -> tuple[Variances, Floats]:
    """Return the parameters at x, and the log-Jacobian of the coordinates (B,)."""
    q, place_e = len(problem.sds), problem.place_e
    log_sigma_u = np.empty((len(x), q))
    jacobian = np.zeros(len(x))
    for k, prior in enumerate(problem.sds):
        log_sigma_u[:, k], log_jacobian = _sd(prior, x[:, k])
        jacobian += log_jacobian
    factor = np.broadcast_to(np.eye(q), (len(x), q, q))
    first = q
    for block in problem.blocks:
        if block.eta is None:
            continue
        w = x[:, first : first + block.n_pairs]
        first += block.n_pairs
        jacobian += partial_correlation_log_density(block.eta, block.q, w)
        factor = factor if factor.flags.writeable else factor.copy()
        factor[:, block.places, block.places] = correlation_factor(block.q, w)
    log_sigma_e, log_jacobian = _sd(problem.sigma_e, x[:, place_e])
    at = Variances(
        log_sigma_u=log_sigma_u,
        factor=factor,
        log_sigma_e=log_sigma_e,
        log_scale=x[:, place_e + 1 :],
    )
    return at, jacobian + log_jacobian


def _sd(prior: Prior, x: Floats) -> tuple[Floats, Floats]:
    """Return log sd and the log of its derivative, d sd / d x."""
    if prior.family != "Uniform":
        return x, x
    low, high = prior["lower"], prior["upper"]
    log_up, log_down = -np.logaddexp(0.0, -x), -np.logaddexp(0.0, x)
    log_range = np.log(high - low)
    log_sd = np.logaddexp(log_range + log_up, np.log(low)) if low > 0 else log_range + log_up
    # Rounding must not carry an sd over its bound.
    return np.minimum(log_sd, np.log(high)), log_range + log_up + log_down


def coordinate(prior: Prior, log_sd: float) -> float:
    """Return the coordinate of an sd, moved inside the bounds of its prior if need be."""
    if prior.family != "Uniform":
        return log_sd
    low, high = prior["lower"], prior["upper"]
    share = min(max((float(np.exp(log_sd)) - low) / (high - low), 1e-4), 1.0 - 1e-4)
    return float(np.log(share / (1.0 - share)))
