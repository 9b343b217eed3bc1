"""Tables of models in adjacent columns, for papers."""

from bayes_mlm.report.publication.layout import publication_table
from bayes_mlm.report.publication.table import (
    STYLES,
    Cell,
    ModelColumn,
    PublicationTable,
    Row,
    TableStyle,
)

__all__ = [
    "STYLES",
    "Cell",
    "ModelColumn",
    "PublicationTable",
    "Row",
    "TableStyle",
    "publication_table",
]
