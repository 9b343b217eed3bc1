"""Coefficients that have no finite maximum of the likelihood: separation, found before fitting.

A direction of the coefficients along which no row's log-likelihood falls, and some rise, takes the
maximum to infinity. Whether there is one is a linear programme in the signs of the rows.

References
----------
Albert & Anderson (1984), Biometrika 71(1), theorems 1 and 2; Konis (2007), Linear programming
algorithms for detecting separated data in binary logistic regression models, sec. 3.
"""

import math

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.engines.generalised.problem import MAX_Q, Problem, make_problem
from bayes_mlm.engines.generalised.search import Found, without_effects
from bayes_mlm.likelihood import code_of
from bayes_mlm.model import LINKS

# Logs of probabilities, and of means, that no separated row has where the search has ended.
_MODERATE = 12.0
# Rows up to which a note is worth its time.
_MOST_ROWS = 100_000
# Log-likelihood that a Newton step still gains, by which a search for it has ended.
_ENDED = 1e-7
# Of a direction with entries between -1 and 1: less is rounding.
_TINY = 1e-7


def separated(problem: Problem, plain: Found | None = None) -> tuple[str, ...]:
    """Return the columns of X, and thresholds, whose estimates are infinite; none of most data.

    Parameters
    ----------
    problem : Problem
        Of a family whose mean has bounds: shares and ordered categories at both ends, counts at 0.
    plain : tuple, optional
        What `without_effects` found, if it is known.
    """
    if _has_maximum(problem, plain):
        return ()
    rising, equal = _constraints(problem)
    if not len(rising):
        return ()
    design, family = problem.design, problem.design.family
    names = list(design.terms)
    if INTERCEPT in names:
        # Alone where it can be; else it only moves with the columns that separate.
        at = names.index(INTERCEPT)
        above, below = rising[:, at].min() >= 0, rising[:, at].max() <= 0
        if (above or below) and rising[:, at].any() and not equal[:, at].any():
            return (INTERCEPT,)
    direction = _direction(rising, equal)
    if family.thresholds is not None:
        names += [f"threshold[{one}]" for one in design.encoding.between_levels]
    found = tuple(name for name, size in zip(names, direction, strict=True) if abs(size) > _TINY)
    return tuple(name for name in found if name != INTERCEPT)


def describe(columns: tuple[str, ...]) -> str:
    """Return what `separated` found, in a clause.

    Examples
    --------
    >>> describe(("band[c]",))
    'band[c] separates the outcomes'
    """
    if columns == (INTERCEPT,):
        return "every outcome is alike"
    return f"{', '.join(columns)} separate{'s' if len(columns) == 1 else ''} the outcomes"


def refuse_separated(problem: Problem, plain: Found) -> None:
    """Raise an error where the likelihood without group effects has no maximum.

    Raises
    ------
    EngineError
        With the columns that separate the outcomes.
    """
    columns = separated(problem, plain)
    if columns:
        raise EngineError(
            f"the likelihood has no maximum: {describe(columns)}, and estimates go to infinity; "
            "omit a column, merge its categories, or draw from a posterior with proper priors "
            "(engine='auto')"
        )


def refuse_alike(problem: Problem) -> None:
    """Raise an error where in every group all outcomes are alike.

    Raises
    ------
    EngineError
    """
    if all_groups_alike(problem):
        raise EngineError(
            f"the likelihood has no maximum: in every group of {problem.design.group} all outcomes "
            "are alike, and the sd of the groups goes to infinity; analyse one row a group, or "
            "draw from a posterior with proper priors (engine='auto')"
        )


def notes_on_separation(design: Design) -> tuple[str, ...]:
    """Return notes on what follows from priors alone, the likelihood having no maximum.

    None of families without a compiled likelihood, nor of more than 100,000 rows.
    """
    if code_of(design.family) is None or design.weighted_rows.n > _MOST_ROWS:
        return ()
    found, problem = [], make_problem(design, effects=False, collapse=True)
    columns = separated(problem)
    if columns:
        found.append(
            f"{describe(columns)}: the likelihood has no maximum, and how large the estimates are "
            "follows from their priors"
        )
        return tuple(found)
    one = len(design.factors) == 1 and design.q <= MAX_Q
    if one and all_groups_alike(make_problem(design, collapse=True)):
        found.append(
            f"in every group of {design.group} all outcomes are alike: the likelihood rises with "
            "the sd of the groups for ever, and how large it is follows from its prior"
        )
    return tuple(found)


