"""Models on which the narrative is based."""

from collections.abc import Sequence

from bayes_mlm.design import INTERCEPT
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import Analysis


def main_model(analyses: Sequence[Analysis]) -> Analysis:
    """Return the main model, on which conclusions and figures are based.

    In order of preference: a model with a posterior, with group effects, with a constant icc, and
    with the most terms; among equals the last.
    """

    def rank(place: int) -> tuple[bool, bool, bool, int, int]:
        design = analyses[place].design
        effects = has_random_effects(design)
        return bool(analyses[place].fits), effects, effects and design.has_icc, design.p, place

    return analyses[max(range(len(analyses)), key=rank)]


def null_of(analyses: Sequence[Analysis]) -> Analysis | None:
    """Return the null model, whose variance is partitioned between the levels."""
    found = [
        analysis
        for analysis in analyses
        if analysis.design.has_icc
        and has_random_effects(analysis.design)
        and analysis.design.terms == (INTERCEPT,)
    ]
    return next((analysis for analysis in found if analysis.fits), next(iter(found), None))


def mundlak_of(analyses: Sequence[Analysis]) -> Analysis | None:
    """Return the Mundlak model, one with group effects if there is one."""
    found = [analysis for analysis in analyses if analysis.design.kind == "mundlak"]
    return max(found, key=lambda one: (bool(one.fits), one.design.has_group_effects), default=None)
