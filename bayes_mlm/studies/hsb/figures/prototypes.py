"""Choose a typical group of each kind, with its unpooled and its partially pooled line."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, count, number, percent, shorten
from bayes_mlm.engines import has_random_effects
from bayes_mlm.figures import (
    INK,
    SUBGROUP_STYLES,
    Cloud,
    Entry,
    Figure,
    Line,
    Roles,
    Style,
    Text,
    across,
    cloud_of,
    draw_likelihood,
    draw_line,
    has_effects,
    legend_key,
    legend_outside,
    line_along,
    new_figure,
    roles_of,
    span,
    straight,
    styled,
)
from bayes_mlm.fitting import Analysis

_ALIKE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Prototype:
    """One typical group.

    Parameters
    ----------
    subgroup : str
        What it is typical of: ``sector = 1``, or "all groups".
    label : str
        Its label.
    place : int
        Among the labels.
    x, y : ndarray, shape (n_j,)
        Its rows.
    unpooled : ndarray, shape (m,), or None
        The least-squares line of its rows alone along `line.x`; None where x does not vary.
    unpooled_slope : float or None
        Its slope.
    line : Line
        The partially pooled one.
    """

    subgroup: str
    label: str
    place: int
    x: Floats
    y: Floats
    unpooled: Floats | None
    unpooled_slope: float | None
    line: Line


@dataclass(frozen=True, kw_only=True, eq=False)
class Prototypes:
    """Typical group of each subgroup, or of all groups.

    Parameters
    ----------
    cloud : Cloud
    model : str
        The record.
    groups : tuple of Prototype
    tied : bool
        Whether the groups had one mean of the predictor, so that the outcome had to choose.
    """

    cloud: Cloud
    model: str
    groups: tuple[Prototype, ...]
    tied: bool

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        many = "Prototypical groups" if len(self.groups) > 1 else "A prototypical group"
        cloud = self.cloud
        rule = (
            f"whose mean {cloud.outcome} is nearest the median of the groups' means (all have the "
            f"same mean {cloud.slope})"
            if self.tied
            else f"whose mean {cloud.slope} is nearest the mean of all rows "
            f"({number(float(cloud.x.mean()), float(np.std(cloud.x)))})"
        )
        each = "of each subgroup " if len(self.groups) > 1 else ""
        described = "; ".join(self._describe(group) for group in self.groups)
        prob = percent(self.groups[0].line.prob)
        named = ", ".join(f"{group.label} ({group.subgroup})" for group in self.groups)
        return Text(
            title=f"{many}: members, unpooled line, partially pooled line",
            caption=f"The group {each}is drawn {rule}: {described} ({prob} intervals).",
            alt=f"Members of {self.cloud.group} {named} as points, with the unpooled least-squares "
            "line, the partially pooled line and the posterior's band.",
        )

    def _describe(self, group: Prototype) -> str:
        """Describe how far partial pooling moved the slope of one group."""
        line = group.line
        unpooled = (
            "has no unpooled slope"
            if group.unpooled_slope is None
            else f"has an unpooled slope of {number(group.unpooled_slope, line.slope_margin)}"
        )
        of = f"for {group.subgroup}, " if len(self.groups) > 1 else ""
        mean = number(float(group.x.mean()), float(np.std(self.cloud.x)))
        return (
            f"{of}{self.cloud.group} {shorten(group.label)} ({count(group.x.size, 'row')}, mean "
            f"{self.cloud.slope} {mean}) {unpooled} and one of {line.slope_text} with partial "
            "pooling"
        )


def prototypes(analysis: Analysis) -> Prototypes | None:
    """Compute the prototypical group of each subgroup, or of all groups without a moderator.

    None without group effects drawn, or without a slope.

    The rule is that of the 2015 document (its cell In [400] takes the school of each sector whose
    mean ses is nearest 0, the mean of all students): the group whose mean of the slope's predictor
    is nearest the mean of all rows. Where all groups have one mean (as when all are observed on the
    same occasions), it is the group whose mean outcome is nearest the median of such means. Of
    equals, the first in order of the labels.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_sector").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = prototypes(analyse(model, settings, engines=["direct"]))
    >>> [(group.subgroup, group.label) for group in found.groups]
    [('sector = 0', '1946'), ('sector = 1', '5650')]
    """
    roles = roles_of(analysis.design)
    if roles.slope is None or not analysis.fits or not has_random_effects(analysis.design):
        return None
    if not has_effects(analysis.fits[0]):
        return None
    cloud = cloud_of(analysis.design, roles)
    tied = bool(np.ptp(cloud.group_x) <= _ALIKE * np.ptp(cloud.x))
    labels = roles.subgroup_labels or ("all groups",)
    subgroup = (
        np.zeros(cloud.sizes.size, dtype=np.int64) if roles.subgroup is None else roles.subgroup
    )
    found = []
    for k, name in enumerate(labels):
        members = np.flatnonzero(subgroup == k)
        place = int(members[_distance(cloud, members, tied=tied).argmin()])
        found.append(_prototype(analysis, roles, cloud, place, name))
    return Prototypes(cloud=cloud, model=analysis.spec.name, groups=tuple(found), tied=tied)


def _distance(cloud: Cloud, members: np.ndarray, *, tied: bool) -> Floats:
    """Return the distance of each of some groups from the typical one."""
    if tied:
        means = cloud.group_y[members]
        return np.asarray(np.abs(means - np.median(means)))
    return np.asarray(np.abs(cloud.group_x[members] - cloud.x.mean()))


def _prototype(
    analysis: Analysis, roles: Roles, cloud: Cloud, place: int, subgroup: str
) -> Prototype:
    rows = cloud.term.rows_of(place)
    x, y = cloud.x[rows], cloud.y[rows]
    along = span(x)
    label = str(cloud.term.names()[place])
    unpooled = straight(x, y) if x.size > 2 else None
    return Prototype(
        subgroup=subgroup,
        label=label,
        place=place,
        x=x,
        y=y,
        unpooled=None if unpooled is None else unpooled[0] + unpooled[1] * along,
        unpooled_slope=None if unpooled is None else unpooled[1],
        line=line_along(analysis, roles, along, name=label, group=place),
    )


@styled
def plot_prototypes(data: Prototypes) -> Figure:
    """Draw the members of each typical group, the unpooled line and the partially pooled one.

    A panel a group.
    """
    figure = new_figure()
    panels = across(figure, len(data.groups), share=True)
    handles: list[Any] = []
    for ax, group, style in zip(panels, data.groups, SUBGROUP_STYLES, strict=False):
        ax.plot(
            group.x, group.y, style.marker, ms=4.0, mec=style.colour, mfc="white", mew=0.9, zorder=2
        )
        draw_line(ax, group.line, Style(style.colour, style.marker, "-"), label=group.label)
        handles = [draw_likelihood(ax, group.line)]
        if group.unpooled is not None:
            ax.plot(group.line.x, group.unpooled, color=INK, lw=1.4, ls=":", zorder=4)
        title = f"{shorten(data.cloud.group, 12)} {shorten(group.label, 16)}"
        size = count(group.x.size, "row")
        if len(data.groups) > 1:
            title = f"{shorten(group.subgroup, 24)}, {size}\n{title}"
        else:
            title = f"{title}, {size}"
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(shorten(data.cloud.slope, 36))
    panels[0].set_ylabel(shorten(data.cloud.outcome, 40))
    band = f"partial pooling, posterior with {percent(data.groups[0].line.prob)} band"
    handles = [
        legend_key(color=INK, lw=1.7, label=band),
        *handles,
        legend_key(color=INK, lw=1.4, ls=":", label="unpooled least-squares line"),
    ]
    legend_outside(figure, handles)
    return figure


FIGURE = Entry(
    name="prototypes",
    title="Prototypical groups",
    shows="members of a typical group of each subgroup, unpooled line and partially pooled line",
    applies="the model has group effects and a numeric predictor that varies within groups",
    prepare=prototypes,
    draw=plot_prototypes,
    additive=True,
    section="groups",
)
