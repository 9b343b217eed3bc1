"""Average-information REML of two crossed random intercepts, with estimated traces.

In the logs of the sds (sigma_a, sigma_b, sigma_e), with ``C = inv(M)`` and e the residuals,

- the score is ``a'a / sigma_a^2 - m_a + r_a tr C_aa`` (b alike) and
  ``e'e / sigma_e^2 - (n - p - m_a - m_b + r_a tr C_aa + r_b tr C_bb)``;
- the average information is ``2 F'P F``, ``F = [Z_a a, Z_b b, e]``.

Traces are means over random signs (Hutchinson), which are the same at every step, so that the
search is of a smooth function; their spread over the signs gives the Monte Carlo error of the
estimates, by which more signs are drawn. Where they would be as many as the levels, the unit
vectors are taken in their place, and the traces are exact. Of maximum likelihood the traces are of
the inverse without X, which differs by a matrix of rank p that is known exactly.

References
----------
Gilmour, Thompson & Cullis (1995), Biometrics 51, 1440-1450; Hutchinson (1990), Communications in
Statistics - Simulation 19(2); Stein, Chen & Anitescu (2013), Annals of Applied Statistics 7(2).
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, one_thread
from bayes_mlm.engines.reml.crossed.points import TOLERANCE, Point, Starts, evaluate_at
from bayes_mlm.likelihood import NO_RESIDUALS, Method
from bayes_mlm.moments import CrossedTable

# Of the residuals of conjugate gradients at the first point of a search.
_ROUGH = 1e-3
# What the steps after the last one would add, in standard errors, and the length of that one.
_CLOSE, _LAST = 0.002, 0.05
_STILL = 0.1  # of a log
MAX_STEPS = 24
# Steps after which they are halved, and again after as many: near the boundary the average
# information may be too small.
_PATIENCE = 8
# Change of the logs of the sds below which the average information is that of the last point.
_SAME = 0.01
# Least sd over that of the outcome: below it, it is zero.
FLOOR = 1e-3
# Bound of the Monte Carlo error of an sd, over its standard error: above it more signs are drawn.
MAX_ERROR = 0.01
# Of 95 in 100 errors, as all of them; what the last steps leave is taken off.
_COVERAGE = 0.95
_SIGNS, _MOST_SIGNS = 3, 3072
# Rows times signs, at most: some seconds, but for very few signs.
_MOST_WORK = 300_000_000
_LONGEST = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossedOptimum:
    """The maximum of the likelihood, in the units of the table.

    Attributes
    ----------
    sds : ndarray, shape (3,)
        Of the effects of the two margins and of the residuals; zero at the boundary.
    point : Point
        Where the likelihood was last evaluated, within a hundredth of a standard error.
    covariance : ndarray, shape (3, 3)
        Of the logs of the sds; zero of those at the boundary.
    monte_carlo : ndarray, shape (3,)
        Bounds, of 95 in 100, of the errors of the logs of the sds that are due to the random signs.
    step : float
        What further Newton steps would add, in standard errors.
    n_steps : int
    signs : int
        Random signs; 0 where the traces are exact.
    """

    sds: Floats
    point: Point
    covariance: Floats
    monte_carlo: Floats
    step: float
    n_steps: int
    signs: int


def random_signs(m: int, k: int, seed: int) -> Floats:
    """Return +1 and -1 (m, k), of which the first columns are those of any smaller k."""
    columns = [
        np.random.Generator(np.random.Philox(key=[seed, column])).integers(0, 2, m) * 2.0 - 1.0
        for column in range(k)
    ]
    return np.stack(columns, axis=1)


def maximise_crossed(
    table: CrossedTable, method: Method = "REML", *, seed: int = 1, signs: int = _SIGNS
) -> CrossedOptimum:
    """Find the maximum of the likelihood of two crossed random intercepts.

    Parameters
    ----------
    table : CrossedTable
    method : {"REML", "ML"}
    seed : int
        Of the random signs.
    signs : int
        At first; as many more as the Monte Carlo error needs to be below 0.01 of a standard error.

    Raises
    ------
    EngineError
        If the search does not converge.
    """
    sds, m = np.array([0.4, 0.4, 0.8]), table.margins[1].m
    most = int(np.clip(_MOST_WORK // table.n, 4 * _SIGNS, _MOST_SIGNS))
    while True:
        exact = 2 * signs >= m and m <= 2 * most
        probes = math.sqrt(m) * np.eye(m) if exact else random_signs(m, signs, seed)
        with one_thread():
            found = _search(table, method, probes, sds, exact=exact)
        if found is None:  # near zero, few signs may leave the likelihood without a maximum
            if exact or signs >= most:
                raise EngineError(
                    "the search for the maximum of the likelihood did not converge in "
                    f"{MAX_STEPS} steps; use engine='direct', or fewer levels"
                )
            signs = 8 * signs
        else:
            errors = np.sqrt(np.diagonal(found.covariance))
            relative = float((found.monte_carlo / np.where(errors > 0.0, errors, 1.0)).max())
            if exact or relative <= MAX_ERROR - _CLOSE or signs >= most:
                return found
            wanted = 1.2 * signs * (relative / (MAX_ERROR - _CLOSE)) ** 2
            signs, sds = int(np.clip(wanted, 2 * signs, 16 * signs)), np.maximum(found.sds, FLOOR)
        signs = min(signs, max(most, m if m <= 2 * most else 0))


def _search(
    table: CrossedTable, method: Method, signs: Floats, sds: Floats, *, exact: bool
) -> CrossedOptimum | None:
    starts, before, k = Starts(), math.nan, signs.shape[1]
    known, known_at = np.zeros((3, 3)), np.ones(3)
    for step in range(1, MAX_STEPS + 1):
        same = step > 1 and float(np.abs(np.log(sds / known_at)).max()) < _SAME
        tolerance = _ROUGH if step == 1 else TOLERANCE
        at = evaluate_at(
            *(table, method, sds, signs, starts),
            information=known if same else None,
            tolerance=tolerance,
        )
        known, known_at = at.information, known_at if same else sds
        score = at.score
        free = (sds > FLOOR * (1.0 + 1e-9)) | (score > 0.0)
        covariance = np.zeros((3, 3))
        covariance[np.ix_(free, free)] = np.linalg.inv(at.information[np.ix_(free, free)])
        move = np.clip(covariance @ score, -_LONGEST, _LONGEST)
        length = math.sqrt(max(float(move @ at.information @ move), 0.0))
        shorter = 0.5 ** ((step - 1) // _PATIENCE)
        moved = np.maximum(sds * np.exp(shorter * move), FLOOR)
        if not np.isfinite(moved).all():
            break
        if not free[2]:
            raise EngineError(NO_RESIDUALS)
        # Steps become shorter by a factor, by which the sum of those to come is known.
        factor = min(length / before, 0.5) if before > 0.0 else 0.5
        left = length * factor / (1.0 - factor)
        # Near zero a standard error is many units of a log: there, the sd must stand still too.
        still = length < _LAST and left < _CLOSE and float(np.abs(move).max()) < _STILL
        if tolerance == TOLERANCE and still:
            error = np.zeros(3)
            if not exact:
                spread = covariance @ np.atleast_2d(np.cov(at.scores)) @ covariance / k
                error = _quantile(k - 1) * np.sqrt(np.diagonal(spread))
            return CrossedOptimum(
                sds=np.where(free, moved, 0.0),
                point=at,
                covariance=covariance,
                monte_carlo=error,
                step=left,
                n_steps=step,
                signs=0 if exact else k,
            )
        sds, before = moved, length
    return None


def _quantile(df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + 0.5 * _COVERAGE)) if df > 0 else math.nan


def deviance(
    table: CrossedTable, optimum: CrossedOptimum, method: Method, *, signs: int = 4, seed: int = 1
) -> tuple[float, float]:
    """Return minus twice the log-likelihood, in the table's units, and its Monte Carlo error."""
    at = optimum.point
    first, second = table.margins
    m = second.m
    log_det, error = at.equations.log_determinant(random_signs(m, signs, seed + 1))
    log_det -= first.m * math.log(at.equations.ratios[0]) + m * math.log(at.equations.ratios[1])
    df = table.n - table.p
    if method == "ML":
        log_det += float(np.linalg.slogdet(at.coefficients.beta)[1])
        df = table.n
    s2 = float(at.sds[2]) ** 2
    return log_det + df * math.log(2.0 * math.pi * s2) + at.residual / s2, error
