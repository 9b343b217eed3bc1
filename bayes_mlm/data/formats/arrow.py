"""Read a table from a file of Arrow's: Parquet, and Feather (Arrow IPC)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.columns import typed_from_table
from bayes_mlm.data.reader import ReadOptions
from bayes_mlm.data.table import Table, as_table, checked_names, table_of_columns

PARQUET = (".parquet", ".pq")
FEATHER = (".feather", ".arrow", ".ipc")


def read_parquet(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a Parquet file."""
    import pyarrow.parquet as pq

    _refuse_empty(path)
    try:
        # ParquetFile rather than read_table, which makes columns of folder names such as year=1982.
        with pq.ParquetFile(path) as file:
            wanted = checked_names(file.schema_arrow.names, shown(path), columns)
            table = file.read(columns=list(wanted))
    except pa.ArrowException as error:
        raise DataError(f"{shown(path)} is not an intact Parquet file ({error})") from error
    return table_of_arrow(table, path, options)


def read_feather(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a Feather file (version 2) or another file of Arrow's inter-process format."""
    import pyarrow.ipc as ipc

    _refuse_empty(path)
    try:
        with pa.memory_map(str(path)) as source:
            begin = source.read(6)
            source.seek(0)
            if begin == b"ARROW1":
                table = ipc.open_file(source).read_all()
            elif begin[:4] == b"FEA1":
                raise DataError(
                    f"{shown(path)} is a Feather file of version 1, which pyarrow no longer reads; "
                    "write it again as version 2, or as Parquet"
                )
            else:
                table = ipc.open_stream(source).read_all()
            wanted = checked_names(table.schema.names, shown(path), columns)
            return table_of_arrow(table.select(list(wanted)), path, options)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shown(path)} is not an intact Feather file ({error})") from error


def table_of_arrow(table: Any, path: Path, options: ReadOptions) -> Table:
    """Convert an Arrow table that was read from a file."""
    if table.num_rows == 0:
        raise DataError(f"{shown(path)} has columns ({', '.join(table.column_names)}) but no rows")
    found = table_of_columns(typed_from_table(table), shown(path))
    return as_table(found, decimal=options.decimal)


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise DataError(f"{shown(path)} is empty (0 bytes)")
