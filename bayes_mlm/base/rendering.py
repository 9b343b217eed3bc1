"""Renderers of result tables: console, Markdown, LaTeX and HTML, in one registry."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from html import escape

from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.registry import Registry
from bayes_mlm.base.text import align, split
from bayes_mlm.base.text.visible import visible

# Characters of a label; of text that is aligned to the left, which may be a sentence.
_WIDEST, _WIDEST_TEXT = 60, 200


@dataclass(frozen=True, kw_only=True)
class View:
    """A table as text, rounded and without markup.

    Parameters
    ----------
    title : str
    headings : tuple of str
    cells : tuple of tuple of str
        By row.
    legend : tuple of str
        Lines below it.
    left : frozenset of int
        Columns of text aligned to the left on a console, besides the first.
    sections : tuple of str
        Of each row, the heading that it stands under; empty without sections.
    """

    title: str = ""
    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...] = ()
    left: frozenset[int] = frozenset()
    sections: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, ...], ...]:
        """The rows, with one of its own for the heading of each section."""
        lines: list[tuple[str, ...]] = []
        before = ""
        for section, row in zip(self.sections or ("",) * len(self.cells), self.cells, strict=True):
            if section != before:
                lines.append((section, *[""] * (len(row) - 1)))
            lines.append(row)
            before = section
        return tuple(lines)


RENDERERS = Registry[Callable[[View], str]]("format", EngineError)


def render(view: View, form: str = "console") -> str:
    """Return a view in a form of `RENDERERS`.

    Raises
    ------
    EngineError
        If there is no such form.

    Examples
    --------
    >>> print(render(View(headings=("", "sd"), cells=(("icc", "0.018"),), legend=("ok",))))
            sd
    icc  0.018
    ok
    """
    return RENDERERS[form](view)


def format_rows(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> str:
    """Align rows of text: the first column to the left, numbers on their points, others right.

    Parameters
    ----------
    rows : sequence of sequence of str
        Lines of equal length.
    left : collection of int
        Further columns of text to be aligned to the left.

    Returns
    -------
    str
        One line each, two blanks between columns, no blanks at the end of a line.

    Examples
    --------
    >>> print(format_rows([("", "y"), ("mean", "12.5")]))
             y
    mean  12.5
    """
    rows = [
        [_cut(visible(cell), _WIDEST_TEXT if k in left else _WIDEST) for k, cell in enumerate(row)]
        for row in rows
    ]
    labels, *others = zip(*rows, strict=True)
    columns = [labels, *map(_aligned, others)]
    first, *rest = (max(map(len, column)) for column in columns)
    lines = []
    for label, *cells in zip(*columns, strict=True):
        aligned = (
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, rest, strict=True), start=1)
        )
        lines.append("  ".join((label.ljust(first), *aligned)).rstrip())
    return "\n".join(lines)


def _cut(cell: str, most: int) -> str:
    """Cut a label that would push a table off any screen."""
    return cell if len(cell) <= most else f"{cell[: most - 1]}…"


def _aligned(column: Sequence[str]) -> list[str]:
    """Align a column that has a head, or none."""
    every = align(column)
    return every if every != list(column) else [column[0], *align(column[1:])]


def _console(view: View) -> str:
    title = [visible(view.title)] if view.title else []
    if not view.sections:
        body = format_rows([view.headings, *view.cells], view.left)
        return "\n".join([*title, body, *view.legend])
    # A section's heading stands over the columns, and widens none.
    indented = [("  " + first, *rest) for first, *rest in (view.headings, *view.cells)]
    head, *shown = format_rows(indented, view.left).splitlines()
    lines = [*title, head]
    for k, section in enumerate(view.sections):
        lines += [section] if k == 0 or section != view.sections[k - 1] else []
        lines.append(shown[k])
    return "\n".join([*lines, *view.legend])


def _html(view: View) -> str:
    title = f"<p><b>{escape(visible(view.title))}</b></p>\n" if view.title else ""
    legend = "".join(f"<p>{escape(visible(line))}</p>\n" for line in view.legend)
    return f"{title}{_tabulated(view, 'html')}\n{legend}"


def _latex(view: View) -> str:
    return f"{_tabulated(view, 'latex_booktabs')}\n"


def _markdown(view: View) -> str:
    legend = "".join(f"- {visible(line)}\n" for line in view.legend)
    title = f"**{visible(view.title)}**\n\n" if view.title else ""
    return f"{title}{_tabulated(view, 'pipe')}\n\n{legend}"


def _tabulated(view: View, form: str) -> str:
    from tabulate import tabulate

    numeric = [split(column) is not None for column in zip(*view.cells, strict=True)]
    safe = [[_safe(cell, form) for cell in row] for row in (view.headings, *view.lines)]
    return str(
        tabulate(
            safe[1:],
            headers=safe[0],
            tablefmt=form,
            disable_numparse=True,  # numbers are text, and already rounded
            colalign=["right" if one else "left" for one in numeric] if numeric else None,
        )
    )


def _safe(cell: str, form: str) -> str:
    cell = visible(cell)
    return cell.replace("|", "\\|") if form == "pipe" else cell


for _name, _renderer in (
    ("console", _console),
    ("html", _html),
    ("latex", _latex),
    ("markdown", _markdown),
):
    RENDERERS.register(_name, _renderer)
