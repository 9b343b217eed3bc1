"""Sentences of the page on how an outcome is coded, and how intervals were made."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from bayes_mlm.base import count, percent
from bayes_mlm.design import Design
from bayes_mlm.fitting import Analysis

_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def typeset(message: str) -> str:
    """Return a message of the console with its numbers as they are printed.

    Examples
    --------
    >>> typeset("k-hat -0.07; sd 2.5e-01, error 4.4e-06")
    'k-hat −0.07; sd 0.25, error 4.4 × 10⁻⁶'
    """

    def number(found: re.Match[str]) -> str:
        power = int(found[2])
        if -4 < power <= 0:
            return f"{float(found[0]):.{1 - power}f}"
        return f"{found[1]} × 10{str(power).translate(_POWERS)}"

    plain = re.sub(r"(?<![\w.])(\d\.\d)e([+-]\d+)", number, message)
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", plain)


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
    # Rounded: the weights of imputations are 1/M.
    rows = np.rint(np.bincount(places, distinct.response.weights)).astype(np.int64).tolist()
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
        "intervals of coefficients by REML, ML and OLS are of the t distribution with "
        "Satterthwaite's degrees of freedom (least squares: those of the residual), or Wald's "
        "where these are not defined, and profile for sds and the icc"
        if any(additive)
        else "intervals of ML are Wald for coefficients, and profile for sds and what follows from "
        "them (with several effects of a group Wald, of their logarithms)"
    )
    if any(one.design.weights is not None for one in analyses):
        made = (
            "intervals of pseudo-ML are of the t distribution, on the scale of logs for sds and of "
            "log odds for the icc, with the number of groups less that of group-level columns, or "
            "that of replicates, as degrees of freedom"
        )
    if any(one.design.imputations for one in analyses):
        made = (
            "imputations are pooled by Rubin's rules, intervals of coefficients are of the t "
            "distribution with Barnard and Rubin's degrees of freedom, and those of sds of pooled "
            "variances"
        )
    return (
        f"In the equations i indexes rows and j groups; {symbols} and u group effects. Posterior "
        f"estimates are means, with highest density intervals (HDI); {made}."
    )


def reference_categories(design: Design) -> str:
    """Return the category that each categorical predictor is compared with, where one is.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_contraception
    >>> women = load_contraception()
    >>> reference_categories(build_design("use ~ urban + livch", women, family="bernoulli"))
    'urban: N; livch: 0'
    """
    parts = [part for column in design.encoding.x_columns for part in column.parts]
    coded = {str(factor) for factor, place in parts if isinstance(place, int)}
    known = [one for one in design.encoding.levels if one.factor in coded]
    return "; ".join(f"{one.column}: {one.name(0)}" for one in known)
