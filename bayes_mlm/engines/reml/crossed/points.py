"""Scores and average information of two crossed random intercepts at given sds."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.crossed.equations import Equations, Solution
from bayes_mlm.likelihood import Method
from bayes_mlm.moments import CrossedTable

# Of the residuals of conjugate gradients: with 1e-5 a coefficient is off by 0.005 of its error.
TOLERANCE = 1e-6
# Of those of the average information.
_OF_INFORMATION = 1e-4
# Numbers of a block of signs and levels, and signs of one at least and at most.
_BLOCK, _NARROW, _WIDE = 1 << 23, 3, 256


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
    """

    sds: Floats
    equations: Equations
    found: Solution
    residual: float
    scores: Floats
    information: Floats

    @cached_property
    def coefficients(self) -> Solution:
        """Solutions of the right-hand sides (0, I, 0)."""
        return _of_coefficients(self.equations)

    @property
    def score(self) -> Floats:
        """Mean of the scores over the signs."""
        return np.asarray(self.scores.mean(axis=1))


@dataclass(kw_only=True, eq=False)
class Starts:
    """Solutions at the last point, where the next searches begin, and what all points share."""

    effects: dict[int, Floats] = field(default_factory=dict)
    forces: Floats | None = None
    across: dict[int, Floats] = field(default_factory=dict)


def evaluate_at(
    table: CrossedTable,
    method: Method,
    sds: Floats,
    signs: Floats,
    starts: Starts | None = None,
    *,
    information: Floats | None = None,
    tolerance: float = TOLERANCE,
) -> Point:
    """Return the solutions, scores and average information, if it is not given, at sds (3,)."""
    starts = Starts() if starts is None else starts
    first, second = table.margins
    total, p = table.total, table.p
    s2 = float(sds[2]) ** 2
    r_a, r_b = s2 / float(sds[0]) ** 2, s2 / float(sds[1]) ** 2
    at = Equations(table=table, ratios=(r_a, r_b))
    y_a, y_b, y_x = first.right[:, -1:], second.right[:, -1:], total[:-1, -1:]
    found, trace_a, trace_b = _solve(at, signs, starts, tolerance)
    a, b, beta, N_b = found.a[:, 0], found.b[:, 0], found.beta[:, 0], found.sums[:, 0]
    aa, bb, ab = float(first.counts @ a**2), float(second.counts @ b**2), float(a @ N_b)
    X_a, X_b = first.right[:, :-1].T @ a, second.right[:, :-1].T @ b
    on_y = float(a @ y_a[:, 0] + b @ y_b[:, 0] + beta @ y_x[:, 0])
    squares = float(total[-1, -1]) - 2.0 * on_y + aa + bb + 2.0 * ab
    squares += float(beta @ total[:-1, :-1] @ beta + 2.0 * beta @ (X_a + X_b))
    if method == "ML":
        coefficients = _of_coefficients(at)
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
    point = Point(
        sds=sds,
        equations=at,
        found=found,
        residual=float(total[-1, -1]) - on_y,
        scores=scores,
        information=np.zeros((3, 3)) if information is None else information,
    )
    if information is not None:
        return point
    inner = np.array(
        [
            [aa, ab, r_a * (a @ a)],
            [ab, bb, r_b * (b @ b)],
            [r_a * (a @ a), r_b * (b @ b), squares],
        ]
    )
    tolerance = max(tolerance, _OF_INFORMATION)
    return replace(point, information=_information(point, inner, (X_a, X_b), starts, tolerance))


