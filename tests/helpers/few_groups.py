"""A table of a few groups, for what is hard to estimate from them."""

import numpy as np


def small(n_groups, *, size=5, sd=1.0, seed=3):
    """Simulate a few groups, with a predictor of the group level and one below."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), size)
    x = rng.normal(size=len(g))
    w = (np.arange(n_groups) % 2)[g].astype(float)
    y = 2.0 + x + rng.normal(0.0, sd, n_groups)[g] + rng.normal(size=len(g))
    return {"y": y, "x": x, "w": w, "g": g}
