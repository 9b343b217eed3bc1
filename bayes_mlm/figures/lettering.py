"""Measure text in inches, and break it into lines."""

import re
from functools import cache
from typing import TYPE_CHECKING

from bayes_mlm.base import shorten

if TYPE_CHECKING:
    from matplotlib.text import Text

# Characters of a name on an axis, in a title or a legend; the lines of shorter ones are broken.
_LONGEST = 72
# After which characters a word breaks that is wider than a whole line.
_JOINTS = re.compile(r"(?<=[:_/,=])|(?=\[)")
# Fonts with letters that matplotlib's own lacks, of which those that are installed take over.
_MORE_LETTERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("Droid Sans Fallback", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Arial Unicode MS"),
)


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
    r"""Break lines between words where they are wider than some inches.

    A word stays whole if it fits a line; one that does not is broken after ``:``, ``_``, ``/`` and
    the like, and before ``[``.

    Examples
    --------
    >>> wrap("socioeconomic status\n(standard deviations)", 0.9, 9.0).splitlines()
    ['socioeconomic', 'status', '(standard', 'deviations)']
    >>> wrap("beta[socioeconomic:sector[Catholic]]", 1.2, 9.0).splitlines()
    ['beta', '[socioeconomic:', 'sector[Catholic]]']
    """
    lines: list[str] = []
    for line in text.split("\n"):
        start = len(lines)
        for word in line.split(" "):
            parts = [word]
            if text_width(word, size) > room:
                parts = _JOINTS.split(word)
            for k, part in enumerate(parts):
                gap = "" if k else " "
                if len(lines) > start and text_width(lines[-1] + gap + part, size) <= room:
                    lines[-1] += gap + part
                else:
                    lines.append(part)
    return "\n".join(lines)


def embolden(text: "Text") -> None:
    """Make text bold; with letters that matplotlib's own font lacks it stays as it is.

    Other fonts may have no bold, of which matplotlib warns.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties, findfont, get_font

    own = rcParams["font.family"][0]
    letters = get_font(findfont(FontProperties(family=[own]))).get_charmap()
    if all(ord(one) in letters for one in text.get_text()):
        text.set(fontweight="bold", fontfamily=own)


@cache
def more_letters() -> tuple[str, ...]:
    """Return the installed fonts that have letters which matplotlib's own lacks: Chinese ones."""
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return tuple(name for name in _MORE_LETTERS if name in installed)


def extra_lines(text: str, room: float, size: float) -> int:
    r"""Return how many more lines a text has once its lines are broken to fit some inches.

    Examples
    --------
    >>> extra_lines("socioeconomic status\n(standard deviations)", 0.9, 9.0)
    2
    """
    return wrap(text, room, size).count("\n") - text.count("\n")
