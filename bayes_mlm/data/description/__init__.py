"""Summarise a table before any model: columns, cross-counts and group sizes."""

from bayes_mlm.data.description.columns import Description, describe
from bayes_mlm.data.description.counts import Crosstab, crosstab
from bayes_mlm.data.description.groups import GroupSizes, group_sizes

__all__ = [
    "Crosstab",
    "Description",
    "GroupSizes",
    "crosstab",
    "describe",
    "group_sizes",
]
