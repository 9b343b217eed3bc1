"""Style of every figure: colours, markers, sizes and the labels of axes.

Colours are Okabe & Ito's (2008, Color Universal Design), distinct to the colour-blind; markers
and line styles distinguish the same things in grey.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, cast, overload

from bayes_mlm.engines import ENGINES
from bayes_mlm.figures.canvas import (
    Canvas,
    GivenAxes,
    Size,
    Theme,
    current_canvas,
    drawing_on,
)
from bayes_mlm.figures.greys import make_grey
from bayes_mlm.figures.lettering import more_letters

if TYPE_CHECKING:
    import matplotlib.artist
    import matplotlib.axes
    import matplotlib.figure

# Evaluated by type checkers alone: matplotlib takes half a second to import.
type Artist = matplotlib.artist.Artist
type Axes = matplotlib.axes.Axes
type Figure = matplotlib.figure.Figure
type SubFigure = matplotlib.figure.SubFigure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
GREEN, PINK, BLACK, SKY = "#009E73", "#CC79A7", "#000000", "#56B4E9"
BAND = "#F2F2F2"
# Text in the background, with a contrast of 7 to 1 on white.
INK = "#595959"
# Beyond this many groups their points are small and let each other through.
MANY_GROUPS = 400
# A figure fills the width of a page's text and about half its height.
WIDTH, HEIGHT = 6.3, 3.9
# In a figure narrower than this, in inches, panels stand one below the other, each with this part
# of the height of the figure.
NARROW, _STACKED = 4.5, 0.75
# Okabe & Ito's without yellow, which is too faint on white; and as many markers, less one, so that
# no pair comes twice among 56 models.
_COLOURS = (BLUE, ORANGE, GREEN, PINK, BLACK, SKY, "#E69F00", "#7F7F7F")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# A model of the study looks the same in every figure, whichever others are drawn with it.
_LADDER = (
    "hsb_null",
    "hsb_ses",
    "hsb_sector",
    "hsb_sector_ses",
    "hsb_pooled",
    "hsb_random_slope",
    "hsb_slopes_as_outcomes",
    "hsb_mundlak_random",
    "hsb_between",
    "hsb_no_pooling",
    "hsb_within",
    "hsb_mundlak",
)
# Fonts at the size a figure is printed at: nothing below 8 points. (Any: matplotlib's stubs want
# its 300 settings by name.)
_LOOK: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    # Numbers of six digits and more take the room of their neighbours.
    "axes.formatter.limits": (-4, 6),
    # A label is text, never mathematics: a group may be called "$x$".
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Style:
    """How one model, engine or subgroup is drawn.

    Parameters
    ----------
    colour : str
    marker : str
        Distinguishes it in grey, as points.
    line : str or tuple
        Distinguishes it in grey, as a line.
    """

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]] = "-"


# Engines by what they do, so that one of a user has a style too; what was published is apart.
_INDEPENDENT = Style(BLUE, "o", "-")
_CHAINS = Style(GREEN, "s", (0, (5.0, 1.5)))
LIKELIHOOD_STYLE = Style(BLACK, "D", (0, (3.5, 2.0)))
_PUBLISHED = Style(ORANGE, "X", (0, (1.0, 1.5)))
# The two subgroups of a binary group-level predictor.
SUBGROUP_STYLES = (Style(BLUE, "o", "-"), Style(ORANGE, "^", (0, (6.0, 1.5, 1.5, 1.5))))


def model_styles(models: Sequence[str]) -> dict[str, Style]:
    """Return a distinct colour and marker for each model; fixed for the bundled ones.

    Examples
    --------
    >>> model_styles(["mine", "hsb_ses"])["hsb_ses"] == model_styles(["hsb_ses"])["hsb_ses"]
    True
    """
    others = [model for model in dict.fromkeys(models) if model not in _LADDER]
    slots = [*_LADDER, *others] if len(others) < len(set(models)) else others
    return {
        model: Style(_COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)])
        for k, model in enumerate(slots)
        if model in models
    }


def engine_style(engine: str) -> Style:
    """Return the style of an engine, or of a "published" figure.

    Examples
    --------
    >>> engine_style("direct").marker, engine_style("reml").marker
    ('o', 'D')
    """
    if engine == "published":
        return _PUBLISHED
    one = ENGINES[engine]
    if not one.draws:
        return LIKELIHOOD_STYLE
    return _CHAINS if one.has_chains else _INDEPENDENT


def _look() -> dict[Any, Any]:
    """Return the settings that figures are drawn with: letters matplotlib's font lacks too."""
    from matplotlib import rcParams

    families = dict.fromkeys((*rcParams["font.family"], *more_letters()))
    return _LOOK | {"font.family": [*families]}


def new_figure(height: float = HEIGHT, *, width: float = WIDTH) -> Figure:
    """Return an empty figure of a size in inches; at the default width it fits a page's text.

    While a figure is drawn with ``figsize=`` or ``ax=`` (see `styled`), of that size, or what
    takes the place of a figure there.
    """
    from matplotlib.axes import Axes as MatplotlibAxes
    from matplotlib.figure import Figure

    canvas = current_canvas()
    if isinstance(canvas.ax, MatplotlibAxes):
        return cast("Figure", GivenAxes(canvas.ax))
    if canvas.ax is not None:
        return cast("Figure", canvas.ax)
    from bayes_mlm.figures.page_layout import PageLayout

    layout = PageLayout((_look(), canvas.settings))
    return Figure(figsize=canvas.size(width, height), layout=layout)


