"""REML estimates of many models that are subsets of the columns of one, from its sums alone."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.engines.reml.factor import SINGULAR, make_factor
from bayes_mlm.engines.reml.grid_start import FEW_GROUPS
from bayes_mlm.engines.reml.identified import check_identified
from bayes_mlm.engines.reml.inference import original_covariance, satterthwaite
from bayes_mlm.engines.reml.refits import Simulation
from bayes_mlm.engines.reml.search import maximise
from bayes_mlm.likelihood import LOG_2PI, check_bounded
from bayes_mlm.moments import RotatedMoments, root_mean_square, select_columns

# Sds of the group effects over sigma_e, of columns at unit mean square, from which the best start
# is chosen: of one effect, of each of two, of each of more; searches of few groups; correlations.
_LEVELS = {1: np.geomspace(1e-3, 1e3, 25), 2: np.geomspace(0.02, 200.0, 9)}
_SEARCHES = 8
_COARSE, _CORRELATIONS = np.array([0.05, 0.3, 2.0]), (-0.7, 0.0, 0.7)


@dataclass(frozen=True, kw_only=True, eq=False)
class Submodel:
    """REML estimate of one model.

    Attributes
    ----------
    loglik : float
        Restricted log-likelihood; not comparable between models of different columns.
    beta : ndarray, shape (p,)
        Of the columns as given.
    estimate, se, df : ndarray, shape (h,)
        Of the contrasts; degrees of freedom by Satterthwaite.
    cov_u : ndarray, shape (q, q)
    sigma_e : float
    singular : bool
        Whether the covariance of the group effects is singular.
    """

    loglik: float
    beta: Floats
    estimate: Floats
    se: Floats
    df: Floats
    cov_u: Floats
    sigma_e: float
    singular: bool


class Submodels:
    """Models whose columns of X are some of those of one rotated design.

    Parameters
    ----------
    reduced : RotatedMoments
        Of all columns, which may be linear combinations of one another; their span contains the
        constant.
    correlated : bool
        Whether the group effects may correlate.

    Raises
    ------
    EngineError
        If the outcome has no residual variation.
    """

    def __init__(self, reduced: RotatedMoments, *, correlated: bool = True) -> None:
        check_bounded(reduced)
        simulation = Simulation(reduced=reduced, correlated=correlated)
        self.reduced, self.correlated = reduced, correlated
        self._back = np.linalg.inv(simulation.turn)
        turned = reduced.r @ reduced.z_centring @ self._back
        self._r = np.ascontiguousarray(turned[reduced.of_group])
        self._starts = _starts(reduced.q, correlated=correlated)
        pairs = [(a, b) for b in range(reduced.q) for a in range(b, reduced.q)]
        self._entries = np.array([one for one in pairs if correlated or one[0] == one[1]])
        try:
            check_identified(select_columns(reduced, np.arange(reduced.p)))
            self._sound = True
        except DesignError:
            self._sound = False

    def why_not(self, x: Ints) -> str:
        """Return why the columns x do not identify a model; "" if they do."""
        if self._sound:  # as all of them together do
            return ""
        try:
            check_identified(select_columns(self.reduced, x))
        except DesignError as error:
            return str(error)
        return ""

    def fit(self, x: Ints, contrasts: Floats) -> Submodel:
        """Return the REML estimate of the model of columns x.

        Parameters
        ----------
        x : ndarray of int, shape (p,)
            Places of its columns, which identify it and have the constant among them.
        contrasts : ndarray, shape (h, p)
            Linear combinations of its coefficients.
        """
        from bayes_mlm.engines.reml.refits.kernels import FAILED, deviance
        from bayes_mlm.engines.reml.refits.search_kernels import search

        reduced, kept = self.reduced, np.append(x, self.reduced.p)
        p, q, h = len(x), reduced.q, len(contrasts)
        ones, x_mean = reduced.ones[x], reduced.x_mean[x]
        transform = np.eye(p) - np.outer(ones, x_mean)
        tag, no_weights, n = (0,) * q, np.empty(0), float(reduced.n)
        c = np.ascontiguousarray(reduced.c[:, :, kept])
        rest = np.ascontiguousarray(reduced.rest[np.ix_(kept, kept)])
        inverse, solved = np.empty((len(c), q, q)), np.empty_like(c)
        swept = np.empty((p + 1, p + 1))
        values = [
            deviance(tag, self._r, c, rest, no_weights, n, 1.0, start, inverse, solved, swept)
            for start in self._starts
        ]
        least = math.inf
        for start in self._chosen(np.array(values)):
            found = np.empty((q, q)), np.empty(p), np.empty(h), np.empty(h)
            given = start.copy(), self._entries, contrasts @ transform, inverse, solved
            ended_at = search(tag, self._r, c, rest, no_weights, n, 1.0, *given, *found)
            if ended_at[2] != FAILED and ended_at[0] < least:
                (least, sigma2, _), (relative, beta, variance, df) = ended_at, found
        if not least < math.inf:
            return self._certified(x, contrasts)
        original = transform @ beta + reduced.y_mean * ones
        return Submodel(
            loglik=-0.5 * (least + (reduced.n - p) * (1.0 + LOG_2PI)),
            beta=original,
            estimate=contrasts @ original,
            se=np.sqrt(variance),
            df=df,
            cov_u=sigma2 * self._back @ relative @ self._back.T,
            sigma_e=float(np.sqrt(sigma2)),
            singular=self._is_singular(relative),
        )

    def _chosen(self, values: Floats) -> Floats:
        """Return the starts of the searches, by the deviances at all of them.

        The best; of few groups and several effects, whose likelihood may have several maxima, all
        that are lower than their neighbours on the grid.
        """
        q, best = self.reduced.q, int(np.argmin(values))
        if q == 1 or len(self.reduced.c) > FEW_GROUPS:
            return self._starts[[best]]
        side = len(_LEVELS.get(q, _COARSE))
        grid = values.reshape(-1, *(side,) * q)
        lowest = np.isfinite(grid)
        for axis in range(1, q + 1):
            at = [slice(None)] * (q + 1)
            padded = np.pad(grid, [(int(k == axis),) * 2 for k in range(q + 1)],
                            constant_values=np.inf)  # fmt: skip
            for first in (0, 2):
                at[axis] = slice(first, first + side)
                lowest &= grid <= padded[tuple(at)]
        places = np.flatnonzero(lowest.ravel())
        return self._starts[places[np.argsort(values[places])][:_SEARCHES]]

    def _is_singular(self, relative: Floats) -> bool:
        """Return whether a relative covariance is singular, as `fit_reml` decides it."""
        size = root_mean_square(self.reduced, np.eye(self.reduced.q))
        turned = size[:, None] * self.reduced.z_centring @ self._back
        least = np.linalg.eigvalsh(turned @ relative @ turned.T)[0]
        return bool(least < SINGULAR**2)

    def _certified(self, x: Ints, contrasts: Floats) -> Submodel:
        """Fit by the search that scans and certifies, where the compiled one does not end."""
        reduced = select_columns(self.reduced, x)
        optimum = maximise(reduced, make_factor(reduced, correlated=self.correlated), "REML")
        beta, tests = reduced.original_beta(optimum.point.beta), satterthwaite(reduced, optimum)
        sigma2 = optimum.point.sigma_e2
        return Submodel(
            loglik=optimum.loglik,
            beta=beta,
            estimate=contrasts @ beta,
            se=np.sqrt(np.einsum("hp,pq,hq->h", contrasts, tests.covariance, contrasts)),
            df=tests.df(contrasts),
            cov_u=sigma2 * original_covariance(reduced, optimum)[0],
            sigma_e=float(np.sqrt(sigma2)),
            singular=optimum.factor.smallest(optimum.theta) < SINGULAR,
        )


def _starts(q: int, *, correlated: bool) -> Floats:
    """Return factors (S, q, q) from which the best start is chosen."""
    levels = _LEVELS.get(q, _COARSE)
    sds = np.array(list(product(levels, repeat=q)))
    found = sds[:, :, None] * np.eye(q)
    if q == 1 or not correlated:
        return found
    parts = []
    for rho in _CORRELATIONS:
        matrix = np.full((q, q), max(rho, -0.9 / (q - 1)))
        np.fill_diagonal(matrix, 1.0)
        parts.append(sds[:, :, None] * np.linalg.cholesky(matrix))
    return np.concatenate(parts)
