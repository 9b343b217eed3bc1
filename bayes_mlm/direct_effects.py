"""Draw group effects exactly from their conditional distribution, or summarise them.

Given beta and the variance parameters, with S = cov(u) / sigma_e^2 and the rotated residuals
t_j = Q_j'(y_j - X_j beta) of `bayes_mlm.reduced`, u_j is normal with

    mean        S R_j' N_j^-1 t_j                     with N_j = I + R_j S R_j'
    covariance  sigma_e^2 (S - S R_j' N_j^-1 R_j S)

A draw is made without a factor of that covariance for every group and draw: simulate the effects
and the data from the model, and add to the simulated effects the correction for the difference
between the real and the simulated data (Journel & Huijbregts 1978, Mining Geostatistics, ch.
VII; Durbin & Koopman 2002, Biometrika 89(3)).
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.direct_quadratic import Kernel, invert_classes, triangle
from bayes_mlm.reduced import Reduced
from bayes_mlm.sufficient import FloatArray

# Numbers of u that are held at a time, so that the working arrays stay in the cache.
CHUNK = 40_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """Hold S draws of what the group effects are conditional on.

    Attributes
    ----------
    beta : (S, p) array
        Of X as given.
    root : (S, q, q) array
        Any square root of the covariance of the effects of Z as given, over sigma_e^2.
    sigma_e : (S,) array
    """

    beta: FloatArray
    root: FloatArray
    sigma_e: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectSummary:
    """Hold posterior means and sds (J, q) of the group effects."""

    mean: FloatArray
    sd: FloatArray


def draw_effects(
    reduced: Reduced, kernel: Kernel, given: Conditions, rng: np.random.Generator
) -> FloatArray:
    """Draw the group effects, one set for each draw of the other parameters.

    Returns
    -------
    (S, J, q) array
    """
    n_draws, n_groups, q = len(given.beta), len(reduced.c), reduced.q
    out = np.empty((n_draws, n_groups, q))
    step = max(1, CHUNK // max(1, n_groups * q))
    draw = _draw_one if q == 1 else _draw_several
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        chunk = Conditions(
            beta=given.beta[part], root=given.root[part], sigma_e=given.sigma_e[part]
        )
        draw(reduced, kernel, chunk, rng, out[part])
    return out


def _draw_one(
    reduced: Reduced, kernel: Kernel, given: Conditions, rng: np.random.Generator, out: FloatArray
) -> None:
    """Draw one effect a group: mean s r t / N and variance sigma_e^2 s / N."""
    if np.isinf(given.root).all():
        # A flat prior: the group's own mean, with its standard error.
        v = np.concatenate([-reduced.centred_beta(given.beta), np.ones((len(out), 1))], axis=1)
        noise = rng.standard_normal(out.shape[:2]) * given.sigma_e[:, None]
        out[:, :, 0] = (v @ reduced.c[:, 0].T + noise) / reduced.r[reduced.of_group, 0, 0]
        return
    root = np.abs(reduced.z_centring[0, 0] * given.root[:, :, 0])
    inverse = invert_classes(kernel, (root**2)[:, :, None])[:, 0]
    sd = root * given.sigma_e[:, None] * np.sqrt(inverse)
    gain = root**2 * reduced.r[:, 0, 0] * inverse
    sd, gain = sd[:, reduced.of_group], gain[:, reduced.of_group]
    v = np.concatenate([-reduced.centred_beta(given.beta), np.ones((len(root), 1))], axis=1)
    u = rng.standard_normal(sd.shape)
    u *= sd
    u += gain * (v @ reduced.c[:, 0].T)
    out[:, :, 0] = u / reduced.z_centring[0, 0]


def _draw_several(
    reduced: Reduced, kernel: Kernel, given: Conditions, rng: np.random.Generator, out: FloatArray
) -> None:
    """Draw several effects a group by simulating and correcting."""
    q, r = reduced.q, reduced.r[reduced.of_group]
    gain, rotated = _conditional(reduced, kernel, given)
    turned = reduced.z_centring @ given.root * given.sigma_e[:, None, None]
    simulated = [np.zeros_like(rotated[0]) for _ in range(q)]
    for b in range(q):
        noise = rng.standard_normal(rotated[0].shape)
        for a in range(q):
            if turned[:, a, b].any():
                simulated[a] += turned[:, a, b, None] * noise
    for a in range(q):
        rotated[a] -= rng.standard_normal(rotated[0].shape) * given.sigma_e[:, None]
        for b in range(q):
            if r[:, a, b].any():
                rotated[a] -= r[:, a, b] * simulated[b]
    for a in range(q):
        for b in range(q):
            simulated[a] += gain[a][b] * rotated[b]
    back = np.linalg.inv(reduced.z_centring)
    for a in range(q):
        out[:, :, a] = _combine(back[a], simulated)


def _combine(weights: FloatArray, parts: list[FloatArray]) -> FloatArray:
    """Add up arrays with weights, leaving out those of weight zero."""
    total = np.zeros_like(parts[0])
    for weight, part in zip(weights.tolist(), parts, strict=True):
        if weight != 0.0:
            total += weight * part
    return total


def summarise_effects(reduced: Reduced, kernel: Kernel, given: Conditions) -> EffectSummary:
    """Summarise the group effects over the draws of the other parameters, without drawing them.

    By the laws of total expectation and variance: the mean of the conditional means, and the mean
    of the conditional variances plus the variance of the conditional means.
    """
    n_draws, n_groups, q = len(given.beta), len(reduced.c), reduced.q
    back = np.linalg.inv(reduced.z_centring)
    total, squares, own = (np.zeros((n_groups, q)) for _ in range(3))
    origin, zero = np.zeros((n_groups, q)), np.zeros((1, n_groups))
    r = reduced.r[reduced.of_group]
    step = max(1, CHUNK // max(1, n_groups * q))
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        chunk = Conditions(
            beta=given.beta[part], root=given.root[part], sigma_e=given.sigma_e[part]
        )
        gain, rotated = _conditional(reduced, kernel, chunk)
        turned = reduced.z_centring @ chunk.root * chunk.sigma_e[:, None, None]
        s = turned @ turned.swapaxes(1, 2)
        centred = [sum((gain[a][b] * rotated[b] for b in range(q)), zero) for a in range(q)]
        for a in range(q):
            mean = _combine(back[a], centred)
            if start == 0:
                origin[:, a] = mean[0]
            total[:, a] += (mean - origin[:, a]).sum(axis=0)
            squares[:, a] += ((mean - origin[:, a]) ** 2).sum(axis=0)
            # With w the row of `back`: w S w' - w (gain R S) w', the conditional variance.
            along = s @ back[a]
            level = along @ back[a]
            taken = zero
            for c in range(q):
                weighted = _combine(back[a], [gain[b][c] for b in range(q)])
                reached = sum((r[:, c, d] * along[:, d, None] for d in range(q)), zero)
                taken = taken + weighted * reached
            own[:, a] += (level[:, None] - taken).sum(axis=0)
    moved = total / n_draws
    variance = own / n_draws + np.maximum(squares / n_draws - moved**2, 0.0)
    return EffectSummary(mean=origin + moved, sd=np.sqrt(np.maximum(variance, 0.0)))


def _conditional(
    reduced: Reduced, kernel: Kernel, given: Conditions
) -> tuple[list[list[FloatArray]], list[FloatArray]]:
    """Give the gain S R' N^-1 (q by q of (B, J)) of the centred effects, and t (q of (B, J))."""
    q, of_group = reduced.q, reduced.of_group
    turned = reduced.z_centring @ given.root
    s = turned @ turned.swapaxes(1, 2)
    inverse = invert_classes(kernel, s)
    at = {pair: place for place, pair in enumerate(triangle(q))}
    zero = np.zeros((1, kernel.n_classes))
    # S R', then S R' N^-1, a (B, C) array an entry.
    sr = [
        [sum((s[:, a, c, None] * reduced.r[:, b, c] for c in range(q)), zero) for b in range(q)]
        for a in range(q)
    ]
    gain = [
        [
            sum((sr[a][c] * inverse[:, at[max(b, c), min(b, c)]] for c in range(q)), zero)
            for b in range(q)
        ]
        for a in range(q)
    ]
    gain = [[entry[:, of_group] for entry in row] for row in gain]
    v = np.concatenate([-reduced.centred_beta(given.beta), np.ones((len(s), 1))], axis=1)
    rotated = [v @ reduced.c[:, a].T for a in range(q)]
    return gain, rotated
