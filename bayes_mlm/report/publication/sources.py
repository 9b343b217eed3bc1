"""Find what each column of the table is made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.fitting import CLASSICAL, Analysis, Summary
from bayes_mlm.model import UNNAMED

# As they are written above a column.
ENGINES = {"direct": "direct", "nuts": "NUTS", "reml": "REML", "ols": "OLS"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Source of one column."""

    number: int
    analysis: Analysis
    summary: Summary

    @property
    def classical(self) -> Summary:
        """The model's REML or OLS summary, which every analysis has."""
        return next(one for one in self.analysis.summaries if one.engine in CLASSICAL)


def sources_of(analyses: Sequence[Analysis], classical: bool) -> Iterator[Source]:
    """Go through the columns: the posteriors of a model, then REML or OLS if wanted or alone."""
    for number, analysis in enumerate(analyses, start=1):
        drawn = [one for one in analysis.summaries if one.engine not in CLASSICAL]
        for summary in analysis.summaries:
            if summary in drawn or classical or not drawn:
                yield Source(number=number, analysis=analysis, summary=summary)


def name_of(analysis: Analysis) -> str:
    """Return the model's name; "" of a formula, which has none of its own."""
    return "" if analysis.spec.name in (UNNAMED, analysis.spec.formula) else analysis.spec.name


def effects_of(source: Source) -> tuple[str, ...]:
    """Return the group effects that a column has sds of."""
    return () if source.summary.engine == "ols" else drawn_effects(source.analysis)


def drawn_effects(analysis: Analysis) -> tuple[str, ...]:
    """Return the group effects that have a distribution; those of no pooling have none."""
    design = analysis.design
    return () if design.kind == "no_pooling" else design.effects
