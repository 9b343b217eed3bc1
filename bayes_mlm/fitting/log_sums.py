"""Add up what is held as logarithms."""

import numpy as np

from bayes_mlm.base import Floats


def log_sum(log_values: Floats) -> Floats:
    """Return the log of the sum of exponentials along the last axis."""
    top = log_values.max(axis=-1, keepdims=True)
    total: Floats = np.log(np.exp(log_values - top).sum(axis=-1)) + top[..., 0]
    return total
