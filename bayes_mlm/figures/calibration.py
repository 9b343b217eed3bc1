"""Outcomes against the probabilities or means that the model expects, in bins of rows."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Calibration, calibration
from bayes_mlm.base import count, number, percent
from bayes_mlm.design import mean_name
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import legend_key, legend_outside, legend_patch, on_logs
from bayes_mlm.figures.style import (
    BLACK,
    BLUE,
    INK,
    ORANGE,
    Axes,
    Figure,
    across,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis

# Expectations that differ by more than this factor are drawn on logarithmic axes.
_WIDE = 20.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationPicture:
    """Calibration of a model.

    Parameters
    ----------
    model, outcome : str
        The outcome as its mean is called: "share with use = Y".
    found : Calibration
    """

    model: str
    outcome: str
    found: Calibration

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        found, out = self.found, np.flatnonzero(self.found.outside)
        spread = float(np.median(found.upper - found.lower)) / 2
        lie = f"where {percent(found.prob)} of outcomes drawn from the model do"
        judged = f"all of {count(found.rows.size, 'bin')} lie {lie}"
        if out.size:
            worst = out[np.argmax(np.abs(found.observed - found.expected)[out])]
            judged = (
                f"{found.rows.size - out.size} of {count(found.rows.size, 'bin')} lie {lie}, as "
                f"about {percent(found.prob)} of bins do where the model is right; the farthest "
                f"off has {number(found.observed[worst], spread)} where "
                f"{number(found.expected[worst], spread)} is expected"
            )
        return Text(
            title=f"Is {self.model} calibrated?",
            caption=f"Rows in bins from the lowest expectation to the highest, about "
            f"{count(int(np.median(found.rows)))} each: {judged}.",
            alt=f"Left, {self.outcome} observed in each bin against what the model expects, next "
            "to the line of equality; right, their difference: binned residuals.",
        )


def calibration_picture(analysis: Analysis) -> CalibrationPicture | None:
    """Compare outcomes with expectations; None without a posterior, or of additive outcomes."""
    if not analysis.fits or analysis.fits[0].design.family.is_additive:
        return None
    fit = analysis.fits[0]
    return CalibrationPicture(
        model=analysis.spec.name,
        outcome=mean_name(fit.design),
        found=calibration(fit, analysis.prob),
    )


@styled
def plot_calibration(data: CalibrationPicture) -> Figure:
    """Draw the calibration curve, and the binned residuals."""
    figure, found = new_figure(3.6), data.found
    left, right = across(figure, 2)
    for ax, less in ((left, np.zeros_like(found.expected)), (right, found.expected)):
        _draw_bins(ax, found, less)
        ax.set_xlabel(f"expected {axis_name(data.outcome)}")
    low = float(min(found.expected[0], found.observed.min()))
    high = float(max(found.expected[-1], found.observed.max()))
    left.plot([found.expected[0], found.expected[-1]], [found.expected[0], found.expected[-1]],
              color=INK, lw=0.9, zorder=1)  # fmt: skip
    if low > 0 and high > _WIDE * low:
        for ax, which in ((left, "x"), (left, "y"), (right, "x")):
            on_logs(ax, which)
    left.set_ylabel(f"observed {axis_name(data.outcome)}")
    right.axhline(0.0, color=INK, lw=0.9, zorder=1)
    right.set_ylabel("observed − expected")
    handles = [
        legend_key(ls="", marker="o", ms=4.0, color=BLACK, label="observed"),
        legend_patch(facecolor=BLUE, alpha=0.35, label=f"{percent(found.prob)} of replicates"),
    ]
    if found.outside.any():
        key = legend_key(ls="", marker="D", ms=4.5, color=ORANGE, label="outside the interval")
        handles.append(key)
    legend_outside(figure, handles)
    return figure


def _draw_bins(ax: Axes, found: Calibration, less: np.ndarray) -> None:
    x, out = found.expected, found.outside
    ax.vlines(x, found.lower - less, found.upper - less, color=BLUE, alpha=0.35, lw=6.0)
    off = found.observed - less
    ax.plot(x[~out], off[~out], "o", color=BLACK, ms=4.0)
    ax.plot(x[out], off[out], "D", color=ORANGE, ms=4.5)


FIGURE = Entry(
    name="calibration",
    title="Calibration",
    shows="outcomes against the probabilities or means expected, and binned residuals",
    applies="the model has a posterior, and its outcome is not the linear predictor plus an error",
    prepare=calibration_picture,
    draw=plot_calibration,
    section="diagnostics",
)
