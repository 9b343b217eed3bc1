"""Leave parts of the rows out of a Gaussian model with several grouping factors, in closed form.

Given the coefficients and the variance parameters the outcomes are normal. With the covariance C of
the group effects given all rows, everything about a part (a row, or all rows of a group) is in the
effects that its rows have: nothing is fitted anew, and no matrix of rows by rows is formed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.assess.loo.conditional import LEAST_DRAWS, check_draws
from bayes_mlm.assess.loo.elpd import Elpd
from bayes_mlm.assess.loo.from_draws import from_draws
from bayes_mlm.base import Floats, Ints, UnsupportedModelError
from bayes_mlm.design import Design
from bayes_mlm.engines import effects_covariance, samples
from bayes_mlm.fitting import Fit, conditional_log_densities, spaced

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Numbers held at a time, and operations in all: some seconds.
_MOST, _OPERATIONS = 4_000_000, 60_000_000_000
# Draws times rows, of densities given every parameter.
_EVALUATIONS = 16_000_000
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
    left_out = frozenset(k for k, other in enumerate(design.group_terms) if other.is_within(term))
    loo, lpd = part_densities(fit, chosen, term.codes, term.J, left_out)
    return from_draws(fit, "group", term.labels, loo, lpd, term.factor)


def row_of_several(fit: Fit) -> Elpd:
    """Leave out rows of a model with several factors, given the coefficients or everything."""
    n = fit.design.n
    chosen = _few_draws(fit)
    if chosen.size:
        loo, lpd = part_densities(fit, chosen, np.arange(n), n, frozenset())
        return from_draws(fit, "row", np.arange(1, n + 1), loo, lpd, None)
    return _conditional_on_effects(fit)


def _conditional_on_effects(fit: Fit) -> Elpd:
    """Leave out rows of a model with several grouping factors: given every parameter."""
    n = fit.design.n
    chosen = spaced(check_draws(fit), max(2 * LEAST_DRAWS, _EVALUATIONS // n))
    densities = conditional_log_densities(fit, chosen).T
    return from_draws(fit, "row", np.arange(1, n + 1), densities, densities, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Parts of the rows, and the group effects that the rows of each have.

    Parameters
    ----------
    of_row : ndarray of int, shape (n,)
        Part of each row.
    n_parts : int
    effects : ndarray of int, shape (m, K)
        Places of the effects among those of all factors, filled up with 0.
    products : ndarray, shape (m, K, K)
        ``Z'Z`` of the rows of each part; zero where filled up.
    sums : csr_array, shape (m * K, n)
        ``Z'`` of each part.
    new : ndarray of bool, shape (m, K)
        Effects of groups that a further part like it would not share: of the factor that is left
        out, and of those nested in it.
    """

    of_row: Ints
    n_parts: int
    effects: Ints
    products: Floats
    sums: "csr_array"
    new: np.ndarray


