"""The rows and priors of a model whose outcomes are not Gaussian, as the direct engine takes them.

Columns are centred and scaled, so that one unit of any coefficient or sd is of the order of one on
the scale of the linear predictor. A point of the parameters is a vector: coefficients of the scaled
columns, thresholds (the first, then logs of the gaps), log sds of the effects of the scaled Z,
atanh of their partial correlations, log shape. The first two parts are `inner`, the rest `outer`.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.engines.direct.priors import (
    coefficient_priors,
    correlation_factor,
    lower_pairs,
    partial_correlation_log_density,
    sd_log_density,
)
from bayes_mlm.likelihood import (
    MOST_DISTINCT,
    ModelPriors,
    Outcomes,
    code_of,
    constants,
    design_transform,
    likelihood_rows,
    log_density,
)
from bayes_mlm.model import Family, Prior

# Families and links whose rows the lattice takes as products, and what it calls them.
CODES = {
    ("bernoulli", "logit"): 0,
    ("binomial", "logit"): 0,
    ("poisson", "log"): 1,
    ("negative_binomial", "log"): 2,
    ("gamma", "log"): 3,
    ("cumulative", "logit"): 4,
}
# Share of the rows that may be distinct for equal ones to be computed once. Where a row without a
# weight is two multiplications at a node, a weight is a logarithm: six times the work, measured.
# Of logistic rows each distinct one may have successes and failures.
_MOST_DISTINCT = {0: MOST_DISTINCT / 6, 1: MOST_DISTINCT, 2: 0.0, 3: 0.0, 4: MOST_DISTINCT / 3}
LOG_2PI = math.log(2.0 * math.pi)


def takes_counts(family: Family) -> bool:
    """Return whether a row of a family may stand for several."""
    return _MOST_DISTINCT[CODES[family.name, family.link]] > 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Values:
    """N values of the parameters: coefficients g (N, p) of the scaled columns, and so on.

    Attributes
    ----------
    g : (N, p) array
    cuts : (N, K - 1) array
        Thresholds where the predictors are at their means; (N, 0) of other families.
    sds, factor : (N, q), (N, q, q) arrays
        Of the effects of the scaled Z, and the Cholesky factors of their correlations.
    shape : (N,) array
        1 of families without one.
    """

    g: Floats
    cuts: Floats
    sds: Floats
    factor: Floats
    shape: Floats

    def root(self) -> Floats:
        """Return L11, L21 and L22 of the covariances of the effects: (3, N)."""
        n, q = self.sds.shape
        found = np.zeros((3, n))
        found[2] = 1.0
        lower = self.sds[:, :, None] * self.factor
        if q:
            found[0] = lower[:, 0, 0]
        if q == 2:
            found[1], found[2] = lower[:, 1, 0], lower[:, 1, 1]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Rows in the order of their groups, with priors.

    Attributes
    ----------
    code : int
    y, trials, offset : (n,) arrays
        As of `LikelihoodRows`.
    X, Z : (n, p), (n, q) arrays
        Centred (X) and scaled.
    outcomes : Outcomes
        Of every row.
    starts : (J + 1,) array
        First row of each group.
    n_cuts : int
        Thresholds.
    has_shape : bool
    to_beta, to_effects : (p, p), (q, q) arrays
        From coefficients and effects of the scaled columns to those of the columns as given.
    z_scale : (q,) array
        What the columns of the effects that have the priors are divided by.
    correlated : bool
    means : (p,) array
        Of the columns as given.
    form, mean, precision, nu : arrays
        Priors of ``form @ g``, as in `coefficient_priors`.
    priors : ModelPriors
    """

    family: Family
    code: int
    y: Floats
    trials: Floats
    offset: Floats
    X: Floats
    Z: Floats
    outcomes: Outcomes
    starts: Ints
    n_cuts: int
    has_shape: bool
    to_beta: Floats
    to_effects: Floats
    z_scale: Floats
    correlated: bool
    means: Floats
    form: Floats
    mean: Floats
    precision: Floats
    nu: Floats
    priors: ModelPriors

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def n_groups(self) -> int:
        """Groups."""
        return len(self.starts) - 1

    @property
    def p(self) -> int:
        """Columns of X."""
        return int(self.X.shape[1])

    @property
    def q(self) -> int:
        """Effects of a group."""
        return int(self.Z.shape[1])

    @property
    def n_pairs(self) -> int:
        """Correlations."""
        return self.q * (self.q - 1) // 2 if self.correlated else 0

    @property
    def inner(self) -> int:
        """Coefficients and thresholds."""
        return self.p + self.n_cuts

    @property
    def outer(self) -> int:
        """Sds, correlations and shape."""
        return self.q + self.n_pairs + self.has_shape

    @cached_property
    def group_of(self) -> Ints:
        """The group of each row."""
        return np.repeat(np.arange(self.n_groups), np.diff(self.starts))

    @cached_property
    def constant(self) -> float:
        """What the log-likelihood has beyond any parameter, and beyond `Exact.constant`."""
        if not self.has_shape:
            return constants(self.family, self.outcomes, {})[0]
        from scipy.special import gammaln

        y = self.outcomes.y
        return -self.outcomes.total(gammaln(y + 1.0) if self.code == 2 else np.log(y))

    @cached_property
    def distinct(self) -> tuple[Floats, Floats]:
        """Distinct outcomes, and their numbers."""
        values, places = np.unique(self.outcomes.y, return_inverse=True)
        return values, np.bincount(places, self.outcomes.counts).astype(float)

    def of_groups(self, groups: Ints) -> "Problem":
        """Return the same with the rows of some groups."""
        starts = self.starts
        rows = np.concatenate([np.arange(starts[j], starts[j + 1]) for j in groups])
        return replace(
            self,
            y=self.y[rows],
            trials=self.trials[rows],
            offset=self.offset[rows],
            X=np.ascontiguousarray(self.X[rows]),
            Z=np.ascontiguousarray(self.Z[rows]),
            starts=np.concatenate([[0], np.cumsum(np.diff(starts)[groups])]),
        )

    def values(self, x: Floats) -> Values:
        """Read points (N, inner + outer)."""
        p, k, q = self.p, self.inner, self.q
        cuts = x[:, p:k].copy()
        if self.n_cuts > 1:
            cuts[:, 1:] = np.exp(np.minimum(cuts[:, 1:], 50.0))
            cuts = np.cumsum(cuts, axis=1)
        outer = x[:, k:]
        return Values(
            g=x[:, :p],
            cuts=cuts,
            sds=np.exp(np.clip(outer[:, :q], -30.0, 12.0)),
            factor=self.factor(outer),
            shape=np.exp(np.clip(outer[:, -1], -30.0, 30.0)) if self.has_shape else np.ones(len(x)),
        )

    def factor(self, outer: Floats) -> Floats:
        """Return the Cholesky factors (N, q, q) of the correlations at points of the outer part."""
        q = self.q
        if not self.n_pairs:
            return np.broadcast_to(np.eye(q), (len(outer), q, q))
        return correlation_factor(q, outer[:, q : q + self.n_pairs])

    def log_prior_outer(self, outer: Floats) -> Floats:
        """Evaluate the prior of sds, correlations and shape, in the coordinates: (N,)."""
        total, q = np.zeros(len(outer)), self.q
        for k in range(q):
            log_sd = outer[:, k] - math.log(self.z_scale[k])
            total += sd_log_density(self.priors.sigma_u[k], log_sd) + log_sd
        if self.n_pairs:
            assert self.priors.rho_u is not None  # for mypy
            w = outer[:, q : q + self.n_pairs]
            total += partial_correlation_log_density(self.priors.rho_u["eta"], q, w)
        if self.has_shape:
            log_shape = np.clip(outer[:, -1], -300.0, 300.0)
            total += log_density(self.shape_prior, np.exp(log_shape)) + log_shape
        return np.where(np.isfinite(total), total, -np.inf)

    @property
    def shape_prior(self) -> Prior:
        """Prior of the shape."""
        return self.priors.auxiliary["shape"]

    def log_prior_inner(self, at: Values, x: Floats) -> Floats:
        """Evaluate the prior of coefficients and thresholds, in the coordinates: (N,)."""
        return self.log_prior_raw(at.g, at.cuts) + x[:, self.p + 1 : self.inner].sum(axis=1)

    def log_prior_raw(self, g: Floats, cuts: Floats) -> Floats:
        """Evaluate the same of the thresholds themselves."""
        total = np.zeros(len(g))
        gap = g @ self.form.T - self.mean
        for k in np.flatnonzero(self.precision > 0):
            square, nu = self.precision[k] * gap[:, k] ** 2, self.nu[k]
            total += 0.5 * math.log(self.precision[k])
            if np.isinf(nu):
                total -= 0.5 * (square + LOG_2PI)
            else:
                total += math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)
                total -= 0.5 * (math.log(nu * math.pi) + (nu + 1.0) * np.log1p(square / nu))
        if self.n_cuts:
            sd = self.cut_prior["sigma"]
            z = (cuts - self.cut_prior["mu"]) / sd
            total += math.lgamma(self.n_cuts + 1.0) - self.n_cuts * (math.log(sd) + 0.5 * LOG_2PI)
            total -= 0.5 * np.square(z).sum(axis=1)
        return total

    @property
    def cut_prior(self) -> Prior:
        """Prior of each threshold."""
        return self.priors.auxiliary["threshold"]

    def prior_pull(self, g: Floats, cuts: Floats) -> tuple[Floats, Floats]:
        """Return the information (k, k) and the score (k,) of the inner prior at one point.

        Of Student-t priors the information is that of the normal that touches them from below.
        """
        k, p = self.inner, self.p
        gap = self.form @ g - self.mean
        with np.errstate(invalid="ignore"):
            weight = np.where(
                np.isinf(self.nu),
                self.precision,
                self.precision * (self.nu + 1.0) / (self.nu + self.precision * gap**2),
            )
        information, score = np.zeros((k, k)), np.zeros(k)
        information[:p, :p] = (self.form.T * weight) @ self.form
        score[:p] = -self.form.T @ (weight * gap)
        if self.n_cuts:
            each = self.cut_prior["sigma"] ** -2.0
            information[range(p, k), range(p, k)] = each
            score[p:] = each * (self.cut_prior["mu"] - cuts)
        return information, score

    def beta(self, at: Values) -> Floats:
        """Return the coefficients (N, p) of the columns as given."""
        return at.g @ self.to_beta.T

    def thresholds(self, at: Values) -> Floats:
        """Return the thresholds (N, K - 1) where the predictors are 0."""
        return at.cuts + (self.beta(at) @ self.means)[:, None]


