"""A model in words, from the design that was fitted."""

from collections.abc import Iterator

from bayes_mlm.base import count
from bayes_mlm.design import INTERCEPT, Design, GroupTerm, predictor_name
from bayes_mlm.engines import has_random_effects

# How each kind of model uses the groups, where it has no distribution of group effects.
_USES = {
    "pooled": "all rows are treated as independent, whatever their group",
    "between": "the rows are the means of the groups",
    "no_pooling": "each group has an intercept, estimated from its rows alone (fixed effects)",
    "within": "outcome and predictors are deviations from the means of the groups, so that only "
    "differences within groups count",
}
_MOST_PREDICTORS = 8


def describe_model(design: Design) -> str:
    """Return one or two sentences on a model: predictors, groups, distributions.

    Parameters
    ----------
    design : Design

    Returns
    -------
    str

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> from bayes_mlm.data import load_dataset
    >>> sleep = load_dataset("sleepstudy")
    >>> design = build_design("reaction ~ days + (days | subject)", sleep)
    >>> print(describe_model(design))  # doctest: +NORMALIZE_WHITESPACE
    reaction is linear in days. The intercept and the slope of days vary between the 18 groups of
    subject, with a joint normal distribution; residuals are independent and normal, with one sd.
    """
    name, verb = predictor_name(design), "is"
    if design.family.predictor_scale:
        name, verb = f"the {name}", "are" if name.startswith("log odds") else "is"
    first = f"{name} {verb} {_linear(design)}"
    clauses = [*_groups(design), _errors(design)]
    text = "; ".join(clauses)
    return f"{first}. {text[:1].upper()}{text[1:]}."


def _linear(design: Design) -> str:
    terms = [term for term in design.terms if term != INTERCEPT]
    rest = len(terms) - _MOST_PREDICTORS
    listed = [*terms[:_MOST_PREDICTORS], *([f"{rest} more terms"] if rest > 0 else [])]
    text = " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))
    offset = ", with an offset" if design.formula.offsets else ""
    if listed:
        return f"linear in {text}{offset}"
    return (
        f"{'a constant plus group effects' if has_random_effects(design) else 'constant'}{offset}"
    )


def _groups(design: Design) -> Iterator[str]:
    if not has_random_effects(design):
        yield _USES.get(design.kind, _USES["pooled"])
        return
    for term in design.group_terms:
        if term.effects:
            yield _vary(term)


def _vary(term: GroupTerm) -> str:
    names = ["the intercept" if one == INTERCEPT else f"the slope of {one}" for one in term.effects]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    verb = "varies" if len(names) == 1 else "vary"
    law = "with a normal distribution"
    if len(names) > 1:
        joint, apart = "with a joint normal distribution", "with independent normal distributions"
        law = joint if term.correlated else apart
    return f"{listed} {verb} between the {count(term.J, 'group')} of {term.factor}, {law}"


def _errors(design: Design) -> str:
    family = design.family
    if not family.is_additive:
        given = "given these and the group effects" if has_random_effects(design) else "given these"
        return f"outcomes are {family.label} {given} (link: {family.link})"
    law = "normal" if family.gaussian_moments else family.label
    rows = design.residual
    if rows is None or rows.spec.is_plain:
        return f"residuals are independent and {law}, with one sd"
    parts = [f"residuals are {law}"]
    if rows.spec.sigma:
        parts.append(f"with an sd for each level of {rows.spec.sigma}")
    if rows.spec.ar:
        parts.append(f"with a first-order autoregression along {rows.spec.ar} within groups")
    return ", ".join(parts)
