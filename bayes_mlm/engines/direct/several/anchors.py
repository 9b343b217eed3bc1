"""Draw group effects where a factorisation is dear: one serves many draws.

Given the variance parameters and beta, u is normal: its mean is linear in beta and smooth in the
relative sds, and its deviation from that mean needs a factorisation. This is made at some anchors
among the draws, one in each cell of draws that are near one another. Every draw has variance
parameters of its own: its mean is the anchor's, moved by a regression of the means on the relative
coordinates, and its deviation is drawn by the anchor's factor, scaled to the draw's sds. The
anchors' exact densities check the draws, and what the regression leaves the means.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.parametrisation import log_density, variances_at
from bayes_mlm.engines.direct.posterior import Sums
from bayes_mlm.engines.direct.several.interpolant import pack, relative_coordinates
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.engines.direct.several.refine import ApproximateDraws, Nodes, problem_at
from bayes_mlm.likelihood import Factor, split

# Seconds of factorisations at anchors, and their number at least and at most.
_BUDGET = 1.0
_LEAST, _MOST = 32, 128
# Draws far from their anchors at which the means are checked.
_OUTLYING = 4
# Distance, in posterior sds, at which the conditional means level off: at no shrinkage, or at all.
_LEVEL = 2.0
# Numbers of u that are worked on at a time.
_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class AnchoredEffects:
    """Group effects of all draws, or their means and sds, with the checks at the anchors.

    Attributes
    ----------
    effects : tuple of arrays
        Of each term (S, J, q); empty where they are summarised.
    mean, sd : tuple of arrays
        Of each term (J, q), where they are.
    log_ratio : (M,) array
        Log of the exact over the approximate density at the anchors.
    error : float
        Largest error of an effect's conditional mean, in posterior sds: what the regression leaves
        at the anchors, and at the draws farthest from them.
    nodes : Nodes
        The anchors, for a better interpolant.
    """

    effects: tuple[Floats, ...]
    mean: tuple[Floats, ...]
    sd: tuple[Floats, ...]
    log_ratio: Floats
    error: float
    nodes: Nodes


@dataclass(frozen=True, kw_only=True, eq=False)
class _Anchors:
    """M anchors: their draws, exact means and the regression of these.

    `cells` are the draws (indices) of each; `means` (M, p+1, Q) the conditional means at beta = 0
    and what a unit of each coefficient adds; `terms` (S, k) those of the regression at all draws;
    `slopes` (k, p+1, Q) its coefficients; `left` (M, p+1, Q) what it leaves.
    """

    places: Ints
    cells: list[Ints]
    terms: Floats
    means: Floats
    slopes: Floats
    left: Floats


def n_anchors(problem: SeveralProblem, n_draws: int) -> int:
    """Return how many anchors to take: a power of two."""
    d = problem.place_e
    terms = 1 + d + d * (d + 1) // 2
    wanted = min(max(_BUDGET / problem.system.plan.cost, _LEAST, 3 * terms), _MOST)
    return int(2 ** np.floor(np.log2(min(wanted, max(n_draws // 4, 1)))))


def draw_anchored(
    problem: SeveralProblem,
    approximate: ApproximateDraws,
    beta: Floats,
    rng: np.random.Generator,
    *,
    keep: bool,
) -> AnchoredEffects:
    """Draw the group effects of all draws, or sum them up.

    Parameters
    ----------
    problem : SeveralProblem
        With exact sums.
    approximate : ApproximateDraws
    beta : (S, p) array
        Of X as given, drawn given the variance parameters.
    rng : numpy.random.Generator
    keep : bool
        Whether to draw all of them; else their means and sds are computed, by the laws of total
        expectation and variance.
    """
    system, x = problem.system, approximate.found.x
    at = variances_at(problem, x)
    relative = relative_coordinates(problem, at)
    z = approximate.interpolant.chart(relative)
    cells = split_cells(z, n_anchors(problem, len(x)))
    places = np.array([one[_nearest(z[one])] for one in cells])
    p, n_effects = system.p, system.products.n_effects
    unit = system.products.y_scale
    sigma, lam = np.exp(at.log_sigma_e) / unit, problem.relative(at)
    ahead = np.column_stack([np.ones(len(x)), system.own_beta(beta) / unit])  # times the means
    u = np.empty((len(x), n_effects)) if keep else np.empty((0, 0))
    within = [np.zeros((one.m, one.q, one.q)) for one in system.products.factors]
    means, sums = np.empty((len(places), p + 1, n_effects)), []
    units = np.vstack([np.zeros(p), np.eye(p)])
    for k, (anchor, cell) in enumerate(zip(places, cells, strict=True)):
        factor = Factor(system.plan)
        factor.update(split(system.plan, lam[anchor]))
        sums.append((factor.logdet, factor.root))
        noise = rng.standard_normal((len(cell) if keep else 0, system.plan.Q))
        some = np.vstack([units, np.zeros((len(noise), p))])
        noise = np.vstack([np.zeros((p + 1, system.plan.Q)), noise])
        found = _flat(factor.effects(some, noise))
        means[k] = found[: p + 1]
        means[k, 1:] -= means[k, 0]
        scale = _scales(problem, lam[cell], lam[anchor]) * sigma[cell, None]
        if keep:
            u[cell] = (found[p + 1 :] - means[k, 0]) * scale
            continue
        blocks = factor.inverse_blocks(with_x=False)
        share = _by_factor(problem, np.square(scale).sum(axis=0) / len(x))
        for place, root in enumerate(factor.lam):
            within[place] += share[place][:, :1, None] * (root @ blocks[place] @ root.T)
    anchors = _regress(places, cells, _terms(z), means)
    log_ratio, nodes = _exact(problem, approximate, x[places], relative[places], sums)
    mean, spread = _moments(anchors, ahead)
    if keep:
        for part, some in _parts(anchors, ahead, n_effects):
            u[part] += some
        variance = u[:: max(1, len(u) // 500)].var(axis=0)  # a yardstick: some draws suffice
    else:
        variance = spread + np.concatenate([_diagonal(one) for one in within])
    error = max(
        _error(anchors, ahead, variance), _outlying(problem, anchors, z, lam, ahead, variance)
    )
    if keep:
        effects = system.of_terms(_by_factor(problem, u))
        return AnchoredEffects(
            effects=effects, mean=(), sd=(), log_ratio=log_ratio, error=error, nodes=nodes
        )
    sds = _sds_of_terms(problem, anchors, ahead, within)
    return AnchoredEffects(
        effects=(),
        mean=system.of_terms(_by_factor(problem, mean)),
        sd=sds,
        log_ratio=log_ratio,
        error=error,
        nodes=nodes,
    )


def split_cells(z: Floats, wanted: int) -> list[Ints]:
    """Divide points (S, d) into cells of about equal numbers, near one another.

    The cell of most spread is not sought: all are halved at the median of their widest coordinate,
    so that `wanted` is a power of two.
    """
    cells = [np.arange(len(z))]
    while len(cells) < wanted:
        halves = []
        for one in cells:
            widest = int(np.argmax(z[one].std(axis=0)))
            order = one[np.argsort(z[one, widest], kind="stable")]
            halves += [order[: len(order) // 2], order[len(order) // 2 :]]
        cells = halves
    return cells


def _nearest(z: Floats) -> int:
    """Return the point nearest to the mean of all."""
    return int(np.argmin(np.square(z - z.mean(axis=0)).sum(axis=1)))


def _flat(effects: list[Floats]) -> Floats:
    """Join effects (k, m, q) of the factors: (k, Q)."""
    return np.concatenate([one.reshape(len(one), -1) for one in effects], axis=1)


def _by_factor(problem: SeveralProblem, effects: Floats) -> list[Floats]:
    """Divide effects (..., Q) into those of the factors, (..., m, q)."""
    factors = problem.system.products.factors
    ends = np.cumsum([one.size for one in factors])
    parts = np.split(effects, ends[:-1], axis=-1)
    return [
        part.reshape(*effects.shape[:-1], one.m, one.q)
        for part, one in zip(parts, factors, strict=True)
    ]


def _scales(problem: SeveralProblem, lam: Floats, anchor: Floats) -> Floats:
    """Return the sds (B, Q) of deviations at relative factors over those at the anchor's.

    As if a level's own rows were all there is, ``theta / sqrt(1 + n theta^2)``: the ratio is near 1
    in any case. Of factors with several effects it is taken to be 1.
    """
    plan, found = problem.system.plan, []
    for f, one in enumerate(problem.system.products.factors):
        if one.q > 1:
            found.append(np.ones((len(lam), one.size)))
            continue
        theta = np.abs(lam[:, plan.arrays.lam_start[f]])
        base = abs(anchor[plan.arrays.lam_start[f]])
        own = one.own[:, 0, 0]
        ratio = (theta / base)[:, None]
        found.append(ratio * np.sqrt((1.0 + own * base**2) / (1.0 + own * theta[:, None] ** 2)))
    return np.concatenate(found, axis=1)


def _terms(z: Floats) -> Floats:
    """Return the terms (S, k) of the regression: a quadratic that levels off far out."""
    d, z = z.shape[1], _LEVEL * np.tanh(z / _LEVEL)
    products = [z[:, a] * z[:, b] for a in range(d) for b in range(a, d)]
    return np.column_stack([np.ones(len(z)), z, *products])


def _regress(places: Ints, cells: list[Ints], terms: Floats, means: Floats) -> _Anchors:
    m = len(places)
    kept = terms.shape[1] if 2 * terms.shape[1] <= m else min(1 + _n_linear(terms), m)
    terms = terms[:, :kept]
    flat = means.reshape(m, -1)
    slopes = np.linalg.lstsq(terms[places], flat, rcond=1e-10)[0]
    left = flat - terms[places] @ slopes
    return _Anchors(
        places=places,
        cells=cells,
        terms=terms,
        means=means,
        slopes=slopes.reshape(kept, *means.shape[1:]),
        left=left.reshape(means.shape),
    )


def _n_linear(terms: Floats) -> int:
    """Return d, of 1 + d + d(d+1)/2 terms."""
    return int((-3 + np.sqrt(1 + 8 * terms.shape[1])) / 2)


def _parts(anchors: _Anchors, ahead: Floats, n_effects: int) -> Iterator[tuple[Ints, Floats]]:
    """Return the conditional means of the draws, cell by cell."""
    flat = anchors.slopes.reshape(-1, n_effects)
    for k, cell in enumerate(anchors.cells):
        weights = anchors.terms[cell][:, :, None] * ahead[cell][:, None, :]
        yield cell, weights.reshape(len(cell), -1) @ flat + ahead[cell] @ anchors.left[k]


def _moments(anchors: _Anchors, ahead: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance (Q,) over the draws of the conditional means."""
    weights = (anchors.terms[:, :, None] * ahead[:, None, :]).reshape(len(ahead), -1)
    flat = anchors.slopes.reshape(weights.shape[1], -1)
    covariance = np.atleast_2d(np.cov(weights.T, bias=True))
    return weights.mean(axis=0) @ flat, np.einsum(
        "aj,ab,bj->j", flat, covariance, flat, optimize=True
    )


