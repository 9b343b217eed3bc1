"""Hausman's test, in two forms: whether group effects and predictors are correlated."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DesignError,
    Flags,
    Floats,
    Tabular,
    View,
    expect,
    p_value,
    rounded,
    scaled,
    texts,
)
from bayes_mlm.design import Design, new_group_means, with_group_means
from bayes_mlm.engines import fit_reml
from bayes_mlm.formula import refuse_several
from bayes_mlm.questions.contextual.one_slope import varying, without_means

# Share of a group mean that is linearly independent of the columns before it, at least.
_NEW = 1e-6
# Of the smallest eigenvalue of the difference of covariances, at unit fixed-effects variances.
_POSITIVE = 1e-10
# Level of the test, for the wording of its result only.
_SMALL = 0.05


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hausman(Tabular):
    """Hausman's test of the random-effects estimate of slopes, in its original form and Mundlak's.

    Both test whether the slope within groups (fixed effects) equals the slope that is common to
    both levels (random effects); so whether the random intercept is uncorrelated with the
    predictors.

    Parameters
    ----------
    predictors : tuple of str
        The k predictors that vary within groups and whose group means differ.
    fixed, random : ndarray, shape (k,)
        Slopes with an intercept for each group (OLS), and by generalised least squares at the REML
        estimate of a random-intercept model.
    fixed_se, random_se : ndarray, shape (k,)
    statistic, p : float or None
        Of the original form, on `df` degrees of freedom; None where the difference of the two
        covariances is not positive definite.
    contextual, contextual_se : ndarray, shape (k,)
        Coefficients of the group means in the Mundlak model, by REML.
    wald, wald_p : float
        Joint test that those are zero, on `df` degrees of freedom.
    df : int
        k.
    smallest : float
        Smallest eigenvalue of the difference of covariances, at unit fixed-effects variances.
    notes : tuple of str
    """

    predictors: tuple[str, ...]
    fixed: Floats
    random: Floats
    fixed_se: Floats
    random_se: Floats
    statistic: float | None
    p: float | None
    contextual: Floats
    contextual_se: Floats
    wald: float
    wald_p: float
    df: int
    smallest: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """Return the predictors and the p value."""
        return f"<Hausman test of {', '.join(self.predictors)}: {p_value(self.wald_p)} (Mundlak)>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data, which have a row for each predictor."""
        slopes = ("fixed", "random", "contextual")
        return ("predictor", *(name for one in slopes for name in (one, f"{one}_se")))

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Return the slopes with their standard errors."""
        columns = (getattr(self, name).tolist() for name in self.names[1:])
        return zip(self.predictors, *columns, strict=True)

    def view(self) -> View:
        """Return the slopes as text, with both forms of the test below."""
        if self.statistic is None:
            original = (
                "Hausman: not defined, because the difference of the two covariances is not "
                f"positive definite (smallest eigenvalue {rounded(self.smallest)}); use the form "
                "below"
            )
        else:
            original = (
                f"Hausman: chi² = {scaled(self.statistic, 2)} on {self.df} df, {p_value(self.p)}"
            )
        mundlak = (
            f"Mundlak (contextual effects all zero): chi² = {scaled(self.wald, 2)} on {self.df} "
            f"df, {p_value(self.wald_p)}"
        )
        cells = []
        for predictor, *numbers in self.raw():
            pairs = batched(numbers, 2)
            shown = (text for slope, se in pairs for text in texts(slope, se)[:2])
            cells.append((predictor, *shown))
        return View(
            title=f"Hausman test of the slopes of {', '.join(self.predictors)}: fixed effects "
            "against random effects",
            headings=("", "fixed", "se", "random", "se", "contextual", "se"),
            cells=tuple(cells),
            legend=(original, mundlak, self._upshot(), *self.notes),
        )

    def _upshot(self) -> str:
        if self.wald_p < _SMALL:
            return (
                "Slopes within and between groups differ, and the common slope of a random-effects "
                "model estimates neither. Keep the group effects and include both slopes."
            )
        return (
            "No difference between the slopes within and between groups is detected; that is "
            "not evidence that they are equal."
        )


def hausman(design: Design) -> Hausman:
    r"""Test fixed against random effects, for any design with groups.

    Parameters
    ----------
    design : Design
        Of any kind but `between`. Group means of predictors are omitted from the two estimates
        that are compared, and included in Mundlak's form.

    Returns
    -------
    Hausman

    Raises
    ------
    DesignError
        If there are no groups, or no predictor varies both within and between them, or slopes
        within and between are tied to other terms by products in the formula.

    Notes
    -----
    .. math:: H = (\hat\beta_F - \hat\beta_R)'\,(V_F - V_R)^{-1}\,(\hat\beta_F - \hat\beta_R)

    Each covariance uses the residual variance of its model. :math:`V_F - V_R` estimates a
    covariance, but need not be positive definite in a sample; Hausman's form is then not defined,
    while Mundlak's always is. The two differ, since the first depends on a small difference of two
    covariances with slightly different residual variances. Both assume a random intercept and
    equal residual variances. Group means are computed from the rows, also where the data have a
    column of group means.

    References
    ----------
    Hausman (1978), Econometrica 46(6), sec. 2; Mundlak (1978), Econometrica 46(1); Wooldridge
    (2010), Econometric Analysis of Cross Section and Panel Data, 2nd ed., sec. 10.7.3.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> test = hausman(build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb")))
    >>> print(f"{test.statistic:.1f} {test.wald:.1f} {test.df}")
    63.1 94.7 1
    """
    expect("hausman", design, Design)
    design = design.whole
    design.require_likelihood("the Hausman test")
    refuse_several(
        design.factors,
        "the Hausman test",
        "put the group means of each into the formula, between(x, factor): their coefficients "
        "are the contextual effects that it tests",
    )
    if design.group is None or design.base is None or design.kind == "between":
        raise DesignError(
            "the Hausman test compares slopes within groups with those common to both levels, and "
            "this model has no groups of rows; add their column to the formula, (1 | group)"
        )
    single, notes = without_means(design)
    if single.residual is not None:
        single = replace(single, residual=None)
        notes.append("residuals are taken as independent, with one sd")
    varies = varying(single)
    moved = np.flatnonzero(varies).tolist()
    moments = single.moments()
    places = np.flatnonzero(varies)[new_group_means(moments, moved, _NEW)]
    names = tuple(single.terms[k] for k in places)
    if not names:
        raise DesignError(
            f"no predictor of '{design.formula}' varies both within and between groups, so there "
            "are no two slopes to compare"
        )
    left = [single.terms[k] for k in np.flatnonzero(varies) if k not in places]
    if left:
        notes.append(f"not tested, as group means do not differ: {', '.join(left)}")
    moving = tuple(single.terms[k] for k in np.flatnonzero(varies))
    fixed_beta, fixed_cov = _fixed_effects(single, varies)
    random = fit_reml(single, profile=False)
    added = with_group_means(moments, places.tolist())
    both = fit_reml(single.with_moments(added), profile=False)
    tested = [moving.index(name) for name in names]
    fixed_cov = fixed_cov[np.ix_(tested, tested)]
    random_cov = random.beta_cov[np.ix_(places, places)]
    difference = fixed_beta[tested] - random.beta[places]
    statistic, smallest = _quadratic(difference, fixed_cov - random_cov, np.diag(fixed_cov))
    tail = slice(single.p, None)
    contextual, contextual_cov = both.beta[tail], both.beta_cov[tail, tail]
    wald = float(contextual @ np.linalg.solve(contextual_cov, contextual))
    return Hausman(
        predictors=names,
        fixed=fixed_beta[tested],
        random=random.beta[places],
        fixed_se=np.sqrt(np.diag(fixed_cov)),
        random_se=np.sqrt(np.diag(random_cov)),
        statistic=statistic,
        p=None if statistic is None else chi2_tail(statistic, len(names)),
        contextual=contextual,
        contextual_se=np.sqrt(np.diag(contextual_cov)),
        wald=wald,
        wald_p=chi2_tail(wald, len(names)),
        df=len(names),
        smallest=smallest,
        notes=tuple(notes),
    )


def _fixed_effects(design: Design, varies: Flags) -> tuple[Floats, Floats]:
    """Return the slopes of the model with an intercept for each group, and their covariance.

    As `fit_ols` of the no_pooling kind, without its import of statsmodels.
    """
    inside = design.moments().scatter.sum(axis=0)
    places = np.flatnonzero(varies)
    products = inside[np.ix_(places, places)]
    beta = np.linalg.solve(products, inside[places, -1])
    df = design.n - design.J - places.size
    if df < 1:
        raise DesignError(
            f"{design.n} rows cannot estimate {design.J} group-specific intercepts, "
            f"{places.size} slopes and "
            "a residual variance; the Hausman test needs more rows in its groups"
        )
    rest = float(inside[-1, -1] - beta @ inside[places, -1])
    return beta, np.linalg.inv(products) * rest / df


def _quadratic(
    difference: Floats, covariance: Floats, variances: Floats
) -> tuple[float | None, float]:
    """Return d'V^-1 d and the least eigenvalue of V, in units of `variances`; None if not > 0."""
    unit = np.sqrt(variances)
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    smallest = float(values[0])
    if smallest <= _POSITIVE:
        return None, smallest
    rotated = vectors.T @ (difference / unit)
    return float(np.sum(rotated**2 / values)), smallest


def chi2_tail(statistic: float, df: int) -> float:
    """Return the upper tail probability of a chi-squared variable, a constant 0 where df is 0.

    Examples
    --------
    >>> round(chi2_tail(3.841459, 1), 4), chi2_tail(0.5, 0), chi2_tail(0.0, 0)
    (0.05, 0.0, 1.0)
    """
    if df == 0:
        return float(statistic <= 0.0)
    from scipy.special import gammaincc  # scipy.stats takes a second to import

    return float(gammaincc(0.5 * df, 0.5 * statistic))
