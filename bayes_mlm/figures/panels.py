"""Arrange the panels of a figure: in rows, or small ones next to a large one."""

from collections.abc import Sequence

from bayes_mlm.figures.lettering import extra_lines
from bayes_mlm.figures.style import NARROW, Axes, Figure, make_room, new_figure, width_of

# Panels in a row of a narrow figure, and small ones in a row under or next to a large one.
_NARROW_COLUMNS, _SMALL_COLUMNS = 2, 3
# Of the text of a panel: its size in points, the height of a line in inches, and the part of the
# width that it fills.
_SIZE, _LINE, _FILLED = 9.0, 0.16, 0.92


def mosaic(
    many: int, *, columns: int, base: float, row: float, texts: Sequence[str] = ()
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels in rows, and the panels; a narrow one has two in a row.

    Parameters
    ----------
    many : int
    columns : int
        Panels in a row, at most.
    base, row : float
        Height of the figure without its rows, and of a row, in inches.
    texts : sequence of str
        What is above and below each panel: rows are taller where its lines are to be broken.

    Examples
    --------
    >>> figure, panels = mosaic(5, columns=3, base=0.5, row=2.0)
    >>> len(panels), figure.get_size_inches().tolist()
    (5, [6.3, 4.5])
    """
    most = min(columns, _NARROW_COLUMNS) if width_of(new_figure()) < NARROW else columns
    across = min(many, most)
    rows = -(-many // across)
    room = _FILLED * width_of(new_figure()) / across
    lines = [extra_lines(text, room, _SIZE) for text in texts] or [0]
    taller = [_LINE * max(lines[k * across : (k + 1) * across], default=0) for k in range(rows)]
    figure = new_figure(base + row * rows + sum(taller))
    heights = [row + more for more in taller]
    panels = figure.subplots(rows, across, squeeze=False, height_ratios=heights).ravel()
    for ax in panels[many:]:
        ax.remove()
    return figure, list(panels[:many])


def apart(figure: Figure, *, ratios: tuple[float, float]) -> list[Axes]:
    """Return two panels side by side; in a narrow figure one below the other.

    There each is a subfigure, so that long names of ticks of one do not take the other's width.
    """
    if width_of(figure) >= NARROW:
        return list(figure.subplots(1, 2, width_ratios=ratios))
    make_room(figure, 2)
    return [part.subplots() for part in figure.subfigures(2, 1, squeeze=False).ravel()]


def large_and_small(figure: Figure, many: int, *, ratio: float) -> tuple[Axes, list[Axes]]:
    """Return large axes and small ones in rows of three next to it, on the same scales.

    In a narrow figure they stand below it, and the figure is taller unless its height was given.

    Parameters
    ----------
    figure : Figure
    many : int
        Of the small ones.
    ratio : float
        Width of the large one, in widths of a small one.
    """
    rows = -(-many // _SMALL_COLUMNS)
    narrow = width_of(figure) < NARROW
    if narrow:
        make_room(figure, 2)
        grid = figure.add_gridspec(rows + 1, _SMALL_COLUMNS, height_ratios=(1.6, *[1.0] * rows))
        large = figure.add_subplot(grid[0, :])
    else:
        ratios = (ratio, *[1.0] * _SMALL_COLUMNS)
        grid = figure.add_gridspec(rows, _SMALL_COLUMNS + 1, width_ratios=ratios)
        large = figure.add_subplot(grid[:, 0])
    small = []
    for k in range(many):
        row, column = divmod(k, _SMALL_COLUMNS)
        place = grid[row + 1, column] if narrow else grid[row, column + 1]
        panel = figure.add_subplot(place, sharex=large, sharey=large)
        panel.tick_params(labelleft=column == 0, labelbottom=k >= many - _SMALL_COLUMNS)
        small.append(panel)
    return large, small
