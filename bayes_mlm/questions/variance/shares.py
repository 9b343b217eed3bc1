"""Intraclass correlations: the proportion of an outcome's variance that lies between groups.

Three of them go by one name in the literature. They answer different questions, so none is
called just "the icc" here: `icc_null` is of the outcome, `icc_adjusted` of what the predictors
leave, `icc_unadjusted` sets what the predictors leave between groups against the whole.
"""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.fitting import ParameterValues, icc
from bayes_mlm.questions.variance.moments import DesignMoments, quadratic, traced


def fixed_variance(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the variance of the fixed part over the rows, :math:`\mathrm{var}(X\beta)`, (S,).

    Divisor n - 1, as in Nakagawa & Schielzeth (2013), eq. 27, and in R's ``performance``.
    """
    return quadratic(parameters.beta, moments.x.total)


def random_variance(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the mean over the rows of the variance of their group effect, shape (S,).

    .. math:: \bar\sigma_u^2 = \frac1n \sum_i z_i' \Sigma_u z_i
              = \mathrm{tr}(\Sigma_u\, Z'Z / n)

    With a random intercept alone it is :math:`\sigma_u^2`. Slopes that vary make the variance
    differ from row to row, and this is its mean (Johnson 2014, Methods in Ecology and Evolution
    5(9), eq. 10).
    """
    return traced(parameters.cov_u, moments.z.second)


def icc_null(null: ParameterValues) -> Floats:
    r"""Return the unconditional icc, that of the null model.

    .. math:: \sigma_{u0}^2 / (\sigma_{u0}^2 + \sigma_{e0}^2)

    The correlation of the outcomes of two members of one group. Not defined without a null model
    (a random intercept and no predictors) of the same rows.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., eq. 2.10.
    """
    return icc(np.sqrt(null.cov_u[:, 0, 0]), np.sqrt(null.sigma_e2))


def icc_adjusted(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the adjusted (conditional, residual) icc.

    .. math:: \bar\sigma_u^2 / (\bar\sigma_u^2 + \sigma_e^2)

    With a random intercept alone: the correlation of two members of one group given their
    predictors. Where slopes vary no one such correlation exists; this is then the ratio of mean
    variances over the rows at hand, and `partition` gives the ratio along a predictor. Not
    defined without a distribution of group effects.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14 ("adjusted ICC"); R's
    ``performance::icc``, ICC_adjusted.
    """
    random = random_variance(parameters, moments)
    return random / (random + parameters.sigma_e2)


def icc_unadjusted(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the unadjusted icc: the group effects relative to the total variance of the outcome.

    .. math:: \bar\sigma_u^2 / (\mathrm{var}(X\beta) + \bar\sigma_u^2 + \sigma_e^2)

    What the predictors account for counts in the whole but not among the groups, even where they
    differ between groups: so it is not the correlation of any two members. Not defined without a
    distribution of group effects.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017) (their "conditional ICC"); R's
    ``performance::icc``, ICC_unadjusted.
    """
    random = random_variance(parameters, moments)
    return random / (fixed_variance(parameters, moments) + random + parameters.sigma_e2)
