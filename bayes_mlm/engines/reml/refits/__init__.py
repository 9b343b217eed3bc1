"""REML or ML estimates of many outcomes on one design: simulated ones, drawn as sums."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Flags, Floats, in_threads
from bayes_mlm.engines.reml.refits.outcomes import OutcomeDistribution, OutcomeSums
from bayes_mlm.likelihood import Method
from bayes_mlm.moments import RotatedMoments, root_mean_square

__all__ = ["Designs", "OutcomeDistribution", "OutcomeSums", "Refits", "Simulation", "refit"]

# Numbers of simulated sums that are in memory at once.
_AT_ONCE = 4_000_000
# Share of the noise above estimates at which a search starts that is near all of them.
_NEAR = 1e-3
# Refits that are worth a thread.
_LEAST = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Designs:
    """What is read of the designs of B outcomes: each of its arrays for D of them, in turn.

    D is 1 where all outcomes have one, and B where each has its own.

    Attributes
    ----------
    r : ndarray, shape (D, J, q, q)
        ``Z_j = Q_j R_j``, the columns of Z at unit mean square.
    c_x : ndarray, shape (D, J, q, p)
        ``Q_j'X_j``.
    x_x : ndarray, shape (D, p, p)
        Products of X outside the span of Z.
    n : ndarray, shape (D,)
        Rows, or sums of their weights.
    correlated : bool
        Whether the effects may correlate.
    weights : ndarray, shape (D, J), or None
        Of the groups, whose products `c_x` are not weighted; None where each counts once.
    method : {"REML", "ML"}
    """

    r: Floats
    c_x: Floats
    x_x: Floats
    n: Floats
    correlated: bool = True
    weights: Floats | None = None
    method: Method = "REML"


@dataclass(frozen=True, kw_only=True, eq=False)
class Refits:
    """Estimates of B outcomes.

    Attributes
    ----------
    deviance : ndarray, shape (B,)
        Minus twice the profiled log-likelihood, up to a constant of the design.
    cov_u : ndarray, shape (B, q, q)
        Covariance of the group effects.
    sigma2 : ndarray, shape (B,)
        Residual variance.
    beta : ndarray, shape (B, p)
    variance : ndarray, shape (B, h)
        Of the contrasts.
    df : ndarray, shape (B, h)
        Their degrees of freedom by Satterthwaite.
    singular, failed : ndarray of bool, shape (B,)
        Whether the covariance is singular; whether no maximum was found.
    """

    deviance: Floats
    cov_u: Floats
    sigma2: Floats
    beta: Floats
    variance: Floats
    df: Floats
    singular: Flags
    failed: Flags

    def where(self, kept: Flags) -> "Refits":
        """Return those that are flagged (B,)."""
        return replace(self, **{k: getattr(self, k)[kept] for k in self.__dataclass_fields__})

    def in_units(self, back: Floats, reduced: RotatedMoments) -> "Refits":
        """Return the estimates of the outcome itself, with effects ``back @ u`` of Z as given."""
        return replace(
            self,
            cov_u=back @ self.cov_u @ back.T,
            beta=np.asarray(reduced.original_beta(self.beta)),
        )

    @classmethod
    def joined(cls, parts: "list[Refits]") -> "Refits":
        """Return the refits of several lists of outcomes as one."""
        names = cls.__dataclass_fields__
        return cls(**{k: np.concatenate([getattr(one, k) for one in parts]) for k in names})


def refit(
    designs: Designs,
    outcomes: OutcomeSums,
    contrasts: Floats,
    sigma: Floats,
    sigma2: float,
    *,
    near: bool = False,
) -> Refits:
    """Find the estimate of each outcome, by Newton's method from one start.

    Parameters
    ----------
    designs : Designs
    outcomes : OutcomeSums
    contrasts : ndarray, shape (h, p)
        Linear combinations of the coefficients whose variances are wanted.
    sigma, sigma2 : ndarray, shape (q, q); float
        Covariance of the group effects and residual variance near the estimates: what the outcomes
        were drawn with. The search starts above, by the sampling variance of a typical group's own
        coefficients, and descends: from near the boundary it may end in a lower maximum.
    near : bool
        Whether all estimates are so near that the search may start at `sigma` itself.

    Returns
    -------
    Refits
    """
    from bayes_mlm.engines.reml.refits.kernels import FAILED, SINGULAR
    from bayes_mlm.engines.reml.refits.search_kernels import search_all

    (many, _, q), p, h = outcomes.c_y.shape, designs.c_x.shape[3], len(contrasts)
    pairs = [(a, b) for b in range(q) for a in range(b, q) if designs.correlated or a == b]
    first = designs.r[0]
    noise = len(first) / np.maximum(np.einsum("jab,jab->b", first, first), 1e-300)
    noise = noise * (_NEAR if near else 1.0)
    start = np.linalg.cholesky(sigma / sigma2 + np.diag(noise))
    if not designs.correlated:
        start = np.diag(np.sqrt(np.diagonal(sigma) / sigma2 + noise))
    relative, s2, beta = np.empty((many, q, q)), np.empty(many), np.empty((many, p))
    variance, df = np.empty((many, h)), np.empty((many, h))
    value, ended = np.empty(many), np.empty(many, np.int64)
    combinations, entries = np.ascontiguousarray(contrasts, np.float64), np.array(pairs, np.int64)
    r, c_x, x_x, n, weights = (
        np.ascontiguousarray(one, np.float64)
        for one in (
            designs.r,
            designs.c_x,
            designs.x_x,
            designs.n,
            np.empty((len(designs.n), 0)) if designs.weights is None else designs.weights,
        )
    )

    def search(part: slice) -> None:
        search_all(
            (0,) * q,
            r,
            c_x,
            np.ascontiguousarray(outcomes.c_y[part]),
            x_x,
            np.ascontiguousarray(outcomes.x_y[part]),
            np.ascontiguousarray(outcomes.y_y[part]),
            weights,
            n,
            1.0 if designs.method == "REML" else 0.0,
            part.start or 0,
            combinations,
            start,
            entries,
            relative[part],
            s2[part],
            beta[part],
            variance[part],
            df[part],
            value[part],
            ended[part],
        )

    in_threads(search, many, least=_LEAST)
    return Refits(
        deviance=value,
        cov_u=relative * s2[:, None, None],
        sigma2=s2,
        beta=beta,
        variance=variance,
        df=df,
        singular=ended == SINGULAR,
        failed=ended == FAILED,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """A fitted design, in the coordinates in which its outcomes are refitted.

    Parameters
    ----------
    reduced : RotatedMoments
    correlated : bool
        Whether the group effects may correlate.
    """

    reduced: RotatedMoments
    correlated: bool = True

    @property
    def turn(self) -> Floats:
        """Matrix (q, q) from effects of Z as given to those that are searched.

        These are of columns at unit mean square: of the centred Z, where the search is best
        conditioned; independent effects are so for Z as given only.
        """
        centring = self.reduced.z_centring
        if self.correlated:
            size = root_mean_square(self.reduced, np.eye(self.reduced.q))
            return size[:, None] * centring
        return np.diag(root_mean_square(self.reduced, centring))

    @property
    def designs(self) -> Designs:
        """The design of all outcomes."""
        reduced, p = self.reduced, self.reduced.p
        r = reduced.r @ reduced.z_centring @ np.linalg.inv(self.turn)
        return Designs(
            r=r[reduced.of_group][None],
            c_x=reduced.c[None, :, :, :p],
            x_x=reduced.rest[None, :p, :p],
            n=np.array([float(reduced.n)]),
            correlated=self.correlated,
        )

    def refits(
        self,
        beta: Floats,
        cov_u: Floats,
        sigma2: float,
        *,
        contrasts: Floats,
        size: int,
        rng: np.random.Generator,
    ) -> Refits:
        """Draw outcomes from a model and refit it to each.

        Parameters
        ----------
        beta : ndarray, shape (p,)
            Of X as given, as are `contrasts`.
        cov_u : ndarray, shape (q, q)
        sigma2 : float
        contrasts : ndarray, shape (h, p)
        size : int
            How many.
        rng : numpy.random.Generator

        Returns
        -------
        Refits
            In the units of the data.
        """
        reduced, centring = self.reduced, self.reduced.z_centring
        law = OutcomeDistribution.of(reduced, centring @ cov_u @ centring.T, sigma2)
        most = max(1, _AT_ONCE // max(1, len(reduced.c) * max(1, reduced.q)))
        parts = []
        for start in range(0, size, most):
            outcomes = law.draw(min(most, size - start), rng)
            parts.append(self.refit(self.designs, outcomes, beta, cov_u, sigma2, contrasts))
        return Refits.joined(parts)

    def refit(
        self,
        designs: Designs,
        outcomes: OutcomeSums,
        beta: Floats,
        cov_u: Floats,
        sigma2: float,
        contrasts: Floats,
    ) -> Refits:
        """Refit outcomes, drawn at coefficients of zero, and return the estimates as of `beta`."""
        turn, transform = self.turn, self.reduced.beta_transform
        back = np.linalg.inv(turn)
        found = refit(designs, outcomes, contrasts @ transform, turn @ cov_u @ turn.T, sigma2)
        return replace(
            found, cov_u=back @ found.cov_u @ back.T, beta=beta + found.beta @ transform.T
        )
