"""What the columns, the outcome, its mean and the linear predictor of a design are called."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from bayes_mlm.base import DesignError
from bayes_mlm.design.design import Design


def with_labels(design: Design, labels: Mapping[str, str]) -> Design:
    """Return a design whose columns have these labels, units included, on axes and in titles.

    They are added to the variable labels that the file of the data has. Formulas, quantities and
    tables keep the names.

    Raises
    ------
    DesignError
        If a name is no column of the model, or a label is empty.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_hsb
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_hsb())
    >>> with_labels(design, {"mathach": "mathematics (points)"}).outcome_title
    'mathematics (points)'
    """
    columns = design.formula.columns
    for name, text in labels.items():
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise DesignError(
                f"a label is for a column of the model, and {name!r} is none{hint}; name one of "
                f"{', '.join(columns)}"
            )
        if not text.strip():
            raise DesignError(f"the label of {name!r} is empty; give its text, or omit it")
    titles = {**design.encoding.titles, **labels}
    return replace(design, encoding=replace(design.encoding, titles=titles))


def event_name(design: Design) -> str:
    """Return the outcome, with the category that is 1 where it is named: ``use = Y``.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_contraception
    >>> women = load_contraception()
    >>> design = build_design("use ~ urban + (1 | district)", women, family="bernoulli")
    >>> event_name(design), predictor_name(design), mean_name(design)
    ('use = Y', 'log odds of use = Y', 'share with use = Y')
    """
    levels, title = design.encoding.outcome_levels, design.outcome_title
    named = levels is not None and design.family.outcome == "two levels"
    return f"{title} = {levels.name(1)}" if named and levels is not None else title


def predictor_name(design: Design) -> str:
    """Return what the linear predictor is, or the outcome where it is the expected outcome."""
    return design.family.predictor_name(event_name(design))


def mean_name(design: Design) -> str:
    """Return what the mean of the outcome is: a share, or ``mean of seizures``."""
    title, event = design.outcome_title, event_name(design)
    if design.family.outcome == "two levels":
        return f"share with {event if event != title else f'{title} = 1'}"
    if design.response.trials is not None:
        return f"share of {title} among trials"
    return f"mean {'category ' if design.family.outcome == 'ordered levels' else ''}of {title}"


def expected_name(design: Design, *, rate: bool = False) -> str:
    """Return what is expected of one outcome, in words; with `rate` of a unit of exposure.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_contraception
    >>> women = load_contraception()
    >>> expected_name(build_design("use ~ urban + (1 | district)", women, family="bernoulli"))
    'probability of use = Y'
    """
    family, title, event = design.family, design.outcome_title, event_name(design)
    if family.thresholds is not None:
        return f"expected score of {title}"
    if rate:
        return f"rate of {title}"
    named = family.outcome != "two levels" or event != title
    return f"{family.mean_name} of {event if named else f'{title} = 1'}"
