"""Fit by ordinary least squares."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import (
    DEFAULT_PROB,
    DesignError,
    EngineError,
    Finding,
    Floats,
    Verdict,
    check_prob,
    expect,
    rounded,
    scaled,
    wald_reach,
)
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.engines.reml.coefficient_tests import KnownDf
from bayes_mlm.engines.reml.inference import EstimateRow, EstimatesTable, Interval
from bayes_mlm.likelihood import LOG_2PI, check_bounded, exact_outcome, nothing_left
from bayes_mlm.moments import GroupMoments, from_rows, one_group, rotate_moments

# A predictor whose spread within groups is below this part of its size is constant within them.
CONSTANT_WITHIN = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OlsFit(EstimatesTable):
    """A least-squares fit.

    Attributes
    ----------
    n, df_resid : int
        Rows; rows less coefficients.
    terms : tuple of str
        Names of the p coefficients.
    beta, beta_se, beta_t, beta_p : (p,) arrays
        Coefficients, standard errors, t statistics and two-sided p values.
    beta_cov : (p, p) array
        Covariance of `beta`.
    beta_interval : tuple of Interval
        From the t distribution.
    sigma_e : float
        Residual sd on `df_resid` degrees of freedom, in units of y.
    rss : float
        Residual sum of squares.
    r2 : float
        Share of the variance of y about its mean (about zero where X has no constant).
    loglik, aic, bic : float
        At the maximum-likelihood variance; AIC and BIC count coefficients, not the variance.
    group : str or None
        Grouping factor with an intercept a group; None without.
    labels : (J,) array
        Its labels; empty without.
    group_intercepts, group_intercepts_se : (J,) arrays
        The intercept of each group and its standard error; empty without.
    """

    n: int
    df_resid: int
    terms: tuple[str, ...]
    beta: Floats
    beta_se: Floats
    beta_t: Floats
    beta_p: Floats
    beta_cov: Floats
    beta_interval: tuple[Interval, ...]
    sigma_e: float
    rss: float
    r2: float
    loglik: float
    aic: float
    bic: float
    group: str | None
    labels: npt.NDArray[Any]
    group_intercepts: Floats
    group_intercepts_se: Floats

    # What a REML fit has and least squares has none of.
    engine = "ols"
    effects: ClassVar[tuple[str, ...]] = ()
    residual = None
    errors = None
    covariances_u: ClassVar[tuple[Floats, ...]] = ()
    intervals = None
    icc = None
    singular = False

    @property
    def df(self) -> float:
        """Degrees of freedom of the t distribution of Wald intervals."""
        return self.df_resid

    @property
    def tests(self) -> KnownDf:
        """Tests of the coefficients: exact, on the residual degrees of freedom."""
        degrees = np.full(len(self.beta), float(self.df_resid))
        return KnownDf(label="residual", covariance=self.beta_cov, degrees=degrees)

    @property
    def verdict(self) -> Verdict:
        """Whether this is the optimum: it has a closed form."""
        return Verdict((Finding("optimum", True, "closed form"),))

    @property
    def cov_u(self) -> Floats:
        """Covariance (0, 0) of group effects: there are none with a distribution."""
        return np.zeros((0, 0))

    @property
    def u(self) -> Floats:
        """The intercept of each group (J, 1); (0, 1) without."""
        return self.group_intercepts[:, None]

    @property
    def u_sd(self) -> Floats:
        """Their standard errors (J, 1)."""
        return self.group_intercepts_se[:, None]

    def of_groups(self, design: Design) -> "OlsFit":
        """Return the fit with the intercepts of the groups of a design only."""
        if not self.group_intercepts.size:
            return self
        places = design.group_term.places_in(self.labels)
        return replace(
            self,
            labels=self.labels[places],
            group_intercepts=self.group_intercepts[places],
            group_intercepts_se=self.group_intercepts_se[places],
        )

    def __repr__(self) -> str:
        """Return the kind of fit, its size and its R²."""
        by_group = f", {self.labels.size} intercepts ({self.group})" if self.group else ""
        found = f"R² = {scaled(self.r2, 3)}, sigma_e = {rounded(self.sigma_e)}"
        return f"<OlsFit, n = {self.n}{by_group}, {found}>"

    def estimate_rows(self) -> Iterator[EstimateRow]:
        """Return the coefficients with standard errors and intervals."""
        columns = (self.beta.tolist(), self.beta_se.tolist(), self.beta_interval)
        yield from zip((f"beta[{term}]" for term in self.terms), *columns, strict=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Solution:
    """The solved normal equations, from which the fit is computed."""

    beta: Floats
    unscaled_cov: Floats
    rss: float
    tss: float
    n_intercepts: int
    intercepts: Floats
    intercepts_unscaled_var: Floats


def fit_ols(design: Design, *, level: float = DEFAULT_PROB) -> OlsFit:
    """Fit a design without group effects by ordinary least squares.

    Parameters
    ----------
    design : Design
        Laid out for any kind without group effects. For `no_pooling` every group gets an
        intercept; `beta` then has the slopes.
    level : float
        Coverage of the intervals.

    Returns
    -------
    OlsFit

    Raises
    ------
    DesignError
        If a column is a linear combination of others, or, with group-specific intercepts, constant
        within the groups; the column is named.
    EngineError
        If the design has group effects.

    Notes
    -----
    The coefficients are statsmodels'. Group-specific intercepts are partialled out by de-meaning
    within groups (Frisch & Waugh 1933, Econometrica 1(4)): the same slopes, standard errors and
    residuals as with a dummy a group, without n x J numbers.

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> fit = fit_ols(build_design("mathach ~ ses", load_dataset("hsb")))
    >>> round(fit.r2, 3), round(float(fit.beta_t[1]), 3)
    (0.13, 32.783)
    """
    expect("fit_ols", design, Design)
    design.require_likelihood("fit_ols")
    by_group = design.kind == "no_pooling"
    if design.q and not by_group:
        raise EngineError(
            f"least squares cannot fit group effects ({', '.join(design.effects)}); use the REML "
            "or a Bayesian engine, or a kind without them"
        )
    check_prob(level)
    if by_group and design.n <= design.p + design.J:
        raise DesignError(
            f"{design.n} rows cannot estimate {design.p} slopes, {design.J} group-specific "
            "intercepts and a residual variance; drop terms or pool the groups"
        )
    solution = design.compute(
        _solve_within if by_group else _solve, lambda moments: _solve_sums(design, moments)
    )
    return _table(design, solution, level)


def _solve(design: Design) -> _Solution:
    """Solve for a design whose coefficients are all columns of X."""
    from statsmodels.regression.linear_model import OLS

    _check(design, design.X, design.y_less_offset)
    # About the means, where there is an intercept to take them: a large offset costs no digits.
    centre = np.zeros(design.p)
    place = design.terms.index(INTERCEPT) if INTERCEPT in design.terms else None
    if place is not None:
        centre = design.X.mean(axis=0)
        centre[place] = 0.0
    columns = design.X - centre
    size = np.sqrt(np.square(columns).sum(axis=0))
    result = OLS(design.y_less_offset, columns / size).fit()
    transform = np.eye(design.p)
    if place is not None:
        transform[place] -= centre
    transform /= size
    constant, residual = int(result.k_constant), np.asarray(result.resid)
    total = design.y_less_offset - design.y_less_offset.mean() if constant else design.y_less_offset
    return _Solution(
        beta=transform @ np.asarray(result.params),
        unscaled_cov=transform @ np.asarray(result.normalized_cov_params) @ transform.T,
        rss=float(residual @ residual),
        tss=float(total @ total),
        n_intercepts=0,
        intercepts=np.empty(0),
        intercepts_unscaled_var=np.empty(0),
    )


def _solve_within(design: Design) -> _Solution:
    """Solve for slopes and an intercept for each group, by de-meaning within groups."""
    from statsmodels.regression.linear_model import OLS

    n_groups, counts = design.J, design.group_sizes

    def means(column: Floats) -> Floats:
        # Less the overall mean first: an offset would cost digits of the deviations.
        centre = float(column.mean())
        return centre + design.group_term.means(column - centre)

    y_means = means(design.y_less_offset)
    x_means = (
        np.stack([means(c) for c in design.X.T], axis=1) if design.p else np.empty((n_groups, 0))
    )
    y = design.y_less_offset - design.group_term.by_row(y_means)
    X = design.X - design.group_term.by_row(x_means)
    spread = np.abs(X).max(axis=0, initial=0.0)
    size = np.abs(design.X).max(axis=0, initial=0.0)
    for term, flat in zip(design.terms, spread <= CONSTANT_WITHIN * size, strict=True):
        if flat:
            raise DesignError(
                f"column {term!r} does not vary within {design.group!r}, so the group-specific "
                "intercepts absorb it and its slope is not identified; drop it, or use "
                "partial_pooling"
            )
    if design.p:
        _check(design, X, y)
        length = np.sqrt(np.square(X).sum(axis=0))
        result = OLS(y, X / length, hasconst=False).fit()
        beta = np.asarray(result.params) / length
        cov = np.asarray(result.normalized_cov_params) / np.outer(length, length)
        residual = np.asarray(result.resid)
    else:
        beta, cov, residual = np.empty(0), np.empty((0, 0)), y
    return _Solution(
        beta=beta,
        unscaled_cov=cov,
        rss=float(residual @ residual),
        tss=float(np.square(design.y_less_offset - design.y_less_offset.mean()).sum()),
        n_intercepts=n_groups,
        intercepts=y_means - x_means @ beta,
        intercepts_unscaled_var=1.0 / counts + np.einsum("ja,ab,jb->j", x_means, cov, x_means),
    )


def _solve_sums(design: Design, s: GroupMoments) -> _Solution:
    """Solve from sums by group; group-specific intercepts need only what varies within groups."""
    by_group, p = design.kind == "no_pooling", design.p
    reduced = rotate_moments(s if by_group else one_group(s))
    check_bounded(reduced)
    cross, xy, yy = reduced.rest[:p, :p], reduced.rest[:p, p], float(reduced.rest[p, p])
    # To unit columns first, so that a predictor in dollars costs no digits.
    size = np.sqrt(np.diag(cross))
    inverse = np.linalg.inv(cross / np.outer(size, size)) / np.outer(size, size)
    centred = inverse @ xy
    transform = np.eye(p) if by_group else reduced.beta_transform
    means = s.means[:, :p] + s.centre[:p]
    constant = by_group or bool(reduced.ones.any())
    _, sd = s.moments
    cov = transform @ inverse @ transform.T
    rss, tss = yy - float(xy @ centred), s.n * float(sd[-1]) ** 2 if constant else yy
    return _Solution(
        beta=centred if by_group else reduced.original_beta(centred),
        unscaled_cov=cov,
        rss=rss,
        tss=tss,
        n_intercepts=s.J if by_group else 0,
        intercepts=s.means[:, -1] + s.centre[-1] - means @ centred if by_group else np.empty(0),
        intercepts_unscaled_var=(
            1.0 / s.counts + np.einsum("ja,ab,jb->j", means, cov, means)
            if by_group
            else np.empty(0)
        ),
    )


def _check(design: Design, X: Floats, y: Floats) -> None:
    """Raise a DesignError that names an aliased column."""
    rotate_moments(
        from_rows(
            y, X, np.empty((len(y), 0)), np.zeros(len(y), dtype=np.int64), 1, terms=design.terms
        )
    )


def _table(design: Design, solution: _Solution, level: float) -> OlsFit:
    """Compute the fit from the solved equations."""
    from scipy import stats

    n = design.n
    n_beta = design.p + solution.n_intercepts
    df_resid, rss, tss = n - n_beta, solution.rss, solution.tss
    if not rss > nothing_left(n, column_moments(design).y_mean, tss):
        raise EngineError(exact_outcome(design.terms, design.effects, design.group, rss, tss))
    sigma2 = rss / df_resid
    cov = sigma2 * solution.unscaled_cov
    se = np.sqrt(np.diagonal(cov))
    t = solution.beta / se
    reach = wald_reach(level, df_resid) * se
    loglik = -0.5 * n * (LOG_2PI + math.log(rss / n) + 1.0)
    return OlsFit(
        n=n,
        df_resid=df_resid,
        terms=design.terms,
        beta=solution.beta,
        beta_se=se,
        beta_t=t,
        beta_p=2.0 * stats.t.sf(np.abs(t), df_resid),
        beta_cov=cov,
        beta_interval=tuple(
            Interval(lower=float(b - r), upper=float(b + r), level=level, method="t (residual df)")
            for b, r in zip(solution.beta, reach, strict=True)
        ),
        sigma_e=math.sqrt(sigma2),
        rss=rss,
        r2=1.0 - rss / tss,
        loglik=loglik,
        aic=2.0 * n_beta - 2.0 * loglik,
        bic=math.log(n) * n_beta - 2.0 * loglik,
        group=design.group if solution.n_intercepts else None,
        labels=design.labels if solution.n_intercepts else design.labels[:0],
        group_intercepts=solution.intercepts,
        group_intercepts_se=np.sqrt(sigma2 * solution.intercepts_unscaled_var),
    )
