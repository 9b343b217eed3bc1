"""Proportions of variance explained: four families of R².

Raudenbush & Bryk's (`bayes_mlm.fitting.derived.r_squared`) and Snijders & Bosker's compare with a
null model; Nakagawa & Schielzeth's and the Bayesian R² need one model only.
"""

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, without_effects
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.moments import GroupMoments
from bayes_mlm.questions.variance.moments import DesignMoments
from bayes_mlm.questions.variance.shares import fixed_variance, random_variance

# Numbers in memory at a time, by draw and group.
_MOST = 4_000_000


def marginal(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the marginal R²: the variance of a row explained by the fixed part.

    .. math:: R^2_m = \frac{\mathrm{var}(X\beta)}
                           {\mathrm{var}(X\beta) + \bar\sigma_u^2 + \sigma_e^2}

    The variance is that of a row of a new group, over the predictors of the rows. Not defined
    without random effects, where it would be the R² of regression. Never negative.

    References
    ----------
    Nakagawa & Schielzeth (2013), Methods in Ecology and Evolution 4(2), eq. 26; with random
    slopes Johnson (2014), ibid. 5(9); Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface
    14. As R's ``performance::r2_nakagawa``.
    """
    fixed = fixed_variance(parameters, moments)
    return fixed / (fixed + random_variance(parameters, moments) + parameters.residual_variance)


def conditional(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the conditional R²: that explained by the fixed part and the group effects together.

    .. math:: R^2_c = \frac{\mathrm{var}(X\beta) + \bar\sigma_u^2}
                           {\mathrm{var}(X\beta) + \bar\sigma_u^2 + \sigma_e^2}

    It includes the variance between groups, whether or not predictors explain it. Not defined
    without random effects. Never negative.

    References
    ----------
    As `marginal`; Nakagawa & Schielzeth (2013), eq. 30.
    """
    explained = fixed_variance(parameters, moments) + random_variance(parameters, moments)
    return explained / (explained + parameters.residual_variance)


def bayes_conditional(parameters: ParameterValues, design: Design) -> Floats:
    r"""Return the Bayesian R², conditional on the groups of the data.

    .. math:: R^2_s = \frac{\mathrm{var}_i(x_i'\beta^s + z_i'u^s_{j(i)})}
              {\mathrm{var}_i(x_i'\beta^s + z_i'u^s_{j(i)}) + (\sigma_e^s)^2}

    The variance over the rows of the linear predictor, group effects included, relative to its
    sum with the residual variance. Unlike Nakagawa's conditional R² it is conditional on the
    effects of these groups, not on their distribution. By REML the effects are predictions, shrunk
    towards 0, which makes it smaller. Without group effects it is the Bayesian R² of regression.
    Not defined where no draws of the group effects were stored. Never negative.

    References
    ----------
    Gelman, Goodrich, Gabry & Vehtari (2019), The American Statistician 73(3), eq. 3, with their
    modelled residual variance.

    Returns
    -------
    ndarray, shape (S,)

    Raises
    ------
    ValueError
        If the design has group effects and draws of some are None.
    """
    if lacks_effects(parameters, design):
        raise ValueError("the group effects are needed; check lacks_effects first")
    fitted = fitted_variance(parameters, design)
    return fitted / (fitted + parameters.residual_variance)


def lacks_effects(parameters: ParameterValues, design: Design) -> bool:
    """Return whether the effects of some factor were not kept."""
    return any(
        term.q and one.u is None
        for term, one in zip(design.group_terms, parameters.factors, strict=True)
    )


def bayes_marginal(parameters: ParameterValues, moments: DesignMoments) -> Floats:
    r"""Return the Bayesian R² of the fixed part, for rows of new groups.

    .. math:: R^2_s = \frac{\mathrm{var}_i(x_i'\beta^s)}
              {\mathrm{var}_i(x_i'\beta^s) + \frac1n\sum_i z_i'\Sigma_u^s z_i + (\sigma_e^s)^2}

    The residual of a row of a new group is the sum of a group effect and a row residual; its
    model-implied variance replaces the residual variance of eq. 3. Draw by draw this equals
    Nakagawa's marginal R². (``bayes_R2(re_formula = NA)`` of brms has the empirical variance of y
    less the fixed part; see `bayes_empirical`.) Never negative.

    References
    ----------
    Gelman, Goodrich, Gabry & Vehtari (2019), The American Statistician 73(3), eq. 3.
    """
    return marginal(parameters, moments)


def bayes_empirical(parameters: ParameterValues, design: Design, *, groups: bool) -> Floats:
    r"""Return the Bayesian R² with the empirical in place of the modelled residual variance.

    .. math:: R^2_s = \frac{\mathrm{var}(\hat y^s)}{\mathrm{var}(\hat y^s) +
              \mathrm{var}(y - \hat y^s)}

    with the group effects in :math:`\hat y^s` (`groups`) or not: brms's ``bayes_R2`` with
    ``re_formula = NULL`` and ``NA``. For comparison with brms; not in the table.

    References
    ----------
    Gelman, Goodrich, Gabry & Vehtari (2019), online appendix ("residual based").
    """
    fitted = fitted_variance(parameters, design, groups=groups)
    residual = fitted_variance(parameters, design, groups=groups, residual=True)
    return fitted / (fitted + residual)


def fitted_variance(
    parameters: ParameterValues, design: Design, *, groups: bool = True, residual: bool = False
) -> Floats:
    """Return the variance over rows of the expected outcome, or of the residual, by draw.

    Computed from cross-products by group, without an array of draws by rows.

    Parameters
    ----------
    parameters : ParameterValues
    design : Design
    groups : bool
        Whether the expected outcome includes the group effects.
    residual : bool
        Whether to return the variance of y less the expected outcome.

    Returns
    -------
    ndarray, shape (S,)
        Divisor n - 1.
    """
    if groups and len(parameters.factors) > 1:
        return _by_rows(parameters, design, residual=residual)
    u = parameters.u if groups else None
    found = (design if u is not None else without_effects(design)).moments().counted
    size, last = parameters.beta.shape[0], -1.0 if residual else 0.0
    if u is None:
        weights = np.column_stack([parameters.beta, np.full(size, last)])
        return _one_for_all(weights, found) / (found.n - 1)
    block = max(1, _MOST // (design.J * (found.p + found.q + 1)))
    out = np.empty(size)
    for start in range(0, size, block):
        rows = slice(start, start + block)
        fixed = parameters.beta[rows, None, :]
        shape = (fixed.shape[0], design.J)
        weights = np.concatenate(
            [np.broadcast_to(fixed, (*shape, found.p)), u[rows], np.full((*shape, 1), last)],
            axis=2,
        )
        inside = np.einsum("sja,jab,sjb->s", weights, found.scatter, weights, optimize=True)
        level = np.einsum("sja,ja->sj", weights, found.centre + found.means)
        out[rows] = inside + _spread(level, found.counts)
    return out / (found.n - 1)


def _by_rows(parameters: ParameterValues, design: Design, *, residual: bool) -> Floats:
    """Return the same from the rows: of several factors no sums by group would do."""
    size = len(parameters.beta)
    block, out = max(1, _MOST // design.n), np.empty(size)
    for start in range(0, size, block):
        rows = slice(start, start + block)
        values = parameters.beta[rows] @ design.X.T
        for term, one in zip(design.group_terms, parameters.factors, strict=True):
            if one.u is not None:
                values += term.sum_effects(one.u[rows])
        values -= design.y_less_offset if residual else values[:, :1].copy()
        out[rows] = values.var(axis=1, ddof=1)
    return out


def _one_for_all(weights: Floats, found: GroupMoments) -> Floats:
    """Return the sum of squares of a linear combination common to all groups, by draw."""
    scatter = found.scatter.sum(axis=0)
    inside = np.einsum("sa,ab,sb->s", weights, scatter, weights, optimize=True)
    return np.asarray(inside + _spread(weights @ found.means.T, found.counts))


def _spread(level: Floats, counts: Ints | Floats) -> Floats:
    """Return the sum of squares (S,) of group means (S, J) about their mean, counted once a row."""
    deviations = level - (level @ counts / counts.sum())[:, None]
    return np.asarray(np.square(deviations) @ counts)


def representative_size(sizes: Ints) -> float:
    r"""Return the group size for Snijders & Bosker's R²: the harmonic mean, :math:`J/\sum_j 1/n_j`.

    Snijders & Bosker (1994) leave the choice to the user, and suggest the harmonic mean where
    groups differ in size.

    Examples
    --------
    >>> representative_size(np.array([2, 6]))
    3.0
    """
    return float(sizes.size / np.sum(1.0 / sizes))


def snijders_bosker(
    parameters: ParameterValues, null: ParameterValues, size: float
) -> tuple[Floats, Floats]:
    r"""Return R² at level 1 and at level 2 as the reduction in the error of prediction.

    .. math:: R_1^2 = 1 - \frac{\sigma_e^2 + \sigma_u^2}{\sigma_{e0}^2 + \sigma_{u0}^2}, \qquad
              R_2^2 = 1 - \frac{\sigma_e^2/\tilde n + \sigma_u^2}
                               {\sigma_{e0}^2/\tilde n + \sigma_{u0}^2}

    Level 1 is the prediction of a row of a new group, level 2 of the mean of :math:`\tilde n` such
    rows. Not defined with random slopes (Snijders & Bosker advise to refit without them), nor
    without a null model of the same rows. In a correctly specified population model neither is
    negative; an estimate can be, by chance or because the slopes within and between groups differ
    and the model has one.

    Parameters
    ----------
    parameters, null : ParameterValues
        Of the model and of its null model, each with a random intercept; S values each.
    size : float
        :math:`\tilde n`; see `representative_size`.

    Returns
    -------
    level_1, level_2 : ndarray, shape (S,)

    References
    ----------
    Snijders & Bosker (1994), Sociological Methods & Research 22(3); Snijders & Bosker (2012),
    Multilevel Analysis, 2nd ed., sec. 7.1.

    Examples
    --------
    >>> from bayes_mlm.fitting import FactorValues
    >>> def one(u, e):
    ...     return ParameterValues(
    ...         beta=np.zeros((1, 1)), residual_variance=np.array([e]),
    ...         factors=(FactorValues(factor="g", cov_u=np.array([[[u]]]), u=None),),
    ...     )
    >>> first, second = snijders_bosker(one(1.0, 5.0), one(2.0, 10.0), 5.0)
    >>> float(first[0]), float(second[0])
    (0.5, 0.5)
    """
    now, before = (
        np.sum([one.cov_u[:, 0, 0] for one in of.factors], axis=0) for of in (parameters, null)
    )
    first = 1.0 - (parameters.residual_variance + now) / (null.residual_variance + before)
    second = 1.0 - (parameters.residual_variance / size + now) / (
        null.residual_variance / size + before
    )
    return first, second
