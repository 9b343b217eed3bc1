"""Compute the line through all rows and the line through the means of the groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_mlm.base import count, number, percent, shorten
from bayes_mlm.figures import (
    MANY_GROUPS,
    Cloud,
    Entry,
    Figure,
    Line,
    Style,
    Text,
    cloud_of,
    draw_line,
    draw_rows,
    figure_of,
    legend_above,
    legend_point,
    line_along,
    model_styles,
    new_figure,
    reference_roles,
    roles_of,
    simplest,
    span,
    styled,
)
from bayes_mlm.fitting import Analysis

# Line styles of the four slopes, so that they are distinct in grey too.
_DASHES = ("-", (0, (6.0, 1.5)), (0, (1.2, 1.2)), (0, (6.0, 1.5, 1.2, 1.5)))


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledBetween:
    """Rows, group means, and the line through each.

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
    def text(self) -> Text:
        """Title, caption and alternative text."""
        cloud, pooled, between = self.cloud, self.pooled, self.between
        steeper = abs(between.slope) > abs(pooled.slope)
        compared = (
            "the intervals overlap"
            if between.slope_overlaps(pooled)
            else f"the line through the group means is {'steeper' if steeper else 'flatter'}, and "
            "the intervals do not overlap"
        )
        least_squares = " and ".join(
            number(line.likelihood_slope, line.slope_margin) for line in (pooled, between)
        )
        return Text(
            title=f"{self.cloud.outcome} on {self.cloud.slope}: all rows, and group means",
            caption=f"One unit of {cloud.slope} is associated with "
            f"{pooled.slope_text} units of "
            f"{cloud.outcome} among all {count(cloud.n, 'row')} and with "
            f"{between.slope_text} among the means "
            f"of the {count(cloud.sizes.size, 'group')} ({percent(pooled.prob)} intervals): "
            f"{compared}. Least squares gives {least_squares}.",
            alt=f"Scatter of {self.cloud.outcome} against {self.cloud.slope} for all rows and for "
            "the group means, each with its line and the posterior's band.",
        )


def pooled_and_between(analyses: Sequence[Analysis]) -> PooledBetween | None:
    """Compute both lines, of the simplest pooled and between models of a ladder.

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
    >>> round(found.pooled.likelihood_slope, 2), round(found.between.likelihood_slope, 2)
    (3.18, 5.91)
    """
    roles = reference_roles(analyses)
    if roles is None:
        return None
    pooled = simplest(analyses, "pooled", roles)
    between = simplest(analyses, "between", roles)
    if pooled is None or between is None or pooled.design.J != between.design.J:
        return None
    roles = roles_of(pooled.design)
    cloud = cloud_of(pooled.design, roles)
    return PooledBetween(
        cloud=cloud,
        pooled=line_along(pooled, roles, span(cloud.x), name="all rows"),
        between=line_along(
            between, roles_of(between.design), span(cloud.group_x), name="group means"
        ),
    )


@styled
def plot_pooled_between(data: PooledBetween) -> Figure:
    """Draw the line through all rows and the line through the group means, with bands."""
    ax = new_figure().add_subplot()
    cloud, pooled, between = data.cloud, data.pooled, data.between
    styles = model_styles([pooled.model, between.model])
    total = Style(styles[pooled.model].colour, "", _DASHES[1])
    means = Style(styles[between.model].colour, "o", _DASHES[0])
    rows = draw_rows(ax, cloud.x, cloud.y)
    few = cloud.sizes.size <= MANY_GROUPS
    ax.plot(
        cloud.group_x,
        cloud.group_y,
        "o",
        ms=3.6 if few else 2.2,
        mec=means.colour,
        mfc="white" if few else means.colour,
        mew=0.9 if few else 0.0,
        alpha=0.9 if few else 0.3,
        zorder=2,
    )
    handles = [
        rows,
        legend_point(means, count(cloud.sizes.size, "group mean"), filled=not few),
        draw_line(ax, pooled, total, label=f"line of all rows, {percent(pooled.prob)} band"),
        draw_line(ax, between, means, label=f"line of group means, {percent(pooled.prob)} band"),
    ]
    legend_above(ax, handles)
    ax.set_xlabel(shorten(cloud.slope, 60))
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


FIGURE = Entry(
    name="pooled-between",
    title="Line of all rows, line of group means",
    shows="rows and group means, each with its line and band",
    applies="there is a pooled and a between model with the same numeric predictor",
    of="ladder",
    prepare=pooled_and_between,
    draw=plot_pooled_between,
    additive=True,
    section="ladder",
)
