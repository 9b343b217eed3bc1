"""Draw replicates of the data from the posterior, and keep what is checked of each."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.checks.ordering import in_order
from bayes_mlm.base import Floats, Ints, Stream, stream
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    SAMPLE_DIMS,
    Draws,
    Variable,
    effects_root,
    has_random_effects,
    recover_effects,
    samples,
)
from bayes_mlm.fitting import Fit, make_outcomes, residual_draws

# Numbers drawn in all, and the fewest and most replicates made of them.
_NUMBERS, _FEWEST, _MOST = 1_500_000, 40, 400
_MOST_BINS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicates:
    """Statistics of the data and of R posterior predictive replicates.

    The rows and the groups are those of the data. The outcomes are drawn anew given the posterior
    of all parameters, the group effects included; only the group means that `new_means` holds
    have group effects drawn anew from their distribution too.

    Parameters
    ----------
    edges : ndarray, shape (k + 1,)
        Of the bins that outcomes are counted in.
    whole : bool
        Whether outcomes are whole numbers, in the data and in the model; a bin then has as many of
        them as every other, one where they are few.
    counts : ndarray of int, shape (R, k)
    observed_counts : ndarray of int, shape (k,)
    extremes : ndarray, shape (R, 2)
        Smallest and largest outcome.
    skewness, spread, zeros : ndarray, shape (R,)
        Skewness and sd of the outcome, and its share of zeros.
    above, below : float
        Share of replicated outcomes above the largest observed one, and below the smallest.
    new_means : ndarray, shape (R, J), or None
        Group means, in rising order; None without groups.
    sds : ndarray, shape (R, J_2), or None
        Sds within the groups of two rows or more, in rising order.
    observed_means, observed_sds : ndarray, shape (J,) and (J_2,), or None
        Of the data, in rising order.
    has_new_effects : bool
        Whether `new_means` has new group effects: the model has a distribution of them.
    """

    edges: Floats
    whole: bool
    counts: Ints
    observed_counts: Ints
    extremes: Floats
    skewness: Floats
    spread: Floats
    zeros: Floats
    above: float
    below: float
    new_means: Floats | None
    sds: Floats | None
    observed_means: Floats | None
    observed_sds: Floats | None
    has_new_effects: bool

    @property
    def n(self) -> int:
        """Number of replicates."""
        return int(self.skewness.size)


def replicate(fit: Fit) -> Replicates:
    """Draw replicates of the rows of a fit.

    Parameters
    ----------
    fit : Fit
        The seed of its settings is used, with a separate stream. The more rows, the fewer
        replicates; at most one a draw.

    References
    ----------
    Gelman, Meng & Stern (1996), Statistica Sinica 6(4), sec. 2 and 4: replicates of the same
    groups, and of new ones.
    """
    rng = stream(fit.settings.random_seed, Stream.REPLICATES)
    # Sorted by group, so that a group is a stretch of rows.
    design = in_order(fit.design, fit.design.group_term.row_order())
    n_drawn = fit.draws.n_chains * fit.draws.n_draws
    n_wanted = int(np.clip(_NUMBERS // design.n, _FEWEST, _MOST))
    n_made = min(n_wanted, n_drawn)
    chosen = np.linspace(0, n_drawn - 1, n_made).astype(np.int64)
    draws = _thinned(fit.draws, chosen)
    given = residual_draws(draws)
    beta = samples(draws, "beta") if design.p else np.zeros((n_made, 0))
    effects = _fitted_effects(fit, draws, rng)
    new = _new_effects(fit, draws, rng)
    groups = _Groups(design) if design.group is not None and design.kind != "between" else None
    whole = not design.family.is_additive and _whole(design, draws, beta)
    edges = _whole_edges(design.y) if whole else _edges(design.y)
    counts = np.empty((n_made, edges.size - 1), dtype=np.int64)
    extremes, (skewness, spread, zeros) = np.empty((n_made, 2)), np.empty((3, n_made))
    means = sds = None
    if groups is not None:
        means, sds = np.empty((n_made, design.J)), np.empty((n_made, groups.many.size))
    outside = np.zeros(2)
    low, high = float(design.y.min()), float(design.y.max())
    z_means = None if new is None or groups is None else design.group_term.column_means
    additive = design.family.is_additive
    for r in range(n_made):
        eta = design.X @ beta[r] + design.offset
        # An additive outcome is drawn once: other effects only move it.
        y = make_outcomes(design, given, r, eta, rng) if additive else np.empty(0)
        if groups is not None and means is not None and z_means is not None and new is not None:
            if additive:
                means[r] = groups.means(y) + (z_means * new[r]).sum(axis=1)
            else:
                moved = eta + design.group_term.sum_effects(new[r])
                means[r] = groups.means(make_outcomes(design, given, r, moved, rng))
        if effects is not None:
            added = design.group_term.sum_effects(effects[r])
            eta = eta + added
            y = y + added if additive else y
        if not additive:
            y = make_outcomes(design, given, r, eta, rng)
        if groups is not None and means is not None and sds is not None:
            if z_means is None:
                means[r] = groups.means(y)
            sds[r] = np.sort(groups.sds(y))
        counts[r] = _count(y, edges)
        extremes[r], skewness[r], spread[r] = (y.min(), y.max()), skewness_of(y), y.std()
        zeros[r] = np.count_nonzero(y == 0) / y.size
        outside += np.count_nonzero(y > high), np.count_nonzero(y < low)
    return Replicates(
        edges=edges,
        whole=whole,
        counts=counts,
        observed_counts=_count(design.y, edges),
        extremes=extremes,
        skewness=skewness,
        spread=spread,
        zeros=zeros,
        above=float(outside[0] / (n_made * design.n)),
        below=float(outside[1] / (n_made * design.n)),
        new_means=None if means is None else np.sort(means, axis=1),
        sds=sds,
        observed_means=None if groups is None else np.sort(groups.means(design.y)),
        observed_sds=None if groups is None else np.sort(groups.sds(design.y)),
        has_new_effects=z_means is not None,
    )


class _Groups:
    """Sum stretches of rows; made once, for all replicates."""

    def __init__(self, design: Design) -> None:
        self.sizes = design.group_sizes
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.by_row = design.group_term.by_row
        self.many = np.flatnonzero(self.sizes > 1)

    def means(self, values: Floats) -> Floats:
        """Average (n,) or (n, q) by group."""
        sums = np.add.reduceat(values, self.starts, axis=0)
        return np.asarray(sums / self.sizes.reshape(-1, *[1] * (values.ndim - 1)))

    def sds(self, values: Floats) -> Floats:
        """Return the sd in each group of two rows or more."""
        deviation = values - self.by_row(self.means(values))
        squares = np.add.reduceat(np.square(deviation), self.starts)[self.many]
        return np.asarray(np.sqrt(squares / (self.sizes[self.many] - 1)))


def _thinned(draws: Draws, chosen: Ints) -> Draws:
    """Thin the draws, as one chain."""
    kept = {
        name: Variable(variable.dims, samples(draws, name)[chosen][None])
        for name, variable in draws.posterior.items()
        if variable.dims[:2] == SAMPLE_DIMS
    }
    return replace(draws, posterior=kept)


def _fitted_effects(fit: Fit, draws: Draws, rng: np.random.Generator) -> Floats | None:
    """Return the effects (R, J, q) of the fitted groups at each draw."""
    if not fit.design.q:
        return None
    if "u" in draws.posterior:
        return np.asarray(samples(draws, "u"))
    if has_random_effects(fit.design):
        recovered = recover_effects(fit.design, draws, fit.settings.random_seed)
        return np.asarray(samples(recovered, "u"))
    mean, sd = fit.draws["u_mean"], fit.draws["u_sd"]
    return np.asarray(mean + sd * rng.standard_normal((draws.n_draws, *mean.shape)))


def _new_effects(fit: Fit, draws: Draws, rng: np.random.Generator) -> Floats | None:
    """Draw effects (R, J, q) from their distribution, where there is one."""
    design = fit.design
    if not has_random_effects(design):
        return None
    root = effects_root(draws)
    z = rng.standard_normal((draws.n_draws, design.J, design.q))
    return np.asarray(z @ root.swapaxes(1, 2))


def _edges(y: Floats) -> Floats:
    """Return bin edges that begin and end with the observed outcomes, and extend beyond them."""
    low, high = float(y.min()), float(y.max())
    lower, upper = np.quantile(y, [0.25, 0.75])
    width = 2.0 * float(upper - lower) * y.size ** (-1 / 3) or (high - low) / 20 or 1.0
    bins = int(np.clip(round((high - low) / width), 12, _MOST_BINS))
    width = (high - low) / bins or 1.0
    beyond = max(2, round(0.35 * bins))
    return np.asarray(low + width * np.arange(-beyond, bins + beyond + 1), dtype=np.float64)


def _whole(design: Design, draws: Draws, beta: Floats) -> bool:
    """Return whether outcomes of the data, and those that the model makes, are whole numbers."""
    eta = design.X @ beta[0] + design.offset
    made = make_outcomes(design, residual_draws(draws), 0, eta, np.random.default_rng(0))
    return all(bool((values == np.floor(values)).all()) for values in (design.y, made))


def _whole_edges(y: Floats) -> Floats:
    """Return edges half-way between whole numbers, from 0 or the smallest; a long tail is cut."""
    low, high = float(y.min()), float(y.max())
    high = min(high, low + np.ceil(1.5 * (float(np.quantile(y, 0.97)) - low)) + 2.0)
    low = 0.0 if 0.0 < low <= high - low else low
    width = -(-(high - low + 1.0) // _MOST_BINS)
    bins = int(np.ceil((high - low + 1.0) / width))
    return np.asarray(low - 0.5 + width * np.arange(bins + max(2, bins // 2) + 1))


def _count(y: Floats, edges: Floats) -> Ints:
    """Count outcomes by bin; those beyond the last bins are left out."""
    width = float(edges[1] - edges[0])
    # The largest observed outcome ends its bin, and belongs to it.
    place = np.floor((y - edges[0]) / width - 1e-9).astype(np.int64)
    inside = (place >= 0) & (place < edges.size - 1)
    return np.bincount(place[inside], minlength=edges.size - 1)


def skewness_of(y: Floats) -> float:
    """Return the third standardised moment; 0 for constant values."""
    deviation = y - y.mean()
    square = deviation * deviation
    spread = float(square.mean())
    return float((square * deviation).mean() / spread**1.5) if spread > 0 else 0.0
