"""Leave parts of the rows out of a Gaussian model with several grouping factors, in closed form.

Given the coefficients and the variance parameters the outcomes are normal. With the covariance C of
the group effects given all rows, everything about a part (a row, or all rows of a group) is in the
effects that its rows have: nothing is fitted anew, and no matrix of rows by rows is formed.
"""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.loo.conditional import LEAST_DRAWS, check_draws
from bayes_mlm.assess.loo.elpd import Elpd
from bayes_mlm.assess.loo.from_draws import from_draws
from bayes_mlm.assess.loo.parts import Parts, parts_of_groups, parts_of_rows
from bayes_mlm.assess.loo.refit import MAX_REFITTED
from bayes_mlm.base import EngineError, Floats, Ints, Stream, UnsupportedModelError, stream
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    effects_covariance,
    reliable_k_hat,
    sample_direct,
    samples,
    why_not_direct,
)
from bayes_mlm.fitting import Fit, conditional_log_densities, spaced

# Numbers held at a time, and operations in all: some seconds.
_MOST, _OPERATIONS = 4_000_000, 60_000_000_000
# Draws times rows, of densities given every parameter.
_EVALUATIONS = 16_000_000
# Draws of each of four chains of a refit.
_REFIT_DRAWS = 250
_KEEP = 'leave out groups (leave_one_group_out), or keep the rows (rows="keep")'
# Operations for a draw, by the cube of the number of group effects.
_CUBES = 6
_LOG_2PI = float(np.log(2 * np.pi))


