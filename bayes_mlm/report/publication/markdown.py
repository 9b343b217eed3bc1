"""Set a table in Markdown, with pipes, as GitHub and Pandoc read it."""

import re

from bayes_mlm.report.publication.markup import heading, set_text
from bayes_mlm.report.publication.table import PublicationTable

# Whatever could begin a tag, an entity, a link, emphasis, code, mathematics or the next cell.
_SPECIAL = re.compile(r"[\\`*_\[\]|~^$@]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(table: PublicationTable) -> str:
    """Set a table in Markdown: the error or interval in a row of its own below the estimate.

    Parameters
    ----------
    table : PublicationTable

    Returns
    -------
    str
    """
    from tabulate import tabulate

    blank = [""] * len(table.columns)
    lines = [["engine", *(set_markdown(column.engine) for column in table.columns)]]
    for section in table.sections:
        lines.append([f"**{set_markdown(section.title)}**", *blank])
        for row in section.rows:
            lines.append([set_markdown(row.label), *(set_markdown(one.text) for one in row.cells)])
            if any(cell.below for cell in row.cells):
                lines.append(["", *(set_markdown(cell.below) for cell in row.cells)])
    body = tabulate(
        lines,
        headers=["", *(set_markdown(heading(column)) for column in table.columns)],
        tablefmt="pipe",
        disable_numparse=True,  # numbers are text: they are rounded, and have a true minus sign
        preserve_whitespace=True,
        colalign=("left", *("right" for _ in table.columns)),
    )
    notes = "\n".join(f"- {set_markdown(note)}" for note in table.notes)
    return f"**{set_markdown(table.title)}**\n\n{body}\n\n{notes}\n"


def set_markdown(text: str) -> str:
    r"""Escape a text for a cell or a line of Markdown.

    Examples
    --------
    >>> set_markdown("a_b | <c>")
    'a\\_b \\| &lt;c&gt;'
    """
    return set_text(text, _symbol, _escape)


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text).translate(_ENTITIES)


def _symbol(found: str) -> str:
    return found.replace("_", r"\_")
