"""Differences and slopes of a fitted model, and where a difference is zero.

Every question is answered by the same two steps. The rows at hand are laid out anew with some
predictors set, as the model's design was (so interactions and transformations follow), and the
mean difference of the columns gives weights of the coefficients; posterior draws and the REML or
OLS estimate are then weighted alike.
"""

from bayes_mlm.questions.effects.average import comparisons, slopes
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.regions import FiellerSet, Span
from bayes_mlm.questions.effects.result import Effect, Effects
from bayes_mlm.questions.effects.zero import Crossing, LikelihoodZero, Zero, crossing

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
