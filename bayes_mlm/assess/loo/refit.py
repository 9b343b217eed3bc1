"""Refits without a part of the data, where importance weights are not reliable."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.loo.conditional import Model
from bayes_mlm.base import DesignError, EngineError, Floats
from bayes_mlm.engines import (
    Variances,
    check_proper,
    choose_start,
    draw_variances,
    join,
    mean_beta,
    why_not_direct,
)
from bayes_mlm.moments import GroupMoments

# Parts that are done again at most: beyond it the model is in trouble, and says so.
MAX_REFITTED = 50
# With more groups than this, a flat prior on an sd has enough of them left without any one.
_FEW_GROUPS = 20
_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class LogMarginal:
    """Log of the integral of likelihood times priors, with its numerical error.

    Flat priors count as a density of 1, so that the value has no meaning with them; but the
    difference between all data and a part of them does: it is ``log p(y_k | y_-k)``.
    """

    value: float
    error: float


def without_group(model: Model, group: int) -> GroupMoments:
    """Return the statistics of all groups but one."""
    s = model.statistics
    return replace(
        s,
        labels=np.delete(s.labels, group),
        counts=np.delete(np.asarray(s.counts), group),
        means=np.delete(s.means, group, axis=0),
        scatter=np.delete(s.scatter, group, axis=0),
    )


def log_marginal(
    model: Model, statistics: GroupMoments, rng: np.random.Generator
) -> LogMarginal | None:
    """Integrate likelihood times priors over all parameters, for all or a part of the data.

    Parameters
    ----------
    model : Model
        Its priors hold, the intercept's where the predictors of *all* data are at their means.
    statistics : GroupMoments
        Of the data.
    rng : numpy.random.Generator

    Returns
    -------
    LogMarginal or None
        None where the direct engine does not do the model, or not well enough.

    Raises
    ------
    EngineError
        If the posterior is improper.
    """
    if why_not_direct(model.priors):
        return None
    try:
        part = join(statistics, model.priors, means=model.joined.means, aliased=True)
    except DesignError:  # too few rows are left
        return None
    start = choose_start(part.problem)
    check_proper(part.problem, start)
    report = draw_variances(part.problem, start, _DRAWS, rng).report
    if not report.trusted or report.log_marginal_likelihood is None:
        return None
    return LogMarginal(
        value=report.log_marginal_likelihood, error=report.log_marginal_likelihood_error
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Refit:
    """Posterior without a part of the data: S draws of the variance parameters.

    `beta` is ``E(beta | y_-j, theta)`` of the columns as given, (S, p); `effects_transform` is the
    problem's.
    """

    at: Variances
    beta: Floats
    effects_transform: Floats


def posterior_without(
    model: Model, statistics: GroupMoments, rng: np.random.Generator
) -> Refit | None:
    """Draw from the posterior without a part of the data; None where direct does not do it."""
    if why_not_direct(model.priors):
        return None
    try:
        part = join(statistics, model.priors, means=model.joined.means, aliased=True)
    except DesignError:  # too few rows are left
        return None
    problem = part.problem
    found = draw_variances(problem, choose_start(problem), _DRAWS, rng)
    if not found.report.trusted:
        return None
    return Refit(
        at=found.at, beta=mean_beta(problem, found.at), effects_transform=problem.effects_transform
    )


def check_proper_without(model: Model) -> None:
    """Refuse where the posterior without some group is improper, whatever the weights say.

    Raises
    ------
    EngineError
        That names the group.
    """
    sds = [*model.priors.sigma_u, model.priors.sigma_e]
    statistics = model.statistics
    if all(prior.is_proper for prior in sds) or statistics.J > _FEW_GROUPS:
        return
    for group, label in enumerate(statistics.labels):
        part = without_group(model, group)
        try:
            problem = join(part, model.priors, means=model.joined.means, aliased=True).problem
            check_proper(problem, choose_start(problem))
        except EngineError as error:
            raise EngineError(f"without {statistics.group} {label} {error}") from error
