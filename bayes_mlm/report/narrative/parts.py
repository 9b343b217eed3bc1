"""Conclusions, and the phrases that their sentences share."""

from dataclasses import dataclass

from bayes_mlm.base import digits, estimate, number, percent, probability, scaled
from bayes_mlm.design import INTERCEPT
from bayes_mlm.fitting import Analysis, QuantityRow
from bayes_mlm.likelihood import group_parameters
from bayes_mlm.report.narrative.contrast import Contrast

# Shares below this are not given with more digits.
_TINY = 0.001


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """One conclusion of the narrative.

    Parameters
    ----------
    topic : str
        Heading: "Within and between groups".
    text : str
        One to three sentences with numbers.
    model : str
        Name of the model.
    lead : str or None
        What of it belongs in the paragraph that answers the question; by default all, and None
        where the paragraph is better without.
    """

    topic: str
    text: str
    model: str
    lead: str | None = ""

    @property
    def in_paragraph(self) -> str:
        """Its sentences in the paragraph that answers the question."""
        return self.text if self.lead == "" else self.lead or ""

    @property
    def beyond_paragraph(self) -> str:
        """Its sentences that the paragraph does not have; all, if that has others."""
        return self.text.removeprefix(self.in_paragraph).strip()


def preferred(analysis: Analysis, quantity: str) -> QuantityRow | None:
    """Return the estimate by the preferred engine: a posterior if there is one."""
    return analysis.summaries[0].get(quantity)


def with_interval(found: Contrast) -> str:
    """Write a difference with its interval."""
    return estimate(found.estimate, found.lower, found.upper)


def sureness(found: Contrast) -> str:
    """Describe how certain the sign is."""
    above = found.above >= 0.5
    sure = found.above if above else 1.0 - found.above
    shown = probability(sure).replace(">", "more than ") if sure > 0.99 else scaled(sure, 2)
    sign = f"the probability that it is {'above' if above else 'below'} zero is {shown}."
    if found.clear:
        return f"its interval excludes zero, and {sign}"
    return f"its interval includes zero, so its sign is uncertain: {sign}"


def share(part: float) -> str:
    """Write a share of a whole, very small ones as a bound."""
    if part < _TINY:
        return "0 %" if part <= 0.0 else f"less than {percent(_TINY)}"
    return percent(part)


def sds_in_words(main: Analysis) -> str:
    """Describe the sds of group effects with their intervals, by what they are the sds of.

    "1.96 (1.70 to 2.26) of intercepts and 0.35 (0.00 to 0.65) of slopes of ses".
    """
    design, several = main.design, len(main.design.factors) > 1
    found = []
    for term, view in zip(group_parameters(design), design.group_terms, strict=True):
        of = f" of {view.factor}" if several else ""
        for name, effect in zip(term.sd_names, view.effects, strict=True):
            row = preferred(main, name)
            if row is not None:
                what = "intercepts" if effect == INTERCEPT else f"slopes of {effect}"
                shown = number(row.estimate, row.sd)
                if row.lower is not None and row.upper is not None:
                    shown = estimate(row.estimate, row.lower, row.upper)
                found.append(f"{shown} of {what}{of}")
    *first, last = found
    return f"{', '.join(first)} and {last}" if first else last


def share_span(row: QuantityRow) -> str:
    """Write the interval of a share, if there is one."""
    if row.lower is None or row.upper is None:
        return ""
    return f" ({share(row.lower)} to {share(row.upper)})"


def span(row: QuantityRow) -> str:
    """Write the interval of an sd, if there is one."""
    if row.lower is None or row.upper is None:
        return ""
    chosen = digits(row.estimate, row.sd, row.lower, row.upper, style="sentence")
    return f" ({chosen.span(row.lower, row.upper)})"
