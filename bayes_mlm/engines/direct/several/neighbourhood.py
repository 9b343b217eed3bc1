"""Where the posterior of the variance parameters is, roughly: about the REML estimate."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.engines.direct.several.start import typical_ratio
from bayes_mlm.engines.reml.several.deviance import moved
from bayes_mlm.engines.reml.several.search import differentiate, maximise
from bayes_mlm.likelihood import Factor, split

# Least sd of an effect, as a part of that at which a typical group shows it: REML's may be zero.
_LEAST = 0.2
# Largest correlation, which REML may put at one.
_MOST = 0.98
# Least information of a coordinate: its sd is 0.8 at most.
_FLOOR = 1.5
_STEP = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhood:
    """Relative coordinates (d,) of its centre, and their covariance (d, d)."""

    centre: Floats
    covariance: Floats


def near_reml(problem: SeveralProblem) -> Neighbourhood:
    """Return the neighbourhood that REML and its average information imply."""
    plan = problem.system.plan
    optimum = maximise(plan, "REML")
    centre = _coordinates(problem, optimum.lam)
    lam = _relative_factors(problem, centre)
    factor = Factor(plan)
    factor.update(lam)
    information = differentiate(factor, "REML").information
    jacobian = np.empty((len(centre), len(information)))
    for k in range(len(information)):
        step = np.zeros(len(information))
        step[k] = _STEP
        ends = [_coordinates(problem, moved(plan, lam, sign * step)) for sign in (1.0, -1.0)]
        jacobian[:, k] = (ends[0] - ends[1]) / (2.0 * _STEP)
    back = np.linalg.pinv(jacobian, rcond=1e-8)
    # Half of it: the deviance is twice the log-likelihood.
    value, vector = np.linalg.eigh(0.5 * back.T @ information @ back)
    return Neighbourhood(centre=centre, covariance=(vector / np.maximum(value, _FLOOR)) @ vector.T)


def _coordinates(problem: SeveralProblem, lam: list[Floats]) -> Floats:
    """Return relative coordinates (d,) of relative factors, moved away from zero and from one."""
    typical = typical_ratio(problem)
    sds = np.empty(len(problem.sds))
    correlations = []
    root = [np.linalg.solve(to, one) for (_, to), one in zip(problem.roots, lam, strict=True)]
    for term in problem.terms:
        own = root[term.factor][term.columns]
        covariance = own @ own.T
        block, some = term.block, term.block.places
        sds[some] = np.maximum(np.sqrt(np.diagonal(covariance)), _LEAST * typical[some])
        if not block.n_pairs:
            continue
        unit = covariance / np.outer(sds[some], sds[some])
        unit[range(block.q), range(block.q)] = 1.0
        shrunk = _MOST * unit + (1.0 - _MOST) * np.eye(block.q)
        lower = np.linalg.cholesky(shrunk)
        for row in range(1, block.q):
            rest = 1.0
            for column in range(row):
                share = float(np.clip(lower[row, column] / rest, -_MOST, _MOST))
                correlations.append(np.arctanh(share))
                rest *= np.sqrt(1.0 - share**2)
    return np.concatenate([np.log(sds), correlations])


def _relative_factors(problem: SeveralProblem, centre: Floats) -> list[Floats]:
    row = problem.relative(problem.at_relative(centre[None]))[0]
    return split(problem.system.plan, row)
