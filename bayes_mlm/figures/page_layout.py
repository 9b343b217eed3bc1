"""Layout of a figure on its page: matplotlib's constrained one, in which text has room.

Names of axes and titles that are wider than their room are broken into lines, and ticks whose
labels touch become fewer, or upright if they are names. Figures import it when they are drawn:
matplotlib takes half a second to import.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import AutoLocator, FixedLocator, MaxNLocator
from matplotlib.transforms import BboxBase

from bayes_mlm.figures.lettering import wrap

# Corrections after each of which the axes are laid out anew.
_ROUNDS = 3
# Between the labels of two ticks, in ems; and the part of their room that broken lines fill.
_GAP, _FILLED = 0.4, 0.97
# From one line to the next, in ems.
_LEADING = 1.4
# The part of a figure's width that a text over all axes may fill.
_WHOLE = 0.96
# Constrained layout's warning of axes without room; it may have room after a correction.
_COLLAPSED = "constrained_layout not applied"


class PageLayout(ConstrainedLayoutEngine):
    """Constrained layout in which text has room.

    Parameters
    ----------
    looks : sequence of mapping
        Settings of matplotlib the figure is drawn with, later ones over earlier ones. Ticks are
        made while it is laid out, and take their font from there.
    """

    def __init__(self, looks: Sequence[Mapping[Any, Any]]) -> None:
        super().__init__()
        self._look: dict[Any, Any] = {name: look[name] for look in looks for name in look}
        self._broken: dict[Text, tuple[str, str]] = {}  # whole, and as it was broken

    def execute(self, fig: Figure) -> None:
        """Place the axes, break lines and thin out ticks until text has room."""
        with rc_context(self._look):
            for _ in range(_ROUNDS):
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", _COLLAPSED)
                    super().execute(fig)
                if not self._correct(fig):
                    return
            super().execute(fig)

    def _correct(self, figure: Figure) -> bool:
        """Break lines and thin out ticks where text has no room; return whether some had none."""
        boxes = {ax: ax.get_window_extent() for ax in figure.axes if ax.get_visible()}
        legends = [one.get_window_extent() for one in figure.legends]
        changed = [self._break(text, _WHOLE * figure.bbox.width) for text in _over_all(figure)]
        for ax, box in boxes.items():
            others = [other for one, other in boxes.items() if one is not ax] + legends
            across, up = _room(box, others, figure.bbox)
            left, right = _sides(box, others, figure.bbox)
            changed.append(self._break(ax.xaxis.label, across))
            changed.append(self._break(ax.yaxis.label, up))
            for text in _titles(ax):
                ends = {"left": right - box.x0, "right": box.x1 - left}
                changed.append(self._break(text, ends.get(text.get_horizontalalignment(), across)))
            changed.append(_clear_multiplier(ax.xaxis))
            changed.append(_raise_legend(ax))
            changed.append(_thin(ax.xaxis, box.width, upright=False))
            changed.append(_thin(ax.yaxis, box.height, upright=True))
        return any(changed)

    def _break(self, text: Text, room: float) -> bool:
        """Break the lines of a text that is longer than its room; return whether it changed."""
        before = text.get_text()
        if not before.strip() or not text.get_visible() or room <= 0:
            return False
        box = Text.get_window_extent(text)
        if (box.height if text.get_rotation() else box.width) <= room:
            return False
        whole, broken = self._broken.get(text, (before, before))
        whole = whole if broken == before else before
        figure = text.get_figure(root=True)
        assert figure is not None  # for mypy: a text of a figure
        text.set_text(wrap(whole, _FILLED * room / figure.dpi, _size(text)))
        self._broken[text] = (whole, text.get_text())
        return text.get_text() != before


def _over_all(figure: Figure) -> list[Text]:
    """Return what stands above, or below, all axes."""
    return [text for text in figure.texts if not text.get_rotation()] + [
        text
        for text in (figure.__dict__.get("_suptitle"), figure.__dict__.get("_supxlabel"))
        if isinstance(text, Text)
    ]


def _titles(ax: Axes) -> list[Text]:
    inside = set(ax.texts)
    return [one for one in ax.get_children() if isinstance(one, Text) and one not in inside]


def _sides(box: BboxBase, others: Sequence[BboxBase], page: BboxBase) -> tuple[float, float]:
    """Return where the room of axes ends left and right: midway to those next to them."""
    level = [other for other in others if other.y0 < box.y1 and box.y0 < other.y1]
    left = max([page.x0, *((o.x1 + box.x0) / 2 for o in level if o.x1 <= box.x0)])
    right = min([page.x1, *((o.x0 + box.x1) / 2 for o in level if o.x0 >= box.x1)])
    return left, right


def _room(box: BboxBase, others: Sequence[BboxBase], page: BboxBase) -> tuple[float, float]:
    """Return the room of text centred on axes, across and upwards, in pixels."""
    left, right = _sides(box, others, page)
    column = [other for other in others if other.x0 < box.x1 and box.x0 < other.x1]
    low = max([page.y0, *((o.y1 + box.y0) / 2 for o in column if o.y1 <= box.y0)])
    high = min([page.y1, *((o.y0 + box.y1) / 2 for o in column if o.y0 >= box.y1)])
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return 2 * min(x - left, right - x), 2 * min(y - low, high - y)


def _clear_multiplier(axis: Axis) -> bool:
    """Move the name of an axis below the power of ten of its ticks, where that is at its end."""
    power = axis.get_offset_text()
    if not power.get_text() or not axis.label.get_text():
        return False
    one, other = power.get_window_extent(), axis.label.get_window_extent()
    if BboxBase.intersection(one, other) is None:
        return False
    figure = power.get_figure(root=True)
    assert figure is not None  # for mypy
    axis.labelpad += 72.0 * one.height / figure.dpi
    return True


def _raise_legend(ax: Axes) -> bool:
    """Move a legend over axes above the power of ten of their ticks, where that would be in it."""
    power, legend = ax.yaxis.get_offset_text(), ax.get_legend()
    if legend is None or not power.get_text():
        return False
    box = power.get_window_extent()
    if BboxBase.intersection(box, legend.get_window_extent()) is None:
        return False
    legend.set_bbox_to_anchor((0.0, (box.y1 - ax.bbox.y0) / ax.bbox.height), ax.transAxes)
    return True


def break_names(ax: Axes) -> None:
    """Break the names of axes that were handed over, whose figure is laid out by others."""
    dpi = ax.figure.dpi
    wide, tall = ax.bbox.width / dpi, ax.bbox.height / dpi
    for text in (ax.xaxis.label, *_titles(ax)):
        text.set_text(wrap(text.get_text(), wide, _size(text)))
        # The lines added take their height from the axes.
        tall -= text.get_text().count("\n") * _LEADING * _size(text) / 72.0
    name = ax.yaxis.label
    name.set_text(wrap(name.get_text(), _FILLED * max(tall, 0.5), _size(name)))


def _thin(axis: Axis, room: float, *, upright: bool) -> bool:
    """Have fewer ticks where their labels touch, or turn them upright if they are names."""
    low, high = sorted(axis.get_view_interval())
    shown = [
        tick.label1
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_visible() and tick.label1.get_text()
    ]
    if len(shown) < 2 or room <= 0:
        return False
    boxes = [label.get_window_extent() for label in shown]
    ends = sorted((box.y0, box.y1) if upright else (box.x0, box.x1) for box in boxes)
    figure = shown[0].get_figure(root=True)
    assert figure is not None  # for mypy
    gap = _GAP * _size(shown[0]) * figure.dpi / 72.0
    # Numbers side by side read as one without a gap between them.
    least = 0.0 if upright else gap / 2
    if all(after[0] - before[1] >= least for before, after in pairwise(ends)):
        return False
    most = max(int(room / (max(end - start for start, end in ends) + gap)), 1)
    locator = axis.get_major_locator()
    if isinstance(locator, FixedLocator):
        return _thin_names(axis, shown, upright=upright)
    if isinstance(locator, AutoLocator | MaxNLocator):
        steps = [1, 2, 5, 10]
        axis.set_major_locator(MaxNLocator(min(most, len(shown) - 1), steps=steps))
        return True
    return False


def _thin_names(axis: Axis, shown: list[Text], *, upright: bool) -> bool:
    """Turn the names at ticks upright; numbers, and names that are so, become every second one."""
    names = [label.get_text() for label in shown]
    if not upright and not shown[0].get_rotation() and not all(map(_is_number, names)):
        for label in shown:
            label.set_rotation(90)
        return True
    every = [label.get_text() for label in axis.get_majorticklabels()]
    places = list(axis.get_majorticklocs())
    if len(every) != len(places):
        return False
    size, turn = _size(shown[0]), shown[0].get_rotation()
    axis.set_ticks(places[::2], every[::2], fontsize=size, rotation=turn)
    return True


def _size(text: Text) -> float:
    return float(text.get_fontsize())


def _is_number(text: str) -> bool:
    try:
        float(text.replace("−", "-").replace(",", ""))
    except ValueError:
        return False
    return True
