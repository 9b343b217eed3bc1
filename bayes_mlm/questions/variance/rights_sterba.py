"""Decomposition of the variance that a model implies, after Rights & Sterba."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.questions.variance.moments import DesignMoments, quadratic, trace_product


@dataclass(frozen=True, kw_only=True, eq=False)
class Decomposition:
    """Parts of the model-implied variance of the outcome, each of shape (S,).

    Parameters
    ----------
    fixed_within, fixed_between : ndarray
        Due to fixed slopes, of predictors within groups (f1) and between groups (f2).
    slopes_within, slopes_between : ndarray
        Due to random slopes, of predictors within and between groups (v1, v2); the second is 0
        where those predictors are deviations from group means.
    means : ndarray
        Of group effects at the means of those predictors (m).
    residual : ndarray
        The residual variance.
    """

    fixed_within: Floats
    fixed_between: Floats
    slopes_within: Floats
    slopes_between: Floats
    means: Floats
    residual: Floats

    @property
    def within(self) -> Floats:
        """Variance within groups, shape (S,)."""
        return self.fixed_within + self.slopes_within + self.residual

    @property
    def between(self) -> Floats:
        """Variance between groups, shape (S,)."""
        return self.fixed_between + self.slopes_between + self.means

    @property
    def total(self) -> Floats:
        """Variance of a row, shape (S,)."""
        return self.within + self.between


# Parts of each variance, in the order of the stacked bars.
PARTS: dict[str, tuple[str, ...]] = {
    "total": (
        "fixed_within",
        "fixed_between",
        "slopes_within",
        "slopes_between",
        "means",
        "residual",
    ),
    "within": ("fixed_within", "slopes_within", "residual"),
    "between": ("fixed_between", "slopes_between", "means"),
}


def decompose(parameters: ParameterValues, moments: DesignMoments) -> Decomposition:
    r"""Decompose the model-implied variance of a row of a new group.

    .. math::
        f_1 &= \beta' \Phi^w \beta, & f_2 &= \beta' \Phi^b \beta, \\
        v_1 &= \mathrm{tr}(\Sigma_u \Psi^w), & v_2 &= \mathrm{tr}(\Sigma_u \Psi^b), \\
        m &= \bar z' \Sigma_u \bar z, & & \sigma_e^2

    :math:`\Phi` and :math:`\Psi` are the covariances of the columns of X and Z, within groups
    (about group means) and between (of group means, counted once a row), divisor n - 1;
    :math:`\bar z` is the mean of Z. Where all predictors are deviations from group means or
    group-level predictors this is the decomposition of 2019; uncentred predictors contribute to
    both levels as in the extension of 2021, with one slope for both, which a model with
    ``within(x)`` and ``between(x)`` estimates separately. Not defined without random effects. No
    part is negative.

    Parameters
    ----------
    parameters : ParameterValues
    moments : DesignMoments

    Returns
    -------
    Decomposition
        In squared units of the outcome.

    References
    ----------
    Rights & Sterba (2019), Psychological Methods 24(3), table 1; Rights & Sterba
    (2021), New Directions for Child and Adolescent Development 175; R's ``r2mlm``
    (``r2mlm_manual``, ``r2mlm_long_manual``).
    """
    (found,) = moments.factors
    x, z = found.x, found.z
    return Decomposition(
        fixed_within=quadratic(parameters.beta, x.within),
        fixed_between=quadratic(parameters.beta, x.between),
        slopes_within=trace_product(parameters.cov_u, z.within),
        slopes_between=trace_product(parameters.cov_u, z.between),
        means=np.asarray(np.einsum("a,sab,b->s", z.mean, parameters.cov_u, z.mean)),
        residual=parameters.residual_variance,
    )


def shares(found: Decomposition, of: str) -> dict[str, Floats]:
    """Return each part as a proportion of the total variance, or of that within or between.

    Parameters
    ----------
    found : Decomposition
    of : {"total", "within", "between"}

    Returns
    -------
    dict of str to ndarray
        In the order of `PARTS`, with sum 1; NaN where that variance is zero.

    Examples
    --------
    >>> one = np.ones(1)
    >>> parts = Decomposition(
    ...     fixed_within=one, fixed_between=one, slopes_within=0 * one, slopes_between=0 * one,
    ...     means=3 * one, residual=5 * one,
    ... )
    >>> {name: float(share[0]) for name, share in shares(parts, "between").items()}
    {'fixed_between': 0.25, 'slopes_between': 0.0, 'means': 0.75}
    """
    whole = getattr(found, of)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: np.asarray(getattr(found, name) / whole) for name in PARTS[of]}
