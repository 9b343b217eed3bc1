"""Variance by level: intraclass correlations, VPC, R² and its decomposition."""

from bayes_mlm.questions.variance.rows import QUESTIONS, VarianceRow, VarianceTable, reasons
from bayes_mlm.questions.variance.table import variance_by_level

__all__ = [
    "QUESTIONS",
    "VarianceRow",
    "VarianceTable",
    "reasons",
    "variance_by_level",
]
