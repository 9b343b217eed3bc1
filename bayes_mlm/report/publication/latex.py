"""Set a table in LaTeX, with the rules of booktabs."""

from itertools import groupby

from bayes_mlm.base import MINUS, SUPERSCRIPTS, TIMES
from bayes_mlm.report.publication.markup import set_text
from bayes_mlm.report.publication.table import Column, PublicationTable

# tabulate's own rules turn ^ into an accent and | into a dash.
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


def to_latex(table: PublicationTable) -> str:
    r"""Set a table as a ``table`` environment; a wide one is scaled down to the line.

    Parameters
    ----------
    table : PublicationTable

    Returns
    -------
    str
        Its first line names the packages it needs. Models are named above their columns where
        there is room, else by the numbers that the notes explain.
    """
    named = _width(table, named=True) <= _LINE
    wide = _width(table, named=False) > _LINE
    packages = r"\usepackage{booktabs}" + (r" \usepackage{graphicx}" if wide else "")
    lines = [
        f"% needs {packages}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{set_latex(table.title)}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        _tabular(table, named) + ("}" if wide else ""),
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *(f"{set_latex(note)}\\par" for note in table.notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def set_latex(text: str) -> str:
    r"""Escape a text for LaTeX.

    Examples
    --------
    >>> print(set_latex("a_b & 50% of σ_u"))
    a\_b \& 50\% of $\sigma_u$
    """
    return set_text(text, _symbol, _escape)


def _tabular(table: PublicationTable, named: bool) -> str:
    from tabulate import SEPARATING_LINE, DataRow, Line, TableFormat, tabulate

    booktabs = TableFormat(
        lineabove=Line(_opening(table, named), "", "", ""),
        linebelowheader=Line(r"\midrule", "", "", ""),
        linebetweenrows=None,
        linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
        headerrow=DataRow("", "&", r"\\"),
        datarow=DataRow("", "&", r"\\"),
        padding=1,
        with_header_hide=None,
    )
    count = len(table.columns)
    lines: list[list[str] | str] = []
    for section in table.sections:
        if lines:
            lines.append(SEPARATING_LINE)
        lines.append([rf"\emph{{{set_latex(section.title)}}}", *[""] * count])
        for row in section.rows:
            lines.append([_first(row.label), *(set_latex(cell.text) for cell in row.cells)])
            if any(cell.below for cell in row.cells):
                lines.append(["", *(set_latex(cell.below) for cell in row.cells)])
    return str(
        tabulate(
            lines,
            headers=["", *(set_latex(column.engine) for column in table.columns)],
            tablefmt=booktabs,
            disable_numparse=True,  # numbers are text: they are rounded, and have a true minus sign
            colalign=("left", *("center" for _ in table.columns)),
        )
    )


def _opening(table: PublicationTable, named: bool) -> str:
    """Begin the tabular: the models above the engines, one that has several over all of them."""
    heads, rules, at = [], [], 2
    for _, group in groupby(table.columns, key=lambda column: column.number):
        columns = list(group)
        heads.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{_head(columns[0], named)}}}")
        if len(columns) > 1:
            rules.append(rf"\cmidrule(lr){{{at}-{at + len(columns) - 1}}}")
        at += len(columns)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'c' * len(table.columns)}}}",
            r"\toprule",
            f" & {' & '.join(heads)} \\\\",
            *rules,
        ]
    )


def _head(column: Column, named: bool) -> str:
    return set_latex(f"({column.number}) {column.model if named else ''}".rstrip())


def _first(label: str) -> str:
    """Keep a label from being read as the option, or the star, of the line break before it."""
    shown = set_latex(label)
    return f"{{}}{shown}" if shown[:1] in ("[", "*") else shown


def _width(table: PublicationTable, *, named: bool) -> int:
    """Count the characters of the widest line."""
    widths = [len(column.engine) for column in table.columns]
    labels = 0
    for section in table.sections:
        labels = max(labels, len(section.title))
        for row in section.rows:
            labels = max(labels, len(row.label))
            for k, cell in enumerate(row.cells):
                widths[k] = max(widths[k], len(cell.text), len(cell.below))
    if named:
        for k, column in enumerate(table.columns):
            shared = sum(other.number == column.number for other in table.columns)
            widths[k] = max(widths[k], -(-(len(column.model) + 4) // shared))
    return labels + sum(width + 2 for width in widths)


def _escape(text: str) -> str:
    # A pair of hyphens would be set as a dash.
    return text.translate(_ESCAPES).replace("--", "-{}-")


def _symbol(found: str) -> str:
    if found in _SYMBOLS:
        return _SYMBOLS[found]
    return f"$^{{{found.translate(_FROM_SUPERSCRIPT)}}}$"
