"""Tables in HTML: a fragment, or a page that loads nothing."""

from html import escape

from bayes_mlm.base.rendering.emphasis import Emphasised
from bayes_mlm.base.rendering.escaping import escape_text
from bayes_mlm.base.rendering.view import View

# Each rule is for these tables alone, and stronger than those that a page has for all its tables.
STYLE = """\
.result-table { overflow-x: auto; }
.result-table table { border-collapse: collapse; border: 0 solid; border-width: 2px 0;
  font-variant-numeric: tabular-nums; }
.result-table table caption { text-align: left; font-weight: bold; padding: 0.5rem 0; }
.result-table table caption.slanted { font-weight: normal; }
.result-table table th, .result-table table td { padding: 0.15rem 0.6rem; text-align: right;
  vertical-align: top; font-weight: normal; background: none; }
.result-table table tbody th { text-align: left; white-space: nowrap; }
.result-table table td.text, .result-table table thead th.text { text-align: left; }
.result-table table th[scope=rowgroup] { font-style: italic; padding-top: 0.5rem; }
.result-table table thead th { text-align: center; }
.result-table table thead tr:last-child > * { border-bottom: 1px solid; }
.result-table table tr.rule > * { border-top: 1px solid; padding-top: 0.3rem; }
.result-notes { font-size: 0.85rem; max-width: 60rem; padding-left: 1.2rem; }
.result-notes.prose { list-style: none; padding-left: 0; }
"""
_PAGE = "body { font: 1rem/1.4 serif; margin: 2rem; color: #111; background: #fff; }"


def to_page(view: View) -> str:
    """Return a table as a whole page, without script, that loads nothing from elsewhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(view.title)}</title>\n<style>\n{_PAGE}\n{STYLE}</style>\n</head>\n<body>\n"
        f"{to_html(view)}</body>\n</html>\n"
    )


def to_html(view: View) -> str:
    """Return a table with headers for a screen reader, and its legend; `STYLE` goes with it."""
    lines = ['<div class="result-table" tabindex="0">', "<table>"]
    kind = ' class="slanted"' if isinstance(view.title, Emphasised) else ""
    lines += [f"<caption{kind}>{escape_html(view.title)}</caption>"] if view.title else []
    lines.append("<thead>")
    if view.spans:
        lines.append(f"<tr>{''.join(_head(one.text, one.columns) for one in view.spans)}</tr>")
    heads = (
        _head(one, text_column=not numeric)
        for one, numeric in zip(view.headings, view.numeric, strict=True)
    )
    lines += [f"<tr>{''.join(heads)}</tr>", "</thead>"]
    at = 0
    for section, rows in view.parts():
        lines.append("<tbody>")
        if section:
            span = f'scope="rowgroup" colspan="{len(view.headings)}"'
            lines.append(f"<tr><th {span}>{escape_html(section)}</th></tr>")
        for row in rows:
            lines.append(_row(view, row, ruled=at in view.rules))
            at += 1
        lines.append("</tbody>")
    lines += ["</table>", "</div>"]
    if view.legend:
        items = [f"<li>{escape_html(line)}</li>" for line in view.legend]
        kind = " prose" if isinstance(view.legend[0], Emphasised) else ""
        lines += [f'<ul class="result-notes{kind}">', *items, "</ul>"]
    return "\n".join([*lines, ""])


def escape_html(text: str) -> str:
    """Escape a text for HTML.

    Examples
    --------
    >>> escape_html("<b> & σ_u")
    '&lt;b&gt; &amp; σ<sub>u</sub>'
    """
    return escape_text(text, _symbol, escape, lambda one: f"<em>{one}</em>")


def _head(text: str, columns: int = 1, *, text_column: bool = False) -> str:
    span = f' colspan="{columns}"' if columns > 1 else ""
    if not text:
        return f"<td{span}></td>"
    kind = ' class="text"' if text_column else ""
    return (
        f'<th scope="{"colgroup" if columns > 1 else "col"}"{span}{kind}>{escape_html(text)}</th>'
    )


def _row(view: View, lines: list[tuple[str, ...]], *, ruled: bool) -> str:
    first, *others = (
        "<br>".join(escape_html(one) for one in cell if one) for cell in zip(*lines, strict=True)
    )
    cells = [
        f"<td{'' if numeric else ' class="text"'}>{cell}</td>"
        for cell, numeric in zip(others, view.numeric[1:], strict=True)
    ]
    kind = ' class="rule"' if ruled else ""
    return f'<tr{kind}><th scope="row">{first}</th>{"".join(cells)}</tr>'


def _symbol(found: str) -> str:
    name, _, index = found.partition("_")
    return f"{name}<sub>{index}</sub>" if index else found
