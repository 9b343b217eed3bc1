"""Evaluate the log-densities of the priors in plain numpy, as PyMC defines them.

scipy takes two seconds to import, which is twenty times what the direct engine needs for a fit.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import INTERCEPT
from bayes_mlm.likelihood import ModelPriors, log_density
from bayes_mlm.model import DIRECT_FAMILIES, Prior
from bayes_mlm.moments import RotatedMoments


def sd_log_density(prior: Prior, log_sd: Floats) -> Floats:
    """Evaluate the log-density of a prior on a standard deviation, with respect to the sd.

    Parameters
    ----------
    prior : Prior
        For ``sigma_u`` or ``sigma_e``, of any family; of those that the direct engine does not
        take by way of the sd itself.
    log_sd : (...) array
        Logarithms of the sds, so that neither very small nor very large ones are lost.

    Returns
    -------
    (...) array
        Minus infinity outside the support; 0 for `Flat`, which has no density.

    Examples
    --------
    >>> import numpy as np
    >>> float(sd_log_density(Prior("Exponential", (("lam", 2.0),)), np.log(np.array(1.5))))
    -2.3068528194400546
    """
    if prior.family not in DIRECT_FAMILIES["group sd"]:
        with np.errstate(over="ignore", under="ignore"):
            return log_density(prior, np.exp(log_sd))
    with np.errstate(over="ignore", under="ignore"):
        sd = np.exp(log_sd)
        match prior.family:
            case "HalfNormal":
                s = prior["sigma"]
                return 0.5 * math.log(2.0 / math.pi) - math.log(s) - 0.5 * (sd / s) ** 2
            case "HalfStudentT":
                return _half_t(sd, prior["nu"], prior["sigma"])
            case "HalfCauchy":
                return _half_t(sd, 1.0, prior["beta"])
            case "Exponential":
                return math.log(prior["lam"]) - prior["lam"] * sd
            case "Gamma":
                a, b = prior["alpha"], prior["beta"]
                return a * math.log(b) - math.lgamma(a) + (a - 1.0) * log_sd - b * sd
            case "InverseGamma":
                a, b = prior["alpha"], prior["beta"]
                constant = a * math.log(b) - math.lgamma(a)
                return constant - (a + 1.0) * log_sd - b * np.exp(-log_sd)
            case "Uniform":
                low, high = prior["lower"], prior["upper"]
                return np.where((sd >= low) & (sd <= high), -math.log(high - low), -np.inf)
            case "Flat":
                return np.zeros_like(log_sd)
    raise ValueError(f"no density is implemented for a standard deviation's prior {prior}")


def _half_t(sd: Floats, nu: float, s: float) -> Floats:
    constant = math.log(2.0 / s) + math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)
    constant -= 0.5 * math.log(nu * math.pi)
    return constant - 0.5 * (nu + 1.0) * np.log1p((sd / s) ** 2 / nu)


def partial_correlation_log_density(eta: float, q: int, w: Floats) -> Floats:
    """Evaluate the LKJ density in the inverse hyperbolic tangents of partial correlations.

    Parameters
    ----------
    eta : float
        Of LKJ; the density of the correlation matrix is proportional to ``|R|^(eta-1)``.
    q : int
        Number of group effects.
    w : (B, q(q-1)/2) array
        ``atanh`` of the canonical partial correlations, by rows of the lower triangle.

    Returns
    -------
    (B,) array
        Normalised with respect to w.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100(9), sec. 2.4: the
    partial correlations of a C-vine are independent, Beta(b, b) on (-1, 1) with
    b = eta + (q - 2 - column)/2.
    """
    total = np.zeros(len(w))
    for place, (_, column) in enumerate(lower_pairs(q)):
        b = eta + 0.5 * (q - 2 - column)
        constant = -(2.0 * b - 1.0) * math.log(2.0) - 2.0 * math.lgamma(b) + math.lgamma(2.0 * b)
        size = np.abs(w[:, place])
        log_cosh = size + np.log1p(np.exp(-2.0 * size)) - math.log(2.0)
        total += constant - 2.0 * b * log_cosh
    return total


def correlation_factor(q: int, w: Floats) -> Floats:
    """Make Cholesky factors (B, q, q) of correlation matrices from w (B, q(q-1)/2)."""
    factor = np.zeros((len(w), q, q))
    factor[:, 0, 0] = 1.0
    z = np.tanh(w)
    with np.errstate(over="ignore"):
        left_over = 1.0 / np.cosh(w)  # sqrt(1 - z^2), with all its digits
    place = 0
    for row in range(1, q):
        rest = np.ones(len(w))
        for column in range(row):
            factor[:, row, column] = z[:, place] * rest
            rest = rest * left_over[:, place]
            place += 1
        factor[:, row, row] = rest
    return factor


def lower_pairs(q: int) -> list[tuple[int, int]]:
    """List (row, column) of the strict lower triangle, by rows."""
    return [(row, column) for row in range(1, q) for column in range(row)]


@dataclass(frozen=True, kw_only=True, eq=False)
class BetaPrior:
    """Priors of the coefficients as normal ones, some of random scale.

    A row k represents ``form[k, :p] @ beta_c - form[k, p] ~ N(0, sd_k^2 lambda_k)`` with beta_c
    the coefficients of the centred columns, and lambda_k = 1 for a normal prior. Student's t and
    Cauchy are exact mixtures: ``lambda_k ~ InverseGamma(nu_k/2, nu_k/2)``.

    Attributes
    ----------
    form : (p, p+1) array
    precision : (p,) array
        ``1 / sd_k^2``; 0 for `Flat`.
    nu : (p,) array
        Degrees of freedom; infinite for `Normal` and `Flat`.
    """

    form: Floats
    precision: Floats
    nu: Floats

    @property
    def mixed(self) -> list[int]:
        """Rows of random scale."""
        return [int(k) for k in np.flatnonzero(np.isfinite(self.nu))]

    @property
    def flat(self) -> list[int]:
        """Rows without a prior."""
        return [int(k) for k in np.flatnonzero(self.precision == 0.0)]


def coefficient_priors(
    terms: tuple[str, ...], priors: ModelPriors, x_mean: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return which combinations (p, p) of coefficients have priors, and these.

    Parameters
    ----------
    terms : tuple of str, length p
    priors : ModelPriors
    x_mean : (p,) array
        Means of the columns of X over the rows of the design.

    Returns
    -------
    free : (p, p) array
        The intercept's row is the intercept where every predictor is at its mean.
    mean, precision, nu : (p,) arrays
        As in `BetaPrior`.
    """
    p = len(terms)
    free = np.eye(p)
    if INTERCEPT in terms:
        free[terms.index(INTERCEPT)] = x_mean
    mean, precision, nu = np.zeros(p), np.zeros(p), np.full(p, np.inf)
    for k, prior in enumerate(priors.beta):
        if prior.family == "Flat":
            continue
        if prior.family == "Cauchy":
            mean[k], sd, nu[k] = prior["alpha"], prior["beta"], 1.0
        else:
            mean[k], sd = prior["mu"], prior["sigma"]
            nu[k] = prior["nu"] if prior.family == "StudentT" else np.inf
        precision[k] = sd**-2.0
    return free, mean, precision, nu


