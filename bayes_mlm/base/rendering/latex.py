"""Tables in LaTeX, with the rules of booktabs."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from bayes_mlm.base.rendering.escaping import escape_text
from bayes_mlm.base.rendering.view import Span, View
from bayes_mlm.base.text import MINUS, SUPERSCRIPTS, TIMES

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
    }
)
_SYMBOLS = {
    "σ_u": r"$\sigma_u$",
    "σ_e": r"$\sigma_e$",
    "ρ_u": r"$\rho_u$",
    "ρ_e": r"$\rho_e$",
    "σ": r"$\sigma$",
    "ν": r"$\nu$",
    "ρ": r"$\rho$",
    MINUS: "$-$",
    TIMES: r"$\times$",
}
_FROM_SUPERSCRIPT = {value: key for key, value in SUPERSCRIPTS.items()}
# Characters, labels and gaps included, that a line of a page holds in the usual ten points.
_LINE = 80


def to_latex(view: View) -> str:
    r"""Return a table as a ``table`` environment with booktabs; a wide one is scaled to the line.

    The first line names the packages that it needs. Headings over several columns are written out
    where there is room, else shortened.
    """
    full = _width(view, full=True) <= _LINE
    wide = _width(view, full=False) > _LINE
    packages = r"\usepackage{booktabs}" + (r" \usepackage{graphicx}" if wide else "")
    lines = [
        f"% needs {packages}",
        r"\begin{table}",
        r"\centering",
        *([rf"\caption{{{escape_latex(view.title)}}}"] if view.title else []),
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        "\n".join(_tabular(view, full)) + ("}" if wide else ""),
    ]
    if view.legend:
        lines += [
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize",
            *(f"{escape_latex(line)}\\par" for line in view.legend),
            r"\end{minipage}",
        ]
    return "\n".join([*lines, r"\end{table}", ""])


def escape_latex(text: str) -> str:
    r"""Escape a text for LaTeX.

    Examples
    --------
    >>> print(escape_latex("a_b & 50% of σ_u"))
    a\_b \& 50\% of $\sigma_u$
    """
    return escape_text(text, _symbol, _escape, lambda one: rf"\emph{{{one}}}")


def _tabular(view: View, full: bool) -> Iterator[str]:
    alignment = "c" if view.below else "r"
    columns = "".join(alignment if numeric else "l" for numeric in view.numeric[1:])
    yield from (rf"\begin{{tabular}}{{l{columns}}}", r"\toprule")
    yield from _spans(view.spans, full)
    rows = [row for _, rows in view.parts() for row in rows]
    lines = [list(map(escape_latex, line)) for line in (view.headings, *chain(*rows))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = iter([_line(line, widths) for line in lines])
    yield from (next(shown), r"\midrule")
    at = 0
    for k, (section, part) in enumerate(view.parts()):
        if section:
            yield from [r"\midrule"] if k else []
            yield rf"\emph{{{escape_latex(section)}}}{' &' * len(columns)} \\"
        for row in part:
            yield from [r"\midrule"] if at in view.rules else []
            yield from islice(shown, len(row))
            at += 1
    yield from (r"\bottomrule", r"\end{tabular}")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    # A label that is not to be read as the option, or the star, of the line break before it.
    first = f"{{}}{first}" if first[:1] in ("[", "*") else first
    return f"{' & '.join([first, *others])} \\\\"


def _spans(spans: Sequence[Span], full: bool) -> Iterator[str]:
    heads, rules, at = [], [], 1
    for span in spans:
        text = escape_latex(span.text if full else span.short or span.text)
        blank = "&" * (span.columns - 1)
        heads.append(rf"\multicolumn{{{span.columns}}}{{c}}{{{text}}}" if text else blank)
        if text and span.columns > 1:
            rules.append(rf"\cmidrule(lr){{{at}-{at + span.columns - 1}}}")
        at += span.columns
    if spans:
        yield from (f"{' & '.join(heads)} \\\\", *rules)


def _width(view: View, *, full: bool) -> int:
    """Return the number of characters of the widest line."""
    lines = [view.headings, *view.cells, *(one for one in view.below if one)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    at = 0
    for span in view.spans:
        text = span.text if full else span.short or span.text
        for k in range(at, at + span.columns):
            widths[k] = max(widths[k], -(-len(text) // span.columns))
        at += span.columns
    widths[0] = max([widths[0], *map(len, view.sections)])
    return widths[0] + sum(width + 2 for width in widths[1:])


def _escape(text: str) -> str:
    # A pair of hyphens would be set as a dash.
    return text.translate(_ESCAPES).replace("--", "-{}-")


def _symbol(found: str) -> str:
    if found in _SYMBOLS:
        return _SYMBOLS[found]
    return f"$^{{{found.translate(_FROM_SUPERSCRIPT)}}}$"
