"""Predictive densities where residuals differ in variance, are AR(1), or outcomes not Gaussian.

The coefficients are not integrated out but taken from the draws; the group effects are, where a
group is left out: in closed form for Gaussian outcomes, by quadrature for others. Importance
weights over all parameters vary more than those over the variance parameters alone, and k-hat says
whether they vary too much; there are no refits.

References
----------
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84(3), sec. 3: the density of a cluster with its
effects integrated out. Rabe-Hesketh, Skrondal & Pickles (2005), Journal of Econometrics 128(2):
adaptive quadrature.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_mlm.base import DesignError, EngineError, Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.engines import effects_root
from bayes_mlm.fitting.log_sums import log_sum
from bayes_mlm.fitting.residuals import ResidualDraws, residual_draws
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.likelihood import LOG_2PI
from bayes_mlm.model import (
    Auxiliary,
    ResidualRows,
    given_previous,
    log_innovation_variances,
    previous_correlation,
    whiten,
)

# Quadrature points along one group effect, by their number.
_POINTS = {1: 15, 2: 9, 3: 7}
_STEPS = 40
# Of a step towards the mode, in sds of the effects: a Poisson mean must not overflow.
_LONGEST = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionalModel:
    """A fit that needs its rows, at S of its draws, rows in order of their groups.

    Parameters
    ----------
    design : Design
        Its rows in order.
    order : ndarray of int, shape (n,)
        Places of the ordered rows among those of the fit.
    starts : ndarray of int, shape (J,)
        First row of each group.
    labels : ndarray, shape (J,)
    group : str or None
    beta : ndarray, shape (S, p)
    root : ndarray, shape (S, q, q)
        Of the covariance of the group effects.
    u : ndarray, shape (S, J, q), or None
    residual : ResidualDraws
        S of them.
    chosen : ndarray of int, shape (S,)
        Which of the fit's draws they are, chains joined.
    """

    design: Design
    order: Ints
    starts: Ints
    labels: np.ndarray
    group: str | None
    beta: Floats
    root: Floats
    u: Floats | None
    residual: ResidualDraws
    chosen: Ints

    @property
    def rows(self) -> ResidualRows:
        """The residual structure of the ordered rows."""
        assert self.design.residual is not None  # for mypy: there is no ConditionalModel without
        return self.design.residual

    @property
    def q(self) -> int:
        """Number of group effects."""
        return int(self.root.shape[1])


def spaced(n_draws: int, most: int) -> Ints:
    """Return places of at most so many draws, evenly spaced."""
    return np.unique(np.linspace(0, n_draws - 1, min(most, n_draws)).astype(int))


def conditional_model(fit: Sampled, grouping: Design | None, most_draws: int) -> ConditionalModel:
    """Return the parts of a fit that its predictive densities are computed from."""
    design = fit.design
    by = design if design.group is not None or grouping is None else grouping
    if not np.array_equal(by.y, design.y):
        raise DesignError("the grouping is of other rows; give a design of the same rows")
    order = by.row_order()
    assert design.residual is not None  # for mypy: the caller looked
    ordered = design.grouped_by(by).take(order)
    n_draws = fit.draws.n_chains * fit.draws.n_draws
    chosen = spaced(n_draws, most_draws)
    whole = residual_draws(fit.draws)
    q = design.q
    u = None
    if q:
        u = fit.draws["u"].reshape(n_draws, design.J, q)[chosen]
    return ConditionalModel(
        design=ordered,
        order=order,
        starts=np.searchsorted(ordered.codes, np.arange(by.J)),
        labels=by.labels,
        group=by.group,
        chosen=chosen,
        beta=fit.draws["beta"].reshape(n_draws, -1)[chosen],
        root=effects_root(fit.draws)[chosen] if q else np.zeros((len(chosen), 0, 0)),
        u=u,
        residual=whole.at(chosen),
    )


def group_log_densities(model: ConditionalModel) -> Floats:
    """Evaluate ``log p(y_j | beta, theta)`` of every group, its effects integrated out: (J, S)."""
    family = model.design.family
    if not family.gaussian_moments:
        if model.q not in (0, *_POINTS):
            raise EngineError(
                f"leaving out groups of {family.label} outcomes integrates over {model.q} group "
                "effects, more than 3; compare by rows, or with fewer group effects"
            )
        return np.column_stack([_quadrature_groups(model, s) for s in range(len(model.beta))])
    return np.column_stack([_normal_groups(model, s) for s in range(len(model.beta))])


@dataclass(frozen=True, kw_only=True, eq=False)
class _WhitenedDraw:
    """Whitened residual (n,) of one draw, and the conditional distribution of u.

    `gain` is (n, q): whitened Z times the root; `inner` (J, q, q) is I + gain'gain of each group,
    `cross` (J, q) is gain'residual.
    """

    residual: Floats
    gain: Floats
    inner: Floats
    cross: Floats
    log_spread: Floats


def _whiten_draw(model: ConditionalModel, s: int) -> _WhitenedDraw:
    design, rows = model.design, model.rows
    sds, rho = model.residual.sds[s], float(model.residual.rho[s])
    left = design.y - design.X @ model.beta[s]
    columns = np.column_stack([left, design.Z[:, : model.q] @ model.root[s]])
    whitened = whiten(rows, columns, sds, rho)
    residual, gain = whitened[:, 0], whitened[:, 1:]
    spread = np.log(sds)[rows.stratum] + 0.5 * log_innovation_variances(rows, rho)
    inner = np.eye(model.q) + _sums(model, gain[:, :, None] * gain[:, None, :])
    return _WhitenedDraw(
        residual=residual,
        gain=gain,
        inner=inner,
        cross=_sums(model, gain * residual[:, None]),
        log_spread=spread,
    )


def _sums(model: ConditionalModel, values: Floats) -> Floats:
    """Sum over the rows of each group."""
    found: Floats = np.add.reduceat(values, model.starts, axis=0)
    return found


def _normal_groups(model: ConditionalModel, s: int) -> Floats:
    whitened = _whiten_draw(model, s)
    squares = _sums(model, np.square(whitened.residual))
    logdet = np.zeros(len(squares))
    if model.q:
        squares = squares - _quadratic(whitened)
        logdet = np.linalg.slogdet(whitened.inner)[1]
    spread = _sums(model, whitened.log_spread + 0.5 * LOG_2PI)
    return -spread - 0.5 * (logdet + squares)


def _quadratic(whitened: _WhitenedDraw) -> Floats:
    solved = np.linalg.solve(whitened.inner, whitened.cross[:, :, None])[:, :, 0]
    found: Floats = (whitened.cross * solved).sum(axis=1)
    return found


def row_log_densities(model: ConditionalModel) -> Iterator[tuple[Floats, Floats]]:
    """Evaluate each draw's densities of the rows, in the order of the model: (n,) and (n,).

    Yields
    ------
    loo : ndarray, shape (n,)
        ``log p(y_i | y_-i, beta, theta)``, the group effects integrated out; for other
        families given them.
    lpd : ndarray, shape (n,)
        The same given the group effects too.
    """
    for s in range(len(model.beta)):
        fitted = model.design.X @ model.beta[s]
        if model.u is not None:
            fitted = fitted + (model.design.Z * model.u[s][model.design.codes]).sum(axis=1)
        left = model.design.y - fitted
        if not model.design.family.gaussian_moments:
            found = _log_density(model, s, fitted)
            yield found, found
            continue
        whitened = _whiten_draw(model, s)
        white = whitened.residual
        factor = np.zeros((len(left), model.q))
        if model.q:
            solved = np.linalg.solve(whitened.inner, whitened.cross[:, :, None])[:, :, 0]
            white = white - (whitened.gain * solved[model.design.codes]).sum(axis=1)
            lower = np.linalg.inv(np.linalg.cholesky(whitened.inner))
            factor = np.einsum("nab,nb->na", lower[model.design.codes], whitened.gain)
        yield (
            _conditional_on_others(model, s, white, factor),
            _conditional_on_others(model, s, _whiten_residual(model, s, left), factor[:, :0]),
        )


def _whiten_residual(model: ConditionalModel, s: int, left: Floats) -> Floats:
    return whiten(model.rows, left, model.residual.sds[s], float(model.residual.rho[s]))


def _conditional_on_others(
    model: ConditionalModel, s: int, white: Floats, factor: Floats
) -> Floats:
    """Return each row's normal log-density given all others, from the inverse covariance K.

    K is ``T'(I - factor factor')T`` with T the whitening, and `white` is ``(I - factor factor')T``
    times the residual. Sundararajan & Keerthi (2001), Neural Computation 13(5), eq. 12.
    """
    rows = model.rows
    kept, variance = given_previous(previous_correlation(rows, float(model.residual.rho[s])))
    inverse = 1.0 / (model.residual.sds[s][rows.stratum] * np.sqrt(variance))
    later = np.flatnonzero(rows.previous >= 0)
    before = rows.previous[later]
    # What row `before` has in the whitened row that follows it.
    passed = -kept[later] * inverse[later] * model.residual.sds[s][rows.stratum[later]]
    passed /= model.residual.sds[s][rows.stratum[before]]
    pull, diagonal = inverse * white, np.square(inverse)
    pull[before] += passed * white[later]
    diagonal[before] += np.square(passed)
    if factor.shape[1]:
        part = inverse[:, None] * factor
        part[before] += passed[:, None] * factor[later]
        diagonal -= np.square(part).sum(axis=1)
    found: Floats = 0.5 * (np.log(diagonal) - LOG_2PI - np.square(pull) / diagonal)
    return found


def _aux(model: ConditionalModel, s: int) -> Auxiliary:
    return {
        name: values[0] for name, values in model.residual.at([s]).auxiliary(model.design).items()
    }


def _log_density(model: ConditionalModel, s: int, eta: Floats) -> Floats:
    return model.design.family.log_density(model.design.y, eta, _aux(model, s))


def _quadrature_groups(model: ConditionalModel, s: int) -> Floats:
    """Integrate over the effects of each group by adaptive Gauss-Hermite quadrature.

    The mode of u = root v, with v standard normal, by the family's scores and weights (Fisher
    scoring or EM), and the curvature there.
    """
    design, q = model.design, model.q
    eta, aux = design.X @ model.beta[s], _aux(model, s)
    if q == 0:
        return _sums(model, _log_density(model, s, eta))
    gain, codes = design.Z @ model.root[s], design.codes
    v = np.zeros((len(model.starts), q))
    for _ in range(_STEPS):
        score, weight = design.family.score(design.y, eta + (gain * v[codes]).sum(axis=1), aux)
        weighted = gain * weight[:, None]
        inner = np.eye(q) + _sums(model, weighted[:, :, None] * gain[:, None, :])
        uphill = _sums(model, gain * score[:, None]) - v
        step = np.linalg.solve(inner, uphill[:, :, None])[:, :, 0]
        v = v + np.clip(step, -_LONGEST, _LONGEST)
        if np.abs(step).max() < 1e-6:
            break
    scale = np.linalg.inv(np.linalg.cholesky(inner)).swapaxes(1, 2)
    points, log_weights = _grid(q)
    logs = np.empty((len(points), len(v)))
    half_logdet = np.linalg.slogdet(scale)[1]
    for k, (point, log_weight) in enumerate(zip(points, log_weights, strict=True)):
        at = v + scale @ point
        prior = -0.5 * (q * LOG_2PI + np.square(at).sum(axis=1))
        density = _log_density(model, s, eta + (gain * at[codes]).sum(axis=1))
        logs[k] = _sums(model, density) + prior + log_weight
    found: Floats = log_sum(logs.T) + half_logdet
    return found


def _grid(q: int) -> tuple[Floats, Floats]:
    """Return points (K, q) for a standard normal, and logs of weights over the density there."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_POINTS[q])
    points = np.array(list(product(nodes, repeat=q)))
    logs = np.array([sum(one) for one in product(np.log(weights), repeat=q)])
    # The weights integrate against exp(-x^2 / 2), which is taken out lpd.
    return points, logs + 0.5 * np.square(points).sum(axis=1)
