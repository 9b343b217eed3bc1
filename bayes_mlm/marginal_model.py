r"""Write the likelihood with the group effects integrated out, for a PyMC model.

With the rotated statistics of `bayes_mlm.reduced` (groups with equal :math:`R` form a class),

.. math::
   -2 \log p(y \mid \beta, \Sigma_u, \sigma_e) = n \log 2\pi + (n - Jq) \log \sigma_e^2
       + \lVert t_0 \rVert^2 / \sigma_e^2
       + \sum_j \bigl( \log |N_j| + t_j' N_j^{-1} t_j \bigr), \qquad
   N_j = \sigma_e^2 I + R_j \Sigma_u R_j'

where :math:`t_j = Q_j'(y_j - X_j \beta)` are linear in the coefficients, and :math:`t_0` is what
lies outside the span of Z. All that is left of the data is a few small matrices, so an evaluation
costs the same for a thousand rows and a million, and has p + 1 + q(q+1)/2 parameters whatever the
number of groups. N is positive definite at sigma_u = 0 too.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.design import Design
from bayes_mlm.marginal import LOG_2PI
from bayes_mlm.model_parts import free_turn
from bayes_mlm.reduced import Reduced, reduce
from bayes_mlm.sufficient import FloatArray, from_design

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """Hold rotated residuals ``slope @ free + offset``, linear in the sampled coefficients.

    Attributes
    ----------
    slope : (m, p) array
    offset : (m,) array
    """

    slope: FloatArray
    offset: FloatArray

    def at(self, free: "TensorVariable") -> "TensorVariable":
        """Give the residuals (m,) at coefficients (p,)."""
        import pytensor.tensor as pt

        return pt.dot(self.slope, free) + self.offset


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossProducts:
    """Hold what the marginal likelihood of a design needs: no rows, only cross-products.

    The groups of a class that has more than q (p + 1) of them are replaced by that many
    pseudo-groups with the same cross-products, so that M grows with the number of classes.

    Attributes
    ----------
    n, n_inside : int
        Rows, and those dimensions of them that lie in the span of Z (J q).
    outside : Residuals
        The residuals outside the span of Z, p + 1 numbers with their sum of squares.
    inside : tuple of Residuals, length q
        The residuals inside it, M numbers an effect.
    size : (M,) array
        How many groups' determinants a (pseudo-)group stands for.
    spread : tuple of (M, q(q+1)/2) arrays, length q(q+1)/2
        ``N[a, b] = spread @ s + sigma_e^2 [a == b]`` for a <= b, with s the upper triangle, by
        rows, of the covariance of the centred effects ``z_centring @ u``.
    z_centring : (q, q) array
        Takes group effects to those of the centred columns of Z.
    """

    n: int
    n_inside: int
    outside: Residuals
    inside: tuple[Residuals, ...]
    size: FloatArray
    spread: tuple[FloatArray, ...]
    z_centring: FloatArray


def cross_products(design: Design) -> CrossProducts:
    """Reduce a design to what its marginal likelihood needs.

    Parameters
    ----------
    design : Design
        With group effects.

    Returns
    -------
    CrossProducts

    Raises
    ------
    DesignError
        If a fixed effect is not identified.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> data = cross_products(design)
    >>> data.n, data.n_inside, data.inside[0].slope.shape, len(data.size)
    (7185, 160, (139, 2), 139)
    """
    reduced = reduce(from_design(design))
    q = reduced.q
    # [X, y] at the sampled coefficients: W @ (turn @ free + origin), for the centred columns W.
    centre = np.eye(reduced.p) + np.outer(reduced.ones, reduced.x_mean)
    turn = np.vstack([-centre @ free_turn(design), np.zeros((1, reduced.p))])
    origin = np.append(reduced.y_mean * reduced.ones, 1.0)
    rotated, classes, size = _pseudo_groups(reduced)
    r = reduced.r[classes]
    # Each element of the symmetric Sigma_u below the diagonal stands for two.
    spread = tuple(
        np.column_stack(
            [
                r[:, a, k] * r[:, b, m] + (r[:, a, m] * r[:, b, k] if k != m else 0.0)
                for k, m in combinations_with_replacement(range(q), 2)
            ]
        )
        for a, b in combinations_with_replacement(range(q), 2)
    )
    return CrossProducts(
        n=reduced.n,
        n_inside=len(reduced.c) * q,
        outside=_residuals(_root(reduced.rest), turn, origin),
        inside=tuple(_residuals(rotated[:, a], turn, origin) for a in range(q)),
        size=size,
        spread=spread,
        z_centring=reduced.z_centring,
    )


def marginal_loglik(
    data: CrossProducts,
    free: "TensorVariable",
    root: "TensorVariable",
    sigma_e: "TensorVariable",
) -> "TensorVariable":
    """Write the log-likelihood with the group effects integrated out.

    Parameters
    ----------
    data : CrossProducts
    free : (p,) variable
        Coefficients as they are sampled (`model_parts.coefficients`).
    root : variable
        Root of the effects' covariance: their sd for q = 1, else a factor (q, q).
    sigma_e : scalar variable

    Returns
    -------
    scalar variable

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, sec. 2.2; Bates et al. (2015),
    J. Stat. Softw. 67(1), sec. 3.
    """
    import pytensor.tensor as pt

    q = len(data.inside)
    noise = sigma_e**2
    if q == 1:
        s = pt.reshape(root, (1,)) ** 2
    else:
        # The root, not the covariance, is taken to the centred columns: it loses fewer digits.
        centred = pt.dot(data.z_centring, root)
        s = pt.dot(centred, centred.T)[np.triu_indices(q)]
    places = combinations_with_replacement(range(q), 2)
    spread = {
        (a, b): pt.dot(weights, s) + (noise if a == b else 0.0)
        for (a, b), weights in zip(places, data.spread, strict=True)
    }
    logdet, squares = _solve(spread, [each.at(free) for each in data.inside], data.size)
    squares += (data.outside.at(free) ** 2).sum() / noise
    logdet += float(data.n - data.n_inside) * pt.log(noise)
    return -0.5 * (float(data.n) * LOG_2PI + logdet + squares)


def _solve(
    spread: dict[tuple[int, int], "TensorVariable"],
    residuals: list["TensorVariable"],
    size: FloatArray,
) -> tuple["TensorVariable", "TensorVariable"]:
    """Give the sums over groups of log|N| and t' N^-1 t, by N = L D L' written out.

    q is 1 to 4, so that writing the recursion out in vectors over the groups makes a few dozen
    elementwise operations, where a batched Cholesky factor would be a loop of LAPACK calls.
    """
    import pytensor.tensor as pt

    lower: dict[tuple[int, int], TensorVariable] = {}
    pivots: list[TensorVariable] = []
    solved: list[TensorVariable] = []
    logdet = squares = 0.0
    for a, residual in enumerate(residuals):
        pivot = spread[a, a]
        for b in range(a):
            inner = spread[b, a]
            for c in range(b):
                inner -= lower[a, c] * lower[b, c] * pivots[c]
            lower[a, b] = inner / pivots[b]
            pivot -= lower[a, b] * inner
            residual -= lower[a, b] * solved[b]
        pivots.append(pivot)
        solved.append(residual)
        logdet += (size * pt.log(pivot)).sum()
        squares += (residual**2 / pivot).sum()
    return logdet, squares


def _residuals(columns: FloatArray, turn: FloatArray, origin: FloatArray) -> Residuals:
    return Residuals(slope=columns @ turn, offset=columns @ origin)


def _root(cross: FloatArray) -> FloatArray:
    """Give a matrix A (k, k) with A'A = `cross`, which may be singular."""
    values, vectors = np.linalg.eigh(cross)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T


def _pseudo_groups(reduced: Reduced) -> tuple[FloatArray, "np.ndarray", FloatArray]:
    """Replace the groups of each large class by fewer with the same cross-products.

    Returns rotated statistics (M, q, p+1), the class of each (M,), and how many groups each
    stands for in the determinant (M,).
    """
    q, k = reduced.q, reduced.p + 1
    order = np.argsort(reduced.of_group, kind="stable")
    parts = np.split(order, np.cumsum(reduced.size)[:-1].astype(int))
    kept, classes, sizes = [], [], []
    for i, members in enumerate(parts):
        own = reduced.c[members].reshape(len(members), q * k)
        if len(own) > q * k:
            own = np.linalg.qr(own, mode="r")
        kept.append(own)
        classes += [i] * len(own)
        sizes += [float(len(members))] + [0.0] * (len(own) - 1)
    return np.concatenate(kept).reshape(-1, q, k), np.array(classes), np.array(sizes)
