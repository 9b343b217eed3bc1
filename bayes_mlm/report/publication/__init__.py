"""Set the ladder of models as a table for a paper: Markdown, LaTeX or HTML."""

from bayes_mlm.report.publication.layout import publication_table
from bayes_mlm.report.publication.rendering import FORMATS, render
from bayes_mlm.report.publication.table import Cell, Column, PublicationTable, Row, Section

__all__ = [
    "FORMATS",
    "Cell",
    "Column",
    "PublicationTable",
    "Row",
    "Section",
    "publication_table",
    "render",
]
