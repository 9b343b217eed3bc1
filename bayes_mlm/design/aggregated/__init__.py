"""Out-of-core data, aggregated by group in the engine that stores them.

The likelihood needs counts, means and cross-products by group and nothing else (`design.md`), so
that one query does what a pass over the rows would, in DuckDB, Apache Spark, polars, pandas or
pyarrow alike: the columns of the model are narwhals expressions. What comes to Python is one row a
group.
"""

from bayes_mlm.data import (
    Scan,
    as_scan,
    collect_rows,
    count_rows,
    find_files,
    is_distributed,
    is_scannable,
    open_data,
)
from bayes_mlm.design.aggregated.designs import sum_more_rows, sum_rows

__all__ = [
    "Scan",
    "as_scan",
    "collect_rows",
    "count_rows",
    "find_files",
    "is_distributed",
    "is_scannable",
    "open_data",
    "sum_more_rows",
    "sum_rows",
]
