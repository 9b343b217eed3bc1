"""Null models, and the values of their parameters."""

from dataclasses import replace

import numpy as np

from bayes_mlm.base import DesignError, Floats
from bayes_mlm.design import (
    INTERCEPT,
    Design,
    GroupMeans,
    changed,
    pool_designs,
    sums_of_null,
    without_rows,
)
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.formula import Name, parse_formula, written_factor


def shifted(parameters: ParameterValues) -> ParameterValues:
    """Rotate the draws by half their number, so that two fits of one seed are independent."""

    def roll(values: Floats) -> Floats:
        return np.roll(values, len(values) // 2, axis=0)

    return ParameterValues(
        beta=roll(parameters.beta),
        residual_variance=roll(parameters.residual_variance),
        factors=tuple(replace(one, cov_u=roll(one.cov_u), u=None) for one in parameters.factors),
        auxiliary={name: roll(values) for name, values in parameters.auxiliary.items()},
    )


def has_random_intercepts(design: Design) -> bool:
    """Return whether every grouping factor has a random intercept and no other effect."""
    alone = all(term.effects == (INTERCEPT,) for term in design.group_terms)
    return has_random_effects(design) and alone


def is_null(design: Design) -> bool:
    """Return whether a design has random intercepts and no predictors."""
    # Thresholds stand for the intercept of ordered categories.
    needed = 0 if design.family.thresholds is not None else 1
    return (
        has_random_intercepts(design)
        and design.p == needed
        and design.has_intercept == bool(needed)
    )


def null_formula(design: Design) -> str:
    """Return the formula of the null model: a random intercept of each factor."""
    bars = "".join(
        f" + (1 | {written_factor(design.formula.columns_of(name))})" for name in design.factors
    )
    formula = design.formula
    trials = "" if formula.trials is None else f" | trials({formula.trials})"
    offsets = "".join(f" + offset({one})" for one in formula.offsets)
    if design.family.is_additive:
        offsets = ""
    return f"{Name(design.outcome)}{trials} ~ 1{offsets}{bars}"


def null_design(design: Design) -> Design:
    """Return the null model of the same rows: random intercepts and no predictors.

    Raises
    ------
    DesignError
        If the design has no groups of rows.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> null_design(build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))).terms
    ('Intercept',)
    """
    design = design.whole
    if not design.factors or design.kind == "between":
        raise DesignError("a null model needs groups of rows; add their column: (1 | group)")
    if design.imputations:
        return pool_designs([null_design(one) for one in design.imputations])
    if design.patterns is not None:
        return without_rows(null_design(design.patterns))
    names = (INTERCEPT,)
    null = design.compute(
        _without_predictors, lambda moments: design.with_moments(sums_of_null(moments))
    )
    formula, base = parse_formula(null_formula(design)), None
    if len(design.factors) == 1:
        constant = np.zeros(1, dtype=np.bool_)
        base = GroupMeans(terms=names, means=np.ones((design.J, 1)), varies=constant)
        if design.family.thresholds is not None:
            base = GroupMeans(terms=(), means=np.ones((design.J, 0)), varies=constant[:0])
    encoding = replace(design.encoding, formula=formula)
    return replace(null, kind="partial_pooling", formula=formula, base=base, encoding=encoding)


def _without_predictors(design: Design) -> Design:
    ones, names = np.ones((design.n, 1)), (INTERCEPT,)
    terms = tuple(
        changed(term, Z=ones, effects=names, correlated=True) for term in design.group_terms
    )
    if design.family.thresholds is not None:
        return replace(design.with_arrays(X=ones[:, :0], terms=()), group_terms=terms)
    return replace(design.with_arrays(X=ones, terms=names), group_terms=terms)
