"""Averages over rows of expected outcomes, at every draw or point of the parameters."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.fitting import ParameterPoints
from bayes_mlm.model import Auxiliary, Family
from bayes_mlm.questions.response.rows import ResponseRows, entries
from bayes_mlm.questions.response.smooth import smoothed, smoothed_link
from bayes_mlm.questions.response.table import MeanTable, make_table

# Linear predictors (b, n) of rows whose effects are known: of points, to added numbers (b, n).
type Added = Callable[[slice], Floats] | None
# Numbers in one block, and above which integrals are looked up.
_BLOCK, _MANY = 400_000, 150_000


def average_means(
    family: Family,
    points: ParameterPoints,
    rows: ResponseRows,
    *,
    integrated: bool,
    added: Added = None,
    scores: Floats,
    weights: Floats | None = None,
) -> Floats:
    """Return expected outcomes averaged over rows, at every point.

    Parameters
    ----------
    family : Family
    points : ParameterPoints
        S of them.
    rows : ResponseRows
    integrated : bool
        Whether the mean is over normal group effects; else they are `added`, or zero.
    added : callable, optional
        Some points to what the effects of known groups add to the linear predictors (b, n).
    scores : ndarray, shape (K,)
        Of ordered categories.
    weights : ndarray, shape (n,), optional
        Of the rows, by default how many each stands for.

    Returns
    -------
    ndarray, shape (S, k)
        The mean, of one trial; of ordered outcomes the probability of each category and the
        expected score.
    """
    shares = rows.shares if weights is None else weights / weights.sum()
    if added is None:
        rows, shares = rows.collapsed(shares)
    own = has_own_mean(family)
    drawn = integrated and bool(points.cov_u)
    spread = entries(points.cov_u) if drawn else np.zeros((points.size, 0))
    products = rows.products[:, : spread.shape[1]]
    if spread.shape[1] and (products == products[0]).all():
        products = products[:1]  # one variance for all rows
    step = max(1, _BLOCK // rows.n)
    blocks = [slice(at, at + step) for at in range(0, points.size, step)]

    def predictors(some: slice) -> tuple[Floats, Floats]:
        eta = points.beta[some] @ rows.X.T + rows.offset
        if added is not None:
            eta = eta + added(some)
        if not spread.shape[1]:
            return eta, np.zeros((len(eta), 1))
        return eta, np.maximum(spread[some] @ products.T, 0.0)

    cuts, sign = np.zeros((points.size, 1)), 1.0
    if family.thresholds is not None:
        cuts, sign = points.auxiliary[family.thresholds.name][:, 0], -1.0
    table = None
    if not own and points.size * rows.n > (_MANY if points.is_drawn else 20 * _MANY):
        table = _table(family, map(predictors, blocks), cuts, sign)
    found = np.empty((points.size, cuts.shape[1]))
    for some in blocks:
        eta, variance = predictors(some)
        if own:
            found[some, 0] = _own_mean(family, points, some, eta, variance) @ shares
        elif table is not None:
            found[some] = table.average(eta, variance, shares, cuts[some], sign)
        else:
            curve = smoothed_link(family)
            for k in range(cuts.shape[1]):
                found[some, k] = curve(cuts[some, k, None] + sign * eta, variance) @ shares
    return found if family.thresholds is None else of_categories(found, scores)


def means_at(family: Family, eta: Floats, aux: Auxiliary, scores: Floats) -> Floats:
    """Return expected outcomes (..., k) at linear predictors, of one trial.

    Auxiliary parameters are of one point, (1, 1) or (1, 1, k).
    """
    if family.thresholds is not None:
        cuts = np.asarray(aux[family.thresholds.name]).ravel()
        return of_categories(family.inverse_link(cuts - eta[..., None]), scores)
    if has_own_mean(family):
        return np.asarray(family.expected(eta, aux))[..., None]
    return np.asarray(family.inverse_link(eta))[..., None]


def has_own_mean(family: Family) -> bool:
    """Return whether the mean of one trial is no function of the linear predictor alone."""
    return family.mean is not None and not family.takes_trials and family.thresholds is None


def of_categories(below: Floats, scores: Floats) -> Floats:
    """Return the chances (..., K) of categories and the expected score, of P(y <= k) (..., K - 1).

    Examples
    --------
    >>> of_categories(np.array([0.2, 0.7]), np.array([1.0, 2.0, 3.0]))
    array([0.2, 0.5, 0.3, 2.1])
    """
    side = np.ones((*below.shape[:-1], 1))
    chances = np.diff(np.concatenate([0.0 * side, below, side], axis=-1), axis=-1)
    return np.concatenate([chances, (chances @ scores)[..., None]], axis=-1)


def _expected(family: Family, aux: Auxiliary, eta: Floats) -> Floats:
    return np.asarray(family.expected(np.atleast_2d(eta), aux)).reshape(eta.shape)


def _own_mean(
    family: Family, points: ParameterPoints, some: slice, eta: Floats, variance: Floats
) -> Floats:
    """Return the mean of a family that has auxiliary parameters in it."""
    aux = points.auxiliary_of(some)
    found = np.empty(eta.shape)
    spread = np.broadcast_to(variance, eta.shape)
    for s in range(len(eta)):
        one = {name: values[s : s + 1] for name, values in aux.items()}
        found[s] = smoothed(partial(_expected, family, one), eta[s], spread[s])
    return found


def _table(
    family: Family, parts: Iterable[tuple[Floats, Floats]], cuts: Floats, sign: float
) -> MeanTable | None:
    """Return the table over all linear predictors and variances."""
    eta, spread = [], []
    for linear, variance in parts:
        eta += [float(linear.min()), float(linear.max())]
        spread += [float(variance.min()), float(variance.max())]
    ends = sign * min(eta), sign * max(eta)
    means = float(cuts.min()) + min(ends), float(cuts.max()) + max(ends)
    return make_table(family, means, (min(spread), max(spread)))
