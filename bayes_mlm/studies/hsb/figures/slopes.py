"""Compute the total, between, within and random-effects lines of a ladder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import number, percent, shorten
from bayes_mlm.figures import (
    GREY,
    LIKELIHOOD_STYLE,
    Cloud,
    Entry,
    Figure,
    Line,
    Style,
    Text,
    across,
    cloud_of,
    draw_line,
    draw_rows,
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

# Kind of model, what its slope is called, in the order of the figure.
_KINDS = (
    ("between", "between groups"),
    ("pooled", "total (pooled)"),
    ("partial_pooling", "random effects"),
    ("within", "within groups"),
)

# Line styles of the four slopes, so that they are distinct in grey too.
_DASHES = ("-", (0, (6.0, 1.5)), (0, (1.2, 1.2)), (0, (6.0, 1.5, 1.2, 1.5)))


@dataclass(frozen=True, kw_only=True, eq=False)
class FourSlopes:
    """Lines that different kinds of model fit to the same rows.

    Parameters
    ----------
    cloud : Cloud
    lines : tuple of Line
        Two to four, named by what their slope compares; each over the range of its data. The
        line within groups is laid through the mean of all rows.
    """

    cloud: Cloud
    lines: tuple[Line, ...]

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        listed = "; ".join(f"{line.name} {line.slope_text}" for line in self.lines)
        return Text(
            title=f"{self.cloud.outcome} on {self.cloud.slope}: one predictor, several slopes",
            caption=f"Slopes of {self.cloud.outcome} on {self.cloud.slope}, with "
            f"{percent(self.prob)} intervals: {listed}. {self._contrast}".strip(),
            alt=f"Left, the lines {', '.join(line.name for line in self.lines)} of "
            f"{self.cloud.outcome} on {self.cloud.slope} with bands; right, their slopes with "
            "intervals.",
        )

    @property
    def prob(self) -> float:
        """Of the intervals."""
        return self.lines[0].prob

    @property
    def _contrast(self) -> str:
        """Where the mixed slopes lie between the slope within and the one between groups."""
        by_name = {line.name: line for line in self.lines}
        between, within = by_name.get("between groups"), by_name.get("within groups")
        if between is None or within is None:
            return ""
        gap = between.slope - within.slope
        difference = number(gap, between.slope_margin)
        if between.slope_overlaps(within):
            return (
                f"Between and within groups the slopes differ by {difference}, and their intervals "
                "overlap."
            )
        shares = {
            name: (by_name[name].slope - within.slope) / gap
            for name in ("total (pooled)", "random effects")
            if name in by_name
        }
        mixed = " and ".join(f"{name} {percent(share)}" for name, share in shares.items())
        inside = bool(shares) and all(0.0 <= share <= 1.0 for share in shares.values())
        way = (
            f" What remains mixes the two; of the way from within to between: {mixed}."
            if inside
            else ""
        )
        return (
            f"Between groups the slope differs by {difference} from the one within them, "
            f"more than the intervals allow for.{way}"
        )


def four_slopes(analyses: Sequence[Analysis]) -> FourSlopes | None:
    """Compute the line of the simplest model of each kind.

    None unless the ladder has two of the kinds, with a posterior and the same slope.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> models = [load_record(name).request for name in ("hsb_pooled", "hsb_within")]
    >>> settings = make_settings(models[0], random_seed=1)
    >>> found = four_slopes([analyse(model, settings, engines=["direct"]) for model in models])
    >>> [(line.name, round(line.likelihood_slope, 2)) for line in found.lines]
    [('total (pooled)', 3.18), ('within groups', 2.19)]
    """
    roles = reference_roles(analyses)
    if roles is None:
        return None
    found = [(kind, name, simplest(analyses, kind, roles)) for kind, name in _KINDS]
    chosen = [(kind, name, item) for kind, name, item in found if item is not None]
    rows = next((item for kind, _, item in chosen if kind != "between"), None)
    if len(chosen) < 2 or rows is None:
        return None
    cloud = cloud_of(rows.design, roles_of(rows.design))
    return FourSlopes(
        cloud=cloud, lines=tuple(_line(kind, name, item, cloud) for kind, name, item in chosen)
    )


def _line(kind: str, name: str, analysis: Analysis, cloud: Cloud) -> Line:
    roles = roles_of(analysis.design)
    if kind == "between":
        return line_along(analysis, roles, span(cloud.group_x), name=name)
    if kind != "within":
        return line_along(analysis, roles, span(cloud.x), name=name)
    centre = float(cloud.x.mean())
    deviation = span(cloud.term.deviations(cloud.x))
    inside = (deviation + centre >= cloud.x.min()) & (deviation + centre <= cloud.x.max())
    line = line_along(analysis, roles, np.ascontiguousarray(deviation[inside]), name=name)
    return replace(line, x=line.x + centre)


@styled
def plot_four_slopes(data: FourSlopes) -> Figure:
    """Draw total, between, within and random-effects lines, with their slopes.

    Left the lines over the rows, right the slopes with their intervals and values.
    """
    figure = new_figure()
    left, right = across(figure, 2, ratios=(1.55, 1.0))
    cloud = data.cloud
    rows = draw_rows(left, cloud.x, cloud.y)
    styles = model_styles([line.model for line in data.lines])
    likelihood = {line.likelihood_engine for line in data.lines}
    for k, line in enumerate(data.lines):
        look = styles[line.model]
        style = Style(look.colour, look.marker, _DASHES[k])
        draw_line(left, line, style, label=line.name)
        right.plot([line.slope_lower, line.slope_upper], [k + 0.06] * 2, color=style.colour, lw=1.8)
        right.plot(line.slope, k + 0.06, style.marker, color=style.colour, ms=6.0, zorder=3)
        right.plot(
            line.likelihood_slope,
            k + 0.28,
            marker=LIKELIHOOD_STYLE.marker,
            ms=3.5,
            mfc="white",
            mec="black",
            ls="",
        )
        right.plot(
            [0.02, 0.16],
            [k - 0.4, k - 0.4],
            color=style.colour,
            ls=style.line,
            lw=1.7,
            transform=right.get_yaxis_transform(),
        )
        right.text(
            0.2,
            k - 0.4,
            f"{line.name}\n{line.slope_text}",
            transform=right.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
        )
    right.set_ylim(len(data.lines) - 0.55, -0.8)
    right.set_yticks([])
    right.spines["left"].set_visible(False)
    right.margins(x=0.12)
    unit = f"unit of {shorten(cloud.slope, 20)}"
    right.set_xlabel(f"slope: {shorten(cloud.outcome, 16)} for one\n{unit}")
    left.set_xlabel(shorten(cloud.slope, 40))
    left.set_ylabel(shorten(cloud.outcome, 40))
    legend_above(left, [rows], columns=1)
    estimates = legend_point(
        Style("black", LIKELIHOOD_STYLE.marker),
        " or ".join(sorted(likelihood)),
        size=3.5,
        filled=False,
    )
    interval = legend_point(Style(GREY, "o"), f"posterior mean, {percent(data.prob)} interval")
    legend_above(right, [interval, estimates], columns=1)
    return figure


FIGURE = Entry(
    name="four-slopes",
    title="Total, between, within and random-effects lines",
    shows="the lines of four kinds of model in one data, with their slopes and intervals",
    applies="two or more kinds of model share a numeric predictor that varies within groups",
    of="ladder",
    prepare=four_slopes,
    draw=plot_four_slopes,
    additive=True,
    section="ladder",
)
