"""Tables of every kind of column, and their columns by a formula."""

import numpy as np

from bayes_mlm.data.table import Table, as_table
from bayes_mlm.design.encoding import Encoded, encode, learn_encoding
from bayes_mlm.formula.formula import parse_formula

N, J = 60, 6


def make_table() -> Table:
    """Simulate every kind of column; each of a, b and k crosses the others."""
    rng = np.random.default_rng(20260101)
    return as_table(
        {
            "y": rng.normal(10, 2, N) + 20,
            "x": rng.normal(size=N) + 5,
            "z": rng.uniform(1, 3, N),
            "a": np.array(["p", "q", "r"])[rng.integers(3, size=N)],
            "b": np.array(["v", "u"])[rng.integers(2, size=N)],
            "k": rng.integers(1, 4, N),
            "flag": rng.integers(2, size=N).astype(bool),
            "g": np.repeat(np.arange(J), N // J) * 10,
            "h": np.array(["s1", "s2", "s3"])[np.arange(N) % 3],
            "w": rng.exponential(size=N),
        }
    )


TABLE = make_table()


def encoded(text: str, table: Table = TABLE, *, group: str | None = None) -> Encoded:
    """Return the columns of a formula, learned from the table that they are of."""
    return encode(learn_encoding(parse_formula(text), table, group=group), table)


def column(text: str, table: Table = TABLE, *, group: str | None = None) -> np.ndarray:
    """Return the one column of a formula's right-hand side."""
    X = encoded(f"y ~ 0 + {text}", table, group=group).X
    assert X.shape == (table.n, 1)
    return X[:, 0]


def changed(**columns: object) -> Table:
    """Return the table with some columns changed."""
    return as_table({**TABLE.columns, **columns})