def _diagonal(blocks: Floats) -> Floats:
    return np.diagonal(blocks, axis1=1, axis2=2).ravel()


def _sds_of_terms(
    problem: SeveralProblem, anchors: _Anchors, ahead: Floats, within: list[Floats]
) -> tuple[Floats, ...]:
    """Return the sds (J, q) of the effects as given: within draws, and of their means."""
    system = problem.system
    weights = (anchors.terms[:, :, None] * ahead[:, None, :]).reshape(len(ahead), -1)
    flat = anchors.slopes.reshape(weights.shape[1], -1)
    covariance = np.atleast_2d(np.cov(weights.T, bias=True))
    sds = []
    for place, part in enumerate(_by_factor(problem, flat)):
        between = np.einsum("amj,ab,bmk->mjk", part, covariance, part, optimize=True)
        to = system.products.factors[place].transform * system.products.y_scale
        whole = to @ (within[place] + between) @ to.T
        sds.append(np.sqrt(np.diagonal(whole, axis1=1, axis2=2)))
    return tuple(sds[factor][:, columns] for factor, columns in system.term_places)


def _error(anchors: _Anchors, ahead: Floats, variance: Floats) -> float:
    """Return the largest root mean square of what the regression leaves, in posterior sds."""
    m, k = len(anchors.places), anchors.terms.shape[1]
    left = np.einsum("mj,mjq->mq", ahead[anchors.places], anchors.left)
    share = np.sqrt((left**2).sum(axis=0) / max(m - k, 1) / np.maximum(variance, 1e-300))
    return float(share.max(initial=0.0))


