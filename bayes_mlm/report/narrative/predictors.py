"""Narrative of the effects of predictors: slopes, binary group predictors, and the rest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bayes_mlm.base import Floats, estimate, number
from bayes_mlm.design import INTERCEPT, Contrast, OfBasis, column_moments, predictor_name
from bayes_mlm.figures import Roles, roles_of
from bayes_mlm.fitting import Analysis
from bayes_mlm.formula import Call, label
from bayes_mlm.report.narrative.choosing import mundlak_of
from bayes_mlm.report.narrative.contrast import (
    average_of_slope,
    contrast,
    moderator_weights,
    ratio,
    slope_weights,
)
from bayes_mlm.report.narrative.parts import (
    Conclusion,
    preferred,
    span,
    sureness,
    with_interval,
)

_MOST_OTHERS = 6
# The comparison that a coefficient of each kind of model makes.
_COMPARED = {
    "pooled": "Between rows, whatever their group",
    "between": "Between the means of groups",
    "no_pooling": "Between members of one group",
    "within": "Between members of one group",
    "mundlak": "Between members of one group",
    "partial_pooling": "All else equal, the group included",
}


def slopes(analyses: Sequence[Analysis], main: Analysis) -> Iterator[Conclusion]:
    """Yield conclusions on the slope of the main model, and those within and between groups."""
    roles = roles_of(main.design)
    if roles.slope is not None:
        yield _slope(main, roles)
    other = mundlak_of(analyses)
    if other is None or (roles := roles_of(other.design)).slope is None:
        return
    if f"between({roles.slope})" not in other.design.terms:
        return
    within = contrast(other, slope_weights(other, roles))
    between = contrast(other, slope_weights(other, roles, follow=True))
    gap = contrast(other, slope_weights(other, roles, follow=True) - slope_weights(other, roles))
    text = (
        f"Within a group, one unit more {roles.slope} is associated with a difference in "
        f"{_scale(other)} of {with_interval(within)}; between group means, with "
        f"{with_interval(between)}. The contextual effect, between less within, is "
        f"{with_interval(gap)}; {sureness(gap)}"
    )
    lead = text
    if gap.clear and main is not other and roles_of(main.design).slope == roles.slope:
        text += (
            " A model that assumes equal slopes within and between groups, such as "
            f"{main.spec.name}, estimates a mixture of the two."
        )
    topic, name = "Slopes within and between groups", other.spec.name
    yield Conclusion(topic=topic, text=text, model=name, lead=lead)


def _slope(main: Analysis, roles: Roles) -> Conclusion:
    unit = f"{_COMPARED[main.design.kind]}, one unit more {roles.slope} is associated with a "
    unit += "difference"
    if _crossed(main, roles):
        first, second = (
            _difference(main, slope_weights(main, roles, subgroup=level)) for level in (0, 1)
        )
        gap = contrast(
            main, slope_weights(main, roles, subgroup=1) - slope_weights(main, roles, subgroup=0)
        )
        text = (
            f"{unit} in {_scale(main)} of {first} where "
            f"{roles.subgroup_labels[0]}, and of {second} where "
            f"{roles.subgroup_labels[1]}. The slopes differ by {with_interval(gap)}; "
            f"{sureness(gap)}"
        )
        return Conclusion(topic="Slopes by subgroup", text=text, model=main.spec.name)
    weights = slope_weights(main, roles)
    text = (
        f"{unit} in {_scale(main)} of {_difference(main, weights)}; "
        f"{sureness(contrast(main, weights))}"
    )
    varying = preferred(main, f"sigma_u[{roles.slope}]")
    if varying is not None:
        text += (
            " This slope varies between groups with an sd of "
            f"{number(varying.estimate, varying.sd)}{span(varying)}."
        )
    return Conclusion(topic=f"The slope of {roles.slope}", text=text, model=main.spec.name)


def subgroups(main: Analysis) -> Iterator[Conclusion]:
    """Yield the difference between groups at the two levels of the binary predictor."""
    roles = roles_of(main.design)
    if roles.moderator_column is None or not roles.subgroup_labels or roles.subgroup is None:
        return
    if roles.slope is None and _in_products(main, str(roles.moderator)):
        return
    weights = moderator_weights(main, roles)
    found = contrast(main, weights)
    where = ""
    if roles.slope is not None:
        centre = number(average_of_slope(main, roles), _spread(main, roles))
        where = f", where {roles.slope} is at its mean of {centre}"
    text = (
        f"Groups with {roles.subgroup_labels[1]} differ in {_scale(main)} from those with "
        f"{roles.subgroup_labels[0]} by {_difference(main, weights)}{where}; {sureness(found)}"
    )
    yield Conclusion(topic=f"The difference by {roles.moderator}", text=text, model=main.spec.name)


def _scale(main: Analysis) -> str:
    """Return what coefficients are differences in."""
    return predictor_name(main.design)


def _difference(main: Analysis, weights: Floats) -> str:
    """Write a difference with its interval, and the ratio that it is where there is one."""
    text, name = with_interval(contrast(main, weights)), main.design.family.ratio_name
    return f"{text}, {_article(name)} {name} of {estimate(*ratio(main, weights))}" if name else text


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _spread(main: Analysis, roles: Roles) -> float:
    terms = main.design.terms
    slope = str(roles.slope)
    place = terms.index(slope if slope in terms else f"within({slope})")
    return float(column_moments(main.design).x_sd[place])


def others(main: Analysis) -> Iterator[Conclusion]:
    """Yield the effects of the remaining terms that are in no product."""
    roles, design = roles_of(main.design), main.design
    known = {INTERCEPT, roles.moderator_column, roles.slope, f"within({roles.slope})"}
    known.add(f"between({roles.slope})")
    ratios, shared = design.family.ratio_name, _columns_of_several(main)
    places = {one.name: one.parts[0] for one in design.encoding.x_columns if len(one.parts) == 1}
    levels = {item.factor: item for item in design.encoding.levels}
    lines, curves, references = [], [], list[str]()
    for k, term in enumerate(design.terms):
        factor, place = places.get(term, (term, None))
        name = factor if isinstance(factor, str) else label(factor)
        if term in known or ":" in term or _in_products(main, name):
            continue
        several = not isinstance(factor, str) and bool(shared & set(factor.columns))
        # No difference for one unit more of a predictor.
        if several or isinstance(place, OfBasis | Contrast):
            curves.append(name)
            continue
        weights = [float(k == place) for place in range(design.p)]
        found = contrast(main, weights)
        shown = estimate(*ratio(main, weights)) if ratios else with_interval(found)
        lines.append(f"{term}: {shown}")
        if name in levels:
            references.append(f"{name} = {levels[name].name(0)}")
    rest = len(lines) - _MOST_OTHERS
    of = f" (in {_scale(main)})" if design.family.predictor_scale else ""
    start = "For one unit more, all else equal"
    if ratios:
        of, start = "", f"{ratios.capitalize()}s for one unit more, all else equal"
    if references:
        start += f" (categories against {', '.join(dict.fromkeys(references))})"
    text = f"{start}{of}: {'; '.join(lines[:_MOST_OTHERS])}"
    text += f"; and {rest} more in the table." if rest > 0 else "."
    sentences = [text] if lines else []
    lead = text if lines else None
    if curves:
        sentences.append(
            f"Single coefficients of {', '.join(dict.fromkeys(curves))} are no difference for one "
            "unit more of a predictor: see slopes and comparisons (bayes-mlm effects)."
        )
    products = [term for term in design.formula.terms if len(term) > 1]
    if products and not _crossed(main, roles):
        listed = ", ".join(dict.fromkeys(label(one) for term in products for one in term))
        depend = (
            f"Differences by one of {listed} depend on the others, with which they are in products"
        )
        if simple := _where_others_are_zero(main, places):
            what = f"{ratios}s" if ratios else f"differences{of}"
            depend = f"{depend}: {what} for one unit more are {simple}"
            lead = f"{lead} {depend}." if lead else f"{depend}."
            sentences.append(f"{depend}; for other values see comparisons (bayes-mlm effects).")
        else:
            sentences.append(f"{depend}: see comparisons (bayes-mlm effects).")
    if sentences:
        topic, name = "Other predictors", main.spec.name
        yield Conclusion(topic=topic, text=" ".join(sentences), model=name, lead=lead)


def _where_others_are_zero(main: Analysis, places: dict[str, tuple[Any, Any]]) -> str:
    """Describe the coefficients of predictors in products, where those they are with are zero.

    Or at their reference category; without a predictor that is zero nowhere near its rows.
    """
    design, moments = main.design, column_moments(main.design)
    products = [[label(one) for one in term] for term in design.formula.terms if len(term) > 1]
    levels = {item.factor: item for item in design.encoding.levels}
    found = []
    for k, term in enumerate(design.terms):
        factor, place = places.get(term, (None, None))
        name = factor if isinstance(factor, str) else "" if factor is None else label(factor)
        partners = dict.fromkeys(one for of in products if name in of for one in of if one != name)
        if not partners or isinstance(place, OfBasis | Contrast):
            continue
        where = []
        for partner in partners:
            at = design.terms.index(partner) if partner in design.terms else None
            if partner in levels:
                where.append(f"{partner} = {levels[partner].name(0)}")
            elif at is not None and abs(moments.x_mean[at]) <= 2.0 * moments.x_sd[at]:
                where.append(f"{partner} = 0")
        if len(where) == len(partners):
            weights = [float(k == other) for other in range(design.p)]
            if design.family.ratio_name:
                shown = estimate(*ratio(main, weights))
            else:
                shown = with_interval(contrast(main, weights))
            found.append(f"{term} {shown} where {' and '.join(where)}")
    return "; ".join(found[:_MOST_OTHERS])


def _columns_of_several(main: Analysis) -> set[str]:
    """Return the columns that several terms are functions of: none changes alone."""
    alone = [term[0] for term in main.design.formula.terms if len(term) == 1]
    levels = ("within", "between")  # which can change one without the other
    kept = [one for one in alone if not (isinstance(one, Call) and one.function in levels)]
    counts = Counter(name for one in kept for name in one.columns)
    return {name for name, many in counts.items() if many > 1}


def _crossed(main: Analysis, roles: Roles) -> bool:
    """Return whether the slope may differ between the two levels."""
    if roles.moderator_column is None or roles.subgroup is None:
        return False
    both = {str(roles.slope), str(roles.moderator)}
    return any(both <= {label(one) for one in term} for term in main.design.formula.terms)


def _in_products(main: Analysis, name: str) -> bool:
    terms = main.design.formula.terms
    return any(len(term) > 1 and name in {label(one) for one in term} for term in terms)
