"""Group means in either subgroup, and the model's line for each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import Floats, Ints, count, estimate, number, percent, shorten
from bayes_mlm.figures import (
    GREY,
    MANY_GROUPS,
    SIDES,
    Cloud,
    Entry,
    Line,
    Roles,
    axes_or_new,
    cloud_of,
    draw_line,
    figure_of,
    legend_above,
    line_along,
    marked,
    roles_of,
    span,
    straight,
    styled,
)
from bayes_mlm.fitting import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ALIKE = 1e-9

# A line through fewer means than this says nothing.
_LEAST_GROUPS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
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
    own : ndarray, shape (m,), or None
        The least-squares line through the means themselves, each counted once; None for fewer than
        five groups.
    own_slope : float or None
        Its slope.
    """

    name: str
    groups: Ints
    line: Line
    own: Floats | None
    own_slope: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitMeans:
    """Means of the groups by subgroup, with a line for each.

    Parameters
    ----------
    cloud : Cloud
    model : str
        The record.
    split : str
        What splits the groups.
    sides : tuple of Side
        Two.
    """

    cloud: Cloud
    model: str
    split: str
    sides: tuple[Side, ...]

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Group means of {self.cloud.outcome} on {self.cloud.slope}, by {self.split}"

    @property
    def caption(self) -> str:
        """Caption: what the figure shows."""
        told = " and ".join(
            f"{estimate(side.line.slope, side.line.slope_lower, side.line.slope_upper)} for "
            f"{side.name}"
            for side in self.sides
        )
        return (
            f"Each point is one of {count(self.cloud.sizes.size, 'group')}; the lines are the "
            f"expected {self.cloud.outcome} of {self.model}, with slopes of "
            f"{told} ({percent(self.prob)} intervals). {self._departure}".strip()
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"Scatter of the group means of {self.cloud.outcome} against those of "
            f"{self.cloud.slope}, marked by {self.split}, with the model's line and band for each "
            "side and the least-squares line through the means."
        )

    @property
    def prob(self) -> float:
        """Probability of the intervals."""
        return self.sides[0].line.prob

    @property
    def _departure(self) -> str:
        """Whether the means rise as the model's lines do."""
        told = []
        for side in self.sides:
            if side.own_slope is None:
                continue
            line = side.line
            outside = not line.slope_lower <= side.own_slope <= line.slope_upper
            spread = (line.slope_upper - line.slope_lower) / 2
            told.append(
                f"{number(side.own_slope, spread)} for {side.name} "
                f"({'outside' if outside else 'inside'} the interval)"
            )
        if not told:
            return ""
        return f"Through the means themselves least squares has slopes of {' and '.join(told)}."


def split_means(analysis: Analysis) -> SplitMeans | None:
    """Compute the group means by split, and the line of a model with slope and split.

    Returns
    -------
    SplitMeans or None
        None without a posterior, a slope or a split, and where the groups do not differ in their
        mean of the slope's predictor.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_sector").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = split_means(analyse(model, settings, engines=["direct"]))
    >>> [(side.name, side.groups.size) for side in found.sides]
    [('sector = 0', 90), ('sector = 1', 70)]
    """
    roles = roles_of(analysis.design)
    if roles.slope is None or roles.side is None or not analysis.fits:
        return None
    cloud = cloud_of(analysis.design, roles)
    if np.ptp(cloud.group_x) <= _ALIKE * np.ptp(cloud.x):
        return None
    return SplitMeans(
        cloud=cloud,
        model=analysis.spec.name,
        split=str(roles.split_name),
        sides=tuple(_side(analysis, roles, cloud, k) for k in (0, 1)),
    )


def _side(analysis: Analysis, roles: Roles, cloud: Cloud, k: int) -> Side:
    groups = np.flatnonzero(roles.side == k)
    x, y = cloud.group_x[groups], cloud.group_y[groups]
    along = span(x)
    own = straight(x, y) if groups.size >= _LEAST_GROUPS else None
    return Side(
        name=roles.split_labels[k],
        groups=groups,
        line=line_along(analysis, roles, along, name=roles.split_labels[k], side=k, follow=True),
        own=None if own is None else own[0] + own[1] * along,
        own_slope=None if own is None else own[1],
    )


@styled
def plot_split_means(picture: SplitMeans, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the group means by subgroup, with the model's lines and bands."""
    from matplotlib.lines import Line2D

    ax = axes_or_new(ax)
    cloud = picture.cloud
    handles: list[Any] = []
    many = cloud.sizes.size > MANY_GROUPS
    for side, style in zip(picture.sides, SIDES, strict=True):
        ax.plot(
            cloud.group_x[side.groups],
            cloud.group_y[side.groups],
            style.marker,
            ms=3.0 if many else 4.2,
            mec=style.colour,
            mfc="white" if style is SIDES[1] else style.colour,
            mew=0.9,
            alpha=0.4 if many else 0.75,
            zorder=2,
        )
        label = f"{shorten(side.name)} ({count(side.groups.size, 'group')})"
        handles.append(marked(style, label, filled=style is not SIDES[1], line=True))
        draw_line(ax, side.line, style, label=label)
        if side.own is not None:
            ax.plot(side.line.x, side.own, color=style.colour, lw=1.2, ls=":", zorder=4)
    band = f"line of the model, {percent(picture.prob)} band"
    handles.append(Line2D([], [], color=GREY, lw=1.7, label=band))
    if any(side.own is not None for side in picture.sides):
        through = "least squares through the means"
        handles.append(Line2D([], [], color=GREY, lw=1.2, ls=":", label=through))
    legend_above(ax, handles)
    ax.set_xlabel(f"{shorten(cloud.slope, 32)} (mean by {shorten(cloud.group)})")
    ax.set_ylabel(f"{shorten(cloud.outcome, 20)} (mean by {shorten(cloud.group, 14)})")
    return figure_of(ax)


FIGURE = Entry(
    name="split-means",
    title="Group means on two sides, with lines",
    shows="group means by a two-valued property of groups, with the model's line for each",
    applies="the model has a two-valued predictor of groups, and group means of a numeric one",
    of="model",
    prepare=split_means,
    draw=plot_split_means,
    section="groups",
)
