"""Make the marginal likelihood one operation of PyTensor, with its exact gradient.

This module imports PyTensor and numba, so it is imported where a model is built and nowhere else.

As a graph of elementary operations the likelihood takes numba 10 s (one group effect) to 50 s
(four) to compile for the first time, and PyTensor 10 s to rewrite each time; as one operation it
takes the same second or two for any number of effects, and numba keeps it.
"""

import math
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

# Part of the key under which numba keeps a compiled graph: raise it when the function changes.
VERSION = 1
N_DIFFERENTIABLE = 3
LOG_2PI = math.log(2.0 * math.pi)


@numba.njit(cache=True, error_model="numpy")
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
    # The root, not the covariance, is taken to the centred columns: it loses fewer digits.
    centred = np.zeros((q, q))
    for a in range(q):
        for c in range(q):
            for k in range(q):
                centred[a, k] += z_centring[a, c] * root[c, k]
    squares = 0.0
    for i in range(len(outside)):
        t = outside[i, p]
        for c in range(p):
            t += outside[i, c] * free[c]
        squares += t * t
        for c in range(p):
            d_free[c] -= outside[i, c] * t / noise
    total = -degrees[1] * math.log(noise) - squares / noise
    d_noise = 0.5 * (squares / noise - degrees[1]) / noise
    b, chol = np.empty((q, q)), np.empty((q, q))
    inverse, slope = np.empty((q, q)), np.empty((q, q))
    w = np.empty(q)
    for j in range(n_groups):
        for a in range(q):
            for k in range(q):
                b[a, k] = 0.0
                for c in range(q):
                    b[a, k] += spread[j, a, c] * centred[c, k]
        # The Cholesky factor of N = B B' + sigma_e^2 I, and the inverse of the factor.
        logdet = 0.0
        for a in range(q):
            for k in range(a + 1):
                inner = noise if a == k else 0.0
                for c in range(q):
                    inner += b[a, c] * b[k, c]
                for c in range(k):
                    inner -= chol[a, c] * chol[k, c]
                if a == k:
                    chol[a, a] = math.sqrt(inner)
                    logdet += math.log(inner)
                else:
                    chol[a, k] = inner / chol[k, k]
            for k in range(a):
                inner = 0.0
                for c in range(k, a):
                    inner -= chol[a, c] * inverse[c, k]
                inverse[a, k] = inner / chol[a, a]
            inverse[a, a] = 1.0 / chol[a, a]
        for a in range(q):
            w[a] = 0.0
        for a in range(q):
            t = 0.0
            for k in range(a + 1):
                inner = inside[j, k, p]
                for c in range(p):
                    inner += inside[j, k, c] * free[c]
                t += inverse[a, k] * inner
            total -= t * t
            for k in range(a + 1):
                w[k] += inverse[a, k] * t
        total -= size[j] * logdet
        for a in range(q):
            for c in range(p):
                d_free[c] -= inside[j, a, c] * w[a]
        for a in range(q):
            for k in range(q):
                inner = 0.0
                for c in range(max(a, k), q):
                    inner += inverse[c, a] * inverse[c, k]
                slope[a, k] = 0.5 * (w[a] * w[k] - size[j] * inner)
            d_noise += slope[a, a]
        for a in range(q):
            for k in range(q):
                inner = 0.0
                for c in range(q):
                    inner += slope[a, c] * b[c, k]
                for c in range(q):
                    d_centred[c, k] += 2.0 * spread[j, a, c] * inner
    for a in range(q):
        for c in range(q):
            for k in range(q):
                d_root[c, k] += z_centring[a, c] * d_centred[a, k]
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

    def infer_shape(self, fgraph: Any, node: Apply, shapes: Any) -> Any:  # noqa: ARG002
        """Give the shapes of the outputs: the gradient's are those of the inputs."""
        return [(), *shapes[:N_DIFFERENTIABLE]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Multiply the gradient by the cotangent of the log-likelihood."""
        slopes = [cotangents[0] * slope for slope in outputs[1:]]
        return slopes + [disconnected_type() for _ in inputs[N_DIFFERENTIABLE:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Say that only the log-likelihood is to be differentiated, in three inputs."""
        connected = [[True, False, False, False]] * N_DIFFERENTIABLE
        return connected + [[False] * 4 for _ in node.inputs[N_DIFFERENTIABLE:]]


@register_funcify_default_op_cache_key(MarginalLogLik)
def _compile_with_numba(op: MarginalLogLik, **_: Any) -> Any:  # noqa: ARG001
    @numba.njit
    def marginal_loglik(*inputs: Any) -> Any:
        return loglik_and_gradient(*inputs)

    return marginal_loglik, VERSION
