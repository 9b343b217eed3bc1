r"""Whitening: residuals of unequal sds and AR(1) correlation as independent ones of sd one.

With s_k the sd of row k, and row k' the one before it in its group, d steps earlier,

.. math::
   e^*_k = \Bigl(\frac{e_k}{s_k} - \rho^d \frac{e_{k'}}{s_{k'}}\Bigr) \Big/ \sqrt{1 - \rho^{2d}}

(and :math:`e_k / s_k` for the first row of a group): the innovation, given the residual
before. The transformation is linear, so that a model whose columns are turned alike has
independent residuals of one sd, and everything that is known of such a model holds.

References
----------
Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, sec. 5.1.2 and 5.3.1.
"""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model.residual.autoregression import (
    given_previous,
    lag_correlation,
    log_innovation_variance,
)
from bayes_mlm.model.residual.rows import ResidualRows


def previous_correlation(rows: ResidualRows, rho: float) -> Floats:
    """Return the correlation (n,) of each row's residual with the one before; 0 without one."""
    found = np.zeros(rows.previous.size)
    known = rows.previous >= 0
    found[known] = lag_correlation(rho, rows.gap[known])
    return found


def log_innovation_variances(rows: ResidualRows, rho: float) -> Floats:
    """Return the log (n,) of each standardised residual's variance given the one before."""
    found = np.zeros(rows.previous.size)
    known = rows.previous >= 0
    found[known] = log_innovation_variance(rho, rows.gap[known])
    return found


def whiten(rows: ResidualRows, columns: Floats, sds: Floats, rho: float = 0.0) -> Floats:
    """Whiten columns (n, k), or a residual (n,), as their residuals become independent.

    Parameters
    ----------
    rows : ResidualRows
    columns : ndarray, shape (n, k) or (n,)
    sds : ndarray, shape (n_sds,)
        Of the residuals, by stratum.
    rho : float
        Correlation of residuals one step apart.

    Returns
    -------
    ndarray
        Of the same shape.

    Examples
    --------
    >>> from bayes_mlm.model.residual.structure import Residual
    >>> rows = ResidualRows(
    ...     spec=Residual(ar="t"), levels=(), stratum=np.zeros(2, dtype=int), step=1.0,
    ...     time=np.arange(2.0), previous=np.array([-1, 0]), gap=np.array([0.0, 1.0]), whole=True,
    ... )
    >>> whiten(rows, np.array([2.0, 1.0]), np.array([2.0]), 0.6)
    array([ 1.   , -0.125])
    """
    shaped = columns.reshape(columns.shape[0], -1)
    scaled = shaped / sds[rows.stratum][:, None]
    if rows.spec.ar is not None:
        kept = previous_correlation(rows, rho)
        before = scaled[np.maximum(rows.previous, 0)]  # times kept, which is 0 where there is none
        scaled = (scaled - kept[:, None] * before) * np.exp(
            -0.5 * log_innovation_variances(rows, rho)
        )[:, None]
    return scaled.reshape(columns.shape)


def log_spread(rows: ResidualRows, sds: Floats, rho: float = 0.0) -> float:
    """Return the log of what whitening divides by in all: minus its log-determinant."""
    spread = float(np.log(sds)[rows.stratum].sum())
    return (
        spread + 0.5 * float(log_innovation_variances(rows, rho).sum())
        if rows.spec.ar is not None
        else spread
    )


def colour(rows: ResidualRows, white: Floats, sds: Floats, rho: float = 0.0) -> Floats:
    """Colour independent residuals (n,) of sd one with those of a structure: undo `whiten`.

    Examples
    --------
    >>> from bayes_mlm.model.residual.structure import Residual
    >>> rows = ResidualRows(
    ...     spec=Residual(ar="t"), levels=(), stratum=np.zeros(2, dtype=int), step=1.0,
    ...     time=np.arange(2.0), previous=np.array([-1, 0]), gap=np.array([0.0, 1.0]), whole=True,
    ... )
    >>> colour(rows, np.array([1.0, -0.125]), np.array([2.0]), 0.6)
    array([2., 1.])
    """
    made = white.copy()
    if rows.spec.ar is not None:
        kept, variance = given_previous(previous_correlation(rows, rho))
        innovation = np.sqrt(variance) * white
        # Rows that are k-th in time of their group follow from those that are (k-1)-th.
        for later in rows.by_rank[1:]:
            made[later] = kept[later] * made[rows.previous[later]] + innovation[later]
    return made * sds[rows.stratum]
