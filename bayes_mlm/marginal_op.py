"""Make the marginal likelihood one operation of PyTensor, with its exact gradient.

This module imports PyTensor and numba, so it is imported where a model is built and nowhere else.

As a graph of elementary operations the likelihood takes numba 10 s (one group effect) to 50 s
(four) to compile for the first time, and PyTensor 10 s to rewrite each time; as one operation it
takes the same second or two for any number of effects, and numba keeps it.
"""

import hashlib
import math
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from bayes_mlm.sufficient import FloatArray

# Part of the key under which PyTensor keeps a compiled graph: no change of this file is missed.
VERSION = int(hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12], 16)
N_DIFFERENTIABLE = 3
LOG_2PI = math.log(2.0 * math.pi)


@numba.njit(error_model="numpy")
def _residual(row: FloatArray, free: FloatArray) -> float:
    """Give a residual: row (p+1,) times [free, 1]."""
    total: float = row[len(free)]
    for c in range(len(free)):
        total += row[c] * free[c]
    return total


@numba.njit(error_model="numpy")
def _add(total: FloatArray, row: FloatArray, weight: float) -> None:
    """Add to (p,) the first p numbers of a row times a weight."""
    for c in range(len(total)):
        total[c] += weight * row[c]


@numba.njit(error_model="numpy")
def _add_product(total: FloatArray, a: FloatArray, b: FloatArray, weight: float) -> None:
    """Add a matrix product to a matrix; BLAS would take longer to call, and to compile."""
    for i in range(a.shape[0]):
        for k in range(b.shape[1]):
            for c in range(a.shape[1]):
                total[i, k] += weight * a[i, c] * b[c, k]


@numba.njit(error_model="numpy")
def _invert_factor(b: FloatArray, noise: float, inverse: FloatArray) -> float:
    """Invert the Cholesky factor of N = B B' + noise I, in `inverse`; give log|N|."""
    q = len(b)
    chol = np.zeros((q, q))
    logdet = 0.0
    for a in range(q):
        for k in range(a + 1):
            element = noise if a == k else 0.0
            for c in range(q):
                element += b[a, c] * b[k, c]
            for c in range(k):
                element -= chol[a, c] * chol[k, c]
            if a == k:
                chol[a, a] = math.sqrt(element)
                logdet += math.log(element)
            else:
                chol[a, k] = element / chol[k, k]
        for k in range(a):
            element = 0.0
            for c in range(k, a):
                element -= chol[a, c] * inverse[c, k]
            inverse[a, k] = element / chol[a, a]
        inverse[a, a] = 1.0 / chol[a, a]
    return logdet


