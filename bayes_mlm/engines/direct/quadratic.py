"""Evaluate the sums over groups at very many relative covariances at once.

The same quantities as `marginal.quadratic`, laid out with the parameter values last and the
entries of the small symmetric matrices first, so that every step is one operation on long arrays;
a Cholesky factor of 16,000 matrices of 5 x 5 costs some milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood import sums_by_group
from bayes_mlm.moments import RotatedMoments

# Numbers in a working array: it stays in the processor's cache.
CHUNK = 30_000
# Numbers in the matrices that are worked on at a time, of models with many columns.
_MOST = 1_000_000
# From this many columns on LAPACK, a matrix at a time, is faster.
_LARGE = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernel:
    """Linear maps between a relative covariance and the sums over groups.

    Attributes
    ----------
    reduced : RotatedMoments
        The statistics that are summed.
    """

    reduced: RotatedMoments

    @property
    def n_classes(self) -> int:
        """Classes of groups."""
        return len(self.reduced.size) if self.q else 0

    @property
    def q(self) -> int:
        """Group effects."""
        return self.reduced.q

    @property
    def k(self) -> int:
        """Columns of [X, y]."""
        return self.reduced.p + 1

    @property
    def rest(self) -> Floats:
        """Cross-products of [X, y] outside the span of Z (k, k)."""
        return self.reduced.rest

    @cached_property
    def spread(self) -> Floats:
        """What takes the lower triangle of S to that of ``R S R'`` by class: (h, h, C).

        The second axis has the h = q(q+1)/2 entries of S, the first those of the product.
        """
        pairs, r = triangle(self.q), self.reduced.r
        spread = np.zeros((len(pairs), len(pairs), self.n_classes))
        for into, (a, b) in enumerate(pairs):
            for out, (d, e) in enumerate(pairs):
                both = r[:, a, d] * r[:, b, e] + (r[:, a, e] * r[:, b, d] if d != e else 0.0)
                spread[into, out] = both
        return spread

    @cached_property
    def products(self) -> Floats:
        """What takes the lower triangles of ``N^-1`` by class to that of A less `rest`.

        Shape (h, k(k+1)/2, C), the first axis that of the entries of ``N^-1``.
        """
        q, k, c, pairs = self.q, self.k, self.n_classes, triangle(self.q)
        products = np.zeros((len(pairs), k * (k + 1) // 2, c))
        by_class = self.reduced.products.reshape(c, q, q, k, k)
        rows, columns = np.array(triangle(k)).T
        for into, (a, b) in enumerate(pairs):
            both = by_class[:, a, b] + (by_class[:, b, a] if a != b else 0.0)
            products[into] = (0.5 * (both + both.swapaxes(1, 2)))[:, rows, columns].T
        return products


def triangle(q: int) -> list[tuple[int, int]]:
    """List (row, column) of the lower triangle with its diagonal, by rows."""
    return [(a, b) for a in range(q) for b in range(a + 1)]


def evaluate_quadratic(kernel: Kernel, s: Floats) -> tuple[Floats, Floats]:
    """Compute ``log |V| - n log sigma_e^2`` (B,) and A (k, k, B) at covariances s (B, q, q).

    Parameters
    ----------
    kernel : Kernel
    s : (B, q, q) array
        Relative covariances of the effects of the *centred* Z (`RotatedMoments.z_centring`).
    """
    n_batch, k, pairs = len(s), kernel.k, triangle(kernel.q)
    a = np.broadcast_to(kernel.rest[:, :, None], (k, k, n_batch)).copy()
    logdet = np.zeros(n_batch)
    if kernel.n_classes == 0:
        return logdet, a
    if kernel.reduced.many_designs:
        logdet, by_group = sums_by_group(kernel.reduced, s)
        return logdet, a + np.moveaxis(by_group, 0, 2)
    rows, columns = np.array(pairs).T
    packed = np.ascontiguousarray(s[:, rows, columns])
    step = max(1, CHUNK // (len(pairs) * kernel.n_classes))
    lower = np.zeros((kernel.products.shape[1], n_batch))
    for start in range(0, n_batch, step):
        part = slice(start, start + step)
        inner = packed[part] @ kernel.spread
        log_n = _invert(inner, kernel.q)
        logdet[part] = log_n @ kernel.reduced.size
        # One entry at a time: so small a product is not shared among threads, whose waiting for
        # one another takes twenty times as long as the work where the machine is busy.
        for by_class, entry in zip(kernel.products, inner, strict=True):
            lower[:, part] += by_class @ entry.T
    i, j = np.tril_indices(k)  # in the order of `triangle`
    a[i, j] += lower
    a[j, i] = a[i, j]
    return logdet, a


def parts(kernel: Kernel, n: int, each: int = 1) -> Iterator[slice]:
    """Split n rows of `each` parameter values, so that the matrices (k, k) of a part fit memory."""
    step = max(1, _MOST // (each * kernel.k**2))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def invert_classes(kernel: Kernel, s: Floats, classes: slice) -> Floats:
    """Compute N^-1 (h, B, classes), N = I + R S R': the lower triangles, by rows."""
    rows, columns = np.array(triangle(kernel.q)).T
    inner = s[:, rows, columns] @ kernel.spread[:, :, classes]
    _invert(inner, kernel.q)
    return inner


def _invert(inner: Floats, q: int) -> Floats:
    """Replace M (h, B, C) by the inverses of I + M, in place; give log |I + M| (B, C).

    The sweep operator on packed symmetric matrices (Goodnight 1979, The American Statistician
    33(3)), without pivoting, which positive definiteness makes stable.
    """
    at = {pair: place for place, pair in enumerate(triangle(q))}

    def entry(a: int, b: int) -> Floats:
        found: Floats = inner[at[max(a, b), min(a, b)]]
        return found

    for a in range(q):
        entry(a, a)[...] += 1.0
    determinant = np.ones(inner.shape[1:])
    for pivot in range(q):
        centre = entry(pivot, pivot)
        determinant *= centre
        inverse = 1.0 / centre
        others = [a for a in range(q) if a != pivot]
        scaled = {a: entry(a, pivot) * inverse for a in others}
        for a in others:
            for b in others:
                if b <= a:
                    entry(a, b)[...] -= scaled[a] * entry(b, pivot)
        for a in others:
            entry(a, pivot)[...] = scaled[a]
        centre[...] = -inverse
    np.negative(inner, out=inner)
    log_n: Floats = np.log(determinant, out=determinant)
    return log_n


def cholesky(a: Floats) -> Floats:
    """Factor symmetric matrices (k, k, B) into lower triangles; nan where not positive definite."""
    if len(a) > _LARGE:
        try:
            return np.moveaxis(np.linalg.cholesky(np.moveaxis(a, 2, 0)), 0, 2)
        except np.linalg.LinAlgError:  # one of them is not positive definite
            pass
    work, lower = a.copy(), np.zeros_like(a)
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(len(a)):
            column = work[j:, j] / np.sqrt(work[j, j])
            lower[j:, j] = column
            work[j + 1 :, j + 1 :] -= column[1:, None] * column[None, 1:]
    return lower


def solve_transposed(lower: Floats, right: Floats) -> Floats:
    """Solve ``L' x = right`` for lower triangles (p, p, B) and right-hand sides (p, B)."""
    x = np.empty_like(right)
    for i in reversed(range(len(right))):
        x[i] = (right[i] - (lower[i + 1 :, i] * x[i + 1 :]).sum(axis=0)) / lower[i, i]
    return x
