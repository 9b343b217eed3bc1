"""Evaluate log p(y_j | y_-j, theta): a group given all others and the variance parameters.

With A_j = [X, y]_j' V_j^-1 [X, y]_j and P the quadratic form of the coefficients' priors, the
density of any set of groups comes from the Cholesky factor of P + sum A_j over the set. The sum
without a group is made of the sums before and after it: taking A_j from the whole would cancel.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.loo.conditional import Model, relative_root
from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.engines import Variances, cholesky, prior_form, solve_transposed, triangle
from bayes_mlm.likelihood import LOG_2PI, invert_classes
from bayes_mlm.moments import RANK_TOLERANCE, rest_by_group

# Numbers in a working array.
_CHUNK = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupDensities:
    """Log predictive densities of groups at S values of the variance parameters.

    Attributes
    ----------
    loo : (m, S) array
        ``log p(y_j | y_-j, theta)``.
    lpd : (m, S) array
        ``log p(y_j' | y, theta)`` of a further group with the outcomes and predictors of j.
    beta : (m, p, S) array
        ``E(beta | y_-j, theta)`` of the centred columns.
    """

    loo: Floats
    lpd: Floats
    beta: Floats


def group_densities(model: Model, at: Variances) -> GroupDensities:
    """Evaluate the log predictive density of every group.

    Raises
    ------
    DesignError
        If a coefficient is not identified without the group.
    """
    reduced = model.problem.reduced
    statistics = model.statistics
    p, n_groups, n_draws = reduced.p, statistics.J, len(at.log_sigma_e)
    rows, columns = np.array(triangle(p + 1)).T
    rest = rest_by_group(statistics)[:, rows, columns].T  # (T, J)
    # Off-diagonal pairs of effects count twice; only the symmetric part of a product matters.
    pairs = triangle(reduced.q)
    products = [_product(reduced.c[:, a], reduced.c[:, b], rows, columns, a != b) for a, b in pairs]
    loo, lpd = np.empty((2, n_groups, n_draws))
    beta = np.empty((n_groups, p, n_draws))
    step = max(1, _CHUNK // (len(rows) * n_groups))
    counts = statistics.counts[:, None]
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        now = Variances(
            log_sigma_u=at.log_sigma_u[part],
            factor=at.factor[part],
            log_sigma_e=at.log_sigma_e[part],
            log_scale=at.log_scale[part],
        )
        a = np.repeat(rest[:, :, None], len(now.log_sigma_e), axis=2)  # (T, J, B)
        logdet = np.zeros((n_groups, len(now.log_sigma_e)))
        if reduced.q:
            root = relative_root(model.problem, now)
            inverse, by_class = invert_classes(reduced.r, root @ root.swapaxes(1, 2))
            logdet = by_class[:, reduced.of_group].T
            for (i, j), product in zip(pairs, products, strict=True):
                a += product[:, :, None] * inverse[:, reduced.of_group, i, j].T
        a *= np.exp(-2.0 * now.log_sigma_e)
        prior = prior_form(model.problem.beta, now.log_scale)[rows, columns][:, None]
        whole, others = _with_and_without(a)
        whole, others = whole + prior, others + prior
        lower = _factor(others, p)
        _check_identified(model, lower, others)
        half, half_others, half_with = _pieces(_factor(whole, p), lower, _factor(whole + a, p))
        own_part = counts * (now.log_sigma_e + 0.5 * LOG_2PI) + 0.5 * logdet
        loo[:, part] = half_others - half - own_part
        lpd[:, part] = half - half_with - own_part
        beta[:, :, part] = solve_transposed(lower[:p, :p], lower[p, :p]).swapaxes(0, 1)
    return GroupDensities(loo=loo, lpd=lpd, beta=beta)


def _product(left: Floats, right: Floats, rows: Ints, columns: Ints, twice: bool) -> Floats:
    """Return the lower triangles (T, J) of the products of two rows of C."""
    product = left[:, rows] * right[:, columns]
    return (product + right[:, rows] * left[:, columns]).T if twice else product.T


def _with_and_without(a: Floats) -> tuple[Floats, Floats]:
    """Sum a (T, J, B) over all groups (T, 1, B), and over all but each (T, J, B)."""
    before, after = np.zeros_like(a), np.zeros_like(a)
    np.cumsum(a[:, :-1], axis=1, out=before[:, 1:])
    np.cumsum(a[:, :0:-1], axis=1, out=after[:, -2::-1])
    return before[:, -1:] + a[:, -1:], before + after


def _factor(lower: Floats, p: int) -> Floats:
    """Factor symmetric matrices given by their lower triangles (T, m, B): (p+1, p+1, m, B)."""
    full = np.empty((p + 1, p + 1, *lower.shape[1:]))
    for value, (i, j) in zip(lower, triangle(p + 1), strict=True):
        full[i, j] = full[j, i] = value
    return cholesky(full)


def _pieces(*factors: Floats) -> list[Floats]:
    """Return ``(log |A_xx| + rss) / 2`` for each array of Cholesky factors (k, k, m, B)."""
    p = len(factors[0]) - 1
    return [
        np.log(lower[range(p), range(p)]).sum(axis=0) + 0.5 * lower[p, p] ** 2 for lower in factors
    ]


def _check_identified(model: Model, lower: Floats, others: Floats) -> None:
    """Raise a DesignError that names a group without which a coefficient is not identified."""
    p = model.problem.reduced.p
    diagonal = [place for place, (i, j) in enumerate(triangle(p + 1)) if i == j][:p]
    with np.errstate(invalid="ignore"):
        known = lower[range(p), range(p)] ** 2 > RANK_TOLERANCE * others[diagonal]
    bad = np.argwhere(~known.all(axis=2)).tolist()
    if bad:
        k, place = min(bad, key=lambda found: found[1])
        statistics = model.statistics
        raise DesignError(
            f"without {statistics.group} {statistics.labels[place]} the coefficient of "
            f"{statistics.terms[k]!r} is not identified, so no other group predicts it; give it a "
            "proper prior of ordinary width, or leave the term out"
        )
