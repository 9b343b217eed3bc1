"""Differences and slopes of a fitted model, and where a difference is zero.

Each is a linear combination of the coefficients, computed in two steps. The columns of the
design are evaluated with some predictors set (so interactions and transformations follow), and
their mean difference gives the weights of the coefficients; the posterior draws and the REML or
OLS estimate are combined with the same weights.
"""

from bayes_mlm.questions.effects.average import comparisons, slopes
from bayes_mlm.questions.effects.crossing_result import Crossing, LikelihoodZero, Zero
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.regions import FiellerSet, Span
from bayes_mlm.questions.effects.result import Effect, Effects
from bayes_mlm.questions.effects.zero import crossing

__all__ = [
    "At",
    "Crossing",
    "Effect",
    "Effects",
    "FiellerSet",
    "LikelihoodZero",
    "Span",
    "Zero",
    "comparisons",
    "crossing",
    "slopes",
]
