"""A table for polynomials, splines and codings, and its columns by a formula."""

import numpy as np
import pandas as pd

from bayes_mlm.data.table import Table, as_table
from bayes_mlm.design.encoding import Encoded
from tests.helpers import encoding

N = 90


def make_frame() -> pd.DataFrame:
    """Simulate numbers far from zero, with ties and positive ones, and categories that cross."""
    rng = np.random.default_rng(20260303)
    return pd.DataFrame(
        {
            "y": rng.normal(10, 2, N),
            "x": rng.normal(1e4, 3, N),
            "z": rng.exponential(size=N) + 0.1,
            "r": rng.integers(0, 12, N).astype(float),
            "a": np.array(["p", "q", "r", "s"])[rng.integers(4, size=N)],
            "b": np.array(["v", "u"])[rng.integers(2, size=N)],
            "k": rng.integers(1, 4, N),
            "a name": rng.normal(size=N),
            "g": np.arange(N) % 9,
        }
    )


FRAME = make_frame()
TABLE = as_table(FRAME)
# R's data set `women`.
HEIGHT = np.arange(58.0, 73.0)


def encoded(text: str, table: Table = TABLE) -> Encoded:
    """Return the columns of a formula, learned from the table that they are of."""
    return encoding.encoded(text, table)