def make_problem(design: Design, priors: ModelPriors) -> Problem:
    """Return the rows of a design with at most one grouping factor, scaled and in groups."""
    code = CODES[design.family.name, design.family.link]
    rows = likelihood_rows(design, _row_code(design), most_distinct=_MOST_DISTINCT[code])
    moments = column_moments(design)
    p, q, cuts = design.p, design.q, design.family.thresholds
    means = np.asarray(moments.x_mean, dtype=float)
    constant = np.array([term == INTERCEPT for term in design.terms], dtype=bool)
    centred = design.has_intercept or cuts is not None
    shift = np.where(constant | (not centred), 0.0, means)
    sd = _root_mean_square(rows.X - shift, rows.counts) if p else np.zeros(0)
    sd = np.where(constant | ~(sd > 0), 1.0, sd)
    to_beta = np.diag(1.0 / sd)
    if design.has_intercept:
        place = design.terms.index(INTERCEPT)
        to_beta[place] -= shift / sd
    free, mean, precision, nu = coefficient_priors(design.terms, priors, means)
    transform = design_transform(design, priors) if q else np.zeros((0, 0))
    z = rows.Z @ transform
    z_sd = _root_mean_square(z, rows.counts) if q else np.zeros(0)
    z_scale = np.where(z_sd > 0, z_sd, 1.0)
    return Problem(
        family=design.family,
        code=code,
        y=rows.y,
        trials=rows.trials,
        offset=rows.offset,
        X=np.ascontiguousarray((rows.X - shift) / sd),
        Z=np.ascontiguousarray(z / z_scale),
        outcomes=rows.outcomes,
        starts=rows.starts,
        n_cuts=0 if cuts is None else len(design.encoding.between_levels),
        has_shape="shape" in priors.auxiliary,
        to_beta=to_beta,
        to_effects=transform / z_scale,
        z_scale=z_scale,
        correlated=priors.rho_u is not None and q > 1,
        means=means if p else np.zeros(0),
        form=free @ to_beta,
        mean=mean,
        precision=precision,
        nu=nu,
        priors=priors,
    )


def _row_code(design: Design) -> int:
    code = code_of(design.family)
    assert code is not None  # for mypy: such a model is refused
    return code


def _root_mean_square(columns: Floats, counts: Floats | None) -> Floats:
    """Return that of each column, over the rows that its values stand for."""
    return np.asarray(np.sqrt(np.average(np.square(columns), axis=0, weights=counts)))


def pairs_of(problem: Problem) -> list[tuple[int, int]]:
    """Return the (row, column) of each correlation coordinate."""
    return lower_pairs(problem.q) if problem.n_pairs else []
