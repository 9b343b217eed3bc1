"""Derive variance quantities from variance parameters, draw by draw or for one estimate.

Every function works on arrays of any shape, so the same arithmetic serves posterior draws and a
REML estimate.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.base import Array
from bayes_mlm.design import Design

# Median of the absolute difference of two independent standard normal effects.
MEDIAN = math.sqrt(2.0) * 0.6744897501960817


def icc(sigma_u: ArrayLike, sigma_e: ArrayLike) -> Array:
    r"""Return the proportion of the variance that lies between groups.

    .. math:: \mathrm{icc} = \sigma_u^2 / (\sigma_u^2 + \sigma_e^2)

    It is the correlation of two members of one group, given the predictors: in a model without
    predictors the unconditional icc, otherwise the conditional (residual) one. It is not defined
    when slopes vary, because then it depends on the predictors.

    Parameters
    ----------
    sigma_u, sigma_e : array_like
        Sds of group intercepts and of residuals, in outcome units, any shape.

    Returns
    -------
    ndarray
        Between 0 and 1.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., ch. 2 and 4.

    Examples
    --------
    >>> float(icc(3.0, 4.0))
    0.36
    """
    between, within = np.square(sigma_u), np.square(sigma_e)
    return np.asarray(between / (between + within))


def median_ratio(sigma_u: ArrayLike) -> Array:
    r"""Return the median odds ratio of two groups; of a log link the median rate ratio.

    .. math:: \exp(\sqrt 2\, \sigma_u\, \Phi^{-1}(0.75))

    Of two rows with equal predictors from two groups taken at random, the ratio of the odds (the
    rates) of the one in the group with the larger effect to those of the other, in the median.
    1 without variation between groups.

    Parameters
    ----------
    sigma_u : array_like
        Sd of the group effects, on the scale of the linear predictor, any shape.

    Returns
    -------
    ndarray
        1 or more.

    References
    ----------
    Larsen & Merlo (2005), American Journal of Epidemiology 161(1), eq. 2; of rates Austin,
    Stryhn, Leckie & Merlo (2018), Statistics in Medicine 37(4).

    Examples
    --------
    >>> float(median_ratio(1.0).round(4))
    2.5957
    """
    return np.asarray(np.exp(MEDIAN * np.asarray(sigma_u)))


def correlation_at(icc: ArrayLike, rho_e: ArrayLike, steps: float = 1.0) -> Array:
    r"""Return the correlation of two outcomes of one group by their lag in time, AR(1) residuals.

    .. math:: \mathrm{icc} + (1 - \mathrm{icc})\,\rho_e^{d}

    The icc itself is what is left of it when they are far apart.

    Parameters
    ----------
    icc : array_like
        Intraclass correlation, any shape.
    rho_e : array_like
        Correlation of residuals one step apart.
    steps : float
        How far apart, d.

    Returns
    -------
    ndarray
        Between -1 and 1.

    References
    ----------
    Goldstein, Healy & Rasbash (1994), Statistics in Medicine 13(16), sec. 2.

    Examples
    --------
    >>> float(correlation_at(0.5, 0.6))
    0.8
    """
    share = np.asarray(icc)
    return np.asarray(share + (1.0 - share) * np.asarray(rho_e) ** steps)


def design_effect(icc: ArrayLike, group_sizes: ArrayLike) -> Array:
    r"""Return the factor by which grouping inflates the variance of the overall mean.

    .. math:: 1 + (\tilde n - 1)\,\mathrm{icc}, \qquad \tilde n = \sum_j n_j^2 / \sum_j n_j

    With equal groups, :math:`\tilde n` is their size. n divided by it is the number of
    independent persons that would tell as much about the mean.

    Parameters
    ----------
    icc : array_like
        Intraclass correlation, any shape.
    group_sizes : array_like of int, shape (J,)
        Rows in each group.

    Returns
    -------
    ndarray
        1 or more; the shape of `icc`.

    References
    ----------
    Kish (1965), Survey Sampling, sec. 5.4; for unequal sizes Gabler, Häder & Lahiri (1999),
    Survey Methodology 25(1).

    Examples
    --------
    >>> float(design_effect(0.2, [11, 11, 11]))
    3.0
    """
    sizes = np.asarray(group_sizes, dtype=float)
    return np.asarray(1 + (np.sum(sizes**2) / np.sum(sizes) - 1) * np.asarray(icc))


def reliability(icc: ArrayLike, group_sizes: ArrayLike) -> Array:
    r"""Return the mean reliability of the groups' observed means as measures of the true means.

    .. math:: \frac1J \sum_j \frac{\sigma_u^2}{\sigma_u^2 + \sigma_e^2 / n_j}
              = \frac1J \sum_j \frac{n_j\,\mathrm{icc}}{1 + (n_j - 1)\,\mathrm{icc}}

    Parameters
    ----------
    icc : array_like
        Intraclass correlation, any shape.
    group_sizes : array_like of int, shape (J,)
        Rows in each group.

    Returns
    -------
    ndarray
        Between 0 and 1; the shape of `icc`.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., ch. 3 and 4.

    Examples
    --------
    >>> float(reliability(0.5, [1, 1]))
    0.5
    """
    correlation = np.asarray(icc)
    total = np.zeros(correlation.shape)
    sizes, counts = np.unique(np.asarray(group_sizes), return_counts=True)
    for size, count in zip(sizes, counts, strict=True):  # a few dozen sizes, not J groups
        total = total + count * size * correlation / (1 + (size - 1) * correlation)
    return np.asarray(total / counts.sum())


def explained(sigma: ArrayLike, sigma_null: ArrayLike) -> Array:
    r"""Return the proportion of a null model's variance at one level that the predictors explain.

    .. math:: R^2 = (\sigma_0^2 - \sigma_1^2) / \sigma_0^2

    Negative when the predictors raise the variance component, which is no error: a predictor of
    persons can uncover differences between groups. Not defined when slopes vary.

    Parameters
    ----------
    sigma, sigma_null : array_like
        The sd at that level (`sigma_u` or `sigma_e`) in the model and in the null model.

    Returns
    -------
    ndarray
        1 or less; NaN where the null model's sd is zero.

    Notes
    -----
    The two models are fitted to the same outcome, so their variance components err together; two
    separate posteriors do not know that. An interval of R² from draws paired at random is
    therefore too wide: on High School and Beyond (sector by ses) its sd is 0.084 between and 0.023
    within, where resampling schools and refitting gave about 0.05 and 0.007. Read the estimate,
    and take the interval as an outer bound.

    References
    ----------
    Raudenbush & Bryk (2002), eq. 4.12 (between groups) and 4.20 (within).

    Examples
    --------
    >>> float(explained(1.0, 2.0))
    0.75
    """
    null = np.square(np.asarray(sigma_null, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(null > 0, (null - np.square(sigma)) / null, np.nan)
    return np.asarray(ratio)


def derived(design: Design, icc_values: ArrayLike) -> dict[str, Array]:
    """Return what follows from the icc and the group sizes: design effect and reliability."""
    return {
        "design_effect": design_effect(icc_values, design.group_sizes),
        "reliability": reliability(icc_values, design.group_sizes),
    }


def r_squared(
    sigma_u: ArrayLike, sigma_e: ArrayLike, null_u: ArrayLike, null_e: ArrayLike
) -> dict[str, Array]:
    """Return R² by level against a null model: `r2_between` and `r2_within` (see `explained`)."""
    return {"r2_between": explained(sigma_u, null_u), "r2_within": explained(sigma_e, null_e)}
