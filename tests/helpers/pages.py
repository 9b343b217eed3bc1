"""Whether a drawn figure fits its page: nothing collides, nothing is cut by the edge."""

import itertools
import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bayes_mlm.figures.style import WIDTH


def shown_texts(figure: Figure):
    """Return every text on the page, not the labels of ticks out of view."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low <= tick.get_loc() <= high:
                    hidden |= {tick.label1, tick.label2}
    return [
        text
        for text in figure.findobj(Text)
        if text not in hidden and text.get_visible() and text.get_text().strip()
    ]


def collisions(figure: Figure):
    """Return the pairs of texts that overlap, or of which one's arrow crosses the other."""
    texts = shown_texts(figure)
    boxes = {text: Text.get_window_extent(text) for text in texts}
    found = [
        (one, other)
        for one, other in itertools.combinations(texts, 2)
        if (part := Bbox.intersection(boxes[one], boxes[other])) is not None
        and min(part.width, part.height) > 1.0
    ]
    for one in texts:
        arrow = getattr(one, "arrow_patch", None)
        if arrow is not None:
            path = arrow.get_transform().transform_path(arrow.get_path())
            crossed = [text for text in texts if path.intersects_bbox(boxes[text], filled=False)]
            found += [(one, text) for text in crossed if text is not one]
    return [(one.get_text(), other.get_text()) for one, other in found]


def laid_out(figure: Figure):
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that gave up, a glyph that is not there
        figure.draw_without_rendering()
    return figure


def check_page(figure: Figure, what, narrowest=0.14):
    laid_out(figure)
    assert collisions(figure) == [], what
    page = figure.bbox
    for text in shown_texts(figure):
        box = text.get_window_extent()  # its arrow included
        # A pixel of antialiasing may cross the edge.
        edges = (box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1)
        assert min(edges) >= -1, (what, text.get_text())
        assert text.get_fontsize() >= 8
    assert figure.get_size_inches()[0] == pytest.approx(WIDTH)
    for axes in figure.axes:
        # The drawing keeps most of its part of the page: names do not squeeze it out.
        assert axes.get_window_extent().width > narrowest * page.width, what
        legend = axes.get_legend()
        if legend is not None:
            assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1, what
