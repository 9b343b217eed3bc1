"""Compute the line through all rows and the line through the means of the groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_mlm.base import count, estimate, number, percent
from bayes_mlm.figures.choosing import reference_roles, simplest
from bayes_mlm.figures.lines import Line, line_along, span
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.rows import Cloud, cloud_of
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledBetween:
    """Hold the rows, the group means, and the line through each.

    Parameters
    ----------
    cloud : Cloud
        The rows and the group means.
    pooled, between : Line
        Over the range of the rows, and of the group means.
    """

    cloud: Cloud
    pooled: Line
    between: Line

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"{self.cloud.outcome} on {self.cloud.slope}: all rows, and group means"

    @property
    def caption(self) -> str:
        """What there is to see."""
        cloud, pooled, between = self.cloud, self.pooled, self.between
        apart = between.slope_lower > pooled.slope_upper or between.slope_upper < pooled.slope_lower
        steeper = abs(between.slope) > abs(pooled.slope)
        compared = (
            f"the line through the group means is {'steeper' if steeper else 'flatter'}, and the "
            "intervals do not overlap"
            if apart
            else "the intervals overlap"
        )
        least_squares = " and ".join(
            number(line.classical_slope, (line.slope_upper - line.slope_lower) / 2)
            for line in (pooled, between)
        )
        return (
            f"One unit of {cloud.slope} goes with "
            f"{estimate(pooled.slope, pooled.slope_lower, pooled.slope_upper)} units of "
            f"{cloud.outcome} among all {count(cloud.n, 'row')} and with "
            f"{estimate(between.slope, between.slope_lower, between.slope_upper)} among the means "
            f"of the {count(cloud.sizes.size, 'group')} ({percent(pooled.prob)} intervals): "
            f"{compared}. Least squares gives {least_squares}."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"Scatter of {self.cloud.outcome} against {self.cloud.slope} for all rows and for the "
            "group means, each with its line and the posterior's band."
        )


def pooled_and_between(analyses: Sequence[Analysis]) -> PooledBetween | None:
    """Compute both lines, of the simplest pooled and between models of a ladder.

    Returns
    -------
    PooledBetween or None
        None unless the ladder has both, with a posterior and the same slope.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> models = [load_record(name).request for name in ("hsb_pooled", "hsb_between")]
    >>> settings = make_settings(models[0], random_seed=1)
    >>> ladder = [analyse(model, settings, engines=["direct"]) for model in models]
    >>> found = pooled_and_between(ladder)
    >>> round(found.pooled.classical_slope, 2), round(found.between.classical_slope, 2)
    (3.18, 5.91)
    """
    roles = reference_roles(analyses)
    if roles is None:
        return None
    pooled = simplest(analyses, "pooled", roles)
    between = simplest(analyses, "between", roles)
    if pooled is None or between is None or pooled.design.J != between.design.J:
        return None
    own = roles_of(pooled.design)
    cloud = cloud_of(pooled.design, own)
    return PooledBetween(
        cloud=cloud,
        pooled=line_along(pooled, own, span(cloud.x), name="all rows"),
        between=line_along(
            between, roles_of(between.design), span(cloud.group_x), name="group means"
        ),
    )
