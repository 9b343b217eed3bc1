"""Compute the line along the deviations of a predictor from its group means."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, count, number, percent, shorten
from bayes_mlm.figures import (
    Cloud,
    Entry,
    Figure,
    Line,
    Text,
    cloud_of,
    draw_likelihood,
    draw_line,
    draw_rows,
    figure_of,
    legend_above,
    line_along,
    model_styles,
    new_figure,
    roles_of,
    span,
    styled,
)
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class WithinLine:
    """Rows by their deviation from the group's mean, and the line through them.

    Parameters
    ----------
    cloud : Cloud
        The rows in the data's units.
    deviation : ndarray, shape (n,)
        The slope's predictor less its mean in the row's group.
    line : Line
        Along the deviations.
    """

    cloud: Cloud
    deviation: Floats
    line: Line

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        line, cloud = self.line, self.cloud
        share = float(np.var(self.deviation) / np.var(cloud.x)) if np.var(cloud.x) > 0 else 0.0
        return Text(
            title=f"{self.cloud.outcome} on {self.cloud.slope} less its {self.cloud.group} mean",
            caption=f"Among members of one group, one unit of {cloud.slope} is associated with "
            f"{line.slope_text} units of {cloud.outcome} ({percent(line.prob)} interval; least "
            f"squares {number(line.likelihood_slope, line.slope_margin)}). The "
            f"{count(cloud.n, 'row')} are placed by how far they lie from their group's mean, "
            f"which keeps {percent(share)} of the variance of {cloud.slope}.",
            alt=f"Scatter of {self.cloud.outcome} against the deviation of {self.cloud.slope} "
            f"from the mean of its {self.cloud.group}, with the line within groups and its band.",
        )


def within_line(analysis: Analysis) -> WithinLine | None:
    """Compute the line of a within model.

    None for other kinds, and without a posterior or a numeric predictor that varies in groups.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_within").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = within_line(analyse(model, settings, engines=["direct"]))
    >>> round(found.line.likelihood_slope, 4)
    2.1912
    """
    roles = roles_of(analysis.design)
    if analysis.design.kind != "within" or roles.slope is None or not analysis.fits:
        return None
    cloud = cloud_of(analysis.design, roles)
    deviation = cloud.term.deviations(cloud.x)
    return WithinLine(
        cloud=cloud,
        deviation=deviation,
        line=line_along(analysis, roles, span(deviation), name="within groups"),
    )


@styled
def plot_within_line(data: WithinLine) -> Figure:
    """Draw the line along the deviations from the group means, with its band."""
    ax = new_figure().add_subplot()
    cloud, line = data.cloud, data.line
    style = model_styles([line.model])[line.model]
    handles = [
        draw_rows(ax, data.deviation, cloud.y),
        draw_line(ax, line, style, label=f"line within groups, {percent(line.prob)} band"),
        draw_likelihood(ax, line),
    ]
    legend_above(ax, handles, columns=3)
    ax.set_xlabel(f"{shorten(cloud.slope, 36)} less its mean by {shorten(cloud.group)}")
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


FIGURE = Entry(
    name="within-line",
    title="Line within groups",
    shows="outcome against the predictor less its group mean, with the line and band",
    applies="the model is of the within kind, with a numeric predictor",
    prepare=within_line,
    draw=plot_within_line,
    additive=True,
    section="data",
)