@numba.njit(error_model="numpy")
def loglik_and_gradient(
    free: FloatArray,
    root: FloatArray,
    sigma_e: FloatArray,
    outside: FloatArray,
    inside: FloatArray,
    spread: FloatArray,
    size: FloatArray,
    degrees: FloatArray,
    z_centring: FloatArray,
) -> tuple[NDArray[Any], FloatArray, FloatArray, NDArray[Any]]:
    """Evaluate the marginal log-likelihood and its gradient in its first three arguments.

    Parameters
    ----------
    free : (p,) array
        Coefficients, as sampled.
    root : (q, q) array
        Root of the covariance of the effects.
    sigma_e : () array
    outside : (p+1, p+1) array
        Takes [free, 1] to the residuals outside the span of Z.
    inside : (M, q, p+1) array
        Takes [free, 1] to the residuals of each (pseudo-)group inside it.
    spread : (M, q, q) array
        R of each (pseudo-)group.
    size : (M,) array
        Groups that each stands for in the determinant.
    degrees : (2,) array
        Rows, and those dimensions of them that lie outside the span of Z.
    z_centring : (q, q) array
        Takes the effects to those of the centred columns of Z.

    Returns
    -------
    loglik : () array
    d_free, d_root, d_sigma_e : arrays of shapes (p,), (q, q) and ()

    Notes
    -----
    With w = N^-1 t, the derivative in N is (w w' - size N^-1) / 2.
    """
    p, (n_groups, q) = len(free), spread.shape[:2]
    noise = sigma_e.item() ** 2
    d_free, d_root, d_centred = np.zeros(p), np.zeros((q, q)), np.zeros((q, q))
    squares = 0.0
    for i in range(len(outside)):
        t = _residual(outside[i], free)
        squares += t * t
        _add(d_free, outside[i], -t / noise)
    total = -degrees[1] * math.log(noise) - squares / noise
    d_noise = 0.5 * (squares / noise - degrees[1]) / noise
    # The root, not the covariance, is taken to the centred columns: it loses fewer digits.
    centred, b, inverse = np.zeros((q, q)), np.empty((q, q)), np.empty((q, q))
    _add_product(centred, z_centring, root, 1.0)
    solved, w = np.empty(q), np.empty(q)
    slope, product = np.empty((q, q)), np.empty((q, q))
    for j in range(n_groups):
        b[:] = 0.0
        _add_product(b, spread[j], centred, 1.0)
        total -= size[j] * _invert_factor(b, noise, inverse)
        for a in range(q):
            solved[a] = _residual(inside[j, a], free)
        for a in range(q - 1, -1, -1):
            t = 0.0
            for k in range(a + 1):
                t += inverse[a, k] * solved[k]
            solved[a] = t
            total -= t * t
        for a in range(q):
            w[a] = 0.0
            for k in range(a, q):
                w[a] += inverse[k, a] * solved[k]
            _add(d_free, inside[j, a], -w[a])
        for a in range(q):
            for k in range(q):
                element = 0.0
                for c in range(max(a, k), q):
                    element += inverse[c, a] * inverse[c, k]
                slope[a, k] = 0.5 * (w[a] * w[k] - size[j] * element)
            d_noise += slope[a, a]
        # N = B B' + sigma_e^2 I and B = R root: the derivative in the root is 2 R' slope B.
        product[:] = 0.0
        _add_product(product, slope, b, 2.0)
        _add_product(d_centred, spread[j].T, product, 1.0)
    _add_product(d_root, z_centring.T, d_centred, 1.0)
    loglik = 0.5 * (total - degrees[0] * LOG_2PI)
    d_sigma_e = 2.0 * sigma_e.item() * d_noise
    return np.asarray(loglik), d_free, d_root, np.asarray(d_sigma_e)


class MarginalLogLik(Op):  # type: ignore[misc]  # PyTensor has no types
    """Give the marginal log-likelihood, and its gradient as further outputs."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to the arguments of `loglik_and_gradient`."""
        variables = [pt.as_tensor_variable(each) for each in inputs]
        outputs = [pt.dscalar(), *(each.type() for each in variables[:N_DIFFERENTIABLE])]
        return Apply(self, variables, outputs)

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:  # noqa: ARG002
        """Evaluate without compiling the graph around it."""
        for storage, value in zip(output_storage, loglik_and_gradient(*inputs), strict=True):
            storage[0] = value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Multiply the gradient by the cotangent of the log-likelihood."""
        slopes = [cotangents[0] * slope for slope in outputs[1:]]
        return slopes + [disconnected_type() for _ in inputs[N_DIFFERENTIABLE:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Say that only the log-likelihood is to be differentiated, in three inputs."""
        connected = [[True, False, False, False]] * N_DIFFERENTIABLE
        return connected + [[False] * 4 for _ in node.inputs[N_DIFFERENTIABLE:]]


@register_funcify_default_op_cache_key(MarginalLogLik)  # type: ignore[untyped-decorator]
def _compile_with_numba(op: MarginalLogLik, **_: Any) -> Any:  # noqa: ARG001
    @numba.njit
    def marginal_loglik(*inputs: Any) -> Any:
        return loglik_and_gradient(*inputs)

    return marginal_loglik, VERSION
