"""Check that Parquet files are whole, and have the same columns of the same types."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.columns import holds_time, is_declared, join_categories
from bayes_mlm.data.table import checked_names

# Of a file its name in messages, and of each column the family of its type ("" of a column without
# values, which agrees with any) and the type.
type Schema = tuple[str, Mapping[str, tuple[str, str]]]


def check_schemas(files: Sequence[Path]) -> tuple[bool, list[str]]:
    """Read every file's footer; return whether types differ as DuckDB may join, and the names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: Mapping[str, Any] = {}
    differ, names, schemas = False, list[str](), list[Schema]()
    for file in files:
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            size = file.stat().st_size
            reason = str(error).strip().splitlines()[0][:200]
            damage = "is empty (0 bytes)" if size == 0 else f"is no intact Parquet file ({reason})"
            raise DataError(f"{shown(file)} {damage}; copy it again") from error
        here = shown(file)
        checked_names(list(schema.names), here, None)
        types = dict(zip(schema.names, schema.types, strict=True))
        schemas.append((here, {name: (_family(one), str(one)) for name, one in types.items()}))
        check_alike([schemas[0], schemas[-1]])
        if not first:
            first, first_name, names = types, here, list(schema.names)
        differ = differ or types != first
    alike = len({name.casefold() for name in names}) < len(set(names))
    if alike and len(files) > 1:
        raise DataError(
            f"{first_name} has columns whose names differ in case alone, which DuckDB confuses in "
            "several files; rename one"
        )
    return differ, names


def check_alike(schemas: Sequence[Schema]) -> None:
    """Refuse files that differ in their columns, or in the families of their types."""
    first_name, first = schemas[0]
    known = dict(first)
    for here, types in schemas[1:]:
        for name in dict.fromkeys([*first, *types]):
            if name not in types or name not in first:
                has, lacks = (first_name, here) if name in first else (here, first_name)
                raise DataError(
                    f"{lacks} has no column {name!r}, and {has} has; files that are scanned "
                    "together must have the same columns"
                )
            (family, text), (other, other_text) = types[name], known[name]
            if family and other and family != other:
                raise DataError(
                    f"column {name!r} is {text} in {here} and {other_text} in "
                    f"{first_name}; convert it to one type in all files"
                )
            known[name] = known[name] if other else types[name]


def read_declared(
    files: Sequence[Path], names: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Read which columns of Parquet files are categories in a declared order, and which are times.

    Engines read both as plain text or numbers. A dictionary lies whole in each group of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dictionaries: dict[str, list[Any]] = {}
    times: set[str] = set()
    for file in files:
        try:
            with pq.ParquetFile(file) as opened:
                fields = [opened.schema_arrow.field(name) for name in names]
                times |= {field.name for field in fields if holds_time(field)}
                declared = [field.name for field in fields if is_declared(field)]
                for group in range(opened.num_row_groups if declared else 0):
                    batches = opened.iter_batches(1, row_groups=[group], columns=declared)
                    if (batch := next(batches, None)) is not None:
                        for name in declared:
                            dictionaries.setdefault(name, []).append(batch[name].dictionary)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise DataError(f"{shown(file)} cannot be read: {reason}; copy it again") from error
    return {name: join_categories(ones) for name, ones in dictionaries.items()}, frozenset(times)


def damaged_file(files: Sequence[Path]) -> str:
    """Return the name of the first Parquet file whose pages cannot be decoded, or ""."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        if not file.name.lower().endswith((".parquet", ".pq")):
            continue
        try:
            with pq.ParquetFile(file) as opened:
                for _ in opened.iter_batches():
                    pass
        except (pa.ArrowException, OSError):
            return file.name
    return ""


def _family(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if any(test(kind) for test in numeric):
        return "number"
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "text" if any(test(kind) for test in text) else str(kind)
