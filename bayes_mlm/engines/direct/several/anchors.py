"""Draw group effects where a factorisation is dear: one serves many draws.

Given the variance parameters and beta, u is normal. Given the effects of the other factors as well,
those of a level have a covariance R R' of its own rows alone, which is cheap, and the mean R R'x,
where x is the level's sum of what the others leave. The factorisation that x and the deviations of
u need is made at some anchors among the draws, one in each cell of draws that are near one another.
Every draw has variance parameters of its own and their R: its x, which is linear in beta and smooth
in the relative sds, is the anchor's, moved by a regression on the relative coordinates, and its
deviation is R times a draw by the anchor's factor, in units of the anchor's R. The anchors' exact
densities check the draws, and what the regression leaves the means.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.parametrisation import log_density, variances_at
from bayes_mlm.engines.direct.posterior import Sums
from bayes_mlm.engines.direct.quadratic import cholesky, solve_transposed
from bayes_mlm.engines.direct.several.interpolant import pack, relative_coordinates
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.engines.direct.several.refine import ApproximateDraws, Nodes, problem_at
from bayes_mlm.likelihood import Factor, split

# Seconds of factorisations at anchors, and their number at least and at most.
_BUDGET = 1.0
_LEAST, _MOST = 32, 128
# Draws far from their anchors at which the means are checked.
_OUTLYING = 4
# Distance, in posterior sds, at which the regression levels off.
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
    """M anchors and the regression of their x: at beta = 0, and what a unit of each beta adds.

    `places` are their draws; `cells` the draws (indices) of each; `terms` (S, k) those of the
    regression at all draws; `slopes` (k, p+1, Q) its coefficients; `left` (M, p+1, Q) what it
    leaves.
    """

    places: Ints
    cells: list[Ints]
    terms: Floats
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
    sums, found, scaled = [], np.empty((len(places), p + 1, n_effects)), []
    units = np.vstack([np.zeros(p), np.eye(p)])
    for k, (anchor, cell) in enumerate(zip(places, cells, strict=True)):
        factor = Factor(system.plan)
        factor.update(split(system.plan, lam[anchor]))
        sums.append((factor.logdet, factor.root))
        noise = rng.standard_normal((len(cell) if keep else 0, system.plan.Q))
        some = np.vstack([units, np.zeros((len(noise), p))])
        noise = np.vstack([np.zeros((p + 1, system.plan.Q)), noise])
        back = [np.linalg.inv(one[:, :, 0].T).T for one in _roots(problem, lam[[anchor]])]
        white = factor.effects(some, noise)
        for one in white:
            one[1:] -= one[0]
        white = [_times("ijm,jkm->ikm", to, one) for to, one in zip(back, white, strict=True)]
        found[k] = _flat(
            [_times("jim,jkm->ikm", to, one[: p + 1]) for to, one in zip(back, white, strict=True)]
        )
        if keep:
            u[cell] = _flat([one[p + 1 :] for one in white])
            continue
        blocks = factor.inverse_blocks(with_x=False)
        scaled.append(
            [
                (to.transpose(2, 0, 1) @ root @ np.linalg.cholesky(block)).transpose(1, 2, 0)
                for to, root, block in zip(back, factor.lam, blocks, strict=True)
            ]
        )
    anchors = _regress(places, cells, _terms(z), found)
    log_ratio, nodes = _exact(problem, approximate, x[places], relative[places], sums)
    mean = [np.zeros((one.m, one.q)) for one in system.products.factors]
    square = [np.zeros((one.m, one.q, one.q)) for one in system.products.factors]
    for k, part in _parts(cells, n_effects):
        roots, right = _roots(problem, lam[part]), _right(anchors, k, part, ahead)
        means = _given_right(roots, _by_factor(problem, right))
        if keep:
            white = _by_factor(problem, u[part] * sigma[part, None])
            u[part] = _flat(means) + _flat(
                [_times("ijbm,jbm->ibm", a, b) for a, b in zip(roots, white, strict=True)]
            )
            continue
        for place, (root, one) in enumerate(zip(roots, means, strict=True)):
            within = np.einsum("ijbm,jkm->ikbm", root, scaled[k][place]) * sigma[part, None]
            apart = np.concatenate([np.moveaxis(one, -1, 0)[:, None], within], axis=1)
            mean[place] += one.sum(axis=0) / len(x)
            square[place] += np.einsum("ikbm,jkbm->ijm", apart, apart).T / len(x)
    if keep:
        variance = u[:: max(1, len(u) // 500)].var(axis=0)  # a yardstick: some draws suffice
    else:
        square = [a - b[:, :, None] * b[:, None] for a, b in zip(square, mean, strict=True)]
        variance = np.concatenate([np.diagonal(one, axis1=1, axis2=2).ravel() for one in square])
    error = max(
        _error(problem, anchors, lam, ahead, variance),
        _outlying(problem, anchors, z, lam, ahead, variance),
    )
    return AnchoredEffects(
        effects=system.of_terms(_by_factor(problem, u)) if keep else (),
        mean=() if keep else system.of_terms(mean),
        sd=() if keep else _sds_of_terms(problem, square),
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


def _roots(problem: SeveralProblem, lam: Floats) -> list[Floats]:
    """Return R (q, q, B, m) of each factor at relative factors (B, k), in units of sigma_e.

    ``R R' = Lambda inv(I + Lambda'N Lambda) Lambda'`` with N the products of a level's own rows.
    """
    starts, found = problem.system.plan.arrays.lam_start, []
    for f, one in enumerate(problem.system.products.factors):
        to = lam[:, starts[f] : starts[f + 1]].reshape(-1, one.q, one.q)
        pairs = np.einsum("bka,blc->acbkl", to, to).reshape(one.q, one.q, len(lam), -1)
        inner = pairs @ one.own.reshape(one.m, -1).T
        inner[range(one.q), range(one.q)] += 1.0
        lower = cholesky(inner.reshape(one.q, one.q, -1))
        half = np.empty_like(lower)
        for k, column in enumerate(np.eye(one.q)):
            right = np.broadcast_to(column[:, None], lower.shape[1:])
            half[:, k] = solve_transposed(lower, right)
        found.append(np.einsum("bij,jkbm->ikbm", to, half.reshape(inner.shape)))
    return found


def _times(sum_of: str, matrices: Floats, effects: Floats) -> Floats:
    """Multiply effects (..., m, q) by matrices (q, q, ...), whose levels are last."""
    return np.moveaxis(np.einsum(sum_of, matrices, np.moveaxis(effects, -1, 0)), 0, -1)


def _given_right(roots: list[Floats], right: list[Floats]) -> list[Floats]:
    """Return the effects ``R R'x`` (B, m, q) of each factor."""
    return [
        _times("ijbm,jbm->ibm", root, _times("jibm,jbm->ibm", root, one))
        for root, one in zip(roots, right, strict=True)
    ]


