"""Set a table in the format that was asked for."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bayes_mlm.base import EngineError, suggest
from bayes_mlm.report.publication.html import to_html
from bayes_mlm.report.publication.latex import to_latex
from bayes_mlm.report.publication.markdown import to_markdown
from bayes_mlm.report.publication.table import PublicationTable

_SETTERS: Mapping[str, Callable[[PublicationTable], str]] = MappingProxyType(
    {"markdown": to_markdown, "latex": to_latex, "html": to_html}
)
FORMATS = tuple(_SETTERS)


def render(table: PublicationTable, format: str = "markdown") -> str:  # noqa: A002  (its name everywhere)
    r"""Set a table as Markdown, LaTeX or HTML.

    Parameters
    ----------
    table : PublicationTable
    format : {"markdown", "latex", "html"}
        Markdown with pipes (GitHub's, Pandoc's); a LaTeX ``table`` with booktabs; a whole HTML
        page of its own.

    Returns
    -------
    str
        Ends in a line feed. Names stand as they are in the data, whatever characters they hold.

    Raises
    ------
    EngineError
        If there is no such format.

    Examples
    --------
    >>> from bayes_mlm.report.publication import Cell, Column, PublicationTable, Row, Section
    >>> row = Row(label="ses", cells=(Cell(text="2.39", below="(0.11)"),))
    >>> table = PublicationTable(
    ...     title="Models of mathach",
    ...     columns=(Column(number=1, model="hsb_ses", engine="REML"),),
    ...     sections=(Section(title="Fixed part", rows=(row,)),),
    ...     notes=("In parentheses: standard errors.",),
    ... )
    >>> print(render(table))
    **Models of mathach**
    <BLANKLINE>
    |                |   (1) hsb\_ses |
    |:---------------|---------------:|
    | engine         |           REML |
    | **Fixed part** |                |
    | ses            |           2.39 |
    |                |         (0.11) |
    <BLANKLINE>
    - In parentheses: standard errors.
    <BLANKLINE>
    """
    if format not in _SETTERS:
        raise EngineError(f"unknown format {format!r}{suggest(str(format), FORMATS)}")
    return _SETTERS[format](table)
