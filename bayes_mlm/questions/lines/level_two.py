"""Group-specific coefficients: the level-2 equations of a multilevel model.

The own intercept and the own slope of group j are

    b_kj = gamma_k0 + gamma_k1 w_j + ... + u_kj

where the products of a slope's predictor with properties w of groups, and those properties by
themselves, are what the formula says (Raudenbush & Bryk 2002, Hierarchical Linear Models, 2nd ed.,
eq. 2.13 and 4.19). Which columns of X stand in which equation follows from the design.
"""

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, GroupTerm
from bayes_mlm.engines import has_random_effects
from bayes_mlm.moments import GroupMoments

# A column is a property of groups if its deviations from the group means stay below this part of
# its size: asked by tolerance, never by equality.
_SAME = 1e-9
# Sums of squares hold half the digits that rows do.
_SAME_SUMS = 1e-6


def own_weights(design: Design) -> Floats:
    """Return the weights of the fixed effects in the group-specific coefficients.

    Parameters
    ----------
    design : Design
        With group effects that are drawn from a distribution.

    Returns
    -------
    ndarray, shape (q, J, p)
        The own coefficients (J,) of effect k are ``own_weights(design)[k] @ beta + u[:, k]``. An
        own intercept is where every predictor that varies within groups is zero.

    Raises
    ------
    EngineError
        If the model has no such group effects.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("distance ~ age * sex + (age | subject)", load_dataset("orthodont"))
    >>> design.terms, design.labels[0]
    (('Intercept', 'age', 'sex[Male]', 'age:sex[Male]'), 'F01')
    >>> own_weights(design)[:, [0, -1]]
    array([[[1., 0., 0., 0.],
            [1., 0., 1., 0.]],
    <BLANKLINE>
           [[0., 1., 0., 0.],
            [0., 1., 0., 1.]]])
    """
    if not has_random_effects(design):
        raise EngineError(
            f"the {design.kind} model '{design.formula}' has no group effects that are drawn from "
            "a distribution; add (1 + x | group) to the formula"
        )
    parts = {column.name: set(column.parts) for column in design.encoding.x_columns}
    effects = design.effect_columns
    weights = np.zeros((design.q, design.J, design.p))
    for k, effect in enumerate(effects):
        mine = set(effect.parts)
        for place, term in enumerate(design.terms):
            # What the kind added (group means) is a property of groups by itself.
            if mine <= parts.get(term, set()):
                rest = _rest_of(design, place, k)
                if rest is not None:
                    weights[k, :, place] = rest
    return weights


def _rest_of(design: Design, place: int, effect: int) -> Floats | None:
    """Divide an effect's column out of one of X, whether rows or their sums are there."""
    return design.compute(
        lambda rows: _rest(rows.X[:, place], rows.single_term(), effect),
        lambda s: _rest_of_moments(s, place, s.p + effect),
    )


def _rest_of_moments(s: GroupMoments, x: int, z: int) -> Floats | None:
    if not s.scatter[:, z, z].any() and not s.means[:, z].any():  # an intercept's: x itself
        means = s.means[:, x] + s.centre[x]
        away = np.sqrt(float(s.scatter[:, x, x].sum()) / s.n)
        return means if away <= _SAME * float(np.abs(means).max()) else None
    means = s.means + s.centre
    products = {
        pair: s.scatter[:, pair[0], pair[1]] + s.counts * means[:, pair[0]] * means[:, pair[1]]
        for pair in ((z, z), (z, x), (x, x))
    }
    known = products[z, z] > (_SAME**2) * float(products[z, z].max())
    ratio = products[z, x][known] / products[z, z][known]
    mean = np.full(s.J, float(np.average(ratio, weights=s.counts[known])))
    mean[known] = ratio
    # What the effect's column, times a number a group, leaves of the other's squares.
    left = float((products[x, x] - mean * products[z, x])[known].sum())
    away = np.sqrt(max(left, 0.0) / float(products[z, z][known].sum()))
    return mean if away <= _SAME_SUMS * float(np.abs(ratio).max()) else None


def _rest(column: Floats, term: GroupTerm, place: int) -> Floats | None:
    """Divide an effect's column out of one of X: what is left (J,), if it is the groups' own."""
    effect = term.column(term.effects[place])
    seen = np.flatnonzero(np.abs(effect) > _SAME * np.abs(effect).max())
    term, ratio = term.take(seen), column[seen] / effect[seen]
    # A group that is only seen where the effect's predictor is zero tells nothing of the product.
    mean = np.where(term.sizes > 0, term.sums(ratio) / np.maximum(term.sizes, 1), ratio.mean())
    away = float(np.sqrt(np.mean((ratio - term.by_row(mean)) ** 2)))
    return mean if away <= _SAME * float(np.abs(ratio).max()) else None
