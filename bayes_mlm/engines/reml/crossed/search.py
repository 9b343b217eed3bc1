"""Average-information REML of two crossed random intercepts, with estimated traces.

In the logs of the sds (sigma_a, sigma_b, sigma_e), with ``C = inv(M)`` and e the residuals,

- the score is ``a'a / sigma_a^2 - m_a + r_a tr C_aa`` (b alike) and
  ``e'e / sigma_e^2 - (n - p - m_a - m_b + r_a tr C_aa + r_b tr C_bb)``;
- the average information is ``2 F'P F``, ``F = [Z_a a, Z_b b, e]``.

Traces are means over random signs (Hutchinson), which are the same at every step, so that the
search is of a smooth function; their spread over the signs gives the Monte Carlo error of the
estimates. Of maximum likelihood the traces are of the inverse without X, which differs by a matrix
of rank p that is known exactly.

References
----------
Gilmour, Thompson & Cullis (1995), Biometrics 51, 1440-1450; Hutchinson (1990), Communications in
Statistics - Simulation 19(2); Stein, Chen & Anitescu (2013), Annals of Applied Statistics 7(2).
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, one_thread
from bayes_mlm.engines.reml.crossed.equations import Equations, Solution
from bayes_mlm.likelihood import Method
from bayes_mlm.moments import CrossedTable

# Of the residuals of conjugate gradients: with 1e-5 a coefficient is off by 0.005 of its error.
TOLERANCE = 1e-6
# A Newton step of this many standard errors is the last one.
_CLOSE = 0.01
MAX_STEPS = 24
# Steps after which they are halved, and again after as many: near the boundary the average
# information may be too small.
_PATIENCE = 8
# Least sd over that of the outcome: below it, it is zero.
FLOOR = 1e-3
# Monte Carlo error of an sd, over its standard error, above which more signs are drawn.
MAX_ERROR = 0.01
_SIGNS, _ENOUGH, _MOST_SIGNS = 3, 10, 3072
# Rows times signs, at most: some seconds, but for very few signs.
_MOST_WORK = 300_000_000
_LONGEST = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """Solutions and derivatives at sds of the two margins and the residuals.

    Attributes
    ----------
    sds : ndarray, shape (3,)
    equations : Equations
    found : Solution
        Effects and coefficients, of one column each.
    residual : float
        Penalised residual sum of squares.
    scores : ndarray, shape (3, k)
        Derivatives of the log-likelihood in the logs of the sds, one column a sign.
    information : ndarray, shape (3, 3)
        Average information.
    coefficients : Solution
        Solutions of the right-hand sides (0, I, 0).
    """

    sds: Floats
    equations: Equations
    found: Solution
    residual: float
    scores: Floats
    information: Floats
    coefficients: Solution

    @property
    def score(self) -> Floats:
        """Mean of the scores over the signs."""
        return np.asarray(self.scores.mean(axis=1))


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
        Standard errors of the logs of the sds that are due to the random signs.
    step : float
        Length of the last Newton step in standard errors.
    n_steps : int
    signs : int
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


@dataclass(kw_only=True, eq=False)
class _Starts:
    """Solutions at the last point, where the next searches begin."""

    effects: Floats | None = None
    forces: Floats | None = None
    coefficients: Floats | None = None


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
        At first; four times as many while the Monte Carlo error is above 0.01 of a standard error.

    Raises
    ------
    EngineError
        If the search does not converge.
    """
    sds = np.array([0.4, 0.4, 0.8])
    most = int(np.clip(_MOST_WORK // table.n, 4 * _SIGNS, _MOST_SIGNS))
    while True:
        with one_thread():
            found = _search(table, method, random_signs(table.margins[1].m, signs, seed), sds)
        if found is None:  # near zero, few signs may leave the likelihood without a maximum
            if signs >= most:
                raise EngineError(
                    "the search for the maximum of the likelihood did not converge in "
                    f"{MAX_STEPS} steps; use engine='direct', or fewer levels"
                )
            signs = min(4 * signs, most)
            continue
        errors = np.sqrt(np.diagonal(found.covariance))
        # Of few signs the error itself is not known well.
        allowed = MAX_ERROR * (0.5 if signs < _ENOUGH else 1.0)
        if signs >= most or (found.monte_carlo <= allowed * errors).all():
            return found
        signs, sds = min(4 * signs, most), np.maximum(found.sds, FLOOR)


def _search(
    table: CrossedTable, method: Method, signs: Floats, sds: Floats
) -> CrossedOptimum | None:
    starts = _Starts()
    for step in range(1, MAX_STEPS + 1):
        at = evaluate_at(table, method, sds, signs, starts)
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
            raise EngineError(
                "the outcome has no residual variation: the predictors and the groups explain it "
                "exactly; check that it is not computed from them, or drop a grouping factor"
            )
        if length < _CLOSE:
            k = signs.shape[1]
            spread = covariance @ np.atleast_2d(np.cov(at.scores)) @ covariance / k
            error = np.sqrt(np.diagonal(spread)) if k > 1 else np.full(3, np.nan)
            return CrossedOptimum(
                sds=np.where(free, moved, 0.0),
                point=at,
                covariance=covariance,
                monte_carlo=error,
                step=length,
                n_steps=step,
                signs=k,
            )
        sds = moved
    return None


def evaluate_at(
    table: CrossedTable, method: Method, sds: Floats, signs: Floats, starts: _Starts | None = None
) -> Point:
    """Return the solutions, scores and average information at sds (3,)."""
    starts = _Starts() if starts is None else starts
    first, second = table.margins
    total, p = table.total, table.p
    s2 = float(sds[2]) ** 2
    r_a, r_b = s2 / float(sds[0]) ** 2, s2 / float(sds[1]) ** 2
    at = Equations(table=table, ratios=(r_a, r_b))
    y_a, y_b, y_x = first.right[:, -1:], second.right[:, -1:], total[:-1, -1:]
    found = at.solve(y_a, y_x, y_b, TOLERANCE, start=starts.effects, extra=signs)
    starts.effects = found.inner
    a, b, beta = found.a[:, 0], found.b[:, 0], found.beta[:, 0]
    N_b = first.sums(b)
    aa, bb, ab = float(first.counts @ a**2), float(second.counts @ b**2), float(a @ N_b)
    X_a, X_b = first.right[:, :-1].T @ a, second.right[:, :-1].T @ b
    on_y = float(a @ y_a[:, 0] + b @ y_b[:, 0] + beta @ y_x[:, 0])
    squares = float(total[-1, -1]) - 2.0 * on_y + aa + bb + 2.0 * ab
    squares += float(beta @ total[:-1, :-1] @ beta + 2.0 * beta @ (X_a + X_b))
    identity = (np.zeros((first.m, p)), np.eye(p), np.zeros((second.m, p)))
    coefficients = at.solve(*identity, TOLERANCE, start=starts.coefficients)
    starts.coefficients = coefficients.inner
    trace_a, trace_b = _traces(at, signs, found.inner[:, 1:])
    if method == "ML":
        inverse = np.linalg.inv(coefficients.beta)
        trace_a = trace_a - float(((coefficients.a @ inverse) * coefficients.a).sum())
        trace_b = trace_b - float(((coefficients.b @ inverse) * coefficients.b).sum())
    df = table.n - (p if method == "REML" else 0) - first.m - second.m
    scores = np.stack(
        [
            a @ a / sds[0] ** 2 - first.m + r_a * trace_a,
            b @ b / sds[1] ** 2 - second.m + r_b * trace_b,
            squares / s2 - (df + r_a * trace_a + r_b * trace_b),
        ]
    )
    force_a = np.column_stack([first.counts * a, N_b])
    force_x = np.column_stack([X_a, X_b])
    force_b = np.column_stack([second.sums(a), second.counts * b])
    forced = at.solve(force_a, force_x, force_b, TOLERANCE, start=starts.forces)
    starts.forces = forced.inner
    # The residuals' right-hand side is (r_a a, 0, r_b b), and its solution follows from the others.
    of_e = a - forced.a.sum(axis=1), b - forced.b.sum(axis=1)
    inner = np.array(
        [
            [aa, ab, r_a * (a @ a)],
            [ab, bb, r_b * (b @ b)],
            [r_a * (a @ a), r_b * (b @ b), squares],
        ]
    )
    solved = np.column_stack([force_a, r_a * a]).T @ np.column_stack([forced.a, of_e[0]])
    solved += np.column_stack([force_b, r_b * b]).T @ np.column_stack([forced.b, of_e[1]])
    solved += np.column_stack([force_x, np.zeros(p)]).T @ np.column_stack(
        [forced.beta, -forced.beta.sum(axis=1)]
    )
    information = 2.0 / s2 * (inner - solved)
    return Point(
        sds=sds,
        equations=at,
        found=found,
        residual=float(total[-1, -1]) - on_y,
        scores=scores,
        information=0.5 * (information + information.T),
        coefficients=coefficients,
    )


def _traces(at: Equations, signs: Floats, solved: Floats) -> tuple[Floats, Floats]:
    """Return the traces (k,) of the blocks of the inverse, by each column of signs.

    That of the first margin is ``tr D^-1 + tr X_d'X_d C^-1 + tr S^-1 B'B`` with
    ``B = D^-1 (N - X_a C^-1 G')``.
    """
    first, second = at.table.margins
    k, r_b = signs.shape[1], at.ratios[1]
    across = signs - signs.mean(axis=0)
    V = np.column_stack([across, solved, np.ones(second.m)])
    B = first.sums(V) / at.d[:, None] - at.X_over_d @ (at.C_inverse @ (at.G.T @ V))
    known = (1.0 / at.d).sum() + float(((at.X_over_d @ at.C_inverse) * at.X_over_d).sum())
    known += float(B[:, -1] @ B[:, -1]) / (r_b * second.m)
    trace_a = known + (B[:, :k] * B[:, k : 2 * k]).sum(axis=0)
    trace_b = 1.0 / r_b + (across * solved).sum(axis=0)
    return trace_a, trace_b


def deviance(
    table: CrossedTable, optimum: CrossedOptimum, method: Method, *, signs: int = 8, seed: int = 1
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
