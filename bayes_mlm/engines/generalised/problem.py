"""A design of outcomes that are not Gaussian, laid out for its likelihood."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.likelihood import (
    MOST_DISTINCT,
    Outcomes,
    code_of,
    constants,
    likelihood_rows,
)
from bayes_mlm.model import Auxiliary

# Group effects that quadrature can integrate over.
MAX_Q = 3
# Relative to its largest value, the integrand that is left out.
PRECISE = 1e-10
# Of the linear predictor between groups: beyond it a search goes to infinity.
_LARGEST_SD = 1e4


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The likelihood at one point.

    Attributes
    ----------
    loglik : float
        With its constants; minus infinity where it cannot be computed.
    score, hessian : ndarray, shapes (P,) and (P, P)
        Derivatives in the parameters; None where they were not asked for.
    v, v_cov : ndarray, shapes (J, q) and (J, q, q)
        Means and covariances of the spherical effects given the outcomes.
    modes : ndarray, shape (J, q)
    """

    loglik: float
    score: Floats | None
    hessian: Floats | None
    v: Floats
    v_cov: Floats
    modes: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Rows of a design, sorted by group; those of equal predictors may be one.

    The parameters x are beta (p,), the free entries of the lower-triangular L by rows, of u = L v
    with v standard normal, and the log of a shape or the thresholds.

    Attributes
    ----------
    design : Design
    X, Z : ndarray, shapes (n, p) and (n, q)
        Of rows, or of distinct rows.
    y, trials, offset : ndarray, shape (n,)
        Of distinct rows `trials` is also how many rows each stands for: y is the sum of successes
        and counts.
    outcomes : Outcomes
        Of every row, for the constants of the likelihood.
    starts : ndarray of int, shape (J + 1,)
    free : ndarray of bool, shape (q (q + 1) / 2,)
        Which entries of L are free: its diagonal only where effects are independent.
    code : int
    """

    design: Design
    X: Floats
    Z: Floats
    y: Floats
    trials: Floats
    offset: Floats
    outcomes: Outcomes
    starts: Ints
    free: np.ndarray
    code: int

    @property
    def p(self) -> int:
        """Columns of X."""
        return int(self.X.shape[1])

    @property
    def q(self) -> int:
        """Effects of a group."""
        return int(self.Z.shape[1])

    @cached_property
    def kept(self) -> Ints:
        """Places of the parameters among all of beta, L and the auxiliary ones."""
        every = np.concatenate([np.ones(self.p, bool), self.free, np.ones(self.n_aux, bool)])
        return np.flatnonzero(every)

    @cached_property
    def z_size(self) -> float:
        """Root mean square of the largest column of Z."""
        return float(np.sqrt(np.square(self.Z).mean(axis=0).max(initial=0.0)))

    @cached_property
    def triangle(self) -> tuple[np.ndarray, ...]:
        """Places of the entries of L in a square matrix."""
        return np.tril_indices(self.q)

    @cached_property
    def fixed_constants(self) -> tuple[float, float, float]:
        """Constants of the likelihood of a family without auxiliary parameters."""
        return constants(self.design.family, self.outcomes, {})

    @cached_property
    def n_aux(self) -> int:
        """Numbers of the auxiliary parameter: one shape, K - 1 thresholds, or none."""
        family = self.design.family
        if family.thresholds is not None:
            return len(self.design.encoding.between_levels)
        return len(family.auxiliary)

    @property
    def n_parameters(self) -> int:
        """P."""
        return self.kept.size

    def parts(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return beta (p,), the factor L (q, q) and the auxiliary numbers of a point."""
        n_pairs = self.free.size
        full = np.zeros(self.p + n_pairs + self.n_aux)
        full[self.kept] = x
        factor = np.zeros((self.q, self.q))
        factor[self.triangle] = full[self.p : self.p + n_pairs]
        return full[: self.p], factor, full[self.p + n_pairs :]

    def auxiliary(self, aux: Floats) -> Auxiliary:
        """Return the auxiliary parameters on their own scale, and the trials."""
        found = dict(self.design.response.known)
        if self.design.family.thresholds is not None:
            return found | {self.design.family.thresholds.name: aux}
        return found | {
            one.name: np.exp(value)
            for one, value in zip(self.design.family.auxiliary, aux, strict=True)
        }

    def without_effects(self) -> "Problem":
        """Return the problem with all group effects at zero: a generalised linear model."""
        return Problem(
            design=self.design,
            X=self.X,
            Z=np.empty((len(self.X), 0)),
            y=self.y,
            trials=self.trials,
            offset=self.offset,
            outcomes=self.outcomes,
            starts=self.starts,
            free=np.empty(0, dtype=bool),
            code=self.code,
        )

    def evaluate(
        self,
        x: Floats,
        *,
        modes: Floats | None = None,
        derive: bool = True,
        eps: float = PRECISE,
        refine: float = 1.0,
    ) -> Evaluation:
        """Return the likelihood at a point.

        Parameters
        ----------
        x : ndarray, shape (P,)
        modes : ndarray, shape (J, q), optional
            Where to start the search for the modes.
        derive : bool
            Whether score and Hessian are computed.
        eps : float
            Relative precision of each integral.
        refine : float
            Factor of the spacing.
        """
        from bayes_mlm.likelihood import find_group_modes, integrate_groups  # loads numba

        q, n_groups = self.q, self.starts.size - 1
        beta, factor, aux = self.parts(x)
        n_all = self.p + self.free.size + self.n_aux
        v = np.zeros((n_groups, q)) if modes is None else modes.copy()
        score, hessian = np.zeros(n_all), np.zeros((n_all, n_all))
        mean, square = np.zeros((n_groups, q)), np.zeros((n_groups, q, q))
        impossible = Evaluation(
            loglik=-math.inf, score=None, hessian=None, v=mean, v_cov=square, modes=v
        )
        cuts, psi = np.zeros(2), 0.0
        if self.design.family.thresholds is not None:
            cuts = np.concatenate([[-math.inf], aux, [math.inf]])
            if not (np.diff(aux) > 0).all():
                return impossible
        elif self.n_aux:
            psi = float(aux[0])
            if abs(psi) > 30.0:
                return impossible
        if np.abs(factor).max(initial=0.0) * self.z_size > _LARGEST_SD:
            return impossible
        eta = self.X @ beta + self.offset
        zl = np.ascontiguousarray(self.Z @ factor)
        root, out = np.zeros((n_groups, q, q)), np.empty(n_groups)
        rows = (eta, self.y, self.trials)
        if q:
            find_group_modes(self.code, psi, cuts, *rows, zl, self.starts, v, root)
        if not np.isfinite(root).all():
            return impossible
        integrate_groups(
            *(self.code, psi, cuts, *rows, self.X, self.Z, zl, self.starts),
            *(v, root, refine, eps, derive, out, score, hessian, mean, square),
        )
        constant, slope, curve = (
            constants(self.design.family, self.outcomes, self.auxiliary(aux))
            if self.n_aux
            else self.fixed_constants
        )
        if self.n_aux and self.design.family.thresholds is None:
            score[-1] += slope
            hessian[-1, -1] += curve
        loglik = float(out.sum()) + constant
        if not math.isfinite(loglik):
            return impossible
        kept = self.kept
        return Evaluation(
            loglik=loglik,
            score=score[kept] if derive else None,
            hessian=hessian[kept[:, None], kept] if derive else None,
            v=mean,
            v_cov=square - mean[:, :, None] * mean[:, None, :],
            modes=v,
        )


