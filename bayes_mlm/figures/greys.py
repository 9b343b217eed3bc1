"""Turn the colours of a drawn figure to greys that differ from each other on paper."""

from typing import Any

import numpy as np

# The colours of the style (blue, orange, green, pink, light blue, yellow-orange), from dark to
# light in the order in which figures use them; others have the grey of their lightness.
_GREYS = {
    "#0072b2": 0.22,
    "#d55e00": 0.55,
    "#009e73": 0.38,
    "#cc79a7": 0.68,
    "#56b4e9": 0.78,
    "#e69f00": 0.62,
}
# Weights of red, green and blue in the luma of ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114])


def grey_of(colour: Any) -> tuple[float, float, float, float]:
    """Return the grey of a colour, as opaque as it.

    Examples
    --------
    >>> grey_of("#0072B2"), grey_of((1.0, 1.0, 1.0, 0.5))
    ((0.22, 0.22, 0.22, 1.0), (1.0, 1.0, 1.0, 0.5))
    """
    from matplotlib.colors import to_hex, to_rgba

    rgba = to_rgba(colour)
    level = round(_GREYS.get(to_hex(rgba), float(_LUMA @ np.array(rgba[:3]))), 4)
    return level, level, level, rgba[3]


def make_grey(drawn: Any) -> None:
    """Make every artist of a figure, a subfigure or axes grey, legends included."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    for one in drawn.findobj():
        if isinstance(one, Line2D):
            one.set_color(grey_of(one.get_color()))
            one.set_markeredgecolor(_part(one.get_markeredgecolor()))
            one.set_markerfacecolor(_part(one.get_markerfacecolor()))
        elif isinstance(one, Patch):
            edge = grey_of(one.get_edgecolor())
            one.set_facecolor(grey_of(one.get_facecolor()))
            one.set_edgecolor(edge)
            if one.get_hatch():
                one.set_hatchcolor(grey_of(one.get_hatchcolor()))
        elif isinstance(one, Text):
            one.set_color(grey_of(one.get_color()))
            box = one.get_bbox_patch()
            if box is not None:
                box.set(facecolor=_part(box.get_facecolor()), edgecolor=_part(box.get_edgecolor()))
        elif isinstance(one, Collection) and one.get_array() is None:
            faces, edges = one.get_facecolor(), one.get_edgecolor()
            one.set_facecolor([grey_of(each) for each in np.atleast_2d(faces)])
            one.set_edgecolor([grey_of(each) for each in np.atleast_2d(edges)])
            if one.get_hatch():
                hatched = np.atleast_2d(one.get_hatchcolor())
                one.set_hatchcolor([grey_of(each) for each in hatched])
    for one in drawn.findobj(lambda artist: hasattr(artist, "set_cmap")):
        if one.get_array() is not None and not _is_grey(one.get_cmap()):
            one.set_cmap("Greys")


def _is_grey(cmap: Any) -> bool:
    """Test whether a colour map is of greys; one that ends before black leaves lines to be seen."""
    colours = cmap(np.linspace(0.0, 1.0, 16))[:, :3]
    return bool(np.ptp(colours, axis=1).max() < 0.05)


def _part(colour: Any) -> Any:
    """Return the grey of a colour, or that there is none."""
    from matplotlib.colors import to_rgba

    return grey_of(colour) if to_rgba(colour)[3] > 0.0 else "none"
