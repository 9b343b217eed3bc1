"""Measure text in inches, and break it into lines."""

from bayes_mlm.base import shorten

# Characters of a name on an axis, in a title or a legend; the lines of shorter ones are broken.
_LONGEST = 72


def axis_name(name: object) -> str:
    """Return the name of a column, a group or a quantity for an axis, a title or a legend.

    Its lines are broken where it has too little room; only what would fill a page is cut.

    Examples
    --------
    >>> axis_name("score in the mathematics test of spring term")
    'score in the mathematics test of spring term'
    >>> len(axis_name("a" * 500))
    72
    """
    return shorten(name, _LONGEST)


def text_width(text: str, size: float) -> float:
    """Return the width of one line of text in inches, in a font of a size in points.

    Examples
    --------
    >>> 1.0 < text_width("a school's mean", 9.0) < 1.1
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72.0


def wrap(text: str, room: float, size: float) -> str:
    r"""Break lines between words where they are wider than some inches; a word stays whole.

    Examples
    --------
    >>> wrap("socioeconomic status\n(standard deviations)", 0.9, 9.0).splitlines()
    ['socioeconomic', 'status', '(standard', 'deviations)']
    """
    lines: list[str] = []
    for line in text.split("\n"):
        first, *words = line.split(" ")
        lines.append(first)
        for word in words:
            longer = f"{lines[-1]} {word}"
            if text_width(longer, size) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
    return "\n".join(lines)


def extra_lines(text: str, room: float, size: float) -> int:
    r"""Return how many more lines a text has once its lines are broken to fit some inches.

    Examples
    --------
    >>> extra_lines("socioeconomic status\n(standard deviations)", 0.9, 9.0)
    2
    """
    return wrap(text, room, size).count("\n") - text.count("\n")
