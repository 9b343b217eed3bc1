"""Which models of several factors are fitted without a factorisation, because it is too dear.

Both REML and the direct engine ask here. What is left to them is two crossed random intercepts,
whose likelihood needs no more than sums by level and lists of neighbours.
"""

from bayes_mlm.base import EngineError
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.moments import (
    MAX_COST,
    CrossedTable,
    crossed_table,
    crossing_cost,
    is_dense,
    is_nested,
)


def crossed_table_of(design: Design) -> CrossedTable | None:
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
    if design.crossed is not None:
        return design.crossed
    if not design.has_rows or not is_crossed_intercepts(design):
        return None
    one, other = (term for term in design.group_terms if term.q)
    if crossing_cost(one.sizes, other.sizes) <= MAX_COST:
        return None
    inner, outer = (one, other) if one.J > other.J else (other, one)
    if is_nested(inner.codes, outer.codes, inner.J):
        return None
    if not is_dense(one.sizes, other.sizes) and _is_sparse(design):
        return None
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


def _is_sparse(design: Design) -> bool:
    """Return whether some order of elimination makes a factorisation affordable."""
    from bayes_mlm.likelihood import make_plan  # loads numba

    try:
        return make_plan(design.cross_products()).cost <= MAX_COST
    except EngineError:
        return False
