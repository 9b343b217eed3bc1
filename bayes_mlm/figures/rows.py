"""Rows that a line is fitted to, and the means of their groups."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, GroupTerm
from bayes_mlm.figures.roles import Roles


@dataclass(frozen=True, kw_only=True, eq=False)
class Cloud:
    """Points that lines are drawn over.

    Parameters
    ----------
    outcome, group, slope : str
        Names of the axes and of what the points are grouped by.
    x, y : ndarray, shape (n,)
        Every row, in units of the slope and of the outcome.
    term : GroupTerm
        The groups, and which of them each row is of.
    group_x, group_y : ndarray, shape (J,)
        Their means.
    """

    outcome: str
    group: str
    slope: str
    x: Floats
    y: Floats
    term: GroupTerm
    group_x: Floats
    group_y: Floats

    @property
    def sizes(self) -> Ints:
        """Rows of each group, shape (J,)."""
        return self.term.sizes

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.size)


def cloud_of(design: Design, roles: Roles) -> Cloud:
    """Collect the rows of a design with a slope, and the means of its groups."""
    title = design.outcome_title
    return Cloud(
        outcome=f"{title} less its offset" if design.formula.offsets else title,
        group=str(design.group or "group"),
        slope=design.encoding.title(str(roles.slope)),
        x=roles.x,
        y=design.y_less_offset,
        term=design.group_term,
        group_x=design.group_term.means(roles.x),
        group_y=design.group_term.means(design.y_less_offset),
    )


def straight(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Return intercept and slope of the least-squares line; None where x does not vary."""
    centre = float(x.mean())
    square = float(np.square(x - centre).sum())
    if x.size < 2 or square <= 1e-18 * max(1.0, float(np.square(x).sum())):
        return None
    slope = float(((x - centre) * (y - y.mean())).sum() / square)
    return float(y.mean()) - slope * centre, slope
