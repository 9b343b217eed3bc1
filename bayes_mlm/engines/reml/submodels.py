"""REML estimates of many models that are subsets of the columns of one, from its sums alone."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.engines.reml.factor import SINGULAR, make_factor
from bayes_mlm.engines.reml.identified import check_identified
from bayes_mlm.engines.reml.inference import original_covariance, satterthwaite
from bayes_mlm.engines.reml.refits import Simulation
from bayes_mlm.engines.reml.search import maximise
from bayes_mlm.likelihood import LOG_2PI, check_bounded
from bayes_mlm.moments import RotatedMoments, select_columns

# Sds of the group effects over sigma_e, of columns at unit mean square, from which the best start
# is chosen: of one effect, of each of two, of each of more; and correlations.
_LEVELS = {1: np.geomspace(1e-3, 1e3, 25), 2: np.array([0.02, 0.06, 0.2, 0.6, 2.0, 10.0])}
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
        from bayes_mlm.engines.reml.refits.kernels import (
            FAILED,
            SINGULAR as AT_BOUNDARY,
            deviance,
        )
        from bayes_mlm.engines.reml.refits.search_kernels import search

        reduced, kept = self.reduced, np.append(x, self.reduced.p)
        p, q, h = len(x), reduced.q, len(contrasts)
        ones, x_mean = reduced.ones[x], reduced.x_mean[x]
        transform = np.eye(p) - np.outer(ones, x_mean)
        tag, n = (0,) * q, float(reduced.n)
        c = np.ascontiguousarray(reduced.c[:, :, kept])
        rest = np.ascontiguousarray(reduced.rest[np.ix_(kept, kept)])
        inverse, solved = np.empty((len(c), q, q)), np.empty_like(c)
        swept = np.empty((p + 1, p + 1))
        values = [
            deviance(tag, self._r, c, rest, n, start, inverse, solved, swept)
            for start in self._starts
        ]
        relative, beta = np.empty((q, q)), np.empty(p)
        variance, df = np.empty(h), np.empty(h)
        value, sigma2, ended = search(
            tag,
            self._r,
            c,
            rest,
            n,
            self._starts[int(np.argmin(values))].copy(),
            self._entries,
            contrasts @ transform,
            inverse,
            solved,
            relative,
            beta,
            variance,
            df,
        )
        if ended == FAILED:
            return self._certified(x, contrasts)
        original = transform @ beta + reduced.y_mean * ones
        return Submodel(
            loglik=-0.5 * (value + (reduced.n - p) * (1.0 + LOG_2PI)),
            beta=original,
            estimate=contrasts @ original,
            se=np.sqrt(variance),
            df=df,
            cov_u=sigma2 * self._back @ relative @ self._back.T,
            sigma_e=float(np.sqrt(sigma2)),
            singular=bool(ended == AT_BOUNDARY),
        )

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
