"""Sentences of the page on how an outcome is coded, and how intervals were made."""

from collections.abc import Iterator, Sequence

import numpy as np

from bayes_mlm.base import count, percent
from bayes_mlm.design import Design
from bayes_mlm.fitting import Analysis


def coded_outcome(design: Design) -> Iterator[str]:
    """Yield which category is 1 and how often it occurs, or the order of categories.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_contraception
    >>> women = load_contraception()
    >>> next(coded_outcome(build_design("use ~ urban", women, family="bernoulli")))
    'use is 1 where it is Y: 759 of 1,934 rows, 39 %; 0 where it is N'
    """
    if design.family.outcome == "number":
        return
    levels, distinct = design.encoding.outcome_levels, design.weighted_rows
    places = distinct.y.astype(np.int64)
    rows = np.bincount(places, distinct.response.weights).astype(np.int64).tolist()
    names = [f"{k}" for k in range(max(2, len(rows)))]
    if levels is not None:
        names = [levels.name(place) for place in range(len(levels.levels))]
    if design.family.outcome == "two levels":
        ones = sum(rows[1:])
        share = f"{count(ones)} of {count(design.n, 'row')}, {percent(ones / design.n)}"
        if levels is None:
            yield f"{design.outcome} is 1 in {share}; 0 in the others"
        else:
            yield f"{design.outcome} is 1 where it is {names[1]}: {share}; 0 where it is {names[0]}"
        return
    listed = " < ".join(f"{name} ({count(many)})" for name, many in zip(names, rows, strict=False))
    yield f"{design.outcome}, in order, with rows: {listed}"


def describe_intervals(analyses: Sequence[Analysis]) -> str:
    """Describe the symbols of the equations, and the intervals of the tables."""
    additive = [one.design.family.is_additive for one in analyses]
    symbols = "e denotes residuals" if all(additive) else "η denotes linear predictors"
    if any(additive) and not all(additive):
        symbols = "e denotes residuals, η linear predictors"
    made = (
        "intervals of REML, ML and OLS are t or Wald for coefficients, and profile for sds and the "
        "icc"
        if any(additive)
        else "intervals of ML are Wald for coefficients, and profile for sds and what follows from "
        "them (with several effects of a group Wald, of their logarithms)"
    )
    return (
        f"In the equations i indexes rows and j groups; {symbols} and u group effects. Posterior "
        f"estimates are means, with highest density intervals (HDI); {made}."
    )
