"""Summarise a table before any model: columns, cross-counts and group sizes."""

from bayes_mlm.data.description.columns import Description, describe
from bayes_mlm.data.description.counts import Crosstab, crosstab
from bayes_mlm.data.description.groups import GroupSizes, group_sizes
from bayes_mlm.data.description.obstacles import obstacles
from bayes_mlm.data.description.variables import Variables, describe_variables, intraclass

__all__ = [
    "Crosstab",
    "Description",
    "GroupSizes",
    "Variables",
    "crosstab",
    "describe",
    "describe_variables",
    "group_sizes",
    "intraclass",
    "obstacles",
]
