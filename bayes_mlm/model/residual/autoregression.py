r"""AR(1) residuals: their correlation, and their distribution given those next to them in time.

Standardised residuals of one group, d steps apart, have correlation :math:`\rho^d`, and are a
Markov chain: given the nearest one before (correlation a) and the nearest one after (b), no other
adds information. The conditional mean is a weighted sum of the two, with

.. math::
   w_a = \frac{a (1 - b^2)}{1 - a^2 b^2}, \quad w_b = \frac{b (1 - a^2)}{1 - a^2 b^2}, \quad
   \mathrm{var} = \frac{(1 - a^2)(1 - b^2)}{1 - a^2 b^2},

of which b = 0, where none is known after, is the innovation of the series. All of the package that
knows of AR(1) (whitening, the PyMC model, predictions between rows observed) computes it here;
the functions take NumPy arrays, and those of one neighbour PyTensor variables too.

References
----------
Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, sec. 5.3.1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats

# Steps are whole to this part of one.
_WHOLE = 1e-6


def lag_correlation(rho: Any, gap: Any) -> Any:  # NumPy or PyTensor
    """Return the correlation of residuals a number of steps apart, ``rho ** gap``."""
    return rho**gap


def given_previous(correlation: Any) -> tuple[Any, Any]:  # NumPy or PyTensor
    """Return the weight of the previous residual in the mean of the next, and its variance."""
    return correlation, 1.0 - correlation**2


def log_innovation_variance(rho: float, gap: Floats) -> Floats:
    """Return the log of a residual's variance given the previous, ``log(1 - rho ** (2 gap))``.

    With all its digits however near `rho` is to 1.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(-np.expm1(2.0 * gap * np.log(np.abs(rho)))))


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenNeighbours:
    """Conditional distribution of standardised residuals, arrays of one shape.

    Parameters
    ----------
    weight_before, weight_after : ndarray
        Of the neighbours' standardised residuals in the mean.
    variance : ndarray
        Conditional variance, of a marginal variance of 1.
    """

    weight_before: Floats
    weight_after: Floats
    variance: Floats


def given_neighbours(rho: Floats, gap_before: Floats, gap_after: Floats) -> GivenNeighbours:
    """Condition standardised residuals on the nearest ones observed before and after.

    A negative correlation is defined for whole steps only, and counts as 0 in between.

    Parameters
    ----------
    rho : ndarray, shape (S,)
        Correlations of residuals one step apart.
    gap_before, gap_after : ndarray, shape (m,)
        Steps of time to the neighbours; infinite where there is none.

    Returns
    -------
    GivenNeighbours
        Of shape (S, m).

    Examples
    --------
    >>> found = given_neighbours(np.array([0.5]), np.array([2.0]), np.array([np.inf]))
    >>> found.weight_before.item(), found.weight_after.item(), found.variance.item()
    (0.25, 0.0, 0.9375)
    """
    a, b = _between_rows(rho, gap_before), _between_rows(rho, gap_after)
    (_, left_a), (_, left_b) = given_previous(a), given_previous(b)
    whole = 1.0 - np.square(a * b)
    # At the time of an observed row both weights are of that row, and nothing is left.
    safe = np.where(whole > 0, whole, 1.0)
    return GivenNeighbours(
        weight_before=np.where(left_a > 0, a * left_b / safe, 1.0),
        weight_after=np.where(left_a > 0, b * left_a / safe, 0.0),
        variance=left_a * left_b / safe,
    )


def _between_rows(rho: Floats, gap: Floats) -> Floats:
    """Return the correlations (S, m) across gaps (m,) that need not be whole steps."""
    known = np.isfinite(gap)
    steps = np.where(known, gap, 1.0)
    whole = np.abs(steps - np.round(steps)) < _WHOLE
    steps = np.where(whole, np.round(steps), steps)
    base = np.where(whole | (rho[:, None] > 0), rho[:, None], 0.0)
    return np.where(known, lag_correlation(base, steps), 0.0)
