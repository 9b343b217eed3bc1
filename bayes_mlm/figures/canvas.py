"""Where a figure is drawn and in what look: theme, size, and axes or a subfigure handed over."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayes_mlm.base import EngineError, SpecError, check_choice

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

type Theme = str | Mapping[str, Any]
type Size = float | tuple[float, float]

# Of the package: what they change of its look. Any style of matplotlib is a theme too.
_TALK = 1.3
THEMES: dict[str, dict[str, Any]] = {
    "default": {},
    "grey": {},
    "talk": {
        "font.size": 9.0 * _TALK,
        "axes.titlesize": 10.0 * _TALK,
        "axes.labelsize": 9.0 * _TALK,
        "xtick.labelsize": 8.5 * _TALK,
        "ytick.labelsize": 8.5 * _TALK,
        "legend.fontsize": 8.5 * _TALK,
    },
}
# Width in inches of a figure of a theme, where it is not the default.
_WIDTHS = {"talk": 9.0}
_SMALLEST, _LARGEST = 1.5, 40.0


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """Where and how a figure is drawn.

    Parameters
    ----------
    theme : str or mapping
        A name in `THEMES`, a style of matplotlib, or rcParams.
    figsize : float or (float, float), optional
        Width, or width and height, in inches; what is not given follows from the content.
    ax : Axes or SubFigure, optional
        Where to draw, in the place of a new figure.
    """

    theme: Theme = "default"
    figsize: Size | None = None
    ax: Any = None
    settings: Any = field(init=False)

    def __post_init__(self) -> None:
        """Validate the options and look the theme up."""
        object.__setattr__(self, "settings", _settings(self.theme))
        if self.figsize is None:
            return
        if self.ax is not None:
            raise SpecError("ax= has a size already; omit figsize=")
        sizes = self.figsize if isinstance(self.figsize, tuple) else (self.figsize,)
        if not all(_SMALLEST <= size <= _LARGEST for size in sizes):
            raise SpecError(
                f"figsize {self.figsize!r}: give a width, or a width and a height, in inches "
                f"between {_SMALLEST:g} and {_LARGEST:g}"
            )

    @property
    def is_grey(self) -> bool:
        """Whether colours become greys."""
        return self.theme == "grey"

    def size(self, width: float, height: float) -> tuple[float, float]:
        """Return the size of a figure that would be so large by default, in inches."""
        if isinstance(self.figsize, tuple):
            return self.figsize
        wide = _WIDTHS.get(self.theme, 0.0) if isinstance(self.theme, str) else 0.0
        if wide:
            width, height = wide * width / 6.3, wide * height / 6.3
        return (float(self.figsize), height) if self.figsize is not None else (width, height)


_CURRENT: ContextVar[Canvas | None] = ContextVar("canvas", default=None)


def current_canvas() -> Canvas:
    """Return the canvas that is drawn on, or the default one."""
    return _CURRENT.get() or Canvas()


@contextmanager
def drawing_on(canvas: Canvas) -> Iterator[None]:
    """Have figures that are made meanwhile use a canvas."""
    token = _CURRENT.set(canvas)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class GivenAxes:
    """Axes handed over, in the place of a new figure: a figure of one axes is drawn in them."""

    def __init__(self, ax: "matplotlib.axes.Axes") -> None:
        self._ax = ax

    def add_subplot(self, *_: Any, **__: Any) -> "matplotlib.axes.Axes":
        """Return the axes."""
        return self._ax

    def subplots(self, nrows: int = 1, ncols: int = 1, *, squeeze: bool = True, **_: Any) -> Any:
        """Return the axes, alone or in an array, as a figure does.

        Raises
        ------
        EngineError
            If there are to be several.
        """
        import numpy as np

        if nrows * ncols > 1:
            self._refuse(f"{nrows * ncols} axes")
        return self._ax if squeeze else np.array([[self._ax]], dtype=object)

    def subfigures(self, *_: Any, **__: Any) -> Any:
        """Refuse: a figure that is made of figures has several axes."""
        self._refuse("several axes")

    def add_gridspec(self, *_: Any, **__: Any) -> Any:
        """Refuse: a figure with a grid has several axes."""
        self._refuse("several axes")

    def legend(self, *, ncols: int = 1, **options: Any) -> Any:
        """Place a legend below the axes, where the legend of a figure is."""
        options |= {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
        return self._ax.legend(ncols=min(ncols, 2), **options)

    def get_axes(self) -> list[Any]:
        """Return the axes, in a list."""
        return [self._ax]

    @property
    def axes(self) -> list[Any]:
        """The axes, in a list."""
        return [self._ax]

    @property
    def bbox(self) -> Any:
        """The box of the axes, in pixels."""
        return self._ax.bbox

    @property
    def dpi(self) -> float:
        """Pixels of an inch."""
        figure = self._ax.get_figure(root=True)
        assert figure is not None  # for mypy: axes that are drawn into have one
        return float(figure.dpi)

    def _refuse(self, what: str) -> None:
        raise EngineError(
            f"this figure has {what}, ax= is one; give a subfigure: "
            "ax=figure.subfigures(1, 2)[0], or omit ax= for a figure of its size"
        )


def _settings(theme: Theme) -> Any:
    """Return the rcParams of a theme."""  # Any: matplotlib's stubs want its settings by name
    if not isinstance(theme, str):
        from matplotlib import rcParams

        unknown = sorted(str(name) for name in theme if name not in rcParams)
        if unknown:
            raise SpecError(f"theme= has no settings of matplotlib: {', '.join(unknown)}")
        return theme
    if theme in THEMES:
        return THEMES[theme]
    from matplotlib import style

    check_choice("theme", theme, (*THEMES, *style.available), SpecError)
    return style.library[theme]
