"""Tables of models in adjacent columns, for papers."""

from bayes_mlm.report.publication.layout import publication_table
from bayes_mlm.report.publication.table import Cell, ModelColumn, PublicationTable, Row

__all__ = ["Cell", "ModelColumn", "PublicationTable", "Row", "publication_table"]
