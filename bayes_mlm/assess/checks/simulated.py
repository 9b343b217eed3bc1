"""Residuals and calibration of any family, from outcomes drawn at draws of the posterior.

References
----------
Dunn & Smyth (1996), J. Comput. Graph. Stat. 5(3), sec. 2: randomised quantile residuals. Gelman &
Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, sec. 5.6: binned
residuals.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.checks.normality import normal_quantile
from bayes_mlm.assess.checks.standardised import fitted_values
from bayes_mlm.base import Floats, Ints, Stream, stream
from bayes_mlm.fitting import Fit, linear_predictors, residual_draws
from bayes_mlm.model import Auxiliary

# Numbers drawn in all and at a time; the fewest and most draws; rows of a bin, and most bins.
_NUMBERS, _AT_A_TIME, _FEWEST, _MOST = 4_000_000, 2_000_000, 100, 400
_LEAST_ROWS, _BINS = 10, 15


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Outcomes and what the model expects, in k bins of rows from the lowest expectation.

    Parameters
    ----------
    expected, observed : ndarray, shape (k,)
        Their means; of successes among trials, their shares.
    lower, upper : ndarray, shape (k,)
        Between these lies the mean of outcomes drawn from the model, with probability `prob`.
    rows : ndarray of int, shape (k,)
    prob : float
    """

    expected: Floats
    observed: Floats
    lower: Floats
    upper: Floats
    rows: Ints
    prob: float

    @property
    def outside(self) -> np.ndarray:
        """Flags (k,) of the bins whose outcomes are unlike those of the model."""
        return np.asarray((self.observed < self.lower) | (self.observed > self.upper))


def quantile_residuals(fit: Fit) -> Floats:
    """Return the randomised quantile residual of each row: standard normal if the model is right.

    The normal quantile of the probability of a smaller outcome, by outcomes drawn from the model
    at draws of the posterior; ties, of which whole numbers have many, are broken at random.

    Parameters
    ----------
    fit : Fit
        With rows; the seed of its settings is used, with a separate stream.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("y ~ trt + (1 | subject)", "epil", family="poisson", random_seed=1)
    >>> quantile_residuals(found).shape
    (236,)
    """
    y, rng = fit.design.y, stream(fit.settings.random_seed, Stream.QUANTILE_RESIDUALS)
    below, ties, many = np.zeros(y.size), np.zeros(y.size), 0
    for _, _, made in _simulated(fit, rng):
        below += np.count_nonzero(made < y, axis=0)
        ties += np.count_nonzero(made == y, axis=0)
        many += len(made)
    # The rank among as many draws and itself is uniform.
    return normal_quantile((below + rng.random(y.size) * (ties + 1.0)) / (many + 1.0))


def calibration(fit: Fit, prob: float) -> Calibration:
    """Compare outcomes with the model's expectations, in bins of rows with similar ones.

    Parameters
    ----------
    fit : Fit
        With rows; the seed of its settings is used, with a separate stream.
    prob : float
        Of the intervals.
    """
    design, family = fit.design, fit.design.family
    rng = stream(fit.settings.random_seed, Stream.CALIBRATION)
    typical = residual_draws(fit.draws).mean.auxiliary(design)
    trials = design.response.known.get("trials", np.ones(design.n))
    expected = np.ravel(family.expected(fitted_values(fit)[None], typical)) / trials
    order = np.argsort(expected, kind="stable")
    bins = np.array_split(order, int(np.clip(design.n // _LEAST_ROWS, 1, _BINS)))
    starts = np.cumsum([0, *(part.size for part in bins[:-1])])

    def by_bin(values: Floats) -> Floats:
        return np.add.reduceat(values[..., order], starts, axis=-1)

    weight = by_bin(trials)
    means, made = [], []
    for eta, aux, drawn in _simulated(fit, rng):
        means.append(by_bin(np.broadcast_to(family.expected(eta, aux), eta.shape)))
        made.append(by_bin(drawn))
    tail = (1.0 - prob) / 2.0
    lower, upper = np.quantile(np.concatenate(made) / weight, [tail, 1.0 - tail], axis=0)
    return Calibration(
        expected=np.concatenate(means).mean(axis=0) / weight,
        observed=by_bin(design.y) / weight,
        lower=lower,
        upper=upper,
        rows=np.array([part.size for part in bins]),
        prob=prob,
    )


def _simulated(fit: Fit, rng: np.random.Generator) -> Iterator[tuple[Floats, Auxiliary, Floats]]:
    """Yield linear predictors (S, n), what else the family takes, and outcomes drawn."""
    design = fit.design
    n_drawn = fit.draws.n_chains * fit.draws.n_draws
    many = min(int(np.clip(_NUMBERS // design.n, _FEWEST, _MOST)), n_drawn)
    chosen = np.linspace(0, n_drawn - 1, many).astype(np.int64)
    others = residual_draws(fit.draws)
    for part in np.array_split(chosen, max(1, many * design.n // _AT_A_TIME)):
        try:
            eta = linear_predictors(fit, part)
        except KeyError:  # the effects were too many to keep: at their means
            eta = np.broadcast_to(fitted_values(fit), (part.size, design.n))
        aux = others.at(part).auxiliary(design)
        yield eta, aux, design.family.draw(eta, aux, rng)