def width_of(figure: Figure) -> float:
    """Return the width of a figure, a subfigure or the axes in their place, in inches."""
    return float(figure.bbox.width / figure.dpi)


def across(
    figure: Figure, many: int, *, ratios: Sequence[float] | None = None, share: bool = False
) -> list[Axes]:
    """Return panels side by side; one below the other in a narrow figure.

    That is then taller, unless its height was given. With `share` they have the same scales.

    Examples
    --------
    >>> [[len(across(figure, 2)), figure.get_size_inches().tolist()]
    ...  for figure in (new_figure(3.0), new_figure(3.0, width=3.3))]
    [[2, [6.3, 3.0]], [2, [3.3, 4.5]]]
    """
    if many == 1 or width_of(figure) >= NARROW:
        options: dict[str, Any] = {"sharex": share, "sharey": share, "squeeze": False}
        return list(figure.subplots(1, many, width_ratios=ratios, **options)[0])
    make_room(figure, many)
    return list(figure.subplots(many, 1, sharex=share, sharey=share, squeeze=False).ravel())


def is_stacked(first: Axes, second: Axes) -> bool:
    """Test whether panels of `across` stand one below the other."""
    return bool(first.get_position().y0 > second.get_position().y0)


def stack(figure: Figure, height: float, many: int) -> float:
    """Return the height of panels one below the other, that of one being given, in inches.

    The figure becomes as much taller, unless its height was given.
    """
    whole = _STACKED * many * height
    canvas = current_canvas()
    if canvas.ax is None and not isinstance(canvas.figsize, tuple):
        wide, tall = figure.get_size_inches()
        figure.set_size_inches(wide, tall + whole - height)
    return whole


def make_room(figure: Figure, many: int) -> None:
    """Make a figure taller for panels one below the other; a subfigure has no size of its own."""
    if hasattr(figure, "get_size_inches"):
        stack(figure, float(figure.get_size_inches()[1]), many)


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes are part of."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # for mypy: axes that are drawn into have one
    return figure


def _size_ticks(drawn: Any) -> None:
    """Have ticks that matplotlib makes later, outside of the theme, keep the size of its labels."""
    from matplotlib import rcParams

    sizes_of = rcParams["xtick.labelsize"], rcParams["ytick.labelsize"]
    for ax in drawn.get_axes() if hasattr(drawn, "get_axes") else [drawn]:
        for size_of, axis in zip(sizes_of, (ax.xaxis, ax.yaxis), strict=True):
            if "labelsize" in axis.get_tick_params():
                continue
            sizes = [(label, label.get_fontsize()) for label in axis.get_majorticklabels()]
            axis.set_tick_params(labelsize=size_of)
            for label, size in sizes:
                label.set_fontsize(size)


class Drawing[D](Protocol):
    """A function that draws the data of a figure."""

    @overload
    def __call__(
        self, data: D, /, *, theme: Theme = "default", figsize: Size | None = None, ax: None = None
    ) -> Figure: ...
    @overload
    def __call__(
        self, data: D, /, *, theme: Theme = "default", figsize: Size | None = None, ax: Axes
    ) -> Axes: ...
    @overload
    def __call__(
        self, data: D, /, *, theme: Theme = "default", figsize: Size | None = None, ax: SubFigure
    ) -> SubFigure: ...


def styled[D](draw: Callable[[D], Figure]) -> Drawing[D]:
    """Have a function draw in the package's look, with the options of every figure.

    Matplotlib's settings are then as they were.

    Parameters
    ----------
    draw : callable
        Draws data on what `new_figure` returns.

    Returns
    -------
    callable
        The function with three options more. ``theme=`` is "default", "grey" (for print without
        colour), "talk" (larger text, for slides), a style of matplotlib, or a mapping of rcParams;
        ``figsize=`` the width in inches, or width and height; ``ax=`` axes (of a figure of one
        axes) or a subfigure (of any) to draw in. It returns the figure, or what was given as ax.

    Raises
    ------
    SpecError
        If there is no such theme, or the size is none.
    EngineError
        If axes are given and the figure has several.
    """

    @wraps(draw)
    def drawn(
        data: D, *, theme: Theme = "default", figsize: Size | None = None, ax: Any = None
    ) -> Any:
        from matplotlib import rc_context

        canvas = Canvas(theme=theme, figsize=figsize, ax=ax)
        with rc_context(_look()), rc_context(canvas.settings), drawing_on(canvas):
            made = draw(data)
            _size_ticks(made if ax is None else ax)
            if isinstance(cast("Any", made), GivenAxes):
                from bayes_mlm.figures.page_layout import break_names

                break_names(ax)
        if canvas.is_grey:
            make_grey(made if ax is None else ax)
        return made if ax is None else ax

    return cast("Drawing[D]", drawn)
