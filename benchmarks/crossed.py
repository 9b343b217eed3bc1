"""Ratings of films by users: two crossed factors of the shape of MovieLens 32M, simulated.

The rule. n rows have n/159.25 users; the share of user i is log-normal (sd 1.2 of its log), that of
film j of 84,432 is (j + 200)^-1.85, films being numbered at random. Each row draws its film by
these shares. The rating is 3.5 + 0.1 x1 - 0.1 x2 + 0.05 x3 + a_i + b_j + e with x1, x2 standard
normal, x3 0 or 1, and sds 0.43, 0.48 and 0.85 of a, b and e. Rows are sorted by user.
"""

from pathlib import Path

import numpy as np

SDS, FILMS, ROWS_A_USER = (0.43, 0.48, 0.85), 84_432, 159.25


def simulate(path: Path, n: int, *, seed: int = 1, part: int = 1 << 20) -> Path:
    """Write n simulated ratings to a Parquet file, unless it exists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    users = round(n / ROWS_A_USER)
    share = rng.lognormal(0.0, 1.2, users)
    counts = rng.multinomial(n - users, share / share.sum()) + 1
    film_share = np.cumsum((np.arange(FILMS) + 200.0) ** -1.85)
    film_share /= film_share[-1]
    number = rng.permutation(FILMS) + 1
    a, b = rng.normal(0.0, SDS[0], users), rng.normal(0.0, SDS[1], FILMS)
    user = np.repeat(np.arange(users, dtype=np.int32), counts)
    writer = None
    for start in range(0, n, part):
        i = user[start : start + part]
        k = len(i)
        j = np.searchsorted(film_share, rng.random(k))
        x1, x2, x3 = rng.normal(size=k), rng.normal(size=k), rng.integers(0, 2, k)
        y = 3.5 + 0.1 * x1 - 0.1 * x2 + 0.05 * x3 + a[i] + b[j] + rng.normal(0.0, SDS[2], k)
        table = pa.table({"user": i + 1, "movie": number[j], "y": y, "x1": x1, "x2": x2, "x3": x3})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return path
