"""Evaluate the posterior density of the variance parameters, the coefficients integrated out.

Given the variance parameters everything is normal: y given beta, and beta itself by its prior
(whose scale may be one of the variance parameters, see `direct_priors.BetaPrior`). So the density
of what is left is exact, and beta is drawn from its conditional afterwards (Gelman et al. 2013,
Bayesian Data Analysis, 3rd ed., sec. 5.4 and 15.3).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.posterior import EffectBlock, Posterior, Sums, Variances
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
    parts,
    solve_transposed,
)
from bayes_mlm.likelihood import LOG_2PI, ModelPriors, effects_transform
from bayes_mlm.model import Prior
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
    def p(self) -> int:
        """Number of columns of X."""
        return self.reduced.p

    @property
    def n_rows(self) -> int:
        """Number of rows, less one a group where the groups' intercepts have a flat prior."""
        return self.reduced.n - (len(self.reduced.c) if self.flat_groups else 0)

    @property
    def residual_df(self) -> int:
        """Residual degrees of freedom."""
        intercepts = len(self.reduced.c) if self.intercept_sd is not None else 0
        return self.reduced.n - self.reduced.p - intercepts

    @property
    def constant(self) -> float:
        """What the log-likelihood has beyond the sums: of flat group intercepts, integrated out."""
        if not self.flat_groups:
            return 0.0
        return -0.5 * float(np.log(self.reduced.r[self.reduced.of_group, 0, 0] ** 2).sum())

    @property
    def sds(self) -> tuple[Prior, ...]:
        """Priors of the sds of the group effects whose covariance is unknown."""
        return self.priors.sigma_u if self.q else ()

    @property
    def sd_names(self) -> tuple[str, ...]:
        """Names of these sds in tables."""
        alone = self.reduced.effects == ("Intercept",)
        return tuple("sigma_u" if alone else f"sigma_u[{one}]" for one in self.reduced.effects)

    @property
    def sigma_e(self) -> Prior:
        """Prior of the residual sd."""
        return self.priors.sigma_e

    @property
    def blocks(self) -> tuple[EffectBlock, ...]:
        """The only term of group effects; none where their covariance is known."""
        if not self.q:
            return ()
        eta = None if self.priors.rho_u is None else self.priors.rho_u["eta"]
        return (EffectBlock(first=0, q=self.q, eta=eta),)

    @property
    def size(self) -> str:
        """Rows and groups, for messages."""
        return f"{self.reduced.n} rows, {len(self.reduced.labels)} groups"

    def sums(self, at: Variances) -> Sums:
        """Evaluate the sums over groups, the only step that touches the data."""
        return sums_at(self, at)

    def parts(self, n: int) -> Iterator[slice]:
        """Split n values of the variance parameters into parts that fit the memory."""
        return parts(self.kernel, n)

    def original_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of the centred columns to those of X as given."""
        return self.reduced.original_beta(beta)

    @property
    def flat_groups(self) -> bool:
        """Return whether the group-specific intercepts have a flat prior."""
        return self.intercept_sd == math.inf


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
        kernel=Kernel(reduced=reduced),
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


def log_posterior(problem: Posterior, at: Variances, sums: Sums) -> Floats:
    """Evaluate the log of likelihood times priors, with respect to the sds and log lambda.

    Correlations are handled by the caller. With proper priors the
    integral of the exponential is the marginal likelihood.

    Returns
    -------
    (B,) array
        Minus infinity where a prior excludes the point or numbers overflow.
    """
    total = _log_likelihood(problem, at, sums)
    total = total + sd_log_density(problem.sigma_e, at.log_sigma_e)
    for k, prior in enumerate(problem.sds):
        total = total + sd_log_density(prior, at.log_sigma_u[:, k])
    total = total + scale_log_density(problem.beta.nu[problem.beta.mixed], at.log_scale)
    return np.where(np.isfinite(total), total, -np.inf)


def _log_likelihood(problem: Posterior, at: Variances, sums: Sums) -> Floats:
    beta, n, p = problem.beta, problem.n_rows, problem.p
    constant = problem.constant
    with np.errstate(all="ignore"):
        lower = cholesky(with_prior(problem, at, sums))
        half = np.log(lower[range(p), range(p)]).sum(axis=0)
        quadratic = lower[p, p] ** 2
        proper = beta.precision > 0
        constant += 0.5 * float(np.log(beta.precision[proper]).sum())
        constant -= 0.5 * (n - len(beta.flat)) * LOG_2PI
        value = constant - n * at.log_sigma_e - 0.5 * sums.logdet - half - 0.5 * quadratic
        spread: Floats = value - 0.5 * at.log_scale.sum(axis=1)
    return spread


def with_prior(problem: Posterior, at: Variances, sums: Sums) -> Floats:
    """Add the priors of the coefficients to the likelihood's quadratic form: (p+1, p+1, B)."""
    return sums.a * np.exp(-2.0 * at.log_sigma_e) + prior_form(problem.beta, at.log_scale)


def draw_beta(
    problem: Posterior, at: Variances, rng: np.random.Generator, sums: Sums | None = None
) -> Floats:
    """Draw the coefficients (B, p) of X as given from their exact conditional distribution.

    `sums` are those at the values, where they are known.
    """
    shape = problem.p, len(at.log_sigma_e)
    return _beta_at(problem, at, rng.standard_normal(shape), sums)


def mean_beta(problem: Posterior, at: Variances) -> Floats:
    """Compute the mean (B, p) of the conditional distribution that `draw_beta` draws from."""
    return _beta_at(problem, at, np.zeros((problem.p, len(at.log_sigma_e))))


def _beta_at(problem: Posterior, at: Variances, noise: Floats, sums: Sums | None = None) -> Floats:
    """Compute coefficients (B, p) at standard normal deviates (p, B)."""
    p, centred = problem.p, np.empty_like(noise)
    for part in problem.parts(noise.shape[1]):
        values = at.part(part)
        known = problem.sums(values) if sums is None else sums.part(part)
        lower = cholesky(with_prior(problem, values, known))
        centred[:, part] = solve_transposed(lower[:p, :p], lower[p, :p] + noise[:, part])
    return problem.original_beta(centred.T)
