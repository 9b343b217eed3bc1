"""Compute the posterior densities of the variance parameters, with REML and published figures."""

from dataclasses import dataclass

from bayes_mlm.base import percent
from bayes_mlm.engines import listed_quantities
from bayes_mlm.figures.marks import Marked, mark, told_classical, told_published
from bayes_mlm.fitting import Analysis

# More panels than these would be too small to read.
_MOST = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Densities:
    """Hold the posterior of each sd, correlation and the icc of one model.

    Parameters
    ----------
    model, outcome : str
    items : tuple of Marked
        A panel each.
    prob : float
        Of the intervals.
    n_left_out : int
        Quantities there was no room for.
    """

    model: str
    outcome: str
    items: tuple[Marked, ...]
    prob: float
    n_left_out: int

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"How {self.outcome} varies: posterior of the variance parameters ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        told = "; ".join(item.text for item in self.items)
        left_out = f" {self.n_left_out} more are not shown." if self.n_left_out else ""
        return (
            f"Posterior means with {percent(self.prob)} intervals: {told}. "
            f"{told_classical(self.items)} {told_published(self.items)}{left_out}"
        ).strip()

    @property
    def alt(self) -> str:
        """What is drawn."""
        names = ", ".join(item.quantity for item in self.items)
        return (
            f"Density curves of {names}; below each the posterior mean with its interval, the REML "
            "or OLS estimate with its own, and published figures."
        )


def variance_densities(analysis: Analysis) -> Densities | None:
    """Compute the densities of sds, correlations and icc.

    Returns
    -------
    Densities or None
        None without a posterior.
    """
    if not analysis.fits:
        return None
    listed = listed_quantities(analysis.fits[0].draws)
    units = {name: one.unit for one, name, _ in listed if one.role != "fixed effect"}
    names = list(units)
    outcome = analysis.design.outcome
    return Densities(
        model=analysis.spec.name,
        outcome=outcome,
        items=tuple(mark(analysis, name, units[name] or outcome) for name in names[:_MOST]),
        prob=analysis.prob,
        n_left_out=max(0, len(names) - _MOST),
    )
