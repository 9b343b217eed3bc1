"""Group-specific coefficients: the level-2 equations of a multilevel model.

The group-specific intercept and slope of group j are

    b_kj = gamma_k0 + gamma_k1 w_j + ... + u_kj

where the cross-level interactions of a slope's predictor with group-level predictors w, and the
main effects of w, are those of the formula (Raudenbush & Bryk 2002, Hierarchical
Linear Models, 2nd ed., eq. 2.13 and 4.19). The design determines which columns of X enter which
equation.
"""

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, GroupTerm
from bayes_mlm.engines import has_random_effects
from bayes_mlm.moments import GroupMoments

# A column is a group-level predictor if its deviations from the group means stay below this share
# of its size.
_SAME = 1e-9
# Sums of squares hold half the digits that rows do.
_SAME_SUMS = 1e-6


def coefficient_weights(design: Design) -> Floats:
    """Return the weights of the fixed effects in the group-specific coefficients.

    Parameters
    ----------
    design : Design
        With random effects.

    Returns
    -------
    ndarray, shape (q, J, p)
        The coefficients (J,) of effect k are ``weights[k] @ beta + u[:, k]``. The intercept of a
        group is its expected outcome where every predictor that varies within groups is zero.

    Raises
    ------
    EngineError
        If the model has no random effects.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("distance ~ age * sex + (age | subject)", load_dataset("orthodont"))
    >>> design.terms, design.labels[0]
    (('Intercept', 'age', 'sex[Male]', 'age:sex[Male]'), 'F01')
    >>> coefficient_weights(design)[:, [0, -1]]
    array([[[1., 0., 0., 0.],
            [1., 0., 1., 0.]],
    <BLANKLINE>
           [[0., 1., 0., 0.],
            [0., 1., 0., 1.]]])
    """
    check_random_effects(design)
    parts = {column.name: set(column.parts) for column in design.encoding.x_columns}
    effects = design.effect_columns
    weights = np.zeros((design.q, design.J, design.p))
    for k, effect in enumerate(effects):
        factors = set(effect.parts)
        for place, term in enumerate(design.terms):
            # Columns that the kind added (group means) are in the intercept's equation.
            if factors <= parts.get(term, set()):
                factor = _factor_of(design, place, k)
                if factor is not None:
                    weights[k, :, place] = factor
    return weights


def check_random_effects(design: Design) -> None:
    """Refuse a model without random effects."""
    if not has_random_effects(design):
        raise EngineError(
            f"the {design.kind} model '{design.formula}' has no random effects; add "
            "(1 + x | group) to the formula"
        )


def _factor_of(design: Design, place: int, effect: int) -> Floats | None:
    """Return the group-level factor (J,) of a column of X, from rows or from their moments."""
    return design.compute(
        lambda rows: _factor(rows.X[:, place], rows.group_term, effect),
        lambda s: _factor_of_moments(s, place, s.p + effect),
    )


def _factor_of_moments(s: GroupMoments, x: int, z: int) -> Floats | None:
    if not s.scatter[:, z, z].any() and not s.means[:, z].any():  # an intercept's: x itself
        means = s.means[:, x] + s.centre[x]
        deviation = np.sqrt(float(s.scatter[:, x, x].sum()) / s.n)
        return means if deviation <= _SAME * float(np.abs(means).max()) else None
    means = s.means + s.centre
    products = {
        pair: s.scatter[:, pair[0], pair[1]] + s.counts * means[:, pair[0]] * means[:, pair[1]]
        for pair in ((z, z), (z, x), (x, x))
    }
    known = products[z, z] > (_SAME**2) * float(products[z, z].max())
    ratio = products[z, x][known] / products[z, z][known]
    mean = np.full(s.J, float(np.average(ratio, weights=s.counts[known])))
    mean[known] = ratio
    # Residual sum of squares of the column on the effect's column times a factor by group.
    left = float((products[x, x] - mean * products[z, x])[known].sum())
    deviation = np.sqrt(max(left, 0.0) / float(products[z, z][known].sum()))
    return mean if deviation <= _SAME_SUMS * float(np.abs(ratio).max()) else None


def _factor(column: Floats, term: GroupTerm, place: int) -> Floats | None:
    """Return the factor (J,) that times an effect's column is a column of X; None if it varies."""
    effect = term.column(term.effects[place])
    seen = np.flatnonzero(np.abs(effect) > _SAME * np.abs(effect).max())
    term, ratio = term.take(seen), column[seen] / effect[seen]
    # Groups in which the effect's predictor is always zero do not determine the factor.
    mean = np.where(term.sizes > 0, term.sums(ratio) / np.maximum(term.sizes, 1), ratio.mean())
    deviation = float(np.sqrt(np.mean((ratio - term.by_row(mean)) ** 2)))
    return mean if deviation <= _SAME * float(np.abs(ratio).max()) else None
