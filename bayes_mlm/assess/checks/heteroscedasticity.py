"""Test of heteroscedasticity between groups: whether residual variances differ.

Given the coefficients, what is left of a group's rows outside the span of its effects has a
sum of squares that is the residual variance times a chi-squared: no estimate of the effects enters.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines import samples
from bayes_mlm.fitting import Fit, residual_draws
from bayes_mlm.likelihood import whitened
from bayes_mlm.moments import rest_by_group, rotate_moments

# Groups with fewer degrees of freedom carry too little information on their variance for the test.
LEAST_DF = 2
# Numbers drawn for the reference distribution, and the fewest and most samples.
_NUMBERS, _FEWEST, _MOST = 4_000_000, 200, 4_000
# Two equally likely values have a kurtosis of 1, and then the sds within groups hardly vary.
_LEAST_KURTOSIS = 1.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Heteroscedasticity:
    """Residual variances of the groups about their least-squares lines.

    Parameters
    ----------
    df : ndarray of int, shape (J,)
        Degrees of freedom: rows less group effects.
    ratio : ndarray, shape (J,)
        Sd within the group over the residual sd that the model has for it; nan without df.
    p : ndarray, shape (J,)
        Two-sided probability of a ratio at least as extreme if the model is right.
    h : float or None
        Raudenbush & Bryk's H over groups with two df or more; None with fewer than two of them.
    h_p : float or None
        Part of samples under the model with an H as large.
    """

    df: Ints
    ratio: Floats
    p: Floats
    h: float | None
    h_p: float | None


def heteroscedasticity(
    fit: Fit, seed: int | None = None, *, kurtosis: float = 3.0
) -> Heteroscedasticity:
    """Compare the spread within groups.

    Parameters
    ----------
    fit : Fit
        Of a model with group effects; parameters are taken at their posterior means.
    seed : int, optional
        Of the reference distribution of H, which is simulated: with few rows a group the usual
        chi-squared with J - 1 degrees of freedom is far off. None leaves H out.
    kurtosis : float
        Of the residuals, where a sample gives it. H is divided by (kurtosis - 1) / 2, by which the
        variance of the logarithm of an sd exceeds that of normal residuals in large groups.

    References
    ----------
    Box (1953), Biometrika 40(3/4), and Layard (1973), Journal of the American Statistical
    Association 68(341), on Bartlett's test and kurtosis.
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., p. 263-265 (H); Bartlett &
    Kendall (1946) on the logarithm of a variance.
    """
    design = fit.design
    given = residual_draws(fit.draws).mean
    beta = samples(fit.draws, "beta").mean(axis=0) if design.p else np.zeros(0)
    residual_sd = float(given.sds[0, 0])
    if design.residual is None:
        statistics = design.moments()
    else:
        data = whitened(design)
        statistics = data.statistics(given.sds[0] / residual_sd, float(given.rho[0]))
        beta = np.linalg.solve(data.transform, beta - data.offset)
    reduced = rotate_moments(statistics, aliased=True)
    v = np.array([*-reduced.centred_beta(beta), 1.0])
    squares = np.maximum(np.einsum("a,jab,b->j", v, rest_by_group(statistics), v), 0.0)
    rank = np.count_nonzero(np.abs(reduced.r).max(axis=2, initial=0.0) > 0, axis=1)
    df = statistics.counts - rank[reduced.of_group]
    known = df > 0
    ratio, p = np.full(len(df), np.nan), np.full(len(df), np.nan)
    ratio[known] = np.sqrt(squares[known] / df[known]) / residual_sd
    p[known] = _two_sided(squares[known] / residual_sd**2, df[known])
    tested = df >= LEAST_DF
    h = h_p = None
    if seed is not None and np.count_nonzero(tested) >= 2 and (squares[tested] > 0).all():
        tested_df = df[tested]
        h = float(h_statistic(np.log(squares[tested] / tested_df)[None], tested_df)[0])
        h *= 2.0 / (max(kurtosis, _LEAST_KURTOSIS) - 1.0)
        h_p = _h_probability(h, tested_df, seed)
    return Heteroscedasticity(df=df, ratio=ratio, p=p, h=h, h_p=h_p)


def _two_sided(chi2: Floats, df: Ints) -> Floats:
    from scipy.special import gammainc, gammaincc

    lower, upper = gammainc(0.5 * df, 0.5 * chi2), gammaincc(0.5 * df, 0.5 * chi2)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(lower, upper)))


def h_statistic(log_variance: Floats, df: Ints) -> Floats:
    """Return H of samples of logs of variances (R, J)."""
    centre = log_variance @ df / df.sum()
    deviation = (log_variance - centre[:, None]) * np.sqrt(df / 2.0)
    return np.asarray(np.square(deviation).sum(axis=1))


def _h_probability(h: float, df: Ints, seed: int) -> float:
    rng = np.random.default_rng(seed)
    n = int(np.clip(_NUMBERS // len(df), _FEWEST, _MOST))
    above, done = 0, 0
    while done < n:  # in parts, so that a hundred thousand groups need no gigabytes
        part = max(1, min(n - done, 500_000 // len(df)))
        chi2 = 2.0 * rng.standard_gamma(0.5 * df, size=(part, len(df)))
        above += int(np.count_nonzero(h_statistic(np.log(chi2 / df), df) >= h))
        done += part
    return (1 + above) / (1 + n)