def part_densities(
    fit: Fit, chosen: Ints, of_row: Ints, n_parts: int, left_out: frozenset[int]
) -> tuple[Floats, Floats]:
    r"""Return log densities of parts of the rows, by draw.

    Parameters
    ----------
    fit : Fit
        Gaussian, with independent residuals of one sd and several grouping factors.
    chosen : ndarray of int, shape (S,)
        Which draws, chains joined.
    of_row : ndarray of int, shape (n,)
        Part of each row.
    n_parts : int
    left_out : frozenset of int
        Places of the factors whose groups are left out as a whole; none for single rows.

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
    from scipy.sparse import csr_array

    design = fit.design
    Z = _columns(design, csr_array)
    parts = _parts(design, Z, of_row, n_parts, left_out)
    model = _Normal(fit, chosen, Z)
    found = np.empty((2, n_parts, len(chosen)))
    K = parts.effects.shape[1]
    step = max(1, _MOST // max(Z.shape[1] ** 2, n_parts * K * K, design.n))
    for start in range(0, len(chosen), step):
        some = slice(start, start + step)
        found[:, :, some] = _densities(model.at(some), parts)
    return found[0], found[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Given:
    """What is known given some draws: covariances over sigma_e^2, residuals, effects."""

    covariance: Floats
    prior: Floats
    residual: Floats
    fitted: Floats
    mean: Floats
    Z: "csr_array"
    sigma: Floats


class _Normal:
    """The joint normal distribution of outcomes and group effects, at draws of all else."""

    def __init__(self, fit: Fit, chosen: Ints, Z: "csr_array") -> None:
        self.design, self.Z = fit.design, Z
        self.beta = fit.beta[chosen]
        self.sigma = samples(fit.draws, "sigma_e")[chosen]
        self.cov = [
            effects_covariance(fit.of_factor(name).draws)[chosen] for name in fit.design.factors
        ]
        self.products = (Z.T @ Z).toarray()

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
        residual = self.design.y_less_offset - beta @ self.design.X.T
        mean = (covariance @ (self.Z.T @ residual.T).T[:, :, None])[..., 0]
        return _Given(
            covariance=covariance,
            prior=prior,
            residual=residual,
            fitted=(self.Z @ mean.T).T,
            mean=mean,
            Z=self.Z,
            sigma=sigma,
        )


def _densities(given: _Given, parts: Parts) -> Floats:
    """Return both densities (2, m, S) of the parts."""
    m, K = parts.effects.shape
    sizes = np.bincount(parts.of_row, minlength=m)
    pairs = (slice(None), parts.effects[:, :, None], parts.effects[:, None, :])
    eye = np.eye(K)

    def total(values: Floats) -> Floats:
        return np.array([np.bincount(parts.of_row, weights=one, minlength=m) for one in values])

    def sums(values: Floats) -> Floats:
        return np.asarray(parts.sums @ values.T).reshape(m, K, -1).transpose(2, 0, 1)

    def density(log_det: Floats, squares: Floats) -> Floats:
        """Return that of residuals with covariance sigma_e^2 A: log|A|, and their squares by A."""
        variance = np.square(given.sigma)[:, None]
        return -0.5 * (sizes * (_LOG_2PI + np.log(variance)) + log_det + squares / variance)

    C, G = given.covariance[pairs], parts.products
    e = given.residual - given.fitted
    b = sums(e)
    inside = eye - C @ G
    rest = np.linalg.solve(inside, (C @ b[..., None]))[..., 0]
    left = total(np.square(e)) + np.einsum("smk,smk->sm", b, rest)
    loo = density(-np.linalg.slogdet(inside)[1], left)

    # A further part: effects of new groups from their distribution, the others as they are known.
    fresh, known = parts.new, ~parts.new
    P = C * (known[:, :, None] & known[:, None, :])
    P = P + given.prior[pairs] * (fresh[:, :, None] & fresh[:, None, :])
    mean = np.where(fresh, given.mean[:, parts.effects], 0.0)
    back = np.asarray(parts.sums.T @ mean.reshape(len(mean), -1).T).T
    e = e + back
    b = sums(e)
    inside = eye + P @ G
    rest = np.linalg.solve(inside, (P @ b[..., None]))[..., 0]
    left = total(np.square(e)) - np.einsum("smk,smk->sm", b, rest)
    lpd = density(np.linalg.slogdet(inside)[1], left)
    return np.stack([loo.T, lpd.T])


def _columns(design: Design, csr_array: type) -> "csr_array":
    """Return Z (n, Q) of all factors, the effects of a group next to each other."""
    rows, columns, values, first = [], [], [], 0
    for term in design.group_terms:
        for k in range(term.q):
            rows.append(np.arange(design.n))
            columns.append(first + term.codes * term.q + k)
            values.append(term.Z[:, k])
        first += term.J * term.q
    places = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.concatenate(values), places), shape=(design.n, first))


def _parts(
    design: Design, Z: "csr_array", of_row: Ints, n_parts: int, left_out: frozenset[int]
) -> Parts:
    """Return where the effects are that the rows of each part have."""
    from scipy.sparse import csr_array

    fresh = np.concatenate(
        [np.full(term.J * term.q, k in left_out) for k, term in enumerate(design.group_terms)]
    )
    entries = Z.tocoo()
    pairs = of_row[entries.row].astype(np.int64) * Z.shape[1] + entries.col
    known, place = np.unique(pairs, return_inverse=True)
    part, effect = np.divmod(known, Z.shape[1])
    starts = np.searchsorted(part, np.arange(n_parts))
    order = np.arange(known.size) - starts[part]
    K = int(order.max()) + 1
    effects, there = np.zeros((n_parts, K), dtype=np.int64), np.zeros((n_parts, K), dtype=bool)
    effects[part, order], there[part, order] = effect, True
    at = (part * K + order)[place]
    sums = csr_array((entries.data, (at, entries.row)), shape=(n_parts * K, design.n))
    products = np.zeros((n_parts, K, K))
    for k, rows in _rows_of(of_row, n_parts):
        one = sums[k * K : (k + 1) * K][:, rows]
        products[k] = (one @ one.T).toarray()
    return Parts(
        of_row=of_row,
        n_parts=n_parts,
        effects=effects,
        products=products,
        sums=sums,
        new=fresh[effects] & there,
    )


def _rows_of(of_row: Ints, n_parts: int) -> Iterator[tuple[int, Ints]]:
    order = np.argsort(of_row, kind="stable")
    ends = np.searchsorted(of_row[order], np.arange(n_parts + 1))
    for part in range(n_parts):
        yield part, order[ends[part] : ends[part + 1]]
