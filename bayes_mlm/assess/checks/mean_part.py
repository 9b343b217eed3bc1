"""Judge the fixed part of a model and which effects vary between groups."""

from bayes_mlm.assess.checks.nested import Nested
from bayes_mlm.assess.checks.result import Assessment
from bayes_mlm.base import number
from bayes_mlm.design import INTERCEPT, Design

SLOPES = (
    "Slopes within and between groups",
    "Is the slope of each predictor the same within groups as between them?",
)
VARYING = (
    "Omitted group effects",
    "Does any effect vary between groups that the model holds fixed?",
)
CURVED = ("Curvature", "Is the outcome linear in the predictors?")


def on_slopes(test: Nested | str, design: Design) -> Assessment:
    """Judge whether slopes within and between groups differ."""
    topic, question = SLOPES
    if isinstance(test, str):
        return Assessment(topic=topic, question=question, found=test)
    x, gap = test.terms[0], test.values[0]
    plain = x.partition("[")[0] if "[" in x else x
    remedy = f"Give {x} both: within({plain}) + between({plain}) in place of {plain} in the formula"
    if "[" in x or ":" in x or "(" in x:
        remedy = "Give each predictor both slopes: within(x) + between(x) in place of x"
    if design.kind == "partial_pooling" and design.has_icc:
        remedy += ', or kind = "mundlak" (--kind mundlak)'
    return Assessment(
        topic=topic,
        question=question,
        statistic=test.statistic,
        p=test.p,
        found=f"The slope of {x} between groups is {number(abs(gap), abs(gap))} "
        f"{'above' if gap > 0.0 else 'below'} that within; one slope for both is neither.",
        remedy=f"{remedy}. Interpret them apart.",
    )


def on_varying(test: Nested | str, design: Design) -> Assessment:
    """Judge whether an effect varies between groups that the model has in common for all."""
    topic, question = VARYING
    if isinstance(test, str):
        return Assessment(topic=topic, question=question, found=test)
    x, sd = test.terms[0], test.values[0]
    have = [effect for effect in design.effects if effect != INTERCEPT]
    bar = "|" if design.group_term.correlated else "||"
    group = design.group
    if x == INTERCEPT:
        what, remedy = "The intercept", f"Let the intercept vary between groups: (1 | {group})."
    elif "[" in x:
        what, name = f"The difference {x}", x.partition("[")[0]
        remedy = f"Let it vary: ({' + '.join([*have, name])} {bar} {group})."
    else:
        what = f"The slope of {x}"
        remedy = f"Let it vary: ({' + '.join([*have, x])} {bar} {group})."
    return Assessment(
        topic=topic,
        question=question,
        statistic=test.statistic,
        p=test.p,
        found=f"{what} varies most, with an sd between groups of {number(sd, sd)}.",
        remedy=remedy + " Until then standard errors are too small.",
    )


def on_curvature(test: Nested | str) -> Assessment:
    """Judge whether the outcome is curved along a predictor."""
    topic, question = CURVED
    if isinstance(test, str):
        return Assessment(topic=topic, question=question, found=test)
    x, bend = test.terms[0], test.values[0]
    form = f"I({x} ** 2)" if "(" not in x else "its square, as a new column"
    return Assessment(
        topic=topic,
        question=question,
        statistic=test.statistic,
        p=test.p,
        found=f"The outcome bends {'up' if bend > 0.0 else 'down'} most along {x}.",
        remedy=f"Add {form}, or transform {x} or the outcome.",
    )
