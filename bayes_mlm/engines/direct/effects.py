"""Draw group effects exactly from their conditional distribution, or summarise them.

Given beta and the variance parameters, with S = cov(u) / sigma_e^2 and the rotated residuals
t_j = Q_j'(y_j - X_j beta) of `bayes_mlm.moments.rotated`, u_j is normal with

    mean        S R_j' N_j^-1 t_j                     with N_j = I + R_j S R_j'
    covariance  sigma_e^2 (S - S R_j' N_j^-1 R_j S)

A draw is made without a factor of that covariance for every group and draw: simulate the effects
and the data from the model, and add to the simulated effects the correction for the difference
between the real and the simulated data (Journel & Huijbregts 1978, Mining Geostatistics, ch.
VII; Durbin & Koopman 2002, Biometrika 89(3)).
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.quadratic import Kernel, invert_classes, triangle
from bayes_mlm.likelihood import summarise_groups
from bayes_mlm.moments import RotatedMoments

# Numbers of u (draws x groups x effects) beyond which it is summarised: 160 MB as draws.
MAX_EFFECTS = 20_000_000

# Numbers of u that are held at a time, so that the working arrays stay in the cache.
CHUNK = 40_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """The S draws of the parameters that the group effects are conditional on.

    Attributes
    ----------
    beta : (S, p) array
        Of the columns of X.
    root : (S, q, q) array
        Any square root of the covariance of the effects of Z, over sigma_e^2.
    sigma_e : (S,) array
    """

    beta: Floats
    root: Floats
    sigma_e: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectSummary:
    """Posterior means and sds (J, q) of the group effects."""

    mean: Floats
    sd: Floats


def draw_effects(
    reduced: RotatedMoments, kernel: Kernel, conditions: Conditions, rng: np.random.Generator
) -> Floats:
    """Draw the group effects, one set for each draw of the other parameters.

    Returns
    -------
    (S, J, q) array
    """
    n_draws, n_groups, q = len(conditions.beta), len(reduced.c), reduced.q
    out = np.empty((n_draws, n_groups, q))
    step = max(1, CHUNK // max(1, n_groups * q))
    draw = _draw_one if q == 1 else _draw_several
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        chunk = Conditions(
            beta=conditions.beta[part], root=conditions.root[part], sigma_e=conditions.sigma_e[part]
        )
        draw(reduced, kernel, chunk, rng, out[part])
    return out


def _draw_one(
    reduced: RotatedMoments,
    kernel: Kernel,
    conditions: Conditions,
    rng: np.random.Generator,
    out: Floats,
) -> None:
    """Draw one effect a group: mean s r t / N and variance sigma_e^2 s / N."""
    if np.isinf(conditions.root).all():
        # A flat prior: the group's mean, with its standard error.
        v = _residual_weights(reduced, conditions)
        noise = rng.standard_normal(out.shape[:2]) * conditions.sigma_e[:, None]
        out[:, :, 0] = (v @ reduced.c[:, 0].T + noise) / reduced.r[reduced.of_group, 0, 0]
        return
    root = np.abs(reduced.z_centring[0, 0] * conditions.root[:, :, 0])
    inverse = invert_classes(kernel, (root**2)[:, :, None], slice(None))[0]
    sd = root * conditions.sigma_e[:, None] * np.sqrt(inverse)
    gain = root**2 * reduced.r[:, 0, 0] * inverse
    sd, gain = sd[:, reduced.of_group], gain[:, reduced.of_group]
    v = _residual_weights(reduced, conditions)
    u = rng.standard_normal(sd.shape)
    u *= sd
    u += gain * (v @ reduced.c[:, 0].T)
    out[:, :, 0] = u / reduced.z_centring[0, 0]


def _draw_several(
    reduced: RotatedMoments,
    kernel: Kernel,
    conditions: Conditions,
    rng: np.random.Generator,
    out: Floats,
) -> None:
    """Draw several effects a group by simulating and correcting."""
    q, r = reduced.q, reduced.r[reduced.of_group]
    transformed = reduced.z_centring @ conditions.root
    gain = _gain(reduced, kernel, transformed @ transformed.swapaxes(1, 2), slice(None))
    transformed = transformed * conditions.sigma_e[:, None, None]
    v = _residual_weights(reduced, conditions)
    rotated = [v @ reduced.c[:, a].T for a in range(q)]
    simulated = [np.zeros_like(rotated[0]) for _ in range(q)]
    for b in range(q):
        noise = rng.standard_normal(rotated[0].shape)
        for a in range(q):
            if transformed[:, a, b].any():
                simulated[a] += transformed[:, a, b, None] * noise
    for a in range(q):
        rotated[a] -= rng.standard_normal(rotated[0].shape) * conditions.sigma_e[:, None]
        for b in range(q):
            if r[:, a, b].any():
                rotated[a] -= r[:, a, b] * simulated[b]
    for a in range(q):
        for b in range(q):
            simulated[a] += gain[a][b][:, reduced.of_group] * rotated[b]
    back = np.linalg.inv(reduced.z_centring)
    for a in range(q):
        out[:, :, a] = _combine(back[a], simulated)


def _residual_weights(reduced: RotatedMoments, conditions: Conditions) -> Floats:
    """Return the vectors [-beta, 1] (S, p+1) that take the centred [X, y] to residuals."""
    beta = reduced.centred_beta(conditions.beta)
    return np.concatenate([-beta, np.ones((len(beta), 1))], axis=1)


def _combine(weights: Floats, parts: list[Floats]) -> Floats:
    """Return a weighted sum of arrays."""
    total = np.zeros_like(parts[0])
    for weight, part in zip(weights.tolist(), parts, strict=True):
        if weight != 0.0:
            total += weight * part
    return total


def summarise_effects(
    reduced: RotatedMoments, kernel: Kernel, conditions: Conditions
) -> EffectSummary:
    """Return posterior means and sds of the group effects, without drawing them.

    By the laws of total expectation and variance: the mean of the conditional means, and the mean
    of the conditional variances plus the variance of the conditional means. A conditional mean is
    linear in the group's statistics, with coefficients that its class shares; so the draws
    meet the classes and not the groups, which may be any number.
    """
    n_groups, q, k = len(reduced.c), reduced.q, reduced.p + 1
    back = np.linalg.inv(reduced.z_centring)
    v = _residual_weights(reduced, conditions)
    transformed = reduced.z_centring @ conditions.root
    s, sigma2 = transformed @ transformed.swapaxes(1, 2), conditions.sigma_e**2
    if reduced.many_designs:
        mean, sd = summarise_groups(reduced, s, v, sigma2)
        return EffectSummary(mean=mean, sd=sd)
    mean, sd = np.empty((n_groups, q)), np.empty((n_groups, q))
    order = np.argsort(reduced.of_group, kind="stable")
    ends = np.searchsorted(reduced.of_group[order], np.arange(kernel.n_classes + 1))
    step = max(1, 5 * CHUNK // (len(v) * q * k))
    for start in range(0, kernel.n_classes, step):
        stop = min(start + step, kernel.n_classes)
        gain = _gain(reduced, kernel, s, slice(start, stop))
        groups = order[ends[start] : ends[stop]]
        place = reduced.of_group[groups] - start
        rotated_c = reduced.c[groups].reshape(len(groups), q * k)
        r = reduced.r[start:stop]
        for a in range(q):
            rows = [_combine(back[a], [gain[b][c] for b in range(q)]) for c in range(q)]
            weights = np.stack(rows, axis=2)[:, :, :, None] * v[:, None, None, :]
            weights = weights.reshape(len(v), stop - start, q * k).swapaxes(0, 1)
            centre = weights.mean(axis=1)
            weights = weights - centre[:, None]
            spread = weights.swapaxes(1, 2) @ weights / len(v)
            mean[groups, a] = (centre[place] * rotated_c).sum(axis=1)
            between = np.einsum("ja,jab,jb->j", rotated_c, spread[place], rotated_c, optimize=True)
            # With w the row of `back`: w S w' - w (gain R S) w', the conditional variance.
            along = s @ back[a]
            reached = np.einsum("xcd,sd->sxc", r, along)
            left = (along @ back[a])[:, None] - (np.stack(rows, axis=2) * reached).sum(axis=2)
            within = (np.maximum(left, 0.0) * sigma2[:, None]).mean(axis=0)
            sd[groups, a] = np.sqrt(within[place] + between)
    return EffectSummary(mean=mean, sd=sd)


def _gain(reduced: RotatedMoments, kernel: Kernel, s: Floats, classes: slice) -> list[list[Floats]]:
    """Return S R' N^-1, the gain of the centred effects: q by q arrays (B, classes)."""
    q, r = reduced.q, reduced.r[classes]
    inverse = invert_classes(kernel, s, classes)
    at = {pair: place for place, pair in enumerate(triangle(q))}
    zero = np.zeros((len(s), len(r)))
    sr = [
        [sum((s[:, a, c, None] * r[:, b, c] for c in range(q)), zero) for b in range(q)]
        for a in range(q)
    ]
    return [
        [
            sum((sr[a][c] * inverse[at[max(b, c), min(b, c)]] for c in range(q)), zero)
            for b in range(q)
        ]
        for a in range(q)
    ]
