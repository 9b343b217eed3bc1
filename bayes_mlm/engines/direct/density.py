"""Evaluate the posterior density of the variance parameters, the coefficients integrated out.

Given the variance parameters everything is normal: y given beta, and beta itself by its prior
(whose scale may be one of the variance parameters, see `direct_priors.BetaPrior`). So the density
of what is left is exact, and beta is drawn from its conditional afterwards (Gelman et al. 2013,
Bayesian Data Analysis, 3rd ed., sec. 5.4 and 15.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.priors import (
    BetaPrior,
    beta_prior,
    prior_form,
    scale_log_density,
    sd_log_density,
)
from bayes_mlm.engines.direct.quadratic import (
    Kernel,
    cholesky,
    evaluate_quadratic,
    make_kernel,
    parts,
    solve_transposed,
)
from bayes_mlm.likelihood import LOG_2PI, ModelPriors, effects_transform
from bayes_mlm.moments import RotatedMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Data and priors of a posterior density.

    Attributes
    ----------
    reduced : RotatedMoments
        In a no-pooling model, of y less the prior mean of the groups' intercepts.
    kernel : Kernel
    priors : ModelPriors
    beta : BetaPrior
    effects_transform : (q, q) array
        From the group effects that have the priors to those of Z.
    intercept_sd : float or None
        Prior sd of the group-specific intercepts in a no-pooling model; infinite if it is flat.
    """

    reduced: RotatedMoments
    kernel: Kernel
    priors: ModelPriors
    beta: BetaPrior
    effects_transform: Floats
    intercept_sd: float | None

    @property
    def z_transform(self) -> Floats:
        """Return the matrix (q, q) from the effects with the priors to those of the centred Z."""
        return self.reduced.z_centring @ self.effects_transform

    @property
    def q(self) -> int:
        """Number of group effects whose covariance is unknown."""
        return 0 if self.intercept_sd is not None else self.reduced.q

    @property
    def n_pairs(self) -> int:
        """Number of correlations of the group effects: none where they are independent."""
        return 0 if self.priors.rho_u is None else self.q * (self.q - 1) // 2

    @property
    def place_e(self) -> int:
        """Return the index of sigma_e among the coordinates, after the sds and correlations."""
        return self.q + self.n_pairs

    @property
    def flat_groups(self) -> bool:
        """Return whether the group-specific intercepts have a flat prior."""
        return self.intercept_sd == math.inf


@dataclass(frozen=True, kw_only=True, eq=False)
class Variances:
    """B values of the variance parameters, of the group effects that have the priors.

    Attributes
    ----------
    log_sigma_u : (B, q) array
    factor : (B, q, q) array
        Cholesky factors of the correlations of the group effects; the identity where they are
        independent.
    log_sigma_e : (B,) array
    log_scale : (B, t) array
        ``log lambda`` of the coefficients whose priors are of random scale.
    """

    log_sigma_u: Floats
    factor: Floats
    log_sigma_e: Floats
    log_scale: Floats

    def part(self, which: slice) -> "Variances":
        """Return some of the values."""
        return Variances(
            log_sigma_u=self.log_sigma_u[which],
            factor=self.factor[which],
            log_sigma_e=self.log_sigma_e[which],
            log_scale=self.log_scale[which],
        )

    def covariance(self) -> Floats:
        """Return the relative covariances (B, q, q) of the group effects, over sigma_e^2."""
        root = np.exp(self.log_sigma_u - self.log_sigma_e[:, None])[:, :, None] * self.factor
        relative: Floats = root @ root.swapaxes(1, 2)
        return relative

    def reported(self, transform: Floats) -> tuple[Floats, Floats]:
        """Return the sds (B, q) and correlations (B, q, q) of ``transform @ effects``."""
        root = transform @ (np.exp(self.log_sigma_u)[:, :, None] * self.factor)
        top = np.abs(root).max(axis=2, keepdims=True)  # squares of very small sds are 0
        unit = np.where(top > 0, root / np.where(top > 0, top, 1.0), self.factor)
        norm = np.sqrt(np.square(unit).sum(axis=2, keepdims=True))
        unit = unit / norm
        correlation: Floats = np.clip(unit @ unit.swapaxes(1, 2), -1.0, 1.0)
        return (top * norm)[:, :, 0], correlation


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Sums over groups at B values of the variance parameters.

    Attributes
    ----------
    logdet : (B,) array
        ``log |V| - n log sigma_e^2``.
    a : (p+1, p+1, B) array
        ``sigma_e^2 [X, y]' V^-1 [X, y]``, centred.
    """

    logdet: Floats
    a: Floats

    def part(self, which: slice | Ints) -> "Sums":
        """Return some of the values."""
        return Sums(logdet=self.logdet[which], a=self.a[:, :, which])


def join_sums(parts: Sequence[Sums]) -> Sums:
    """Return the sums at all of several batches of values."""
    return Sums(
        logdet=np.concatenate([one.logdet for one in parts]),
        a=np.concatenate([one.a for one in parts], axis=2),
    )


def make_problem(
    reduced: RotatedMoments,
    priors: ModelPriors,
    means: Floats,
    *,
    intercept_sd: float | None = None,
) -> Problem:
    """Return the problem of data and priors; `means` are those of the design's X and Z."""
    return Problem(
        reduced=reduced,
        kernel=make_kernel(reduced),
        priors=priors,
        beta=beta_prior(reduced, priors, means[: reduced.p]),
        effects_transform=effects_transform(reduced.effects, means[reduced.p :], priors),
        intercept_sd=intercept_sd,
    )


