"""Densities of rows and groups at one value of the parameters, for models that need their rows.

Residuals may differ in variance or be AR(1), outcomes need not be Gaussian: what is conditional on
the group effects is the family's; what integrates them out is exact for Gaussian outcomes and by
adaptive quadrature for others. Models that need moments alone have `gaussian.evaluate`.

References
----------
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84(3), sec. 3: the density of a cluster with its
effects integrated out. Rabe-Hesketh, Skrondal & Pickles (2005), Journal of Econometrics 128(2):
adaptive quadrature.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, GroupTerm
from bayes_mlm.likelihood.gaussian import LOG_2PI
from bayes_mlm.model import (
    Auxiliary,
    ResidualRows,
    given_previous,
    log_innovation_variances,
    plain_rows,
    previous_correlation,
    whiten,
)

# Quadrature points along one group effect, by their number.
_POINTS = {1: 15, 2: 9, 3: 7}
_STEPS = 40
# Of a step towards the mode, in sds of the effects: a Poisson mean must not overflow.
_LONGEST = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """One value of the parameters.

    Parameters
    ----------
    beta : ndarray, shape (p,)
    root : ndarray, shape (q, q)
        Of the covariance of the group effects; (0, 0) without any.
    sds : ndarray, shape (n_sds,)
        Residual sds, by stratum; none of a family without one.
    rho : float
        Correlation of residuals one step apart; 0 without AR(1).
    aux : mapping of str to ndarray
        The family's auxiliary parameters, shapes () or (n,).
    u : ndarray, shape (J, q), optional
        Group effects, where they are given.
    """

    beta: Floats
    root: Floats
    sds: Floats
    rho: float
    aux: Auxiliary
    u: Floats | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Likelihood:
    """The likelihood of the rows of a design, conditional or marginal of its group effects.

    Parameters
    ----------
    design : Design
        With rows; for `marginal` and `by_row` in order of their groups, and with a residual
        structure by row. `marginal` takes distinct ones with their numbers, too.

    Raises
    ------
    EngineError
        By `marginal`, for more group effects than quadrature can integrate over.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> table = load_dataset("sleepstudy")
    >>> design = build_design("reaction ~ days + (1 | subject)", table, family="student_t")
    >>> found = Likelihood(design=design.take(design.group_term.row_order()))
    >>> at = Point(
    ...     beta=np.array([250.0, 10.0]), root=np.array([[30.0]]), sds=np.array([30.0]), rho=0.0,
    ...     aux={"sigma_e": np.array(30.0), "nu": np.array(5.0)},
    ... )
    >>> found.marginal(at).shape
    (18,)
    """

    design: Design

    @property
    def term(self) -> GroupTerm:
        """The group term whose effects are integrated out."""
        return self.design.single_term("a marginal likelihood")

    @property
    def rows(self) -> ResidualRows:
        """The residual structure of the rows; of a design without one, independent of one sd."""
        found = self.design.residual
        return plain_rows(self.design.n) if found is None else found

    def conditional(self, eta: Floats, aux: Auxiliary) -> Floats:
        """Return ``log p(y_i | eta_i, aux)`` of each row, of the shape of eta (..., n)."""
        return self.design.family.log_density(self.design.y, eta, aux)

    def series(self, eta: Floats, sds: Floats, rho: float, others: Auxiliary) -> Floats:
        """Return the log-density of each row given the one before it in its group, AR(1): (n,).

        Parameters
        ----------
        eta : ndarray, shape (n,)
        sds : ndarray, shape (n_sds,)
            Residual sds, by stratum.
        rho : float
            Correlation of residuals one step apart.
        others : mapping of str to ndarray
            The family's further auxiliary parameters.
        """
        rows, family = self.rows, self.design.family
        spread = sds[rows.stratum] * np.exp(0.5 * log_innovation_variances(rows, rho))
        innovations = whiten(rows, self.design.y - eta, sds, rho) * spread
        auxiliary = {**others, str(family.residual_sd): spread}
        return family.log_density(innovations, np.zeros(innovations.size), auxiliary)

    def marginal(self, at: Point) -> Floats:
        """Return ``log p(y_j | beta, theta)`` of each group, its effects integrated out: (J,)."""
        family, q = self.design.family, len(at.root)
        if family.gaussian_moments:
            return self._normal(at)
        if q not in (0, *_POINTS):
            raise EngineError(
                f"leave-one-group-out of {family.label} outcomes integrates over {q} group "
                "effects, more than 3; compare by rows, or with fewer group effects"
            )
        return self._quadrature(at)

    def by_row(self, at: Point) -> tuple[Floats, Floats]:
        """Return the densities of each row, the others given and the group effects given.

        Parameters
        ----------
        at : Point
            With its group effects.

        Returns
        -------
        given_others : ndarray, shape (n,)
            ``log p(y_i | y_-i, beta, theta)``, the group effects integrated out; for families
            that are not Gaussian conditional on them.
        given_effects : ndarray, shape (n,)
            ``log p(y_i | y_-i, beta, theta, u)``.
        """
        design = self.design
        fitted = design.X @ at.beta + design.offset
        if at.u is not None:
            fitted = fitted + self.term.sum_effects(at.u)
        if not design.family.gaussian_moments:
            found = self.conditional(fitted, at.aux)
            return found, found
        whitened = self._whiten(at)
        white = whitened.residual
        factor = np.zeros((design.n, len(at.root)))
        if len(at.root):
            solved = np.linalg.solve(whitened.inner, whitened.cross[:, :, None])[:, :, 0]
            white = white - whitened.gain.sum_effects(solved)
            lower = np.linalg.inv(np.linalg.cholesky(whitened.inner))
            factor = np.einsum("nab,nb->na", self.term.by_row(lower), whitened.gain.Z)
        left = whiten(self.rows, design.y - fitted, at.sds, at.rho)
        return (
            self._conditional_density(at, white, factor),
            self._conditional_density(at, left, factor[:, :0]),
        )

    def _whiten(self, at: Point) -> "_WhitenedRows":
        design, rows = self.design, self.rows
        left = design.y_less_offset - design.X @ at.beta
        columns = np.column_stack([left, self.term.transformed(at.root).Z])
        whitened = whiten(rows, columns, at.sds, at.rho)
        residual, gain = whitened[:, 0], self.term.with_columns(whitened[:, 1:])
        spread = np.log(at.sds)[rows.stratum] + 0.5 * log_innovation_variances(rows, at.rho)
        return _WhitenedRows(
            residual=residual,
            gain=gain,
            inner=np.eye(len(at.root)) + gain.products(),
            cross=gain.cross(residual),
            log_spread=spread,
        )

    def _normal(self, at: Point) -> Floats:
        whitened = self._whiten(at)
        squares = self.term.sums(np.square(whitened.residual))
        logdet = np.zeros(len(squares))
        if len(at.root):
            solved = np.linalg.solve(whitened.inner, whitened.cross[:, :, None])[:, :, 0]
            squares = squares - (whitened.cross * solved).sum(axis=1)
            logdet = np.linalg.slogdet(whitened.inner)[1]
        spread = self.term.sums(whitened.log_spread + 0.5 * LOG_2PI)
        return -spread - 0.5 * (logdet + squares)

    def _conditional_density(self, at: Point, white: Floats, factor: Floats) -> Floats:
        """Return each row's normal log-density given all others, from the inverse covariance K.

        K is ``T'(I - factor factor')T`` with T the whitening, and `white` is
        ``(I - factor factor')T`` times the residual. Sundararajan & Keerthi (2001), Neural
        Computation 13(5), eq. 12.
        """
        rows = self.rows
        kept, variance = given_previous(previous_correlation(rows, at.rho))
        inverse = 1.0 / (at.sds[rows.stratum] * np.sqrt(variance))
        later = np.flatnonzero(rows.previous >= 0)
        before = rows.previous[later]
        # What row `before` has in the whitened row that follows it.
        passed = -kept[later] * inverse[later] * at.sds[rows.stratum[later]]
        passed /= at.sds[rows.stratum[before]]
        pull, diagonal = inverse * white, np.square(inverse)
        pull[before] += passed * white[later]
        diagonal[before] += np.square(passed)
        if factor.shape[1]:
            part = inverse[:, None] * factor
            part[before] += passed[:, None] * factor[later]
            diagonal -= np.square(part).sum(axis=1)
        found: Floats = 0.5 * (np.log(diagonal) - LOG_2PI - np.square(pull) / diagonal)
        return found

    def _quadrature(self, at: Point) -> Floats:
        """Integrate over the effects of each group by adaptive Gauss-Hermite quadrature.

        The mode of u = root v, with v standard normal, by the family's scores and weights (Fisher
        scoring or EM), and the curvature there.
        """
        design, q, counts = self.design, len(at.root), self.design.response.weights
        counts = np.ones(design.n) if counts is None else counts
        eta = design.X @ at.beta + design.offset
        if q == 0:
            return self.term.sums(self.conditional(eta, at.aux) * counts)
        term = self.term.transformed(at.root)
        v = np.zeros((design.J, q))
        for _ in range(_STEPS):
            score, weight = design.family.score(design.y, eta + term.sum_effects(v), at.aux)
            inner = np.eye(q) + term.products(weight * counts)
            uphill = term.cross(score * counts) - v
            step = np.linalg.solve(inner, uphill[:, :, None])[:, :, 0]
            v = v + np.clip(step, -_LONGEST, _LONGEST)
            if np.abs(step).max() < 1e-6:
                break
        scale = np.linalg.inv(np.linalg.cholesky(inner)).swapaxes(1, 2)
        points, log_weights = _grid(q)
        logs = np.empty((len(points), len(v)))
        half_logdet = np.linalg.slogdet(scale)[1]
        for k, (point, log_weight) in enumerate(zip(points, log_weights, strict=True)):
            node = v + scale @ point
            prior = -0.5 * (q * LOG_2PI + np.square(node).sum(axis=1))
            density = self.conditional(eta + term.sum_effects(node), at.aux)
            logs[k] = term.sums(density * counts) + prior + log_weight
        found: Floats = np.logaddexp.reduce(logs) + half_logdet
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _WhitenedRows:
    """Whitened residual (n,) at a point, and the conditional distribution of u.

    The columns of `gain` are whitened Z times the root; `inner` (J, q, q) is I + gain'gain of each
    group, `cross` (J, q) is gain'residual.
    """

    residual: Floats
    gain: GroupTerm
    inner: Floats
    cross: Floats
    log_spread: Floats


def _grid(q: int) -> tuple[Floats, Floats]:
    """Return points (K, q) for a standard normal, and logs of weights over the density there."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_POINTS[q])
    points = np.array(list(product(nodes, repeat=q)))
    logs = np.array([sum(one) for one in product(np.log(weights), repeat=q)])
    # The weights integrate against exp(-x^2 / 2), which is divided out.
    return points, logs + 0.5 * np.square(points).sum(axis=1)