def _information(
    point: Point, inner: Floats, of_x: tuple[Floats, Floats], starts: Starts, tolerance: float
) -> Floats:
    """Return the average information (3, 3) from the products (3, 3) of the columns of F."""
    at, found = point.equations, point.found
    first, second = at.table.margins
    a, b = found.a[:, 0], found.b[:, 0]
    r_a, r_b = at.ratios
    force_a = np.column_stack([first.counts * a, found.sums[:, 0]])
    force_x = np.column_stack(of_x)
    force_b = np.column_stack([second.sums(a), second.counts * b])
    forced = at.solve(force_a, force_x, force_b, tolerance, start=starts.forces)
    starts.forces = forced.inner
    # The residuals' right-hand side is (r_a a, 0, r_b b), and its solution follows from the others.
    of_e = a - forced.a.sum(axis=1), b - forced.b.sum(axis=1)
    solved = np.column_stack([force_a, r_a * a]).T @ np.column_stack([forced.a, of_e[0]])
    solved += np.column_stack([force_b, r_b * b]).T @ np.column_stack([forced.b, of_e[1]])
    solved += np.column_stack([force_x, np.zeros(at.table.p)]).T @ np.column_stack(
        [forced.beta, -forced.beta.sum(axis=1)]
    )
    information = 2.0 / float(point.sds[2]) ** 2 * (inner - solved)
    return np.asarray(0.5 * (information + information.T))


def _of_coefficients(at: Equations) -> Solution:
    first, second = at.table.margins
    p = at.table.p
    identity = (np.zeros((first.m, p)), np.eye(p), np.zeros((second.m, p)))
    return at.solve(*identity, TOLERANCE)


def _solve(
    at: Equations, signs: Floats, starts: Starts, tolerance: float
) -> tuple[Solution, Floats, Floats]:
    """Solve for y and the signs; return its solution and the traces (k,) of each column of signs.

    A block of columns at a time.
    """
    table = at.table
    first, second = table.margins
    y_a, y_b, y_x = first.right[:, -1:], second.right[:, -1:], table.total[:-1, -1:]
    k, found = signs.shape[1], None
    width = int(np.clip(_BLOCK // (first.m + second.m), _NARROW, _WIDE))
    traces = []
    for begin in range(0, k, width):
        across = signs[:, begin : begin + width]
        across = across - across.mean(axis=0)
        start = starts.effects.get(begin)
        if found is None:
            found = at.solve(
                *(y_a, y_x, y_b, tolerance),
                start=start,
                extra=across,
                gathered=at.of_outcome,
            )
            inner, sums = found.inner[:, 1:], found.sums[:, 1:]
            starts.effects[begin] = found.inner
        else:
            inner = at.conjugate_gradients(across, tolerance, start)
            sums = first.sums(inner)
            starts.effects[begin] = inner
        if k <= width and begin not in starts.across:
            starts.across[begin] = first.sums(across)
        across_sums = starts.across[begin] if k <= width else first.sums(across)
        traces.append(_traces(at, (across, across_sums), (inner, sums)))
    assert found is not None
    trace_a, trace_b = (np.concatenate(one) for one in zip(*traces, strict=True))
    return found, trace_a, trace_b


def _traces(
    at: Equations, signs: tuple[Floats, Floats], solved: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return the traces (k,) of the blocks of the inverse, by each column of signs.

    That of the first margin is ``tr D^-1 + tr X_d'X_d C^-1 + tr S^-1 B'B`` with
    ``B = D^-1 (N - X_a C^-1 G')``; each column comes with its sums by level of that margin.
    """
    first, second = at.table.margins

    def times_b(values: Floats, sums: Floats) -> Floats:
        return np.asarray(sums / at.d[:, None] - at.X_over_d @ (at.C_inverse @ (at.G.T @ values)))

    ones = times_b(np.ones((second.m, 1)), first.counts[:, None].astype(float))
    known = (1.0 / at.d).sum() + float(((at.X_over_d @ at.C_inverse) * at.X_over_d).sum())
    known += float((ones * ones).sum()) / (at.ratios[1] * second.m)
    trace_a = known + (times_b(*signs) * times_b(*solved)).sum(axis=0)
    trace_b = 1.0 / at.ratios[1] + (signs[0] * solved[0]).sum(axis=0)
    return trace_a, trace_b
