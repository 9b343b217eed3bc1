"""Tables in a document of Word, by python-docx."""

import importlib
import io
from typing import Any

from bayes_mlm.base.errors import StorageError
from bayes_mlm.base.rendering.emphasis import runs
from bayes_mlm.base.rendering.escaping import pieces
from bayes_mlm.base.rendering.view import View
from bayes_mlm.base.text.visible import visible

# Columns of an upright page; a wider table has a page on its side.
_MOST_UPRIGHT = 7
_THICK, _THIN = 12, 4  # eighths of a point


def to_word(view: View) -> bytes:
    """Return a table as a document of Word (.docx), which a manuscript can take in.

    It has horizontal rules only, headings that are repeated on every page, and its legend below.

    Raises
    ------
    StorageError
        If python-docx is not installed.
    """
    docx = require_word()
    document = docx.Document()
    document.core_properties.author = ""
    document.core_properties.title = visible(" ".join(view.title.split()))
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Times New Roman", docx.shared.Pt(10)
    normal.paragraph_format.space_after = docx.shared.Pt(0)
    section = document.sections[0]
    if len(view.headings) > _MOST_UPRIGHT:
        section.orientation = docx.enum.section.WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = section.page_height, section.page_width
    if view.title:
        caption = document.add_paragraph()
        caption.paragraph_format.keep_with_next = True
        caption.paragraph_format.space_after = docx.shared.Pt(6)
        _write(caption, view.title)
    _fill(document, view)
    for line in view.legend:
        note = document.add_paragraph()
        note.paragraph_format.space_before = docx.shared.Pt(4)
        _write(note, line, size=docx.shared.Pt(9))
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def require_word() -> Any:
    """Import python-docx with the parts that are needed.

    Raises
    ------
    StorageError
        If it is not installed.
    """
    try:
        docx = importlib.import_module("docx")
        for part in ("enum.section", "enum.text", "oxml", "oxml.ns", "shared"):
            importlib.import_module(f"docx.{part}")
    except ImportError as error:
        raise StorageError(
            "a document of Word is written by python-docx, which is not installed: "
            "pip install 'bayes-mlm[word]', or choose the endings .tex, .md or .html"
        ) from error
    return docx


def _fill(document: Any, view: View) -> None:
    """Add the table: spans and headings, then sections and rows, a paragraph for each line."""
    parts = [(section, rows) for section, rows in view.parts()]
    heads = 1 + bool(view.spans)
    many = heads + len(view.cells) + sum(bool(section) for section, _ in parts)
    table = document.add_table(rows=many, cols=len(view.headings))
    rows = [list(row.cells) for row in table.rows]
    _heads(rows, view)
    at, place = heads, 0
    for section, lines in parts:
        if section:
            _cell(rows[at][0].merge(rows[at][-1]), [section], italic=True)
            at += 1
        for texts in lines:
            for k, several in enumerate(zip(*texts, strict=True)):
                _cell(rows[at][k], list(several), centred=view.numeric[k])
                if place in view.rules:
                    _border(rows[at][k], top=_THIN)
            at, place = at + 1, place + 1
    for k, row in enumerate(table.rows):
        _mark(row, "cantSplit")
        if k < heads:
            _mark(row, "tblHeader")
    for cell in rows[0]:
        _border(cell, top=_THICK)
    for cell in rows[heads - 1]:
        _border(cell, bottom=_THIN)
    for cell in rows[-1]:
        _border(cell, bottom=_THICK)


def _heads(rows: list[list[Any]], view: View) -> None:
    at = 0
    for span in view.spans:
        cell = rows[0][at].merge(rows[0][at + span.columns - 1])
        _cell(cell, [span.text], centred=True)
        if span.text and span.columns > 1:
            _border(cell, bottom=_THIN)
        at += span.columns
    for k, (text, cell) in enumerate(zip(view.headings, rows[bool(view.spans)], strict=True)):
        _cell(cell, [text], centred=k > 0)


def _cell(cell: Any, lines: list[str], *, centred: bool = False, italic: bool = False) -> None:
    for k, line in enumerate(lines):
        if k and not line:
            continue
        paragraph = cell.add_paragraph() if k else cell.paragraphs[0]
        if centred:
            paragraph.alignment = require_word().enum.text.WD_ALIGN_PARAGRAPH.CENTER
        _write(paragraph, line, italic=italic)


def _write(paragraph: Any, text: str, *, size: Any = None, italic: bool = False) -> None:
    """Add a text: symbols with their index below the line, parts in italics."""
    for slanted, run in runs(text):
        for kind, piece in pieces(run):
            name, _, index = piece.partition("_") if kind == "symbol" else (piece, "", "")
            for part, lowered in ((name, False), (index, True)):
                if part:
                    made = paragraph.add_run(part)
                    made.italic = True if slanted or italic else None
                    made.font.subscript = True if lowered else None
                    made.font.size = size


def _mark(row: Any, name: str) -> None:
    docx = require_word()
    row._tr.get_or_add_trPr().append(docx.oxml.OxmlElement(f"w:{name}"))


def _border(cell: Any, **eighths: int) -> None:
    """Set rules above or below a cell, in eighths of a point."""
    docx = require_word()
    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(docx.oxml.ns.qn("w:tcBorders"))
    if borders is None:
        borders = docx.oxml.OxmlElement("w:tcBorders")
        properties.append(borders)
    for side in ("top", "bottom"):  # the order that the schema wants
        if side in eighths:
            found = borders.find(docx.oxml.ns.qn(f"w:{side}"))
            line = docx.oxml.OxmlElement(f"w:{side}") if found is None else found
            line.set(docx.oxml.ns.qn("w:val"), "single")
            line.set(docx.oxml.ns.qn("w:sz"), str(eighths[side]))
            if found is None:
                borders.insert(0, line) if side == "top" else borders.append(line)
