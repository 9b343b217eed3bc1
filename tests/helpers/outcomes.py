"""Simulated outcomes of several families in groups, with trials and exposures."""

import numpy as np
from scipy.special import expit

J, EACH = 30, 8


def rows(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), EACH)
    x, w = rng.normal(size=g.size), (np.arange(J) % 2)[g]
    eta = -0.3 + 0.7 * x + 0.5 * w + 0.8 * rng.normal(size=J)[g]
    n = rng.integers(1, 9, size=g.size)
    latent = eta + rng.logistic(size=g.size)
    return {
        "y": (rng.random(g.size) < expit(eta)) * 1,
        "s": rng.binomial(n, expit(eta)),
        "n": n,
        "k": rng.poisson(np.exp(0.5 * eta) * n),
        "rating": np.digitize(latent, [-1.0, 0.5, 1.5]) + 1,
        "x": x,
        "w": w,
        "g": g,
    }


DATA = rows()
