"""Compute the line along the deviations of a predictor from its group means."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, count, estimate, number, percent
from bayes_mlm.figures.lines import Line, line_along, span
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.rows import Cloud, cloud_of
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class WithinLine:
    """Hold the rows by their deviation from the group's mean, and the line through them.

    Parameters
    ----------
    cloud : Cloud
        The rows in their own units.
    deviation : ndarray, shape (n,)
        The slope's predictor less its mean in the row's group.
    line : Line
        Along the deviations.
    """

    cloud: Cloud
    deviation: Floats
    line: Line

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"{self.cloud.outcome} on {self.cloud.slope} less its {self.cloud.group} mean"

    @property
    def caption(self) -> str:
        """What there is to see."""
        line, cloud = self.line, self.cloud
        share = float(np.var(self.deviation) / np.var(cloud.x)) if np.var(cloud.x) > 0 else 0.0
        spread = (line.slope_upper - line.slope_lower) / 2
        return (
            f"Among members of one group, one unit of {cloud.slope} goes with "
            f"{estimate(line.slope, line.slope_lower, line.slope_upper)} units of {cloud.outcome} "
            f"({percent(line.prob)} interval; least squares "
            f"{number(line.classical_slope, spread)}). The {count(cloud.n, 'row')} are placed by "
            f"how far they lie from their own group's mean, which keeps {percent(share)} "
            f"of the variance of {cloud.slope}."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"Scatter of {self.cloud.outcome} against the deviation of {self.cloud.slope} from the "
            f"mean of its {self.cloud.group}, with the line within groups and its band."
        )


def within_line(analysis: Analysis) -> WithinLine | None:
    """Compute the line of a within model.

    Returns
    -------
    WithinLine or None
        None for other kinds, and without a posterior or a numeric predictor that varies in groups.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> from bayes_mlm import load_record
    >>> model = load_record("hsb_within").request
    >>> settings = make_settings(model, random_seed=1)
    >>> found = within_line(analyse(model, settings, engines=["direct"]))
    >>> round(found.line.classical_slope, 4)
    2.1912
    """
    roles = roles_of(analysis.design)
    if analysis.design.kind != "within" or roles.slope is None or not analysis.fits:
        return None
    cloud = cloud_of(analysis.design, roles)
    deviation = cloud.x - cloud.group_x[cloud.codes]
    return WithinLine(
        cloud=cloud,
        deviation=deviation,
        line=line_along(analysis, roles, span(deviation), name="within groups"),
    )
