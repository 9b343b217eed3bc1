"""Make the marginal likelihood one operation of PyTensor, with its exact gradient.

This module imports PyTensor and numba, so it is imported where a model is built and nowhere else.

Written out in elementary operations, the density of four group effects took numba 42 s to compile
for the first time and PyTensor 10 s to rewrite every time; as one operation, 16 s and 2 s (of
which the likelihood 3 s and nothing).
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

from bayes_mlm.base import Floats

# Part of the key under which PyTensor keeps a compiled graph: no change of this file is missed.
VERSION = int(hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12], 16)
N_DIFFERENTIABLE = 3
LOG_2PI = math.log(2.0 * math.pi)


@numba.njit(error_model="numpy")
def _residuals(rows: Floats, free: Floats, found: Floats) -> None:
    """Return the residuals (m,): rows (m, p+1) times [free, 1]."""
    p = len(free)
    for i in range(len(rows)):
        total = rows[i, p]
        for c in range(p):
            total += rows[i, c] * free[c]
        found[i] = total


@numba.njit(error_model="numpy")
def _subtract(total: Floats, rows: Floats, weight: Floats) -> None:
    """Subtract from (p,) the first p columns of rows (m, p+1) times weights (m,)."""
    for i in range(len(rows)):
        for c in range(len(total)):
            total[c] -= rows[i, c] * weight[i]


@numba.njit(error_model="numpy")
def _product(a: Floats, b: Floats) -> Floats:
    """Multiply matrices (m, q, q), or one for all, by one; BLAS takes longer to call."""
    q = a.shape[2]
    found = np.zeros(a.shape)
    for j in range(len(a)):
        for i in range(q):
            for k in range(q):
                for c in range(q):
                    found[j, i, k] += a[j, i, c] * b[c, k]
    return found


@numba.njit(error_model="numpy")
def _invert_factors(b: Floats, noise: float, size: Floats, inverse: Floats) -> float:
    """Invert the Cholesky factors of N = B B' + noise I, into `inverse`; sum size log|N|."""
    q = b.shape[1]
    chol = np.zeros((q, q))
    total = 0.0
    for j in range(len(b)):
        determinant = 1.0
        for i in range(q):
            for k in range(i + 1):
                element = noise if i == k else 0.0
                for c in range(q):
                    element += b[j, i, c] * b[j, k, c]
                for c in range(k):
                    element -= chol[i, c] * chol[k, c]
                if i == k:
                    chol[i, i] = math.sqrt(element)
                    inverse[j, i, i] = 1.0 / chol[i, i]
                    determinant *= element
                else:
                    chol[i, k] = element * inverse[j, k, k]
            for k in range(i):
                element = 0.0
                for c in range(k, i):
                    element -= chol[i, c] * inverse[j, c, k]
                inverse[j, i, k] = element * inverse[j, i, i]
        if size[j] != 0.0:
            total += size[j] * math.log(determinant)
    return total


@numba.njit(error_model="numpy")
def _solve(inverse: Floats, t: Floats, w: Floats) -> float:
    """Return w = N^-1 t, a row a group, and the sum of t' w."""
    n_groups, q = t.shape
    total = 0.0
    for j in range(n_groups):
        for i in range(q):
            element = 0.0
            for k in range(i + 1):
                element += inverse[j, i, k] * t[j, k]
            total += element * element
            for k in range(i + 1):
                w[j, k] += inverse[j, i, k] * element
    return total


@numba.njit(error_model="numpy")
def _slope(inverse: Floats, w: Floats, size: Floats, slope: Floats) -> float:
    """Return the derivatives (w w' - size N^-1) / 2 in N, and the sum of their traces."""
    n_groups, q = w.shape
    total = 0.0
    for j in range(n_groups):
        for i in range(q):
            for k in range(i + 1):
                element = 0.0
                for c in range(i, q):
                    element += inverse[j, c, i] * inverse[j, c, k]
                element = 0.5 * (w[j, i] * w[j, k] - size[j] * element)
                slope[j, i, k] = slope[j, k, i] = element
            total += slope[j, i, i]
    return total


