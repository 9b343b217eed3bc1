"""Sums over very many groups of which hardly two share a design, by compiled code.

Functions of rotated statistics that return what `bayes_mlm.likelihood.gaussian` and the REML search
compute by classes of groups, at a small part of the time and memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.moments import RotatedMoments

# Pieces of work a thread takes at least.
_LEAST_PIECES = 8


def sums_by_group(reduced: RotatedMoments, s: Floats) -> tuple[Floats, Floats]:
    """Compute ``sum log|N|`` (B,) and ``sum C'N^-1 C`` (B, p+1, p+1) at covariances s (B, q, q).

    Parameters
    ----------
    reduced : RotatedMoments
    s : (B, q, q) array
        Relative covariances of the effects of the centred Z.
    """
    from bayes_mlm.likelihood import group_kernels

    k, blocks = reduced.p + 1, reduced.blocks
    logdet, a = np.zeros(len(s)), np.zeros((len(s), k, k))
    s = np.ascontiguousarray(s)

    def evaluate(some: slice) -> None:
        found = (s[some], logdet[some], a[some])
        group_kernels.evaluate(blocks.r, blocks.c, blocks.shown, blocks.weights, *found)

    _in_threads(evaluate, len(s))
    return logdet, _mirrored(a)


@dataclass(frozen=True, kw_only=True, eq=False)
class DerivativeSums:
    """Sums over groups at one covariance, with their first derivatives along some directions.

    Attributes
    ----------
    logdet : float
        ``sum log|N|``.
    a : (p+1, p+1) array
        ``sum C'N^-1 C``.
    da : (m, p+1, p+1) array
        Its derivatives.
    """

    logdet: float
    a: Floats
    da: Floats


def derivative_sums(reduced: RotatedMoments, s: Floats, directions: Floats) -> DerivativeSums:
    """Compute sums over groups at a covariance (q, q), and along directions (m, q, q)."""
    from bayes_mlm.likelihood import group_kernels

    q, k, blocks = reduced.q, reduced.p + 1, reduced.blocks
    logdet, a, along = np.zeros(1), np.zeros((k, k)), np.zeros((q, q, k, k))
    group_kernels.first_derivatives(
        blocks.r,
        blocks.c,
        blocks.shown,
        blocks.weights,
        np.ascontiguousarray(s),
        logdet,
        a,
        along,
    )
    return DerivativeSums(
        logdet=float(logdet[0]), a=_mirrored(a), da=-np.tensordot(directions, _mirrored(along), 2)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CurvatureSums:
    """Sums over groups of ``G = R'N^-1 R`` and ``H = R'N^-1 C weight C'N^-1 R`` and of products.

    Attributes
    ----------
    inside : (q, q) array
        ``sum G``.
    slope : (q, q) array
        ``-(sum G - sum H) / 2``, the derivative of the log-likelihood in the covariance.
    plain : (m, m) array
        ``sum trace(G D_i G D_j)``.
    weighted : (m, m) array
        ``sum trace(D_i G D_j H)``.
    """

    inside: Floats
    slope: Floats
    plain: Floats
    weighted: Floats


def curvature_sums(
    reduced: RotatedMoments, s: Floats, directions: Floats, weight: Floats
) -> CurvatureSums:
    """Compute the sums of second derivatives at a covariance, along directions D (m, q, q).

    Parameters
    ----------
    reduced : RotatedMoments
    s : (q, q) array
        Relative covariance of the effects of the centred Z.
    directions : (m, q, q) array
        Symmetric.
    weight : (p+1, p+1) array
        Symmetric.
    """
    from bayes_mlm.likelihood import group_kernels

    q, blocks = reduced.q, reduced.blocks
    sums, pairs = np.zeros((2, q * q)), np.zeros((2, q * q, q * q))
    group_kernels.second_derivatives(
        blocks.r,
        blocks.c,
        blocks.shown,
        blocks.weights,
        np.ascontiguousarray(s),
        np.ascontiguousarray(weight),
        sums,
        pairs,
    )
    g, h = _mirrored(sums.reshape(2, q, q))
    by_second = _mirrored(pairs.reshape(2, q, q, q, q)).transpose(0, 3, 4, 1, 2)
    of_g, of_h = _mirrored(by_second).transpose(0, 3, 4, 1, 2)
    return CurvatureSums(
        inside=g,
        slope=-0.5 * (g - h),
        plain=np.einsum("ibc,jda,abcd->ij", directions, directions, of_g),
        weighted=np.einsum("iab,jcd,bcda->ij", directions, directions, of_h),
    )


def summarise_groups(
    reduced: RotatedMoments, s: Floats, v: Floats, sigma2: Floats
) -> tuple[Floats, Floats]:
    """Compute posterior means and sds (J, q) of the group effects, without drawing them.

    By the laws of total expectation and variance, over B draws of the other parameters.

    Parameters
    ----------
    reduced : RotatedMoments
    s : (B, q, q) array
        Relative covariances of the effects of the centred Z.
    v : (B, p+1) array
        What takes the centred [X, y] to residuals: [-beta, 1].
    sigma2 : (B,) array
        Residual variances.
    """
    from bayes_mlm.likelihood import group_kernels

    blocks, groups, q = reduced.blocks, len(reduced.c), reduced.q
    back = np.linalg.inv(reduced.z_centring)
    weights = back @ s
    mean, sd = (np.empty((len(blocks.r), q, blocks.r.shape[2])) for _ in range(2))
    at = (np.ascontiguousarray(s), np.ascontiguousarray(v), weights)
    spread = ((weights * back).sum(axis=2), np.ascontiguousarray(sigma2))

    def summarise(some: slice) -> None:
        of_blocks = (blocks.r[some], blocks.c[some], blocks.shown)
        group_kernels.summarise(*of_blocks, *at, *spread, mean[some], sd[some])

    _in_threads(summarise, len(blocks.r))
    of_mean, of_sd = (one.swapaxes(1, 2).reshape(-1, q)[:groups] for one in (mean, sd))
    return of_mean, of_sd


def _in_threads(work: Callable[[slice], None], n: int) -> None:
    """Do n pieces of work that do not depend on one another, shared among the processors.

    Compiled code runs without Python's lock; each piece is done alike whatever the number.
    """
    from concurrent.futures import ThreadPoolExecutor

    from numba import config

    count = min(int(vars(config)["NUMBA_NUM_THREADS"]), n // _LEAST_PIECES)
    if count < 2:
        work(slice(0, n))
        return
    ends = np.linspace(0, n, count + 1).astype(int).tolist()
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, slice(*pair)) for pair in pairwise(ends)]:
            done.result()


def _mirrored(lower: Floats) -> Floats:
    """Fill the upper triangles of (..., k, k) from the lower ones."""
    rows, columns = np.triu_indices(lower.shape[-1], 1)
    lower[..., rows, columns] = lower[..., columns, rows]
    return lower
