"""Variance of the outcome itself, group effects integrated out: the observation scale.

Expectations over normal group effects are by the trapezium rule, whose error falls exponentially
(Trefethen & Weideman 2014, SIAM Review 56(3)).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.model import Family
from bayes_mlm.questions.response.rows import ResponseRows
from bayes_mlm.questions.response.smooth import normal_nodes
from bayes_mlm.questions.variance.interpolation import compress

# Numbers in memory at a time, and numbers evaluated for an average over the rows.
_MOST, _BUDGET = 2_000_000, 100_000_000
# Points of one rule.
_POINTS = 4096
_FEWEST_DRAWS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Mean of outcomes of new groups, and its variance between groups and within, arrays alike."""

    mean: Floats
    between: Floats
    within: Floats

    @property
    def share(self) -> Floats:
        """Proportion of the variance that lies between groups."""
        return self.between / (self.between + self.within)


def split(family: Family, centre: Floats, sd: Floats, aux: Mapping[str, Floats]) -> Split:
    r"""Return the mean and the variances of outcomes at fixed parts of the linear predictor.

    .. math:: \mathrm{E}_u\,\mu(\eta + u), \quad \mathrm{var}_u\,\mu(\eta + u), \quad
              \mathrm{E}_u\,\mathrm{var}(y \mid \eta + u), \qquad u \sim N(0, s^2)

    Parameters
    ----------
    family : Family
    centre : ndarray, shape (S, P)
        Fixed part, offset included.
    sd : ndarray, shape (S, P)
        Of the sum of group effects.
    aux : mapping of str to ndarray
        Auxiliary parameters, S values each; one trial a row.

    References
    ----------
    Goldstein, Browne & Rasbash (2002), Understanding Statistics 1(4), sec. 2.1 (there by
    simulation); de Villemereuil, Schielzeth, Nakagawa & Morrissey (2016), Genetics 204(3).
    """
    found = [np.empty(centre.size) for _ in range(3)]
    flat, sds = centre.ravel(), np.broadcast_to(sd, centre.shape).ravel()
    draw = np.repeat(np.arange(len(centre)), centre.shape[1])
    order, start = np.argsort(sds), 0
    while start < order.size:  # points of similar sds share a rule
        ahead = order[min(start + _POINTS, order.size) - 1]
        size = normal_nodes(float(sds[ahead]))[0].size
        rows = order[start : start + min(_POINTS, max(1, _MOST // size))]
        nodes, weights = normal_nodes(float(sds[rows[-1]]))
        eta = flat[rows, None] + sds[rows, None] * nodes
        given = {name: values[draw[rows], None] for name, values in aux.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # means of log links at huge sds
            mu = family.expected(eta, given)
            mean = mu @ weights
            found[0][rows] = mean
            found[1][rows] = np.square(mu - mean[:, None]) @ weights
            found[2][rows] = family.variance(eta, given) @ weights
        start += rows.size
    mean, between, within = (one.reshape(centre.shape) for one in found)
    return Split(mean=mean, between=between, within=within)


def shared_covariance(
    family: Family, centre: Floats, shared: Floats, rest: Floats, aux: Mapping[str, Floats]
) -> Floats:
    r"""Return the covariance (S,) of outcomes of two rows that share some of their group effects.

    .. math:: \mathrm{var}_t\,\mathrm{E}_w\,\mu(\eta + t + w)

    with t, w normal of sds `shared` and `rest`, arrays (S,) as is `centre`.
    """
    found = np.empty(centre.size)
    for s in range(centre.size):
        outer, weights = normal_nodes(float(shared[s]))
        inner, inside = normal_nodes(float(rest[s]))
        eta = centre[s] + shared[s] * outer[:, None] + rest[s] * inner
        given = {name: values[s] for name, values in aux.items()}
        mean = family.expected(eta, given) @ inside
        found[s] = weights @ np.square(mean - weights @ mean)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class RowAverages:
    """Means over the rows of the data, S values each; S is less than the draws of large data.

    Parameters
    ----------
    mean : ndarray
        Of the outcome of new groups.
    fixed : ndarray
        Variance over the rows of the outcome's mean: by the predictors.
    between, within : ndarray
    """

    mean: Floats
    fixed: Floats
    between: Floats
    within: Floats

    @property
    def total(self) -> Floats:
        """Variance of outcomes of rows of new groups."""
        return self.fixed + self.between + self.within


def one_trial(parameters: ParameterValues, places: "Ints | slice") -> dict[str, Floats]:
    """Return the auxiliary parameters of some draws; outcomes of trials are those of one."""
    found = {name: values[places] for name, values in parameters.auxiliary.items()}
    return {name: values for name, values in found.items() if values.ndim == 1}


def spread_out(draws: int, cost: float) -> Ints:
    """Return as many draws, evenly spaced, as a cost each (numbers evaluated) allows."""
    some = int(min(draws, max(_FEWEST_DRAWS, _BUDGET / max(cost, 1.0))))
    return np.linspace(0, draws - 1, some).round().astype(np.int64)


def row_averages(family: Family, parameters: ParameterValues, design: Design) -> RowAverages:
    """Return means over the rows, each counted once a trial, group effects integrated out."""
    distinct, counts = _distinct(design)
    X, Z, offset = distinct.X, distinct.Z, distinct.offset
    chosen = spread_out(len(parameters.beta), _cost(parameters, Z))
    total = float(counts.sum())
    found = [np.empty(chosen.size) for _ in range(4)]
    block = max(1, _MOST // len(X))
    for start in range(0, chosen.size, block):
        rows = slice(start, start + block)
        draws = chosen[rows]
        centre = parameters.beta[draws] @ X.T + offset
        sd = np.sqrt(
            sum(
                np.einsum("na,sab,nb->sn", z, one.cov_u[draws], z, optimize=True)
                for z, one in zip(Z, parameters.factors, strict=True)
            )
        )
        centre, sd, weights = compress(centre, np.broadcast_to(sd, centre.shape), counts / total)
        at = split(family, centre, sd, one_trial(parameters, draws))
        mean = np.sum(weights * at.mean, axis=1)
        found[0][rows] = mean
        spread = np.sum(weights * np.square(at.mean - mean[:, None]), axis=1)
        found[1][rows] = np.maximum(spread, 0.0) * (total / (total - 1.0))
        found[2][rows] = np.sum(weights * at.between, axis=1)
        found[3][rows] = np.sum(weights * at.within, axis=1)
    return RowAverages(**dict(zip(("mean", "fixed", "between", "within"), found, strict=True)))


def _cost(parameters: ParameterValues, Z: Sequence[Floats]) -> float:
    """Return about how many numbers an average over the rows evaluates, for one draw."""
    variances = [
        np.einsum("na,ab,nb->n", z, one.cov_u.mean(axis=0), z, optimize=True)
        for z, one in zip(Z, parameters.factors, strict=True)
    ]
    sd = math.sqrt(float(np.mean(np.sum(variances, axis=0))))
    alone = all(z.shape[1] == 1 for z in Z)
    points, each = (150, 10) if alone else (4000, 80)
    rows = len(Z[0])
    return float(min(rows, points) * normal_nodes(sd)[0].size + each * rows)


def _distinct(design: Design) -> tuple[ResponseRows, Floats]:
    """Return distinct rows of X, of each Z and the offset, and how many trials have them."""
    design = design.weighted_rows
    rows = ResponseRows(
        X=design.X,
        offset=np.broadcast_to(design.offset, (design.n,)),
        Z=tuple(term.Z for term in design.group_terms),
        codes=(),
    )
    return rows.collapsed(trials_of(design))


def trials_of(design: Design) -> Floats:
    """Return the number of trials (n,) of each row; 1 of a family without trials.

    Of the distinct rows, that of all rows that each stands for.
    """
    rows = design.weighted_rows
    trials = np.asarray(rows.response.known.get("trials", 1.0))
    weights = rows.response.weights
    return np.broadcast_to(trials if weights is None else trials * weights, (rows.n,))


def fitted_share(family: Family, parameters: ParameterValues, design: Design) -> Floats:
    r"""Return the Bayesian R², conditional on the groups of the data, by the family's variance.

    .. math:: R^2_s = \frac{\mathrm{var}_i\,\mu_i^s}{\mathrm{var}_i\,\mu_i^s + \frac1n \sum_i
              \mathrm{var}(y_i \mid \mu_i^s)}

    Rows count once a trial, so that numbers of successes have the R² of their 0s and 1s.

    References
    ----------
    Gelman, Goodrich, Gabry & Vehtari (2019), The American Statistician 73(3), sec. 4: for
    Bernoulli outcomes the mean of p (1 - p).
    """
    weights, design = trials_of(design), design.weighted_rows
    total = float(weights.sum())
    chosen = spread_out(len(parameters.beta), 3.0 * design.n)
    found, block = np.empty(chosen.size), max(1, _MOST // design.n)
    for start in range(0, chosen.size, block):
        rows = slice(start, start + block)
        draws = chosen[rows]
        eta = parameters.beta[draws] @ design.X.T + design.offset
        for term, one in zip(design.group_terms, parameters.factors, strict=True):
            if one.u is not None:
                eta += term.sum_effects(one.u[draws])
        aux = {name: values[:, None] for name, values in one_trial(parameters, draws).items()}
        mu = family.expected(eta, aux)
        centred = mu - (mu @ weights / total)[:, None]
        explained = np.square(centred) @ weights / (total - 1.0)
        found[rows] = explained / (explained + family.variance(eta, aux) @ weights / total)
    return found