def all_groups_alike(problem: Problem) -> bool:
    """Return whether every group's outcomes are all 0, all 1, or of one category.

    The likelihood then rises with the sd of the groups for ever: in the limit a group is one
    outcome, of a probability that the intercept fits.
    """
    family = problem.design.family
    if not (problem.q and np.ptp(problem.Z[:, 0]) == 0.0):
        return False
    starts = problem.starts[:-1]
    if family.thresholds is not None:
        low, high = (f.reduceat(problem.y, starts) for f in (np.minimum, np.maximum))
        return bool((low == high).all())
    if family.name not in ("bernoulli", "binomial"):
        return False
    successes = np.add.reduceat(problem.y, starts)
    trials = np.add.reduceat(problem.trials, starts)
    return bool(((successes == 0) | (successes == trials)).all())


def _has_maximum(problem: Problem, found: Found | None) -> bool:
    """Return whether the maximum without group effects was found well inside.

    The likelihood rises for ever along a direction of separation, by the residual of a row at
    least: where no residual is tiny and the score is zero, there is none. It spares the linear
    programme of large data.
    """
    plain = problem.without_effects()
    x, at, gain = without_effects(plain) if found is None else found
    if not (math.isfinite(at.loglik) and gain < _ENDED):
        return False
    eta = plain.X @ x[: plain.p] + plain.offset
    family = problem.design.family
    if family.thresholds is not None:
        eta = np.add.outer(x[plain.p :], [-eta.min(), -eta.max()])
    if family.link not in LINKS:
        return bool(np.abs(eta).max(initial=0.0) < _MODERATE)
    return all(bool((tail > -_MODERATE).all()) for tail in LINKS[family.link].log_tails(eta))


def _constraints(problem: Problem) -> tuple[Floats, Floats]:
    """Return rows a with a'd >= 0, one of them strictly, and rows with a'd = 0."""
    X, y, family = problem.X, problem.y, problem.design.family
    if family.thresholds is not None:
        many, k = problem.n_aux, y.astype(np.int64)
        above, below = np.flatnonzero(k < many), np.flatnonzero(k > 0)
        cuts = np.eye(many)
        up = np.hstack([-X[above], cuts[k[above]]])
        down = np.hstack([X[below], -cuts[k[below] - 1]])
        return np.vstack([up, down]), np.empty((0, X.shape[1] + many))
    if family.name in ("bernoulli", "binomial"):
        all_, none = y == problem.trials, y == 0
        kept = problem.trials > 0
        rising = np.vstack([X[all_ & kept], -X[none & kept]])
        return rising, X[~all_ & ~none]
    if family.name in ("poisson", "negative_binomial"):
        return -X[y == 0], X[y > 0]
    return np.empty((0, X.shape[1])), np.empty((0, X.shape[1]))


def _direction(rising: Floats, equal: Floats) -> Floats:
    """Return a direction d within [-1, 1] that rises most, or zeros where none does."""
    from scipy.optimize import linprog

    rising, equal = np.unique(rising, axis=0), np.unique(equal, axis=0)
    scale = np.abs(np.vstack([rising, equal])).max(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rising, equal = rising / scale, equal / scale
    if len(equal) > equal.shape[1]:  # as many as are independent
        _, triangle = np.linalg.qr(equal)
        equal = triangle
    found = linprog(
        -rising.sum(axis=0),
        A_ub=-rising,
        b_ub=np.zeros(len(rising)),
        A_eq=equal if len(equal) else None,
        b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=(-1.0, 1.0),
        method="highs",
    )
    if found.x is None or -found.fun <= _TINY:
        return np.zeros(rising.shape[1])
    direction: Floats = found.x
    return direction
