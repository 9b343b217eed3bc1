"""Null models, and the values of their parameters."""

from dataclasses import replace

import numpy as np

from bayes_mlm.base import DesignError, Floats
from bayes_mlm.design import INTERCEPT, Design, GroupMeans, sums_of_null
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.formula import Name, parse_formula


def shifted(parameters: ParameterValues) -> ParameterValues:
    """Rotate the draws by half their number, so that two fits of one seed are independent."""

    def roll(values: Floats) -> Floats:
        return np.roll(values, len(values) // 2, axis=0)

    return ParameterValues(
        beta=roll(parameters.beta),
        cov_u=roll(parameters.cov_u),
        residual_variance=roll(parameters.residual_variance),
        u=None,
    )


def is_null(design: Design) -> bool:
    """Return whether a design has a random intercept and no predictors."""
    return has_random_effects(design) and design.has_icc and design.p == 1 and design.has_intercept


def null_design(design: Design) -> Design:
    """Return the null model of the same rows: a random intercept and no predictors.

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
    if design.group is None or design.kind == "between":
        raise DesignError("a null model needs groups of rows; add their column: (1 | group)")
    ones, names = np.ones((design.n, 1)), (INTERCEPT,)
    null = design.compute(
        lambda rows: rows.with_arrays(X=ones, Z=ones, terms=names, effects=names),
        lambda moments: design.with_moments(sums_of_null(moments)),
    )
    return replace(
        null,
        kind="partial_pooling",
        formula=parse_formula(f"{Name(design.outcome)} ~ 1 + (1 | {Name(design.group)})"),
        base=GroupMeans(
            terms=(INTERCEPT,), means=np.ones((design.J, 1)), varies=np.zeros(1, dtype=np.bool_)
        ),
    )
