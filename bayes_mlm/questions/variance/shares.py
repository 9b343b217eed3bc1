"""Intraclass correlations: the proportion of an outcome's variance that lies between groups.

The literature has three by one name: `icc_null` is of the outcome, `icc_adjusted` of the variance
that the predictors do not explain, and `icc_unadjusted` is the unexplained variance between groups
relative to the total.
"""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.fitting import ParameterValues, icc
from bayes_mlm.questions.variance.moments import DesignMoments, quadratic, trace_product


def fixed_variance(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the variance of the fixed part over the rows, :math:`\mathrm{var}(X\beta)`, (S,).

    Divisor n - 1, as in Nakagawa & Schielzeth (2013), eq. 27, and in R's ``performance``.
    """
    return quadratic(parameters.beta, moments.x_total)


def random_variance(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the mean over the rows of the variance of their group effects, shape (S,).

    .. math:: \bar\sigma_u^2 = \frac1n \sum_i z_i' \Sigma_u z_i
              = \mathrm{tr}(\Sigma_u\, Z'Z / n)

    With a random intercept alone it is :math:`\sigma_u^2`. With random slopes the variance depends
    on the row, and this is its mean (Johnson 2014, Methods in Ecology and Evolution
    5(9), eq. 10). Independent effects of several factors add up (`factor_variances`).
    """
    return np.asarray(sum(factor_variances(parameters, moments)) + np.zeros(len(parameters.beta)))


def factor_variances(parameters: ParameterValues, moments: DesignMoments) -> list[Floats]:
    """Return the mean over the rows of the variance of the effects of each factor, (S,) each."""
    return [
        trace_product(one.cov_u, of.z.second)
        for one, of in zip(parameters.factors, moments.factors, strict=False)
    ]


def icc_null(null: ParameterValues) -> Floats:
    r"""Return the unconditional icc, that of the null model.

    .. math:: \sigma_{u0}^2 / (\sigma_{u0}^2 + \sigma_{e0}^2)

    The correlation of the outcomes of two members of one group. Not defined without a null model
    (a random intercept and no predictors) of the same rows.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., eq. 2.10.
    """
    between = sum(one.cov_u[:, 0, 0] for one in null.factors)
    return icc(np.sqrt(between), np.sqrt(null.residual_variance))


def icc_adjusted(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the adjusted (conditional, residual) icc.

    .. math:: \bar\sigma_u^2 / (\bar\sigma_u^2 + \sigma_e^2)

    With a random intercept alone: the correlation of two members of one group conditional on their
    predictors. With random slopes that correlation depends on the predictors; this is then the
    ratio of variances averaged over the rows, and `partition` gives the ratio along a predictor.
    Not defined without random effects.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14 ("adjusted ICC"); R's
    ``performance::icc``, ICC_adjusted.
    """
    random = random_variance(parameters, moments)
    return random / (random + parameters.residual_variance)


def icc_unadjusted(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the unadjusted icc: the group effects relative to the total variance of the outcome.

    .. math:: \bar\sigma_u^2 / (\mathrm{var}(X\beta) + \bar\sigma_u^2 + \sigma_e^2)

    The variance of the fixed part is in the denominator only, even where predictors differ between
    groups, so it is not the correlation of two members. Not defined without random effects.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017) (their "conditional ICC"); R's
    ``performance::icc``, ICC_unadjusted.
    """
    random = random_variance(parameters, moments)
    return random / (fixed_variance(parameters, moments) + random + parameters.residual_variance)