def make_problem(design: Design, *, effects: bool = True, collapse: bool = False) -> Problem:
    """Return the problem of a design of one grouping factor, or none; or without its effects.

    With `collapse` rows of equal predictors in a group (and, but of successes and Poisson counts,
    of equal outcomes) are one, where that saves.

    Raises
    ------
    EngineError
        If there is no compiled likelihood of its family, or it has too many effects a group.
    """
    code = code_of(design.family)
    if code is None:
        raise EngineError(f"ML has no {design.family.label} likelihood; use engine='nuts'")
    if effects and design.q > MAX_Q:
        raise EngineError(
            f"ML integrates over {MAX_Q} effects a group at most, and the model has {design.q}; "
            "use engine='nuts'"
        )
    q = design.q if effects else 0
    free = np.ones(q * (q + 1) // 2, dtype=bool)
    if q and not design.group_term.correlated:
        free = np.equal(*np.tril_indices(q))
    rows = likelihood_rows(
        design, code, effects=effects, most_distinct=MOST_DISTINCT if collapse else 0.0
    )
    taken = design
    if rows.order is not None and rows.counts is None:
        taken = design.take(rows.order)
    return Problem(
        design=taken,
        X=rows.X,
        Z=rows.Z,
        y=rows.y,
        trials=rows.trials,
        offset=rows.offset,
        outcomes=rows.outcomes,
        starts=rows.starts,
        free=free,
        code=code,
    )