def _outlying(
    problem: SeveralProblem,
    anchors: _Anchors,
    z: Floats,
    lam: Floats,
    ahead: Floats,
    variance: Floats,
) -> float:
    """Return the error at the draws farthest from their anchors, as a share of all of them.

    They stand for a hundredth of the draws.
    """
    of_cell = np.empty(len(z), dtype=np.int64)
    for k, cell in enumerate(anchors.cells):
        of_cell[cell] = k
    away = np.square(z - z[anchors.places[of_cell]]).sum(axis=1)
    errors = []
    for one in np.argsort(-away)[:_OUTLYING].tolist():
        factor = Factor(problem.system.plan)
        factor.update(split(problem.system.plan, lam[one]))
        beta = ahead[one, 1:]
        exact = _flat([part[None] for part in factor.effects(beta)])[0]
        slopes = np.tensordot(anchors.terms[one], anchors.slopes, 1) + anchors.left[of_cell[one]]
        errors.append((ahead[one] @ slopes - exact) / np.sqrt(np.maximum(variance, 1e-300)))
    return 0.1 * float(np.sqrt(np.square(errors).mean(axis=0)).max(initial=0.0))


def _exact(
    problem: SeveralProblem,
    approximate: ApproximateDraws,
    x: Floats,
    relative: Floats,
    known: list[tuple[float, Floats]],
) -> tuple[Floats, Nodes]:
    """Return the log of exact over approximate density at the anchors, and them as nodes."""
    root = np.array([one for _, one in known])
    root[:, -1] *= problem.system.products.y_scale
    a = np.ascontiguousarray(np.einsum("bik,bjk->ijb", root, root))
    sums = Sums(logdet=np.array([one for one, _ in known]), a=a)
    nodes = Nodes(relative=relative, functions=pack(sums, problem.residual_df))
    exact = log_density(problem_at(problem, nodes, x), x)
    return exact - log_density(approximate.problem, x), nodes
