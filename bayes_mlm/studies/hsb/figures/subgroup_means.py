"""Group means in either subgroup, and the model's line for each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, Ints, count, number, percent, shorten
from bayes_mlm.figures import (
    GREY,
    MANY_GROUPS,
    SUBGROUP_STYLES,
    Cloud,
    Entry,
    Figure,
    Line,
    Roles,
    Text,
    cloud_of,
    draw_line,
    figure_of,
    legend_above,
    legend_key,
    legend_point,
    line_along,
    new_figure,
    roles_of,
    span,
    straight,
    styled,
)
from bayes_mlm.fitting import Analysis

_ALIKE = 1e-9
# A line through fewer means than this is not informative.
_LEAST_GROUPS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Subgroup:
    """One subgroup.

    Parameters
    ----------
    name : str
        Such as ``sector = 1``.
    groups : ndarray of int, shape (J_s,)
        Its groups, places among the labels.
    line : Line
        The model's expected outcome over the range of their means, other predictors at their mean
        of all rows.
    unpooled : ndarray, shape (m,), or None
        The least-squares line through the means themselves, each counted once; None for fewer than
        five groups.
    unpooled_slope : float or None
        Its slope.
    """

    name: str
    groups: Ints
    line: Line
    unpooled: Floats | None
    unpooled_slope: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class SubgroupMeans:
    """Means of the groups by subgroup, with a line for each.

    Parameters
    ----------
    cloud : Cloud
    model : str
        The record.
    moderator : str
        The binary group-level predictor.
    subgroups : tuple of Subgroup
        Two.
    """

    cloud: Cloud
    model: str
    moderator: str
    subgroups: tuple[Subgroup, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = " and ".join(f"{one.line.slope_text} for {one.name}" for one in self.subgroups)
        return Text(
            title=f"Group means of {self.cloud.outcome} on {self.cloud.slope}, by {self.moderator}",
            caption=f"Each point is one of {count(self.cloud.sizes.size, 'group')}; the lines are "
            f"the expected {self.cloud.outcome} of {self.model}, with slopes of "
            f"{described} ({percent(self.prob)} intervals). {self._departure}".strip(),
            alt=f"Scatter of the group means of {self.cloud.outcome} against those of "
            f"{self.cloud.slope}, marked by {self.moderator}, with the model's line and band for "
            "each subgroup and the least-squares line through the means.",
        )

    @property
    def prob(self) -> float:
        """Probability of the intervals."""
        return self.subgroups[0].line.prob

    @property
    def _departure(self) -> str:
        """Whether the means rise as the model's lines do."""
        described = []
        for subgroup in self.subgroups:
            if subgroup.unpooled_slope is None:
                continue
            line = subgroup.line
            outside = not line.slope_lower <= subgroup.unpooled_slope <= line.slope_upper
            described.append(
                f"{number(subgroup.unpooled_slope, line.slope_margin)} for {subgroup.name} "
                f"({'outside' if outside else 'inside'} the interval)"
            )
        if not described:
            return ""
        return (
            f"Through the means themselves least squares has slopes of {' and '.join(described)}."
        )


def subgroup_means(analysis: Analysis) -> SubgroupMeans | None:
    """Compute the group means by subgroup, and the model's line for each.

    None without a posterior, a slope or a moderator, and where the groups do not differ in their
    mean of the slope's predictor.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_sector").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = subgroup_means(analyse(model, settings, engines=["direct"]))
    >>> [(subgroup.name, subgroup.groups.size) for subgroup in found.subgroups]
    [('sector = 0', 90), ('sector = 1', 70)]
    """
    roles = roles_of(analysis.design)
    if roles.slope is None or roles.subgroup is None or not analysis.fits:
        return None
    cloud = cloud_of(analysis.design, roles)
    if np.ptp(cloud.group_x) <= _ALIKE * np.ptp(cloud.x):
        return None
    return SubgroupMeans(
        cloud=cloud,
        model=analysis.spec.name,
        moderator=str(roles.moderator),
        subgroups=tuple(_subgroup(analysis, roles, cloud, k) for k in (0, 1)),
    )


def _subgroup(analysis: Analysis, roles: Roles, cloud: Cloud, k: int) -> Subgroup:
    groups = np.flatnonzero(roles.subgroup == k)
    x, y = cloud.group_x[groups], cloud.group_y[groups]
    along = span(x)
    unpooled = straight(x, y) if groups.size >= _LEAST_GROUPS else None
    return Subgroup(
        name=roles.subgroup_labels[k],
        groups=groups,
        line=line_along(
            analysis, roles, along, name=roles.subgroup_labels[k], subgroup=k, follow=True
        ),
        unpooled=None if unpooled is None else unpooled[0] + unpooled[1] * along,
        unpooled_slope=None if unpooled is None else unpooled[1],
    )


@styled
def plot_subgroup_means(data: SubgroupMeans) -> Figure:
    """Draw the group means by subgroup, with the model's lines and bands."""
    ax = new_figure().add_subplot()
    cloud = data.cloud
    handles: list[Any] = []
    many = cloud.sizes.size > MANY_GROUPS
    for subgroup, style in zip(data.subgroups, SUBGROUP_STYLES, strict=True):
        ax.plot(
            cloud.group_x[subgroup.groups],
            cloud.group_y[subgroup.groups],
            style.marker,
            ms=3.0 if many else 4.2,
            mec=style.colour,
            mfc="white" if style is SUBGROUP_STYLES[1] else style.colour,
            mew=0.9,
            alpha=0.4 if many else 0.75,
            zorder=2,
        )
        label = f"{shorten(subgroup.name)} ({count(subgroup.groups.size, 'group')})"
        handles.append(
            legend_point(style, label, filled=style is not SUBGROUP_STYLES[1], line=True)
        )
        draw_line(ax, subgroup.line, style, label=label)
        if subgroup.unpooled is not None:
            ax.plot(
                subgroup.line.x, subgroup.unpooled, color=style.colour, lw=1.2, ls=":", zorder=4
            )
    band = f"line of the model, {percent(data.prob)} band"
    handles.append(legend_key(color=GREY, lw=1.7, label=band))
    if any(subgroup.unpooled is not None for subgroup in data.subgroups):
        through = "least squares through the means"
        handles.append(legend_key(color=GREY, lw=1.2, ls=":", label=through))
    legend_above(ax, handles)
    ax.set_xlabel(f"{shorten(cloud.slope, 32)} (mean by {shorten(cloud.group)})")
    ax.set_ylabel(f"{shorten(cloud.outcome, 20)} (mean by {shorten(cloud.group, 14)})")
    return figure_of(ax)


FIGURE = Entry(
    name="subgroup-means",
    title="Group means by subgroup, with lines",
    shows="group means by a binary group-level predictor, with the model's line for each",
    applies="the model has a two-valued predictor of groups, and group means of a numeric one",
    prepare=subgroup_means,
    draw=plot_subgroup_means,
    additive=True,
    section="groups",
)
