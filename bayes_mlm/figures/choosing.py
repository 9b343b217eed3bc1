"""Models of a ladder that a figure compares."""

from collections.abc import Sequence

from bayes_mlm.engines import has_random_effects
from bayes_mlm.figures.roles import Roles, roles_of
from bayes_mlm.fitting import Analysis


def reference_roles(analyses: Sequence[Analysis]) -> Roles | None:
    """Return the roles of the first model with a slope, along which the ladder is compared."""
    found = (roles_of(analysis.design) for analysis in analyses)
    return next((roles for roles in found if roles.slope is not None), None)


def simplest(analyses: Sequence[Analysis], kind: str, roles: Roles) -> Analysis | None:
    """Return the fitted model of a kind that has the slope and the fewest other terms.

    Parameters
    ----------
    analyses : sequence of Analysis
    kind : str
        For "partial_pooling", one with group effects (as it has by definition).
    roles : Roles
        Whose outcome, group and slope the model must share.

    Returns
    -------
    Analysis or None
        None where the ladder has no such model with a posterior. Of equals, the first.
    """
    found = [
        analysis
        for analysis in analyses
        if analysis.fits
        and analysis.design.kind == kind
        and analysis.design.outcome == roles.outcome
        and analysis.design.group in (roles.group, None)
        and roles_of(analysis.design).slope == roles.slope
    ]
    return min(found, key=_size, default=None)


def with_intercepts(analyses: Sequence[Analysis]) -> Analysis | None:
    """Return the fitted model with random intercepts and the fewest terms: the null model."""
    found = [
        analysis
        for analysis in analyses
        if analysis.fits
        and len(analysis.design.factors) == 1
        and analysis.design.family.is_additive
        and has_random_effects(analysis.design)
        and "Intercept" in analysis.design.effects
    ]
    return min(found, key=_size, default=None)


def _size(analysis: Analysis) -> tuple[int, int]:
    return analysis.design.q, analysis.design.p
