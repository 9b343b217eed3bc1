"""Read a table, check it, and find its groups: what the design stage needs of layer 1.

A table comes from a file (`read_table`), a data frame (`as_table`) or the embedded studies
(`bayes_mlm.datasets`); every check takes a `Table` and raises `DataError` with one message.
"""

from bayes_mlm.data.columns import Column
from bayes_mlm.data.group_checks import check_group, check_group_level
from bayes_mlm.data.groups import Groups, find_groups, label_text, levels_of, varies_within
from bayes_mlm.data.labels import notes_on_labels, strip_labels
from bayes_mlm.data.magnitude import refuse_magnitude, refuse_magnitudes
from bayes_mlm.data.missing import Complete, handle_missing
from bayes_mlm.data.reading import read_table
from bayes_mlm.data.table import Table, as_table, explain_absent, take
from bayes_mlm.data.texts import MISSING_TEXTS
from bayes_mlm.data.validation import (
    check_outcome,
    check_predictors,
    require_columns,
    require_finite,
    require_numeric,
)

__all__ = [
    "MISSING_TEXTS",
    "Column",
    "Complete",
    "Groups",
    "Table",
    "as_table",
    "check_group",
    "check_group_level",
    "check_outcome",
    "check_predictors",
    "explain_absent",
    "find_groups",
    "handle_missing",
    "label_text",
    "levels_of",
    "notes_on_labels",
    "read_table",
    "refuse_magnitude",
    "refuse_magnitudes",
    "require_columns",
    "require_finite",
    "require_numeric",
    "strip_labels",
    "take",
    "varies_within",
]
