"""Classes of pupils, whose slopes differ."""

import numpy as np


def table():
    """Twelve classes of six, with a slope that differs; the labels are text."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 6)
    x = rng.normal(3.0, 1.0, 72)
    u = rng.normal(size=(12, 2)) * [2.0, 0.7]
    score = 20.0 + 2.0 * x + u[group, 0] + u[group, 1] * x + rng.normal(size=72)
    return {"score": score, "x": x, "room": np.array([f"r{k}" for k in range(12)])[group]}
