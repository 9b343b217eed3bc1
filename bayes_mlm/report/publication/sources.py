"""Analysis and summary that each column of the table is made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.design import INTERCEPT
from bayes_mlm.engines import is_drawing
from bayes_mlm.fitting import Analysis, Summary
from bayes_mlm.likelihood import group_views
from bayes_mlm.model import UNNAMED


@dataclass(frozen=True, kw_only=True)
class Source:
    """Source of one column."""

    number: int
    analysis: Analysis
    summary: Summary

    @property
    def likelihood(self) -> Summary | None:
        """The model's REML or OLS summary; None of a model that neither can fit."""
        found = (one for one in self.analysis.summaries if not is_drawing(one.engine))
        return next(found, None)


def sources_of(analyses: Sequence[Analysis], likelihood: bool) -> Iterator[Source]:
    """Yield the columns: the posteriors of a model, then REML or OLS if requested or alone."""
    for number, analysis in enumerate(analyses, start=1):
        drawn = [one for one in analysis.summaries if is_drawing(one.engine)]
        for summary in analysis.summaries:
            if summary in drawn or likelihood or not drawn:
                yield Source(number=number, analysis=analysis, summary=summary)


def name_of(analysis: Analysis) -> str:
    """Return the model's name; "" for a bare formula."""
    return "" if analysis.spec.name in (UNNAMED, analysis.spec.formula) else analysis.spec.name


def drawn_effects(analysis: Analysis) -> tuple[str, ...]:
    """Return the random effects; a no-pooling model has none."""
    design = analysis.design
    if design.kind == "no_pooling":
        return ()
    if len(design.factors) < 2:
        return design.effects
    return tuple(
        ",".join([str(view.group), *([] if view.effects == (INTERCEPT,) else [effect])])
        for view in group_views(design)
        for effect in view.effects
    )
