r"""Write the likelihood with the group effects integrated out, for a PyMC model.

With the rotated statistics of `bayes_mlm.moments.rotated` (groups with equal :math:`R` form a
class),

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
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.likelihood.default_priors import ModelPriors
from bayes_mlm.likelihood.effect_centring import design_transform
from bayes_mlm.likelihood.free_variables import free_transform
from bayes_mlm.moments import RotatedMoments, rotate_moments

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossProducts:
    """Statistics of a design for the marginal likelihood: no rows, only cross-products.

    The groups of a class that has more than q (p + 1) of them are replaced by that many
    pseudo-groups with the same cross-products, so that M grows with the number of classes.

    Attributes
    ----------
    outside : (p+1, p+1) array
        Takes [free, 1], the coefficients as they are sampled, to the residuals outside the span
        of Z (to as many numbers with the same sum of squares).
    inside : (M q, p+1) array
        Takes [free, 1] to the residuals of each (pseudo-)group inside the span of Z, q a group.
    spread : (M, q, q) array
        R of each (pseudo-)group.
    size : (M,) array
        Number of groups that each represents in the determinant.
    degrees : (2,) array
        Rows, and those dimensions of them that lie outside the span of Z: n and n - J q.
    z_centring : (q, q) array
        From the group effects that have the priors to those of the centred columns of Z.
    """

    outside: Floats
    inside: Floats
    spread: Floats
    size: Floats
    degrees: Floats
    z_centring: Floats


def cross_products(design: Design, priors: ModelPriors | None = None) -> CrossProducts:
    """Reduce a design to what its marginal likelihood needs.

    Parameters
    ----------
    design : Design
        With group effects.
    priors : ModelPriors, optional
        They determine the predictors' values at which the effects' covariance is given; by
        default 0.

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
    >>> data.inside.shape, float(data.size.sum()), data.degrees
    ((108, 3), 160.0, array([7185., 7025.]))
    """
    reduced = rotate_moments(design.moments())
    p, q = reduced.p, reduced.q
    # [X, y] times [-beta, 1] in terms of [free, 1]: first the columns are centred.
    centre = np.eye(p) + np.outer(reduced.ones, reduced.x_mean)
    transform = np.zeros((p + 1, p + 1))
    transform[:p, :p] = -centre @ free_transform(design)
    transform[:, p] = [*(reduced.y_mean * reduced.ones), 1.0]
    rotated, classes, size = _pseudo_groups(reduced)
    at = np.eye(q) if priors is None else design_transform(design, priors)
    return CrossProducts(
        outside=_root(reduced.rest) @ transform,
        inside=(rotated @ transform).reshape(-1, p + 1),
        spread=np.ascontiguousarray(reduced.r[classes]),
        size=size,
        degrees=np.array([reduced.n, reduced.n - len(reduced.c) * q], dtype=float),
        z_centring=reduced.z_centring @ at,
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
    root : (q, q) variable
        Root of the effects' covariance.
    sigma_e : scalar variable

    Returns
    -------
    scalar variable

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, sec. 2.2; Bates et al. (2015),
    J. Stat. Softw. 67(1), sec. 3.
    """
    from bayes_mlm.likelihood.pymc.op import MarginalLogLik

    constants = (data.outside, data.inside, data.spread, data.size, data.degrees, data.z_centring)
    return MarginalLogLik()(free, root, sigma_e, *constants)[0]


def observe_marginally(
    name: str,
    data: CrossProducts,
    free: "TensorVariable",
    root: "TensorVariable",
    sigma_e: "TensorVariable",
) -> None:
    """Add the likelihood of the outcome to the model, computed from cross-products.

    Their last columns are the outcome, and the observed value is its sum of squares.

    Parameters
    ----------
    name : str
        Of the observed variable.
    data, free, sigma_e
        As in `marginal_loglik`.
    root : variable
        Root of the effects' covariance: the sds of independent effects, a scalar or (q,), or a
        factor (q, q).
    """
    import pymc as pm
    import pytensor.tensor as pt

    def logp(_: "TensorVariable", *parameters: "TensorVariable") -> "TensorVariable":
        return marginal_loglik(data, *parameters)

    def random(*_: Any, **__: Any) -> Floats:
        raise EngineError(
            "a model with the marginal likelihood has no group effects and no rows to predict; "
            'build it with likelihood="conditional", for the same draws'
        )

    q = data.spread.shape[1]
    if q == 1:
        root = pt.reshape(root, (1, 1))
    elif root.ndim == 1:
        root = root[:, None] * np.eye(q)
    pm.CustomDist(
        name,
        free,
        root,
        sigma_e,
        logp=logp,
        random=random,
        signature="(p),(q,q),()->()",
        observed=float(np.square(data.outside[:, -1]).sum() + np.square(data.inside[:, -1]).sum()),
    )


def _root(cross: Floats) -> Floats:
    """Return a matrix A (k, k) with A'A = `cross`, which may be singular."""
    values, vectors = np.linalg.eigh(cross)
    root: Floats = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return root


def _pseudo_groups(reduced: RotatedMoments) -> tuple[Floats, Ints, Floats]:
    """Replace the groups of each large class by fewer with the same cross-products.

    Returns rotated statistics (M, q, p+1), the class of each (M,), and how many groups each
    represents in the determinant (M,).
    """
    q, k = reduced.q, reduced.p + 1
    order = np.argsort(reduced.of_group, kind="stable")
    parts = np.split(order, np.cumsum(reduced.size)[:-1].astype(int))
    kept, classes, sizes = [], [], []
    for i, members in enumerate(parts):
        stacked = reduced.c[members].reshape(len(members), q * k)
        if len(stacked) > q * k:
            stacked = np.linalg.qr(stacked, mode="r")
        kept.append(stacked)
        classes += [i] * len(stacked)
        sizes += [float(len(members))] + [0.0] * (len(stacked) - 1)
    return np.concatenate(kept).reshape(-1, q, k), np.array(classes), np.array(sizes)
