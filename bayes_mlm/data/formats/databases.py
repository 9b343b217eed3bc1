"""Read a table, or the answer to a query, from a database file: DuckDB or SQLite."""

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.columns import from_any
from bayes_mlm.data.formats.arrow import table_of_arrow
from bayes_mlm.data.reader import ReadOptions
from bayes_mlm.data.table import Table, as_table, checked_names, table_of_columns

if TYPE_CHECKING:
    import duckdb

DATABASES = (".duckdb", ".ddb", ".sqlite", ".sqlite3", ".db")
_QUERY = re.compile(r"\s*(select|with|from|values|pivot)\s", re.IGNORECASE)
_LISTED = 12


def read_database(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, part: str = ""
) -> Table:
    """Read a table of a database, or the answer to a query."""
    if is_duckdb(path):
        import duckdb

        with closing(duckdb.connect()) as connection:
            relation = relation_of(connection, path, part)
            try:
                wanted = checked_names(relation.columns, shown(path), columns)
                return table_of_arrow(
                    relation.select(*map(duckdb.ColumnExpression, wanted)).to_arrow_table(),
                    path,
                    options,
                )
            except duckdb.Error as error:
                raise DataError(_refused(path, part, error)) from error
    return _read_sqlite(path, columns, options, part)


def is_duckdb(path: Path) -> bool:
    """Return whether a database is DuckDB's, by its first bytes; else it is SQLite's.

    Raises
    ------
    DataError
        If it is neither.
    """
    with path.open("rb") as file:
        begin = file.read(16)
    if begin[8:12] == b"DUCK":
        return True
    if begin == b"SQLite format 3\x00":
        return False
    raise DataError(f"{shown(path)} is neither a DuckDB nor an SQLite database")


def is_duckdb_file(path: Path) -> bool:
    """Return whether a file is a DuckDB database, by its ending and its first bytes."""
    return path.name.lower().endswith(DATABASES) and is_duckdb(path)


def relation_of(
    connection: "duckdb.DuckDBPyConnection", path: Path, part: str
) -> "duckdb.DuckDBPyRelation":
    """Attach a DuckDB file for reading only; return a table or a query of it, not yet run.

    Raises
    ------
    DataError
        If it cannot be opened, or the table is not named, or the query refused.
    """
    import duckdb

    place = str(path).replace("'", "''")
    try:
        connection.execute(f"attach '{place}' as data (read_only)")
        connection.execute("use data")
        # A query may come with somebody else's record: it may read this file only.
        connection.execute("set python_enable_replacements = false")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        if _QUERY.match(part):
            return connection.sql(part)
        found = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'data' "
            "union all select schema_name, view_name from duckdb_views() "
            "where database_name = 'data' and not internal order by all"
        ).fetchall()
        names = [name if schema == "main" else f"{schema}.{name}" for schema, name in found]
        schema, name = found[names.index(_table(path, names, part))]
        return connection.sql(f"from data.{_quoted(schema)}.{_quoted(name)}")
    except duckdb.Error as error:
        raise DataError(_refused(path, part, error)) from error


def _read_sqlite(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, part: str
) -> Table:
    import sqlite3

    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            query = part
            if not _QUERY.match(part):
                found = connection.execute(
                    "select name from sqlite_master where type in ('table', 'view') "
                    "and name not like 'sqlite_%' order by name"
                )
                query = f"select * from {_quoted(_table(path, [row[0] for row in found], part))}"
            cursor = connection.execute(query)
            names = [one[0] for one in cursor.description]
            wanted = checked_names(names, shown(path), columns)
            places = [names.index(name) for name in wanted]
            rows = [[row[k] for k in places] for row in cursor]
    except sqlite3.Error as error:
        raise DataError(_refused(path, part, error)) from error
    if not rows:
        raise DataError(f"{shown(path)} has columns ({', '.join(wanted)}) but no rows")
    values: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    given = {name: from_any(name, one) for name, one in zip(wanted, values, strict=True)}
    return as_table(table_of_columns(given, shown(path)), decimal=options.decimal)


def _table(path: Path, names: list[str], part: str) -> str:
    """Return the table that is meant: the one named, or the only one."""
    listed = ", ".join(map(repr, names[:_LISTED])) + (", …" if len(names) > _LISTED else "")
    folded = {name.casefold(): name for name in names}
    if part and part.casefold() in folded:
        return folded[part.casefold()]
    if not names:
        raise DataError(f"{shown(path)} has no tables")
    if part:
        raise DataError(
            f"{shown(path)} has no table {part!r}; tables: {listed}. A query begins with select, "
            "with or from"
        )
    if len(names) > 1:
        raise DataError(
            f"{shown(path)} has {len(names)} tables ({listed}); name one, or give a query, after "
            f"two colons: '{shown(path)}::{names[0]}'"
        )
    return names[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refused(path: Path, part: str, error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if "lock" in text.lower() or "same database file" in text:
        return (
            f"{shown(path)} is open for writing elsewhere ({text}); close it there, or give its "
            "relation: connection.table(…)"
        )
    refused = f"answer {part!r}" if part else "be read"
    return f"{shown(path)} cannot {refused}: {text}"
