"""Evaluate log p(y_i | y_-i, theta): a row given all others and the variance parameters.

Given theta, y ~ N(m, K), and leaving a row out has a closed form in K^-1 (Sundararajan & Keerthi
2001, Neural Computation 13(5), eq. 12). K^-1 need not be made: with f_i and s_i^2 the mean and
variance of x_i'beta + z_i'u given *all* data and theta, and h_i = s_i^2 / sigma_e^2,

    sigma_e^2 [K^-1 (y - m)]_i = y_i - f_i,      sigma_e^2 [K^-1]_ii = 1 - h_i,

so that y_i | y_-i ~ N(y_i - (y_i - f_i) / (1 - h_i), sigma_e^2 / (1 - h_i)). A flat prior is a
limit that changes nothing. f and h come from the normal conditional distribution of beta and the
row's group effects: (p + q)^2 operations a row and draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bayes_mlm.assess.loo.conditional import Model, relative_root
from bayes_mlm.base import DataError, DesignError, Floats, Ints
from bayes_mlm.data import as_table
from bayes_mlm.design import Design, encode, replay
from bayes_mlm.engines import Variances, cholesky, solve_transposed, sums_at, with_prior
from bayes_mlm.likelihood import LOG_2PI

# Numbers in an array of a block of rows; rows that are multiplied at a time, to stay in the cache.
_CHUNK = 400_000
_SEGMENT = 64
# A row that leaves itself less than this part of sigma_e^2 decides a coefficient alone.
_LEAST_LEFT = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class RowDensities:
    """Log predictive densities of some rows at S values of the variance parameters.

    Attributes
    ----------
    places : (m,) int array
        The rows.
    loo : (m, S) array
        ``log p(y_i | y_-i, theta)``.
    lpd : (m, S) array
        ``log p(y_i' | y, theta)`` of another member of the group, with the outcome of row i.
    """

    places: Ints
    loo: Floats
    lpd: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class _Coefficients:
    """Normal distribution of beta_c given y and theta.

    Attributes
    ----------
    mean : (p, S) array
    root : (p, p, S) array
        ``root' root`` is the covariance over sigma_e^2.
    """

    mean: Floats
    root: Floats


def rows_of(design: Design, rows: Any) -> Design:
    """Return the design of some rows of aggregated data, with their groups.

    Raises
    ------
    DataError
        If a row is of a group that was not summed.
    """
    table = as_table(rows)
    laid_out = replay(design, table)
    if (laid_out.codes < 0).any() and design.group is not None:
        unknown = table.columns[design.group][laid_out.codes < 0][0]
        raise DataError(f"the data that were summed have no {design.group} {unknown}")
    return design.with_arrays(
        y=encode(design.encoding, table).y,
        offset=laid_out.offset if design.formula.offsets else None,
        X=laid_out.X,
        Z=laid_out.Z,
        codes=laid_out.codes,
    )


def row_densities(model: Model, at: Variances) -> Iterator[RowDensities]:
    """Evaluate the log predictive density of every row, in blocks of rows.

    Raises
    ------
    DesignError
        If a coefficient is not identified without a row.
    """
    reduced, design = model.problem.reduced, model.design
    p, q, n_draws = reduced.p, reduced.q, len(at.log_sigma_e)
    beta = _coefficients(model, at)
    X = design.X - reduced.x_mean
    Z = design.Z @ np.linalg.inv(reduced.z_centring)
    y = design.y_less_offset - model.joined.prior_mean - reduced.y_mean
    rows = design.group_term.row_order() if q else np.arange(len(y))
    W = np.column_stack([X, Z])
    # What x and z add to the coordinates of the fitted value, and to its mean; that of x is the
    # same in every group.
    effect = np.zeros((p + q, p + q + 1, n_draws))
    effect[:p, :p], effect[:p, -1] = beta.root.swapaxes(0, 1), beta.mean
    step = max(1, _CHUNK // n_draws)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        left_over, fitted = np.empty((2, len(block), n_draws))
        groups, first = np.unique(design.codes[block] if q else block * 0, return_index=True)
        group_part = _group_part(model, at, beta, groups) if q else effect[None, p:]
        for place, part in _segments([*first.tolist(), len(block)]):
            effect[p:] = group_part[place]
            parts = W[block[part]] @ effect.reshape(p + q, -1)
            parts = parts.reshape(len(parts), p + q + 1, n_draws)
            fitted[part] = parts[:, -1]
            left_over[part] = 1.0 - np.einsum("mks,mks->ms", parts[:, :-1], parts[:, :-1])
        if not (left_over > _LEAST_LEFT).all():
            place = int(np.flatnonzero(~(left_over > _LEAST_LEFT).all(axis=1))[0])
            raise DesignError(
                f"without row {block[place] + 1} a coefficient is not identified: no other row "
                f"tells {_alone(model, int(block[place]))}; give it a proper prior of ordinary "
                "width, or leave the term or the row out"
            )
        size = ((y[block, None] - fitted) * np.exp(-at.log_sigma_e)) ** 2
        level = -0.5 * LOG_2PI - at.log_sigma_e
        yield RowDensities(
            places=block,
            loo=level + 0.5 * np.log(left_over) - 0.5 * size / left_over,
            lpd=level - 0.5 * np.log(2.0 - left_over) - 0.5 * size / (2.0 - left_over),
        )


def _segments(ends: list[int]) -> Iterator[tuple[int, slice]]:
    """Yield each group's index and rows; those of a large group in several blocks."""
    for place, (first, end) in enumerate(pairwise(ends)):
        for start in range(first, end, _SEGMENT):
            yield place, slice(start, min(start + _SEGMENT, end))


def _coefficients(model: Model, at: Variances) -> _Coefficients:
    """Return the conditional distribution of the coefficients of the centred columns."""
    p = model.problem.reduced.p
    lower = cholesky(with_prior(model.problem, at, sums_at(model.problem, at)))
    identity = np.repeat(np.eye(p)[:, :, None], lower.shape[2], axis=2)
    root = _solve(lower[:p, :p], identity) * np.exp(-at.log_sigma_e)
    return _Coefficients(mean=solve_transposed(lower[:p, :p], lower[p, :p]), root=root)


def _group_part(model: Model, at: Variances, beta: _Coefficients, groups: Ints) -> Floats:
    """Return the contribution of z to the coordinates of the fitted value and to its mean.

    Of the conditional covariance of (beta, u_j) over sigma_e^2, these are the rows of u_j of a
    root, and then the conditional mean of u_j: (m, q, p+q+1, S).
    """
    reduced = model.problem.reduced
    p, q, n_draws = reduced.p, reduced.q, len(at.log_sigma_e)
    r = reduced.r[reduced.of_group[groups]].transpose(1, 2, 0)[..., None]  # (q, q, m, 1)
    c = reduced.c[groups].transpose(1, 2, 0)[..., None]  # (q, p+1, m, 1)
    if model.problem.flat_groups:
        transformed = np.broadcast_to(1.0 / r, (1, 1, len(groups), n_draws))
    else:
        # cov(u | y, beta) / sigma_e^2 = L (I + L'R'R L)^-1 L': symmetric whatever the rank of L.
        lam = relative_root(model.problem, at).transpose(1, 2, 0)[:, :, None]  # (q, q, 1, S)
        rl = _multiply(r, lam)
        middle = _multiply(rl.swapaxes(0, 1), rl) + np.eye(q)[:, :, None, None]
        right = np.broadcast_to(lam.swapaxes(0, 1), middle.shape)
        transformed = _solve(cholesky(middle), right)
    # u_j given beta has mean `gain @ C @ [-beta, 1]`, and root `transformed`'.
    gain = _multiply(transformed.swapaxes(0, 1), _multiply(transformed, r.swapaxes(0, 1)))
    rotated = _multiply(gain, c)  # (q, p+1, m, S)
    out = np.empty((len(groups), q, p + q + 1, n_draws))
    for a in range(q):
        slope = rotated[a, :p]
        for i in range(p):
            out[:, a, i] = -(beta.root[i, :, None] * slope).sum(axis=0)
        for i in range(q):
            out[:, a, p + i] = transformed[i, a]
        out[:, a, -1] = rotated[a, p] - (beta.mean[:, None] * slope).sum(axis=0)
    return out


def _multiply(left: Floats, right: Floats) -> Floats:
    """Multiply small matrices (a, b, ...) and (b, c, ...)."""
    product = left[:, 0, None] * right[None, 0]
    for k in range(1, left.shape[1]):
        product = product + left[:, k, None] * right[None, k]
    return product


def _solve(lower: Floats, right: Floats) -> Floats:
    """Solve ``L x = right`` for lower triangles (k, k, ...) and right-hand sides (k, m, ...)."""
    x = np.empty(np.broadcast_shapes(right.shape, (1, 1, *lower.shape[2:])))
    for i in range(len(x)):
        x[i] = (right[i] - (lower[i, :i, None] * x[:i]).sum(axis=0)) / lower[i, i]
    return x


def _alone(model: Model, row: int) -> str:
    """Return the coefficient that a row alone identifies: the one with most leverage."""
    design = model.design
    others = np.delete(np.arange(design.n), row)
    X, codes = design.X[others], design.codes[others]
    if model.problem.flat_groups:
        if not (codes == design.codes[row]).any():
            return f"the intercept of {design.group} {design.group_term.row_labels[row]}"
        counts = np.maximum(np.bincount(codes, minlength=design.J), 1)
        sums = [np.bincount(codes, weights=column, minlength=design.J) for column in X.T]
        X = X - (np.array(sums) / counts).T[codes]
    size = np.sqrt(np.maximum((X**2).sum(axis=0), np.finfo(float).tiny))
    weight = np.linalg.eigh((X / size).T @ (X / size))[1][:, 0]
    return f"the coefficient of {design.terms[int(np.argmax(np.abs(weight)))]!r}"
