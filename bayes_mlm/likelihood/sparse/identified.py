"""What the rows determine of several grouping factors: refused, or reported, before a fit."""

import math

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.likelihood.sparse.factor import Factor
from bayes_mlm.likelihood.sparse.plan import Plan
from bayes_mlm.moments import CrossProducts

# Effects this many times the residual error of a typical group are free of their distribution. The
# residual sd that is then left is that of the rows; where groups and predictors explain the
# outcome, it falls as the sds rise.
_FREE = (1e3, 1e4, 1e5, 1e6)
_FALLS = 0.15
# Part of the outcome's sum of squares that rounding may leave.
_ROUNDED = 1e-13
# An outcome printed with 15 digits is off by up to this part of it.
_PRINTED = 5e-15
# Part of the sum of squares of an effect's columns that rounding leaves of what X spans.
_SPANNED = 1e-10
NO_RESIDUALS = (
    "the outcome has no residual variation, or next to none: the predictors and the groups explain "
    "it, so that neither likelihood nor posterior has a bound as sigma_e goes to 0; check that it "
    "is not computed from them, or drop a term of group effects"
)


def check_bounded_outcome(plan: Plan) -> None:
    """Raise an error for an outcome that predictors and groups explain, or next to.

    Its likelihood has no bound as the residual sd goes to 0, or one that rounding decides.

    Raises
    ------
    EngineError
    """
    products = plan.products
    G, unit = products.total[:-1, :-1], products.y_scale
    beta = -unit * np.linalg.solve(products.transform[:-1, :-1], products.transform[:-1, -1])
    whole = float(beta @ G @ beta) + products.n * unit**2
    factor = Factor(plan)
    exact = products.n * unit**2 <= products.n * _PRINTED**2 * whole
    before = math.inf
    for free in () if exact else _FREE:
        fine = factor.update([free * one for one in typical_factors(products)])
        left = factor.r2 if fine else 0.0
        if math.isfinite(before) and left > max(_FALLS**2 * before, _ROUNDED * products.n):
            return  # it falls no further: this is the rows' own
        before = left
    raise EngineError(NO_RESIDUALS)


def typical_factors(products: CrossProducts) -> list[Floats]:
    """Return relative factors (q, q) at which a typical group shows its effects."""
    found = []
    for one in products.factors:
        squares = np.einsum("mkk->k", one.own) / one.m
        found.append(np.diag(1.0 / np.sqrt(np.maximum(squares, np.finfo(float).tiny))))
    return found


def explained_effects(products: CrossProducts) -> tuple[str, ...]:
    """Return the effects of which the fixed effects explain every difference between groups.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> table = {"y": [1.0, 2, 4, 7, 3, 5, 8, 2], "g": [1, 1, 2, 2] * 2, "h": [1, 2] * 4}
    >>> design = build_design("y ~ C(g) + (1 | g) + (1 | h)", table)
    >>> explained_effects(design.cross_products())
    ('Intercept by g',)
    """
    if not products.p:
        return ()
    inverse = np.linalg.pinv(products.total[:-1, :-1])
    found = []
    for one in products.factors:
        right = one.right[:, :, :-1]
        whole = np.einsum("mkk->k", one.own)
        left = whole - np.einsum("mkp,pr,mkr->k", right, inverse, right)
        found += [
            f"{effect} by {one.factor}"
            for effect, rest, of in zip(one.effects, left, whole, strict=True)
            if rest <= _SPANNED * of
        ]
    return tuple(found)