def _right(anchors: _Anchors, k: int, draws: Ints, ahead: Floats) -> Floats:
    """Return x (B, Q) of draws in cell k, by the regression."""
    weights = (anchors.terms[draws][:, :, None] * ahead[draws][:, None, :]).reshape(len(draws), -1)
    found: Floats = weights @ anchors.slopes.reshape(weights.shape[1], -1)
    found += ahead[draws] @ anchors.left[k]
    return found


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
        slopes=slopes.reshape(kept, *means.shape[1:]),
        left=left.reshape(means.shape),
    )


def _n_linear(terms: Floats) -> int:
    """Return d, of 1 + d + d(d+1)/2 terms."""
    return int((-3 + np.sqrt(1 + 8 * terms.shape[1])) / 2)


def _parts(cells: list[Ints], n_effects: int) -> Iterator[tuple[int, Ints]]:
    """Return the draws of each cell, a part that fits the memory at a time."""
    step = max(1, _CHUNK // n_effects)
    for k, cell in enumerate(cells):
        for start in range(0, len(cell), step):
            yield k, cell[start : start + step]


def _sds_of_terms(problem: SeveralProblem, covariance: list[Floats]) -> tuple[Floats, ...]:
    """Return the sds (J, q) of the effects as given, from covariances (m, q, q) of each factor."""
    system, sds = problem.system, []
    for one, part in zip(system.products.factors, covariance, strict=True):
        to = one.transform * system.products.y_scale
        sds.append(np.sqrt(np.diagonal(to @ part @ to.T, axis1=1, axis2=2)))
    return tuple(sds[factor][:, columns] for factor, columns in system.term_places)


def _error(
    problem: SeveralProblem, anchors: _Anchors, lam: Floats, ahead: Floats, variance: Floats
) -> float:
    """Return the largest root mean square of what the regression leaves, in posterior sds."""
    m, k = len(anchors.places), anchors.terms.shape[1]
    total = np.zeros(len(variance))
    for place, left in zip(anchors.places, anchors.left, strict=True):
        right = _by_factor(problem, (ahead[place] @ left)[None])
        total += _flat(_given_right(_roots(problem, lam[[place]]), right))[0] ** 2
    share = np.sqrt(total / max(m - k, 1) / np.maximum(variance, 1e-300))
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
        exact = _flat([part[None] for part in factor.effects(ahead[one, 1:])])
        right = _right(anchors, int(of_cell[one]), np.array([one]), ahead)
        means = _given_right(_roots(problem, lam[[one]]), _by_factor(problem, right))
        errors.append((_flat(means) - exact)[0] / np.sqrt(np.maximum(variance, 1e-300)))
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