def beta_prior(reduced: RotatedMoments, priors: ModelPriors, x_mean: Floats) -> BetaPrior:
    """Express the coefficients' priors in terms of the centred columns.

    Parameters
    ----------
    reduced : RotatedMoments
    priors : ModelPriors
        The intercept's is for the intercept at the predictors' means.
    x_mean : (p,) array
        Means of the columns of X over the rows of the design.

    Returns
    -------
    BetaPrior
    """
    free, mean, precision, nu = coefficient_priors(reduced.terms, priors, x_mean)
    offset = mean - reduced.y_mean * (free @ reduced.ones)
    transform = free - np.outer(free @ reduced.ones, reduced.x_mean)
    return BetaPrior(form=np.column_stack([transform, offset]), precision=precision, nu=nu)


def prior_form(beta: BetaPrior, log_scale: Floats) -> Floats:
    """Return the coefficients' priors as a quadratic form in [beta_c, -1]: (p+1, p+1, B).

    Parameters
    ----------
    beta : BetaPrior
    log_scale : (B, t) array
        ``log lambda`` of the rows of random scale.
    """
    form, fixed = beta.form, beta.precision.copy()
    fixed[beta.mixed] = 0.0
    one = ((form.T * fixed) @ form)[:, :, None]
    total: Floats = np.broadcast_to(one, (*one.shape[:2], len(log_scale)))
    total = total.copy() if beta.mixed else total
    for place, k in enumerate(beta.mixed):
        scaled = beta.precision[k] * np.exp(-log_scale[:, place])
        total += np.outer(form[k], form[k])[:, :, None] * scaled
    return total


def scale_log_density(nu: Floats, log_scale: Floats) -> Floats:
    """Evaluate log-densities (B,) of log lambda (B, t), lambda ~ InverseGamma(nu/2, nu/2) (t,)."""
    if log_scale.shape[1] == 0:
        return np.zeros(len(log_scale))
    half = 0.5 * nu
    constant = half * np.log(half) - np.array([math.lgamma(h) for h in half])
    with np.errstate(over="ignore"):
        total: Floats = (constant - half * (log_scale + np.exp(-log_scale))).sum(axis=1)
    return total


def not_taken(named: Iterable[tuple[str, str, Iterable[Prior]]], *, flat_sds: bool = True) -> str:
    """Return which prior the direct engine does not take; "" if it takes all.

    Parameters
    ----------
    named : iterable of (str, str, iterable of Prior)
        Role, what a message calls the parameter, and its priors.
    flat_sds : bool
        Whether the prior of a group sd may be flat.
    """
    for role, what, found in named:
        takes = [
            one for one in DIRECT_FAMILIES[role] if flat_sds or role != "group sd" or one != "Flat"
        ]
        other = [str(prior) for prior in found if prior.family not in takes]
        if other:
            return (
                f"the prior of a {what} is {', '.join(dict.fromkeys(other))}, and the direct "
                f"engine takes {', '.join(takes[:-1])} or {takes[-1]}"
            )
    return ""
