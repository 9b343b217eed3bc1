"""Render tables of text on a console, in Markdown, LaTeX and HTML; the forms are one registry."""

from bayes_mlm.base.rendering.console import format_rows, to_console
from bayes_mlm.base.rendering.emphasis import Emphasised
from bayes_mlm.base.rendering.html import STYLE, to_html, to_page
from bayes_mlm.base.rendering.latex import to_latex
from bayes_mlm.base.rendering.markdown import escape_markdown, to_markdown
from bayes_mlm.base.rendering.view import RENDERERS, Span, View, render
from bayes_mlm.base.rendering.word import require_word, to_word

for _name, _renderer in (
    ("console", to_console),
    ("html", to_html),
    ("latex", to_latex),
    ("markdown", to_markdown),
    ("page", to_page),
):
    RENDERERS.register(_name, _renderer)

__all__ = [
    "RENDERERS",
    "STYLE",
    "Emphasised",
    "Span",
    "View",
    "escape_markdown",
    "format_rows",
    "render",
    "require_word",
    "to_word",
]
