"""Tables of models side by side, as they are printed in papers."""

from bayes_mlm.report.publication.layout import publication_table
from bayes_mlm.report.publication.table import Cell, ModelColumn, PublicationTable, Row

__all__ = ["Cell", "ModelColumn", "PublicationTable", "Row", "publication_table"]
