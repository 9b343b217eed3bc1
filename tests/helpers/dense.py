"""Oracles for Gaussian models with several grouping factors: dense matrices, and a grid.

Nothing of the package's likelihood is used: covariance matrices are formed row by row.
"""

from itertools import product

import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits


def dense_log_density(y, X, terms, sigma_e, covariances, mean, cov):
    """Log-density of y with beta ~ N(mean, cov) and u ~ N(0, covariance) of each term.

    `terms` are (codes, Z) pairs.
    """
    from scipy.stats import multivariate_normal

    V = sigma_e**2 * np.eye(len(y)) + X @ cov @ X.T
    for (codes, Z), covariance in zip(terms, covariances, strict=True):
        V += (Z @ covariance @ Z.T) * (codes[:, None] == codes)
    return multivariate_normal.logpdf(y, X @ mean, V)


def posterior_on_grid(y, X, codes, log_priors, mean, sd, theta, width=12.0, size=161):
    """Posterior of random-intercept sds and beta on a grid in log sd_f / sigma_e and log sigma_e.

    Parameters
    ----------
    codes : list of (n,) arrays
    log_priors : list of callables
        Log-densities of the sds of each factor, then of sigma_e.
    mean, sd : (p,) arrays
        Of the normal priors of the coefficients.
    theta : list of (k,) arrays
        Equally spaced logs of sd_f / sigma_e.
    width : float
        Half the width of the grid in log sigma_e, in its conditional sds.

    Returns
    -------
    moments : list of (mean, sd)
        Of each factor's sd, sigma_e and each coefficient.
    log_marginal : float
    """
    with threadpool_limits(limits=1, user_api="blas"):  # threads wait for one another
        return _on_grid(y, X, codes, log_priors, mean, sd, theta, width, size)


def _on_grid(y, X, codes, log_priors, mean, sd, theta, width, size):
    n, p = X.shape
    W = np.column_stack([X, y])
    value, points, coefficients = [], [], []
    for logs in product(*theta):
        V = np.eye(n)
        for code, one in zip(codes, logs, strict=True):
            V += np.exp(2 * one) * (code[:, None] == code)
        root = np.linalg.cholesky(V)
        half = np.linalg.solve(root, W)
        a, logdet = half.T @ half, 2 * np.log(np.diag(root)).sum()
        beta = np.linalg.solve(a[:p, :p], a[:p, p])
        level = 0.5 * np.log((a[p, p] - a[:p, p] @ beta) / (n - p))
        sigma = np.exp(level + width / np.sqrt(2 * (n - p)) * np.linspace(-1, 1, size))
        precision = a[:p, :p] / sigma[:, None, None] ** 2 + np.diag(sd**-2.0)
        right = a[:p, p] / sigma[:, None] ** 2 + mean / sd**2
        centre = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
        square = a[p, p] / sigma**2 + (mean**2 / sd**2).sum() - (right * centre).sum(axis=1)
        like = -0.5 * (n * np.log(2 * np.pi) + logdet + square)
        like -= n * np.log(sigma) + 0.5 * np.linalg.slogdet(precision)[1] + np.log(sd).sum()
        sds = [sigma * np.exp(one) for one in logs]
        like += log_priors[-1](sigma) + np.log(sigma)
        for sd_f, prior in zip(sds, log_priors[:-1], strict=True):
            like += prior(sd_f) + np.log(sd_f)
        value.append(like + np.log(2 * width / np.sqrt(2 * (n - p)) / (size - 1)))
        points.append(np.column_stack([*sds, sigma]))
        coefficients.append((centre, np.diagonal(np.linalg.inv(precision), axis1=1, axis2=2)))
    value = np.concatenate(value) + sum(np.log(one[1] - one[0]) for one in theta)
    total = logsumexp(value)
    weight = np.exp(value - total)
    points = np.concatenate(points)
    moments = [(weight @ v, np.sqrt(weight @ v**2 - (weight @ v) ** 2)) for v in points.T]
    centre = np.concatenate([one for one, _ in coefficients])
    spread = np.concatenate([one for _, one in coefficients])
    for k in range(p):
        m = weight @ centre[:, k]
        moments.append((m, np.sqrt(weight @ (spread[:, k] + (centre[:, k] - m) ** 2))))
    return moments, total
