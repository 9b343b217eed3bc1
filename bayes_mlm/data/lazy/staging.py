"""Several files that no engine scans, written as Parquet one after another, to be scanned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.columns import Column, merge_orders
from bayes_mlm.data.lazy.schemas import Schema, check_alike
from bayes_mlm.data.lazy.source import Scan
from bayes_mlm.data.reader import ReadOptions, flag
from bayes_mlm.data.reading import read_file
from bayes_mlm.data.table import Table


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Files that were written as Parquet, and what Parquet does not store of their columns.

    Parameters
    ----------
    paths : mapping of str to Path
        Of each file that was written, the one it was read from.
    names : tuple of str
        Names of the columns.
    categories, times, labels, value_labels, notes
        As of `bayes_mlm.data.table.Table`, of all files.
    """

    paths: Mapping[str, Path]
    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    times: frozenset[str]
    labels: Mapping[str, str]
    value_labels: Mapping[str, Mapping[float | str, str]]
    notes: Mapping[str, tuple[str, ...]]

    def declare(self, scan: Scan) -> Scan:
        """Return a scan of the files with their categories, times, labels and notes."""
        return replace(
            scan,
            categories=self.categories,
            times=self.times,
            labels=self.labels,
            value_labels=self.value_labels,
            notes=self.notes,
        )


@dataclass(kw_only=True)
class _Joined:
    """What the files read so far have in common."""

    schemas: list[Schema] = field(default_factory=list)
    orders: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    times: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    value_labels: dict[str, dict[float | str, tuple[str, str]]] = field(default_factory=dict)
    notes: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, table: Table) -> None:
        here = table.source
        kinds = {name: _kind(values) for name, values in table.columns.items()}
        self.schemas.append((here, kinds))
        check_alike(self.schemas[:1] + self.schemas[-1:])
        for name, (family, _) in kinds.items():
            if name in table.categories:
                self.orders.setdefault(name, []).append(table.categories[name])
            elif family:
                self.plain.add(name)
        self.times |= table.times
        self.labels = {**table.labels, **self.labels}
        for name, notes in table.notes.items():
            self.notes.setdefault(name, {}).update(dict.fromkeys(notes))
        for name, labels in table.value_labels.items():
            self._label(name, labels, here, by_value=name not in table.categories)

    def _label(
        self, name: str, labels: Mapping[float | str, str], here: str, *, by_value: bool
    ) -> None:
        known = self.value_labels.setdefault(name, {})
        for value, label in labels.items():
            before, where = known.setdefault(value, (label, here))
            if by_value and before != label:
                raise DataError(
                    f"the value {value} of column {name!r} is {label!r} in {here} and {before!r} "
                    f"in {where}; recode it in one of them"
                )


def stage(files: Sequence[Path], part: str, options: ReadOptions, folder: Path) -> Staged:
    """Read files one after another, and write each as Parquet: one at a time is in memory.

    Parameters
    ----------
    files : sequence of Path
        Of one kind.
    part : str
        The table of each that is wanted; "" for none named.
    options : ReadOptions
    folder : Path
        For the files that are written.

    Raises
    ------
    DataError
        If a file cannot be read, or they differ in their columns or types; with its name.
    """
    import pyarrow.parquet as pq

    if options.omit_rows is not None:
        raise DataError(f"{flag('omit_rows')} is for one file; give that file alone")
    joined, paths = _Joined(), {}
    for k, file in enumerate(files):
        table = read_file(f"{file}::{part}" if part else file, options)
        if table.source != shown(file):
            table = replace(table, source=shown(file))
        joined.add(table)
        target = folder / f"{k}.parquet"
        pq.write_table(_without_nothing(table), target)
        paths[str(target)] = file
    return Staged(
        paths=paths,
        names=tuple(joined.schemas[0][1]),
        categories={
            name: merge_orders(orders)
            for name, orders in joined.orders.items()
            if name not in joined.plain
        },
        times=frozenset(joined.times),
        labels=joined.labels,
        value_labels={
            name: {value: label for value, (label, _) in labels.items()}
            for name, labels in joined.value_labels.items()
        },
        notes={name: tuple(notes) for name, notes in joined.notes.items()},
    )


def _kind(values: Column) -> tuple[str, str]:
    """Return the family and the name of a column's type; truth values with a gap are numbers."""
    if _is_nothing(values):
        return "", "without values"
    return ("text", "text") if values.dtype == object else ("number", "a number")


def _is_nothing(values: Column) -> bool:
    if values.dtype == object:
        return all(value is None for value in values)
    return bool(values.dtype.kind == "f" and np.isnan(values).all())


def _without_nothing(table: Table) -> Any:
    """Return the columns for Parquet: one without values has no type, and agrees with any."""
    import pyarrow as pa

    frame = table.columns_frame()
    for k, (name, values) in enumerate(table.columns.items()):
        if _is_nothing(values):
            frame = frame.set_column(k, name, pa.nulls(table.n))
    return frame