@numba.njit(error_model="numpy")
def _root_slope(spread: Floats, slope: Floats, b: Floats, z_centring: Floats) -> Floats:
    """Return the derivative in the root of N = B B' + noise I, B = R z_centring root."""
    n_groups, q = b.shape[:2]
    centred, found = np.zeros((q, q)), np.zeros((q, q))
    for j in range(n_groups):
        for i in range(q):
            for k in range(q):
                element = 0.0
                for c in range(q):
                    element += slope[j, i, c] * b[j, c, k]
                for c in range(q):
                    centred[c, k] += 2.0 * spread[j, i, c] * element
    for i in range(q):
        for k in range(q):
            for c in range(q):
                found[i, k] += z_centring[c, i] * centred[c, k]
    return found


@numba.njit(error_model="numpy")
def loglik_and_gradient(
    free: Floats,
    root: Floats,
    sigma_e: Floats,
    outside: Floats,
    inside: Floats,
    spread: Floats,
    size: Floats,
    degrees: Floats,
    z_centring: Floats,
) -> tuple[NDArray[Any], Floats, Floats, NDArray[Any]]:
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
    inside : (M q, p+1) array
        Takes [free, 1] to the residuals of each (pseudo-)group inside it, q rows a group.
    spread : (M, q, q) array
        R of each (pseudo-)group.
    size : (M,) array
        Number of groups that each represents in the determinant.
    degrees : (2,) array
        Rows, and those dimensions of them that lie outside the span of Z.
    z_centring : (q, q) array
        Takes the effects to those of the centred columns of Z.

    Returns
    -------
    loglik : () array
    d_free, d_root, d_sigma_e : arrays of shapes (p,), (q, q) and ()
    """
    sd = sigma_e.item()
    noise = sd * sd
    n_groups, q = spread.shape[:2]
    d_free = np.zeros(len(free))
    t_outside, t_inside = np.empty(len(outside)), np.empty(len(inside))
    _residuals(outside, free, t_outside)
    _residuals(inside, free, t_inside)
    squares = 0.0
    for i in range(len(t_outside)):
        squares += t_outside[i] * t_outside[i] / noise
        t_outside[i] /= noise
    # The root, not the covariance, is taken to the centred columns: it loses fewer digits.
    centred = _product(z_centring.reshape((1, q, q)), root)[0]
    b = _product(spread, centred)
    inverse, slope = np.zeros(spread.shape), np.empty(spread.shape)
    w = np.zeros((n_groups, q))
    logdet = degrees[1] * math.log(noise) + _invert_factors(b, noise, size, inverse)
    total = logdet + squares + _solve(inverse, t_inside.reshape((n_groups, q)), w)
    _subtract(d_free, outside, t_outside)
    _subtract(d_free, inside, w.reshape(n_groups * q))
    d_noise = 0.5 * (squares - degrees[1]) / noise + _slope(inverse, w, size, slope)
    d_root = _root_slope(spread, slope, b, z_centring)
    loglik = -0.5 * (degrees[0] * LOG_2PI + total)
    return np.asarray(loglik), d_free, d_root, np.asarray(2.0 * sd * d_noise)


class MarginalLogLik(Op):  # type: ignore[misc]  # PyTensor has no types
    """Marginal log-likelihood, with its gradient as further outputs."""

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
        """Declare that only the log-likelihood is to be differentiated, in three inputs."""
        connected = [[True, False, False, False]] * N_DIFFERENTIABLE
        return connected + [[False] * 4 for _ in node.inputs[N_DIFFERENTIABLE:]]


@register_funcify_default_op_cache_key(MarginalLogLik)  # type: ignore[untyped-decorator]
def _compile_with_numba(op: MarginalLogLik, **_: Any) -> Any:  # noqa: ARG001
    @numba.njit
    def marginal_loglik(*inputs: Any) -> Any:
        return loglik_and_gradient(*inputs)

    return marginal_loglik, VERSION
