"""A result with the group effects of one grouping factor, for questions of its groups."""

from dataclasses import replace

from bayes_mlm.base import EngineError
from bayes_mlm.design import group_means
from bayes_mlm.fitting import Estimate, Fit


def of_one_factor(fit: Fit | Estimate, factor: str | None) -> Fit | Estimate:
    """Return a result with the groups of one factor, and the means of its columns by group.

    Parameters
    ----------
    fit : Fit or Estimate
    factor : str or None
        Need not be named where there is one at most.

    Raises
    ------
    SeveralFactorsError, DesignError
        If none is named of several, or there is no such factor.
    """
    found = fit.of_factor(factor)
    design = found.design
    if design is fit.design:
        return found
    return replace(found, design=replace(design, base=group_means(design)))


def check_kept(fit: Fit, factors: tuple[str, ...]) -> None:
    """Refuse a fit with several factors that has summaries of their effects in place of draws.

    With one factor they can be drawn anew from its rows; with several they depend on one another.

    Raises
    ------
    EngineError
    """
    for name in factors if len(fit.design.factors) > 1 else ():
        if "u" not in fit.of_factor(name).draws.posterior:
            raise EngineError(
                f"the effects of so many groups of {name} were summarised, not drawn; fit with "
                "fewer draws (draws=..., --draws), or use engine='reml'"
            )
