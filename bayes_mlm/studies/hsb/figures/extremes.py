"""Compute the no-pooling lines of the groups at the two ends of the predictor."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import count, interval, number, percent, shorten
from bayes_mlm.figures import (
    SUBGROUP_STYLES,
    Cloud,
    Entry,
    Figure,
    Line,
    Style,
    Text,
    cloud_of,
    draw_likelihood,
    draw_line,
    draw_rows,
    figure_of,
    has_effects,
    legend_above,
    legend_point,
    line_along,
    new_figure,
    roles_of,
    span,
    styled,
)
from bayes_mlm.fitting import Analysis

_ALIKE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Extremes:
    """Lines of the groups with the lowest and the highest mean of the slope's predictor.

    Parameters
    ----------
    cloud : Cloud
    groups : tuple of int
        Places of the two groups among the labels, the lower mean first.
    lines : tuple of Line
        Theirs, each over the range of its rows.
    """

    cloud: Cloud
    groups: tuple[int, int]
    lines: tuple[Line, Line]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        cloud, (low, high) = self.cloud, self.lines
        spread = float(np.ptp(cloud.group_x))
        means = [number(float(cloud.group_x[j]), spread) for j in self.groups]
        sizes = [count(int(cloud.sizes[j]), "row") for j in self.groups]
        expected = [
            interval(float(line.lower[line.x.size // 2]), float(line.upper[line.x.size // 2]))
            for line in self.lines
        ]
        return Text(
            title=f"No pooling: the groups with the lowest and the highest mean {self.cloud.slope}",
            caption=f"Of {count(cloud.sizes.size, 'group')}, {cloud.group} {shorten(low.name)} "
            f"has the lowest mean {cloud.slope} ({means[0]}, {sizes[0]}) and {shorten(high.name)} "
            f"the highest ({means[1]}, {sizes[1]}). Each group has an intercept, "
            "and all share one slope, which only differences within groups inform: "
            f"{low.slope_text}. In the middle of its range "
            f"the expected {cloud.outcome} is {expected[0]} in the first and {expected[1]} in the "
            f"second ({percent(low.prob)} intervals); the model has nothing on groups that were "
            "not observed.",
            alt=f"Scatter of {self.cloud.outcome} against {self.cloud.slope}, two groups marked, "
            "each with its group-specific line and the posterior's band.",
        )


def extreme_groups(analysis: Analysis) -> Extremes | None:
    """Compute the lines of a no-pooling model for the two groups furthest apart.

    None for other kinds, without draws of the groups' intercepts, and where all groups have the
    same mean of the predictor (of equals, the first in order of the labels).

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_no_pooling").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = extreme_groups(analyse(model, settings, engines=["direct"]))
    >>> [line.name for line in found.lines]
    ['5762', '5404']
    """
    roles = roles_of(analysis.design)
    if analysis.design.kind != "no_pooling" or roles.slope is None or not analysis.fits:
        return None
    cloud = cloud_of(analysis.design, roles)
    apart = float(np.ptp(cloud.group_x)) > _ALIKE * float(np.ptp(cloud.x))
    if not apart or not has_effects(analysis.fits[0]):
        return None
    names = cloud.term.names()
    groups = int(cloud.group_x.argmin()), int(cloud.group_x.argmax())
    low, high = (
        line_along(
            analysis, roles, span(cloud.x[cloud.term.rows_of(j)]), name=str(names[j]), group=j
        )
        for j in groups
    )
    return Extremes(cloud=cloud, groups=groups, lines=(low, high))


@styled
def plot_extremes(data: Extremes) -> Figure:
    """Draw the no-pooling lines of the groups with the lowest and the highest mean."""
    ax = new_figure().add_subplot()
    cloud = data.cloud
    handles = [draw_rows(ax, cloud.x, cloud.y)]
    for which, place, line, style in zip(
        ("lowest", "highest"), data.groups, data.lines, SUBGROUP_STYLES, strict=True
    ):
        rows = cloud.term.rows_of(place)
        ax.plot(
            cloud.x[rows],
            cloud.y[rows],
            style.marker,
            ms=4.0,
            mec=style.colour,
            mfc="white",
            mew=0.9,
            zorder=4,
        )
        label = (
            f"{which} mean {shorten(cloud.slope, 16)}: {shorten(line.name)} "
            f"({count(int(cloud.sizes[place]), 'row')})"
        )
        solid = Style(style.colour, style.marker)
        draw_line(ax, line, solid, label=label)
        handles.append(legend_point(solid, label, filled=False, line=True))
    handles.append(draw_likelihood(ax, data.lines[0]))
    draw_likelihood(ax, data.lines[1])
    legend_above(ax, handles)
    ax.set_xlabel(shorten(cloud.slope, 60))
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


FIGURE = Entry(
    name="extreme-groups",
    title="No-pooling lines of the two extreme groups",
    shows="group-specific lines of the groups with the lowest and highest predictor mean",
    applies="the model is of the no_pooling kind, and group means of the predictor differ",
    prepare=extreme_groups,
    draw=plot_extremes,
    additive=True,
    section="groups",
)
