"""Narrative of the results in plain words, each number with its uncertainty.

The sentences depend on the estimates and on the roles of the columns (`bayes_mlm.figures.roles`)
alone, not on any study.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bayes_mlm.base import RowsNeededError, UnsupportedModelError
from bayes_mlm.design import mean_name
from bayes_mlm.engines import is_drawing
from bayes_mlm.fitting import Analysis
from bayes_mlm.formula import Call, Factor, label
from bayes_mlm.report.narrative.choosing import main_model, mundlak_of, null_of
from bayes_mlm.report.narrative.parts import Conclusion
from bayes_mlm.report.narrative.predictors import others, slopes, subgroups
from bayes_mlm.report.narrative.variation import variation

__all__ = ["Answer", "Conclusion", "answer", "main_model"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Question, conclusions from the models, and cautions.

    Parameters
    ----------
    question : str
    conclusions : tuple of Conclusion
    cautions : tuple of str
        Limitations of the conclusions, failed checks first.
    """

    question: str
    conclusions: tuple[Conclusion, ...]
    cautions: tuple[str, ...]

    @property
    def paragraph(self) -> str:
        """The conclusions in one paragraph, with numbers and intervals."""
        return " ".join(filter(None, (one.in_paragraph for one in self.conclusions)))

    @property
    def topics(self) -> tuple[Conclusion, ...]:
        """The conclusions by topic; of one model alone, what the paragraph does not say."""
        if len({one.model for one in self.conclusions}) > 1:
            return self.conclusions
        rest = (replace(one, text=one.beyond_paragraph) for one in self.conclusions)
        return tuple(one for one in rest if one.text)


def answer(analyses: Sequence[Analysis]) -> Answer:
    """Return the question that one or more models address, and their conclusions.

    Parameters
    ----------
    analyses : sequence of Analysis
        One or more.

    Returns
    -------
    Answer

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> found = answer([analyse(load_record("hsb_null").request, None, engines=["reml"])])
    >>> print(found.conclusions[0].text)  # doctest: +ELLIPSIS
    Of the variance of mathach, 18 % (15 % to 22 %) lies between the groups of schoolid and the
    other 82 % within them. ...
    """
    main = main_model(analyses)
    read = (null_of(analyses), main, mundlak_of(analyses))
    used = [analysis for analysis in analyses if any(analysis is one for one in read)]
    found = [
        *_available(variation(analyses, main)),
        *_available(slopes(analyses, main)),
        *_available(subgroups(main)),
        *_available(others(main)),
    ]
    return Answer(
        question=_question(main),
        conclusions=tuple(found),
        cautions=tuple(_cautions(used, main)),
    )


def _available(conclusions: Iterator[Conclusion]) -> Iterator[Conclusion]:
    """Yield conclusions until one does not apply to the model or the data."""
    with suppress(RowsNeededError, UnsupportedModelError):
        yield from conclusions


def _question(main: Analysis) -> str:
    design = main.design
    names = list(dict.fromkeys(map(_called, design.formula.factors)))
    listed = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    verb = "has" if len(names) == 1 else "have"
    if not design.factors:
        return (
            f"What {verb} {listed} to do with {design.outcome}?"
            if names
            else (f"How does {design.outcome} vary?")
        )
    groups = ", ".join(design.factors)
    first = (
        f"How much of the variation in {design.outcome} lies within groups ({groups}), and how "
        "much between them"
    )
    if not design.family.is_additive:
        first = f"How much does the {mean_name(design)} differ between groups ({groups})"
    return f"{first}; and what {verb} {listed} to do with it?" if names else f"{first}?"


def _called(factor: Factor) -> str:
    """Return the label of a factor; of arithmetic such as I(x / 10) the column."""
    arithmetic = isinstance(factor, Call) and factor.kind == "identity" and len(factor.columns) == 1
    return factor.columns[0] if arithmetic else label(factor)


def _cautions(used: Sequence[Analysis], main: Analysis) -> Iterator[str]:
    for analysis in used:
        for summary in analysis.summaries:
            if not summary.verdict.ok:
                yield (
                    f"Provisional: {analysis.spec.name} by {summary.engine} fails its "
                    f"diagnostic checks ({summary.verdict})."
                )
        if not analysis.agreement.ok:
            yield f"Provisional: in {analysis.spec.name}, {analysis.agreement.message}."
    drawn = is_drawing(main.summaries[0].engine)
    what = "posterior means" if drawn else "estimates"
    yield (
        f"Numbers are {what}, with {main.summaries[0].interval} in parentheses; "
        + (
            "probabilities are those of the posterior, under the priors listed below."
            if drawn
            else "probabilities use the normal approximation, which is poor with few groups."
        )
    )
    yield (
        "They describe associations in observed data, and do not estimate the causal effect of "
        "moving a member to another group or of changing a group."
    )
