"""Measure text in inches, and break it into lines."""


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
