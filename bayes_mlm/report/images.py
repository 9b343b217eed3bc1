"""Images of figures as part of the page, rendered on all cores where that helps."""

import base64
import io
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# With more elements than these (points, hexagons, vertices of lines) a figure is smaller, and
# quicker to show, as pixels; below that a vector drawing is sharper, up to some size in bytes.
_MOST_ELEMENTS, _MOST_VERTICES = 1_000, 10_000
_LARGEST_SVG = 200_000
# Twice the pixels of a screen at print size; a small palette suffices.
_DPI = 200
_COLOURS = 256
_UNMARKED = ("", " ", "None", "none", None)
_CSS_PIXELS = 96
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Image:
    """Image as text for a page.

    Parameters
    ----------
    source : str
        The image as a ``data:`` address.
    width, height : int
        In CSS pixels, at the size of print.
    """

    source: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Drawing task: a function at the top of a module, and the data of its figure."""

    draw: Callable[[Any], "Figure"]
    picture: Any


@contextmanager
def drawing_pool(workers: int | None = None) -> Iterator[ProcessPoolExecutor | None]:
    """Start processes that draw, which load matplotlib while their parent fits models.

    Parameters
    ----------
    workers : int, optional
        As many as there are processors, four at most, if not given; below 2 there is no pool.

    Yields
    ------
    ProcessPoolExecutor or None
        For `draw_all`.
    """
    many = min(_processors(), _MOST_WORKERS) if workers is None else workers
    if many < 2:
        yield None
        return
    # Spawned, not forked: numerical libraries hold threads and locks that a fork would copy.
    pool = ProcessPoolExecutor(many, mp_context=get_context("spawn"), initializer=_start)
    try:
        for _ in range(many):
            pool.submit(_warm)
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def draw_all(
    drawings: Iterable[Drawing],
    pool: ProcessPoolExecutor | None = None,
    *,
    on_done: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Image, ...]:
    """Draw every figure, in the order given.

    Parameters
    ----------
    drawings : iterable of Drawing
        Taken one by one: the first are drawn while the next are prepared.
    pool : ProcessPoolExecutor, optional
        Of `drawing_pool`; without one they are drawn here, one after the other.
    on_done : callable
        Called after each figure with the numbers of figures done and in total.

    Returns
    -------
    tuple of Image
    """
    coming, requested = iter(drawings), list[Drawing]()
    images: list[Image] = []
    try:
        waiting: list[Future[Image]] = []
        while pool is not None and (one := next(coming, None)) is not None:
            requested.append(one)
            waiting.append(pool.submit(draw_image, one))
        for future in waiting:
            images.append(future.result())
            on_done(len(images), len(requested))
    except BrokenProcessPool:
        # A parent that cannot be imported again (a script without a main guard) has no pool.
        pass
    requested += coming
    for one in requested[len(images) :]:
        images.append(draw_image(one))
        on_done(len(images), len(requested))
    return tuple(images)


def draw_image(drawing: Drawing) -> Image:
    """Draw one figure: as SVG, or as PNG where that is smaller.

    Examples
    --------
    >>> from bayes_mlm.figures import new_figure
    >>> image = draw_image(Drawing(draw=new_figure, picture=2.0))
    >>> image.width, image.height, image.source[:19]
    (605, 192, 'data:image/svg+xml;')
    """
    from matplotlib import rc_context

    # Names that depend on nothing but the figure: one run's report is another's, byte for byte.
    with rc_context({"svg.hashsalt": "bayes_mlm"}), warnings.catch_warnings():
        # Letters that the figures' font lacks are boxes in them; the tables and captions have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = drawing.draw(drawing.picture)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, not again when it is saved
        width, height = (round(float(inches) * _CSS_PIXELS) for inches in figure.get_size_inches())
        kind, content = "svg+xml", b""
        if not _is_crowded(figure):
            content = _save(figure, "svg", metadata={"Date": None})
        if not 0 < len(content) <= _LARGEST_SVG:
            kind, content = "png", _with_few_colours(_save(figure, "png"))
    text = base64.b64encode(content).decode("ascii")
    return Image(source=f"data:image/{kind};base64,{text}", width=width, height=height)


def _save(figure: "Figure", kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=_DPI, **options)
    return file.getvalue()


def _with_few_colours(png: bytes) -> bytes:
    """Return the same pixels in a palette, a quarter of the size."""
    from PIL import Image as Pixels

    pixels = Pixels.open(io.BytesIO(png)).convert("RGB")
    palette = pixels.quantize(
        _COLOURS, method=Pixels.Quantize.FASTOCTREE, dither=Pixels.Dither.NONE
    )
    file = io.BytesIO()
    palette.save(file, format="png", optimize=True)
    return file.getvalue()


def _is_crowded(figure: "Figure") -> bool:
    """Return whether a figure has very many elements."""
    from matplotlib.collections import Collection

    vertices = 0
    for ax in figure.get_axes():
        for line in ax.lines:
            points = len(np.asarray(line.get_xydata()))
            vertices += points
            # A line is one element, however long; of markers there are as many as points.
            if points > _MOST_ELEMENTS and line.get_marker() not in _UNMARKED:
                return True
        for artist in ax.get_children():
            if isinstance(artist, Collection):
                many = max(len(artist.get_paths()), len(np.asarray(artist.get_offsets())))
                if many > _MOST_ELEMENTS:
                    return True
    return vertices > _MOST_VERTICES


def _processors() -> int:
    count = getattr(os, "process_cpu_count", os.cpu_count)()
    return int(count or 1)


def _start() -> None:
    """Leave Ctrl-C to the parent, which then ends this process in good order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _warm() -> None:
    """Load what drawing needs, before there is something to draw."""
    for module in ("backend_agg", "backend_svg"):
        import_module(f"matplotlib.backends.{module}")
    import_module("bayes_mlm.studies.hsb.figures.catalogue")
