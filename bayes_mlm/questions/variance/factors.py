"""Shares of several grouping factors, and the correlations of rows that share some of them."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.questions.variance.moments import DesignMoments
from bayes_mlm.questions.variance.shares import factor_variances, fixed_variance

# Of more factors than this, not every combination that two rows can share is listed.
_EVERY_COMBINATION = 3

type Part = tuple[str, Floats, str]


def factor_shares(parameters: ParameterValues, moments: DesignMoments) -> Iterator[Part]:
    r"""Yield each factor's share of the unexplained variance: name, values (S,) and meaning.

    .. math:: \bar\sigma_f^2 / (\sum_g \bar\sigma_g^2 + \sigma_e^2)

    The effects of the factors are independent, so their variances add up; those of random slopes
    are means over the rows, as in `random_variance`. The last is the share of the residual.

    References
    ----------
    Goldstein, Browne & Rasbash (2002), Understanding Statistics 1(4); Johnson (2014), Methods in
    Ecology and Evolution 5(9).
    """
    variances = factor_variances(parameters, moments)
    parts = [*variances, parameters.residual_variance]
    total = np.sum(parts, axis=0)
    for one, variance in zip(parameters.factors, variances, strict=True):
        meaning = f"between groups of {one.factor}, of the unexplained variance"
        yield f"share[{one.factor}]", variance / total, meaning
    residual = parameters.residual_variance / total
    yield "share[residual]", residual, "of rows, of the unexplained variance"


def total_parts(parameters: ParameterValues, moments: DesignMoments) -> Iterator[Part]:
    """Yield the parts of the variance that the model implies: fixed effects, factors, residual."""
    fixed = fixed_variance(parameters, moments)
    variances = factor_variances(parameters, moments)
    total = np.sum([fixed, *variances, parameters.residual_variance], axis=0)
    yield "fixed", fixed / total, "fixed effects of the predictors"
    for one, variance in zip(parameters.factors, variances, strict=True):
        yield one.factor, variance / total, f"group effects of {one.factor}"
    yield "residual", parameters.residual_variance / total, "residuals"


def shared_correlations(
    design: Design, parameters: ParameterValues, moments: DesignMoments
) -> Iterator[Part]:
    r"""Yield the correlation of two rows by the factors whose groups they share.

    .. math:: \mathrm{icc}_S = \sum_{f \in S} \bar\sigma_f^2 / (\sum_g \bar\sigma_g^2 + \sigma_e^2)

    Conditional on the predictors, for every set S that two rows can share: of one class they are
    of one school too (`shareable`). With random slopes the correlation depends on the predictors,
    and this is the ratio of variances averaged over the rows.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., ch. 8 (nested) and 12 (crossed).
    """
    variances = factor_variances(parameters, moments)
    total = np.sum([*variances, parameters.residual_variance], axis=0)
    for shared, named in shareable(design):
        one = " and ".join(design.factors[place] for place in named)
        rest = [name for place, name in enumerate(design.factors) if place not in shared]
        differs = f", of different {' and '.join(rest)}" if rest else ""
        values = np.sum([variances[place] for place in shared], axis=0) / total
        meaning = f"correlation of two rows of the same {one}{differs}"
        yield f"icc[same {one}]", values, meaning


def shareable(design: Design) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the sets of factors of which two rows can share the groups.

    Returns
    -------
    list of (tuple of int, tuple of int)
        Places of the factors that are shared, and of those of them that imply the rest: rows of one
        class share its school.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> data = {"y": [1.0, 2, 4, 7, 3, 5], "s": [1, 1, 1, 1, 2, 2], "c": [1, 1, 2, 2, 3, 3]}
    >>> shareable(build_design("y ~ 1 + (1 | s) + (1 | c)", data))
    [((0,), (0,)), ((0, 1), (1,))]
    """
    terms = design.group_terms
    places = range(len(terms))
    implied = {a: {b for b in places if a == b or design.is_nested(a, b)} for a in places}
    sizes = places if len(terms) <= _EVERY_COMBINATION else (0, len(terms) - 1)
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for size in sizes:
        for some in combinations(places, size + 1):
            shared = tuple(sorted(set(some).union(*(implied[place] for place in some))))
            first = found.setdefault(shared, some)
            found[shared] = min(first, some, key=len)
    return sorted(found.items(), key=lambda item: (len(item[0]), item[0]))
