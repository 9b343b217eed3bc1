"""Set a table in HTML, as a page of its own that asks nothing of anybody."""

from html import escape
from itertools import groupby

from bayes_mlm.report.publication.markup import heading, set_text
from bayes_mlm.report.publication.table import Column, PublicationTable, Row

# Each rule is for this table alone, and stronger than those that a page has for all of its tables.
STYLE = """\
.publication { overflow-x: auto; }
.publication .models { border-collapse: collapse; border: 0 solid; border-width: 2px 0;
  font-variant-numeric: tabular-nums; }
.publication .models caption { text-align: left; font-weight: bold; padding: 0.5rem 0; }
.publication .models th, .publication .models td { padding: 0.15rem 0.6rem; text-align: right;
  vertical-align: top; font-weight: normal; background: none; }
.publication .models tbody th { text-align: left; white-space: nowrap; }
.publication .models th[scope=rowgroup] { font-style: italic; padding-top: 0.5rem; }
.publication .models thead th { text-align: center; }
.publication .models thead tr:last-child > * { border-bottom: 1px solid; }
.publication-notes { font-size: 0.85rem; max-width: 60rem; padding-left: 1.2rem; }
"""
_PAGE = "body { font: 1rem/1.4 serif; margin: 2rem; color: #111; background: #fff; }"


def to_html(table: PublicationTable) -> str:
    """Set a table as a page: caption, row and column headers, notes below.

    Parameters
    ----------
    table : PublicationTable

    Returns
    -------
    str
        No script, and nothing that is fetched from elsewhere.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.title)}</title>\n<style>\n{_PAGE}\n{STYLE}</style>\n</head>\n<body>\n"
        f"{to_html_fragment(table)}</body>\n</html>\n"
    )


def to_html_fragment(table: PublicationTable) -> str:
    """Set a table and its notes for a page that is there already; `STYLE` goes with it."""
    lines = [
        '<div class="publication" tabindex="0">',
        '<table class="models">',
        f"<caption>{set_html(table.title)}</caption>",
        "<thead>",
        f"<tr><td></td>{''.join(_models(table))}</tr>",
        f"<tr><td></td>{''.join(map(_engine, table.columns))}</tr>",
        "</thead>",
    ]
    span = len(table.columns) + 1
    for section in table.sections:
        lines.append("<tbody>")
        title = set_html(section.title)
        lines.append(f'<tr><th scope="rowgroup" colspan="{span}">{title}</th></tr>')
        lines += [_row(row) for row in section.rows]
        lines.append("</tbody>")
    lines += ["</table>", "</div>", '<ul class="publication-notes">']
    lines += [f"<li>{set_html(note)}</li>" for note in table.notes]
    return "\n".join([*lines, "</ul>", ""])


def set_html(text: str) -> str:
    """Escape a text for HTML.

    Examples
    --------
    >>> set_html("<b> & σ_u")
    '&lt;b&gt; &amp; σ<sub>u</sub>'
    """
    return set_text(text, _symbol, escape)


def _models(table: PublicationTable) -> list[str]:
    heads = []
    for _, group in groupby(table.columns, key=lambda column: column.number):
        columns = list(group)
        text = set_html(heading(columns[0]))
        if len(columns) == 1:
            heads.append(f'<th scope="col">{text}</th>')
        else:
            heads.append(f'<th scope="colgroup" colspan="{len(columns)}">{text}</th>')
    return heads


def _engine(column: Column) -> str:
    return f'<th scope="col">{set_html(column.engine)}</th>'


def _row(row: Row) -> str:
    cells = [
        f"<td>{set_html(cell.text)}{f'<br>{set_html(cell.below)}' if cell.below else ''}</td>"
        for cell in row.cells
    ]
    return f'<tr><th scope="row">{set_html(row.label)}</th>{"".join(cells)}</tr>'


def _symbol(found: str) -> str:
    name, _, index = found.partition("_")
    return f"{name}<sub>{index}</sub>" if index else found
