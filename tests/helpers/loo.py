"""A small simulated set and the models that are left-one-out of it."""

import numpy as np

from bayes_mlm.fitting.entry import fit

SIZES = (5, 3, 8, 1, 6, 4)


def grouped(sizes=SIZES, seed=3, sd=1.5):
    """Simulate a small unbalanced set: x varies everywhere, w between groups."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    n = len(g)
    x, v = rng.normal(size=(2, n)) + 2.0
    w = rng.normal(size=len(sizes))[g]
    u = rng.normal(0, sd, (2, len(sizes)))
    y = 40.0 + 0.5 * x + w + u[0, g] + 0.3 * u[1, g] * x + rng.normal(size=n)
    return {"g": g, "x": x, "v": v, "w": w, "y": y}


FLAT = {"Intercept": "Flat", "beta": "Flat"}
MODELS = {
    "intercept": ("y ~ x + w + (1 | g)", {}),
    "slope": ("y ~ x + w + (x | g)", {}),
    "two slopes": ("y ~ x + v + (x + v | g)", {}),
    "independent": ("y ~ x + v + (x + v || g)", {}),
    "no random intercept": ("y ~ x + (0 + x | g)", {}),
    "flat": ("y ~ x + (1 | g)", {"priors": FLAT}),
    "partly flat": ("y ~ x + w + (x | g)", {"priors": {"beta[x]": "Flat"}}),
    "student": ("y ~ x + w + (1 | g)", {"priors": {"beta": "StudentT(3, 0, 2)"}}),
    "student intercept": ("y ~ x + (x | g)", {"priors": {"Intercept": "StudentT(4, 38, 2)"}}),
    "pooled": ("y ~ x + w", {"kind": "pooled", "group": "g"}),
    "within": ("y ~ x", {"kind": "within", "group": "g"}),
    "mundlak": ("y ~ x", {"kind": "mundlak", "group": "g"}),
    "mundlak with a bar": ("y ~ x + (1 | g)", {"kind": "mundlak"}),
    "no pooling": ("y ~ x + v", {"kind": "no_pooling", "group": "g"}),
    "no pooling, no slope": ("y ~ 1", {"kind": "no_pooling", "group": "g"}),
    "between": ("y ~ w", {"kind": "between", "group": "g"}),
}


def small_fit(name, **changes):
    formula, options = MODELS[name]
    return fit(formula, grouped(), random_seed=1, **(options | changes))
