"""Marginal means of a fitted model, their contrasts, and joint tests of its terms.

Each mean is a weighted average of the outcomes expected on a reference grid. In a Gaussian model,
and on the scale of the linear predictor, it is a linear combination of the coefficients: the
posterior draws and the estimate are combined with the same weights.
"""

from bayes_mlm.questions.means.joint import JointTests, joint_tests
from bayes_mlm.questions.means.marginal import marginal_means
from bayes_mlm.questions.means.table import MarginalMeans

__all__ = ["JointTests", "MarginalMeans", "joint_tests", "marginal_means"]
