"""Unbalanced data of many groups by a written rule, of which stored references were computed."""

import numpy as np


def uniform(count, shift):
    """Return numbers of mean 0 and variance 1, the same on any machine to 1e-11."""
    k = np.arange(1, count + 1)
    hashed = np.sin(12.9898 * k + 78.233 * shift) * 43758.5453
    return (hashed - np.floor(hashed) - 0.5) * np.sqrt(12.0)


def unbalanced(groups, slopes, *, offset=0.0, largest=9):
    """Return (formula, table): group j has 1 + 5j mod `largest` rows, so some have one row."""
    sizes = 1 + (5 * np.arange(groups)) % largest
    g = np.repeat(np.arange(groups), sizes)
    x = np.column_stack([uniform(g.size, 3 + k) for k in range(slopes)]) + offset
    u = np.column_stack([uniform(groups, 11 + k) for k in range(slopes + 1)])
    u[:, 1:] = 0.5 * u[:, 1:] + 0.2 * u[:, :1]
    y = 2.0 + 0.3 * (x - offset).sum(axis=1) + u[g, 0] + (u[g, 1:] * (x - offset)).sum(axis=1)
    table = {"y": y + 0.8 * uniform(g.size, 29), "g": g}
    table |= {f"x{k + 1}": x[:, k] for k in range(slopes)}
    names = " + ".join(f"x{k + 1}" for k in range(slopes))
    return f"y ~ {names} + ({names} | g)", table
