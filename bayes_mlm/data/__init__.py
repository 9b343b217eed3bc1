"""Tables: reading, checks and groups, in memory or lazily.

A table comes from a file (`read_table`), a data frame (`as_table`) or an embedded data set
(`load_dataset`); every check takes a `Table` and raises `DataError` with one message. `open_data`
does not read rows (DuckDB, Apache Spark) and returns a `Scan`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
