"""Tables in Markdown, with pipes, as GitHub and Pandoc read it."""

import re
from collections.abc import Iterable

from bayes_mlm.base.rendering.emphasis import Emphasised
from bayes_mlm.base.rendering.escaping import escape_text
from bayes_mlm.base.rendering.view import View

# Whatever could begin a tag, an entity, a link, emphasis, code, mathematics or the next cell.
_SPECIAL = re.compile(r"[\\`*_\[\]|~^$@]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(view: View) -> str:
    r"""Return a table in Markdown: second lines of cells in rows below, the legend as a list.

    Examples
    --------
    >>> view = View(title="Models of y", headings=("", "REML"), cells=(("a_b", "2.39"),),
    ...             sections=("Fixed part",), below=(("", "(0.11)"),))
    >>> print(to_markdown(view))
    **Models of y**
    <BLANKLINE>
    |                |   REML |
    |:---------------|-------:|
    | **Fixed part** |        |
    | a\_b           |   2.39 |
    |                | (0.11) |
    <BLANKLINE>
    """
    lines: list[list[str]] = [_escaped(view.headings)]
    if view.spans:
        lines.insert(0, _escaped([span.text for span in view.spans for _ in range(span.columns)]))
    for section, rows in view.parts():
        if section:
            heading = f"**{escape_markdown(section)}**"
            lines.append([heading, *[""] * (len(view.headings) - 1)])
        lines += [_escaped(line) for row in rows for line in row]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    specs = list(zip(widths, view.numeric, strict=True))
    body = [[_pad(cell, *spec) for cell, spec in zip(line, specs, strict=True)] for line in lines]
    rule = [f"{'-' * (width + 1)}:" if right else f":{'-' * (width + 1)}" for width, right in specs]
    text = "\n".join(f"|{'|'.join(cells)}|" for cells in (body[0], rule, *body[1:]))
    bold = "" if isinstance(view.title, Emphasised) else "**"  # one of italics has no bold
    title = f"{bold}{escape_markdown(view.title)}{bold}\n\n" if view.title else ""
    prose = bool(view.legend) and isinstance(view.legend[0], Emphasised)
    between, mark = ("\n\n", "") if prose else ("\n", "- ")
    legend = between.join(f"{mark}{escape_markdown(line)}" for line in view.legend)
    return f"{title}{text}\n" + (f"\n{legend}\n" if legend else "")


def escape_markdown(text: str) -> str:
    r"""Escape a text for a cell or a line of Markdown.

    Examples
    --------
    >>> escape_markdown("a_b | <c>")
    'a\\_b \\| &lt;c&gt;'
    """
    return escape_text(
        text,
        lambda symbol: symbol.replace("_", r"\_"),
        lambda other: _SPECIAL.sub(r"\\\g<0>", other).translate(_ENTITIES),
        lambda italic: f"*{italic}*" if italic else "",
    )


def _escaped(line: Iterable[str]) -> list[str]:
    return [escape_markdown(cell) for cell in line]


def _pad(cell: str, width: int, right: bool) -> str:
    return f" {cell.rjust(width) if right else cell.ljust(width)} "
