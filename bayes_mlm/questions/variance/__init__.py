"""Measure variance by level: intraclass correlations, partitions, R² and its decomposition."""

from bayes_mlm.questions.variance.rows import QUESTIONS, VarianceRow, VarianceTable, reasons
from bayes_mlm.questions.variance.table import variance_by_level, variance_by_level_classical

__all__ = [
    "QUESTIONS",
    "VarianceRow",
    "VarianceTable",
    "reasons",
    "variance_by_level",
    "variance_by_level_classical",
]