def affordable_draws(design: Design) -> int:
    """Return for how many draws the covariance of all group effects can be computed."""
    return int(_OPERATIONS // (_CUBES * _size(design) ** 3))


def _size(design: Design) -> int:
    return sum(term.J * term.q for term in design.group_terms)


def _few_draws(fit: Fit) -> Ints:
    """Return the draws for which group effects of several factors are integrated out; or none."""
    plain = fit.design.family.gaussian_moments and fit.design.residual is None
    most = affordable_draws(fit.design) if plain else 0
    return spaced(check_draws(fit), most if most >= 2 * LEAST_DRAWS else 0)


def group_of_several(fit: Fit, place: int) -> Elpd:
    """Leave out the groups of one of several factors, given the coefficients."""
    design = fit.design
    chosen = _few_draws(fit)
    if not chosen.size:
        n_effects = sum(one.J * one.q for one in design.group_terms)
        reason = f"{n_effects:,} group effects are too many to integrate out"
        if not design.family.gaussian_moments or design.residual is not None:
            reason = (
                "only the effects of normal outcomes with one residual sd can be integrated out"
            )
        raise UnsupportedModelError(
            f"leave-one-group-out with several grouping factors is not available here: {reason}; "
            "use leave_one_row_out"
        )
    term = design.group_terms[place]
    left_out = frozenset(k for k in range(len(design.factors)) if design.is_nested(k, place))
    parts = parts_of_groups(design, place, left_out)
    loo, lpd = part_densities(fit, chosen, parts)
    found = from_draws(fit, "group", term.labels, loo, lpd, term.factor)
    return _refitted(fit, found, parts, term.codes) if design.has_rows else found


def row_of_several(fit: Fit) -> Elpd:
    """Leave out rows of a model with several factors, given the coefficients or everything."""
    n = fit.design.rows(_KEEP).n
    chosen = _few_draws(fit)
    if chosen.size:
        parts = parts_of_rows(fit.design, np.arange(n), n, frozenset())
        loo, lpd = part_densities(fit, chosen, parts)
        found = from_draws(fit, "row", np.arange(1, n + 1), loo, lpd, None)
        return _refitted(fit, found, parts, np.arange(n))
    return _conditional_on_effects(fit)


def _refitted(fit: Fit, found: Elpd, parts: Parts, of_row: Ints) -> Elpd:
    """Draw anew without each part whose weights are not reliable, by the direct engine.

    The density of a part given the others is then averaged over draws that never saw it.
    """
    limit = reliable_k_hat(found.n_draws)
    bad = np.flatnonzero(found.k_hat > limit)[:MAX_REFITTED]
    if not bad.size or why_not_direct(fit.priors):
        return found
    pointwise, refitted = found.pointwise.copy(), found.refitted.copy()
    variance = found.mcse**2
    for place in bad.tolist():
        seed = int(stream(fit.settings.random_seed, Stream.LOO_REFIT, place).integers(2**31))
        design = fit.design.take(np.flatnonzero(of_row != place))
        try:
            drawn = sample_direct(
                design, fit.priors, draws=_REFIT_DRAWS, random_seed=seed, effects=False
            )
        except EngineError:  # improper, or no residual variation, without the part
            continue
        if not drawn.report.trusted:
            continue
        other = replace(fit, draws=drawn.draws)
        every = np.arange(drawn.draws.n_chains * drawn.draws.n_draws)
        logs = part_densities(other, every, parts)[0][place]
        weight = np.exp(logs - logs.max())
        pointwise[place] = logs.max() + np.log(weight.mean())
        refitted[place] = True
        variance += float(weight.var()) / (weight.mean() ** 2 * weight.size)
    moved = float(pointwise.sum() - found.pointwise.sum())
    return replace(
        found,
        pointwise=pointwise,
        refitted=refitted,
        p=found.p - moved,
        mcse=float(np.sqrt(variance)),
    )


def _conditional_on_effects(fit: Fit) -> Elpd:
    """Leave out rows of a model with several grouping factors: given every parameter."""
    n = fit.design.n
    chosen = spaced(check_draws(fit), max(2 * LEAST_DRAWS, _EVALUATIONS // n))
    densities = conditional_log_densities(fit, chosen).T
    return from_draws(fit, "row", np.arange(1, n + 1), densities, densities, None)


def part_densities(fit: Fit, chosen: Ints, parts: Parts) -> tuple[Floats, Floats]:
    r"""Return log densities of parts of the rows, by draw.

    Parameters
    ----------
    fit : Fit
        Gaussian, with independent residuals of one sd and several grouping factors.
    chosen : ndarray of int, shape (S,)
        Which draws, chains joined.
    parts : Parts
        Rows, or groups of one factor.

    Returns
    -------
    loo, lpd : ndarray, shape (m, S)
        ``log p(y_k | y_-k, theta)``, and ``log p(y_k' | y, theta)`` of a further part like it.

    Notes
    -----
    With r = y - X beta, C the covariance of u given y over sigma_e^2, e = r - Z E(u | y), and
    for the rows of a part G = Z'Z and b = Z'e,

    .. math::
        \log|I - Z C Z'| = \log|I - C G|, \qquad
        e'(I - Z C Z')^{-1} e = e'e + b'(I - C G)^{-1} C b,

    of which the density of the part given the others is made (Sundararajan & Keerthi 2001, Neural
    Computation 13(5), for blocks).
    """
    model = _Normal(fit, chosen, parts)
    m, K = parts.effects.shape
    found = np.empty((2, m, len(chosen)))
    step = max(1, _MOST // max(parts.n_effects**2, m * K * K, fit.design.n if m > K else 1))
    for start in range(0, len(chosen), step):
        some = slice(start, start + step)
        found[:, :, some] = _densities(model.at(some), parts)
    return found[0], found[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Given:
    """What is known given some draws: covariances over sigma_e^2, effects, and sums of r."""

    covariance: Floats
    prior: Floats
    squares: Floats
    sums: Floats
    mean: Floats
    sigma: Floats


class _Normal:
    """The joint normal distribution of outcomes and group effects, at draws of all else."""

    def __init__(self, fit: Fit, chosen: Ints, parts: Parts) -> None:
        self.design, self.parts = fit.design, parts
        self.beta = fit.beta[chosen]
        self.sigma = samples(fit.draws, "sigma_e")[chosen]
        self.cov = [
            effects_covariance(fit.of_factor(name).draws)[chosen] for name in fit.design.factors
        ]
        self.products = parts.total_products

    def at(self, some: slice) -> _Given:
        beta, sigma = self.beta[some], self.sigma[some]
        size = len(self.products)
        prior = np.zeros((len(beta), size, size))
        first = 0
        for term, cov in zip(self.design.group_terms, self.cov, strict=True):
            for group in range(term.J):
                place = slice(first + group * term.q, first + (group + 1) * term.q)
                prior[:, place, place] = cov[some] / np.square(sigma)[:, None, None]
            first += term.J * term.q
        # (I + S Z'Z)^-1 S is defined for a singular S too.
        covariance = np.linalg.solve(np.eye(size) + prior @ self.products, prior)
        squares, sums = self.parts.residual_sums(beta)
        mean = (covariance @ self.parts.total(sums)[:, :, None])[..., 0]
        return _Given(
            covariance=covariance,
            prior=prior,
            squares=squares,
            sums=sums,
            mean=mean,
            sigma=sigma,
        )


def _densities(given: _Given, parts: Parts) -> Floats:
    """Return both densities (2, m, S) of the parts."""
    pairs = (slice(None), parts.effects[:, :, None], parts.effects[:, None, :])
    eye = np.eye(parts.effects.shape[1])

    def less(mean: Floats) -> tuple[Floats, Floats]:
        """Return ``e'e`` and ``Z'e`` of e = r - Z mean."""
        fitted = (parts.products @ mean[..., None])[..., 0]
        squares = given.squares - np.einsum("smk,smk->sm", mean, 2.0 * given.sums - fitted)
        return squares, given.sums - fitted

    def density(log_det: Floats, squares: Floats) -> Floats:
        """Return that of residuals with covariance sigma_e^2 A: log|A|, and their squares by A."""
        variance = np.square(given.sigma)[:, None]
        return -0.5 * (parts.sizes * (_LOG_2PI + np.log(variance)) + log_det + squares / variance)

    C, G, mean = given.covariance[pairs], parts.products, given.mean[:, parts.effects]
    squares, b = less(mean)
    inside = eye - C @ G
    rest = np.linalg.solve(inside, (C @ b[..., None]))[..., 0]
    left = squares + np.einsum("smk,smk->sm", b, rest)
    loo = density(-np.linalg.slogdet(inside)[1], left)

    # A further part: effects of new groups from their distribution, the others as they are known.
    fresh, known = parts.new, ~parts.new
    P = C * (known[:, :, None] & known[:, None, :])
    P = P + given.prior[pairs] * (fresh[:, :, None] & fresh[:, None, :])
    squares, b = less(np.where(fresh, 0.0, mean))
    inside = eye + P @ G
    rest = np.linalg.solve(inside, (P @ b[..., None]))[..., 0]
    left = squares - np.einsum("smk,smk->sm", b, rest)
    lpd = density(np.linalg.slogdet(inside)[1], left)
    return np.stack([loo.T, lpd.T])