def sums_at(problem: Problem, at: Variances) -> Sums:
    """Evaluate the sums over groups, the only step that touches the data."""
    if problem.q:
        return sums_of(problem, at.covariance())
    if problem.intercept_sd is None or problem.flat_groups:
        n_batch = len(at.log_sigma_e)
        rest = problem.kernel.rest[:, :, None]
        return Sums(
            logdet=np.zeros(n_batch), a=np.broadcast_to(rest, (*rest.shape[:2], n_batch)).copy()
        )
    ratio = np.exp(2.0 * (math.log(problem.intercept_sd) - at.log_sigma_e))
    return sums_of(problem, ratio[:, None, None])


def sums_of(problem: Problem, covariance: Floats) -> Sums:
    """Evaluate the sums at relative covariances (B, q, q) of the effects that have the priors."""
    transform = problem.z_transform
    logdet, a = evaluate_quadratic(problem.kernel, transform @ covariance @ transform.T)
    return Sums(logdet=logdet, a=a)


def log_posterior(problem: Problem, at: Variances, sums: Sums) -> Floats:
    """Evaluate the log of likelihood times priors, with respect to the sds and log lambda.

    Correlations are handled by the caller. With proper priors the
    integral of the exponential is the marginal likelihood.

    Returns
    -------
    (B,) array
        Minus infinity where a prior excludes the point or numbers overflow.
    """
    total = _log_likelihood(problem, at, sums)
    total = total + sd_log_density(problem.priors.sigma_e, at.log_sigma_e)
    for k in range(problem.q):
        total = total + sd_log_density(problem.priors.sigma_u[k], at.log_sigma_u[:, k])
    total = total + scale_log_density(problem.beta.nu[problem.beta.mixed], at.log_scale)
    return np.where(np.isfinite(total), total, -np.inf)


def _log_likelihood(problem: Problem, at: Variances, sums: Sums) -> Floats:
    reduced, beta = problem.reduced, problem.beta
    n_flat, n = len(beta.flat), reduced.n
    constant = 0.0
    if problem.flat_groups:
        n -= len(reduced.c)
        constant = -0.5 * float(np.log(reduced.r[reduced.of_group, 0, 0] ** 2).sum())
    with np.errstate(all="ignore"):
        lower = cholesky(with_prior(problem, at, sums))
        p = reduced.p
        half = np.log(lower[range(p), range(p)]).sum(axis=0)
        quadratic = lower[p, p] ** 2
        proper = beta.precision > 0
        constant += 0.5 * float(np.log(beta.precision[proper]).sum())
        constant -= 0.5 * (n - n_flat) * LOG_2PI
        value = constant - n * at.log_sigma_e - 0.5 * sums.logdet - half - 0.5 * quadratic
        spread: Floats = value - 0.5 * at.log_scale.sum(axis=1)
    return spread


def with_prior(problem: Problem, at: Variances, sums: Sums) -> Floats:
    """Add the priors of the coefficients to the likelihood's quadratic form: (p+1, p+1, B)."""
    return sums.a * np.exp(-2.0 * at.log_sigma_e) + prior_form(problem.beta, at.log_scale)


def draw_beta(
    problem: Problem, at: Variances, rng: np.random.Generator, sums: Sums | None = None
) -> Floats:
    """Draw the coefficients (B, p) of X as given from their exact conditional distribution.

    `sums` are those at the values, where they are known.
    """
    shape = problem.reduced.p, len(at.log_sigma_e)
    return _beta_at(problem, at, rng.standard_normal(shape), sums)


def mean_beta(problem: Problem, at: Variances) -> Floats:
    """Compute the mean (B, p) of the conditional distribution that `draw_beta` draws from."""
    return _beta_at(problem, at, np.zeros((problem.reduced.p, len(at.log_sigma_e))))


def _beta_at(problem: Problem, at: Variances, noise: Floats, sums: Sums | None = None) -> Floats:
    """Compute coefficients (B, p) at standard normal deviates (p, B)."""
    p, centred = problem.reduced.p, np.empty_like(noise)
    for part in parts(problem.kernel, noise.shape[1]):
        values = at.part(part)
        known = sums_at(problem, values) if sums is None else sums.part(part)
        lower = cholesky(with_prior(problem, values, known))
        centred[:, part] = solve_transposed(lower[:p, :p], lower[p, :p] + noise[:, part])
    return problem.reduced.original_beta(centred.T)
