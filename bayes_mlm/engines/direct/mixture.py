"""Fit mixtures of multivariate t distributions to weighted points, and draw from them."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats

# Heavier tails than any posterior in logs of sds has: those fall off at least exponentially.
NU = 5.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """Mixture of K multivariate t distributions with `NU` degrees of freedom.

    Attributes
    ----------
    weight : (K,) array
    mean : (K, d) array
    root : (K, d, d) array
        Lower Cholesky factors of the scale matrices.
    """

    weight: Floats
    mean: Floats
    root: Floats


def make_mixture(weight: Floats, mean: Floats, scale: Floats) -> Mixture:
    """Make a mixture from weights (K,), means (K, d) and scale matrices (K, d, d)."""
    return Mixture(weight=weight / weight.sum(), mean=mean, root=np.linalg.cholesky(scale))


def join(a: Mixture, b: Mixture, share: float) -> Mixture:
    """Mix two mixtures, `share` of the second."""
    return Mixture(
        weight=np.concatenate([(1.0 - share) * a.weight, share * b.weight]),
        mean=np.concatenate([a.mean, b.mean]),
        root=np.concatenate([a.root, b.root]),
    )


def draw_mixture(mixture: Mixture, n: int, rng: np.random.Generator) -> Floats:
    """Draw points (n, d), the components in fixed shares: stratified, not at random."""
    d = mixture.mean.shape[1]
    edges = np.cumsum(mixture.weight)
    component = np.searchsorted(edges / edges[-1], (np.arange(n) + rng.random()) / n, side="right")
    component = np.minimum(component, len(edges) - 1)
    stretch = np.sqrt(NU / rng.chisquare(NU, n))
    noise = rng.standard_normal((n, d)) * stretch[:, None]
    points = np.empty((n, d))
    for k in range(len(edges)):
        members = component == k
        points[members] = mixture.mean[k] + noise[members] @ mixture.root[k].T
    return points


def distances(mixture: Mixture, x: Floats) -> Floats:
    """Return squared Mahalanobis distances (K, n) of points (n, d) from each component."""
    inverse = np.linalg.inv(mixture.root)
    out = np.empty((len(inverse), len(x)))
    along = np.ascontiguousarray(x.T)  # long rows: a step over 4 columns costs as much as over 400
    for k, transform in enumerate(inverse):
        gap = transform @ (along - mixture.mean[k][:, None])
        out[k] = np.einsum("dn,dn->n", gap, gap)
    return out


def component_log_density(mixture: Mixture, x: Floats) -> Floats:
    """Return the weighted log-densities (K, n) of the components at points (n, d)."""
    return _log_density_at(mixture, distances(mixture, x))


def _log_density_at(mixture: Mixture, gap: Floats) -> Floats:
    """Return the same as `component_log_density`, from the `distances` (K, n)."""
    d = mixture.mean.shape[1]
    half = 0.5 * (NU + d)
    constant = math.lgamma(half) - math.lgamma(0.5 * NU) - 0.5 * d * math.log(NU * math.pi)
    logdet = np.log(np.diagonal(mixture.root, axis1=1, axis2=2)).sum(axis=1)
    with np.errstate(divide="ignore"):
        level = np.log(mixture.weight) + constant - logdet
    value: Floats = level[:, None] - half * np.log1p(gap / NU)
    return value


def mixture_log_density(mixture: Mixture, x: Floats) -> Floats:
    """Return the log-density (n,) of the mixture at points (n, d)."""
    parts = component_log_density(mixture, x)
    top = parts.max(axis=0)
    value: Floats = top + np.log(np.exp(parts - top).sum(axis=0))
    return value


def fit_mixture(
    x: Floats,
    weight: Floats,
    n_components: int,
    rng: np.random.Generator,
    *,
    n_steps: int = 25,
) -> Mixture:
    """Fit a mixture to weighted points by expectation maximisation.

    Parameters
    ----------
    x : (n, d) array
    weight : (n,) array
        Not negative, summing to one.
    n_components : int
    rng : numpy.random.Generator
        Chooses the first centres among the points.
    n_steps : int

    Returns
    -------
    Mixture
        Whose scale matrices are drawn a little towards the common one, so that a component with
        few points does not collapse.

    References
    ----------
    Peel & McLachlan (2000), Statistics and Computing 10(4), sec. 4 (weights for the t
    distribution); Cappé et al. (2008), Statistics and Computing 18(4), on weighted points.
    """
    d = x.shape[1]
    centre = weight @ x
    spread = ((x - centre) * weight[:, None]).T @ (x - centre)
    spread += np.diag(1e-10 + 1e-8 * np.diagonal(spread))
    common = spread * (NU - 2.0) / NU
    mixture = make_mixture(np.ones(1), centre[None], common[None])
    if n_components > 1:
        means = _far_points(x, weight, spread, n_components, rng)
        start = common * n_components ** (-2.0 / d)
        mixture = make_mixture(
            np.ones(n_components), means, np.repeat(start[None], n_components, axis=0)
        )
    # As if each component also had seen this share of a component's points, spread as `start`.
    prior = 0.02 / n_components
    along = np.ascontiguousarray(x.T)
    for _ in range(n_steps):
        gap = distances(mixture, x)
        parts = _log_density_at(mixture, gap)
        belong = np.exp(parts - parts.max(axis=0))
        belong *= weight / belong.sum(axis=0)
        share = belong.sum(axis=1)
        pull = belong * ((NU + d) / (NU + gap))
        mean = np.where(
            share[:, None] > 1e-9,
            (pull @ x) / np.maximum(pull.sum(axis=1), 1e-300)[:, None],
            mixture.mean,
        )
        scale = np.empty((len(share), d, d))
        for k in range(len(share)):
            deviation = along - mean[k][:, None]
            scale[k] = (deviation * pull[k]) @ deviation.T
        small = common * n_components ** (-2.0 / d)
        scale = (scale + prior * small) / (share + prior)[:, None, None]
        mixture = make_mixture(share + 1e-4, mean, scale)
    return mixture


def _far_points(
    x: Floats, weight: Floats, spread: Floats, k: int, rng: np.random.Generator
) -> Floats:
    """Choose k points far from one another (k-means++), at unit covariance."""
    transformed = x @ np.linalg.inv(np.linalg.cholesky(spread)).T
    chosen = [int(rng.choice(len(x), p=weight))]
    nearest = np.full(len(x), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, ((transformed - transformed[chosen[-1]]) ** 2).sum(axis=1))
        odds = weight * nearest
        chosen.append(int(rng.choice(len(x), p=odds / odds.sum())))
    return x[chosen]
