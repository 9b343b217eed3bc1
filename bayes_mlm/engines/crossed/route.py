"""Which models of several factors are fitted without a factorisation, because it is too dear.

Both REML and the direct engine ask here. What is left to them is two crossed random intercepts,
whose likelihood needs no more than sums by level and lists of neighbours.
"""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import EngineError, Ints
from bayes_mlm.design import INTERCEPT, Design

if TYPE_CHECKING:
    from bayes_mlm.moments import CrossedTable

# Seconds of a factorisation above which conjugate gradients and Gibbs sampling are used.
MAX_COST = 0.5
# Seconds of a multiplication in the sparse head and in the dense tail of a factor, as measured for
# `bayes_mlm.likelihood.sparse.plan`.
_SPARSE, _DENSE = 2.5e-9, 4.0e-11
# Rows for each level above which the tail is dense in any order of elimination.
_DENSE_ROWS = 8


def crossed_table_of(design: Design) -> "CrossedTable | None":
    """Return the table of two crossed random intercepts whose factorisation is too dear.

    Parameters
    ----------
    design : Design
        With several grouping factors.

    Returns
    -------
    CrossedTable or None
        None where a factorisation is affordable, or the model is another.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> table = {"y": [1.0, 2, 4, 3, 5, 4], "g": [0, 0, 0, 1, 1, 1], "h": [0, 1, 2, 0, 1, 2]}
    >>> crossed_table_of(build_design("y ~ 1 + (1 | g) + (1 | h)", table)) is None
    True
    """
    if not is_crossed_intercepts(design):
        return None
    one, other = (term for term in design.group_terms if term.q)
    sizes = (one.sizes, other.sizes) if one.J >= other.J else (other.sizes, one.sizes)
    if factor_cost(*sizes) <= MAX_COST:
        return None
    if design.n < _DENSE_ROWS * (one.J + other.J) and _is_sparse(design):
        return None
    from bayes_mlm.moments import crossed_table  # loads numba

    return crossed_table(
        design.y_less_offset,
        design.X,
        (one.codes, other.codes),
        (one.J, other.J),
        factors=(one.factor, other.factor),
        terms=design.terms,
    )


def is_crossed_intercepts(design: Design) -> bool:
    """Return whether a design is one of two random intercepts, with a fixed one."""
    terms = [term for term in design.group_terms if term.q]
    return (
        len(terms) == 2
        and INTERCEPT in design.terms
        and all(term.effects == (INTERCEPT,) for term in terms)
        and design.residual is None
        and design.family.gaussian_moments
    )


def factor_cost(larger: Ints, smaller: Ints) -> float:
    """Return the seconds of a factorisation, at most, from rows by level of two factors.

    The levels of the larger factor are eliminated first; each touches no more of the other's than
    it has rows.
    """
    tail = float(len(smaller))
    touched = np.minimum(np.asarray(larger, dtype=float), tail)
    return float(_SPARSE * (touched**2).sum() + _DENSE * tail**3 / 3.0)


def _is_sparse(design: Design) -> bool:
    """Return whether some order of elimination makes a factorisation affordable."""
    from bayes_mlm.likelihood import make_plan  # loads numba

    try:
        return make_plan(design.cross_products()).cost <= MAX_COST
    except EngineError:
        return False
