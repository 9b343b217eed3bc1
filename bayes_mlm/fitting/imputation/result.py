"""Completed copies of a table, and how the imputed values compare with those observed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from bayes_mlm.base import (
    Column,
    DataError,
    Flags,
    Floats,
    Ints,
    ResultTable,
    Tabular,
    Verdict,
    View,
    atomic_file,
    check_choice,
    percent,
)

if TYPE_CHECKING:
    import pandas as pd

# The column that numbers the imputations of a long table.
IMPUTATION = "_imp"
_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class ImputedColumn:
    """A column with missing values: observed values, and the completed column.

    Parameters
    ----------
    column : str
    level : {"individual", "group"}
        Whether it varies within groups.
    missing, n : int
        Missing values, of how many; of a group-level column of groups.
    mean, mean_imputed : float
        Of the observed and of the imputed values.
    within, within_completed : float or None
        Sd within groups, by analysis of variance: of the observed values, and of completed columns
        (the square root of the mean variance); None at group level.
    between, between_completed : float or None
        Sd of the group means, their sampling error taken out; None if there is no such estimate.
    """

    column: str
    level: str
    missing: int
    n: int
    mean: float
    mean_imputed: float
    within: float | None
    within_completed: float | None
    between: float | None
    between_completed: float | None

    @property
    def share(self) -> float:
        """Share of values that are missing."""
        return self.missing / self.n


@dataclass(frozen=True, kw_only=True, repr=False)
class ImputationTable(ResultTable[ImputedColumn]):
    """Columns with missing values; ``table["ses"]`` is the row of one."""

    key = ("column",)
    row_type = ImputedColumn

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        pairs = ("mean", "mean_imputed", "within", "within_completed", "between")
        heads = ("mean", "imputed", "sd within", "completed", "sd between", "completed")
        return (
            Column(name="column"),
            Column(name="level", kind="label"),
            Column(name="missing", text=lambda row: f"{row.missing:,} of {row.n:,}"),
            Column(name="share", text=lambda row: percent(row.share)),
            *(
                Column(name=name, heading=head, kind="number")
                for name, head in zip((*pairs, "between_completed"), heads, strict=True)
            ),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Imputations(Tabular, Sequence["pd.DataFrame"]):
    """A sequence of completed data frames, which `fit` takes as it is.

    ``imputations[0]`` is the first of them; observed values are as they were, in every column.

    Parameters
    ----------
    frame : DataFrame
        The data, with their missing values.
    values : mapping of str to ndarray, shape (m, number missing)
        Imputed values of each column, in the order of the rows.
    m : int
    group : str
    diagnostics : ImputationTable
        A row for each column with missing values.
    model_columns : tuple of str
        Columns that the imputation model has a distribution of.
    parameters : ndarray, shape (chains, draws, k)
        Of the imputation model, every cycle after those discarded, in sds of the columns.
    parameter_names : tuple of str
    seed : int
    """

    frame: "pd.DataFrame"
    values: Mapping[str, Floats]
    m: int
    group: str
    diagnostics: ImputationTable
    model_columns: tuple[str, ...]
    parameters: Floats
    parameter_names: tuple[str, ...]
    seed: int

    def __repr__(self) -> str:
        """Return the number of imputations and what was missing."""
        parts = [f"{row.column} {row.missing:,}" for row in self.diagnostics]
        what = ", ".join(parts) if parts else "nothing"
        return f"<Imputations: {self.m} of {len(self.frame):,} rows, missing: {what}>"

    def __len__(self) -> int:
        """Return the number of imputations."""
        return self.m

    @overload
    def __getitem__(self, place: int) -> "pd.DataFrame": ...
    @overload
    def __getitem__(self, place: slice) -> "tuple[pd.DataFrame, ...]": ...
    def __getitem__(self, place: int | slice) -> "pd.DataFrame | tuple[pd.DataFrame, ...]":
        """Return one completed data frame, or some."""
        return self.frames[place]

    def __iter__(self) -> "Iterator[pd.DataFrame]":
        """Iterate over the completed data frames."""
        return iter(self.frames)

    @cached_property
    def frames(self) -> "tuple[pd.DataFrame, ...]":
        """The completed data frames, with every column of the data."""
        return tuple(self._completed(k) for k in range(self.m))

    def _completed(self, k: int) -> "pd.DataFrame":
        changed = {}
        for name, values in self.values.items():
            column = self.frame[name].to_numpy(dtype=float, na_value=np.nan).copy()
            column[np.isnan(column)] = values[k]
            changed[name] = column
        return self.frame.assign(**changed)

    @property
    def verdict(self) -> Verdict:
        """Whether the chains of the imputation model can be relied on."""
        return self.diagnostics.verdict

    def to_long(self) -> "pd.DataFrame":
        """Return all completed frames below each other, numbered from 1 in a column `_imp`."""
        import pandas as pd

        if IMPUTATION in self.frame:
            raise DataError(
                f"the data have a column {IMPUTATION!r}, which is to number the imputations; "
                "rename it"
            )
        return pd.concat(
            [one.assign(**{IMPUTATION: k}) for k, one in enumerate(self.frames, start=1)],
            ignore_index=True,
        )

    def save(self, path: str | Path) -> None:
        """Write the long table to a CSV or Parquet file, whole or not at all.

        Raises
        ------
        DataError, StorageError
            If the file has another ending, or cannot be written.
        """
        path = Path(path)
        check_choice("the ending of the file", path.suffix.lower(), _ENDINGS, DataError)
        long = self.to_long()
        with atomic_file(path) as partial:
            if path.suffix.lower() == ".csv":
                long.to_csv(partial, index=False)
            else:
                long.to_parquet(partial, index=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the diagnostics."""
        return self.diagnostics.names

    def raw(self) -> Any:
        """Return the rows of the diagnostics."""
        return self.diagnostics.raw()

    def view(self) -> View:
        """Return the diagnostics as text."""
        return self.diagnostics.view()


def describe_column(
    name: str, observed: Floats, completed: Sequence[Floats], codes: Ints, J: int
) -> ImputedColumn:
    """Compare the observed values of a column of rows with the completed columns.

    Parameters
    ----------
    observed : ndarray, shape (n,)
        NaN where missing.
    completed : sequence of ndarray, shape (n,)
    codes : ndarray of int, shape (n,)
    J : int
    """
    gone = np.isnan(observed)
    before = _variances(observed[~gone], codes[~gone], J)
    after = np.mean([_variances(one, codes, J) for one in completed], axis=0)
    return ImputedColumn(
        column=name,
        level="individual",
        missing=int(gone.sum()),
        n=len(observed),
        mean=float(observed[~gone].mean()),
        mean_imputed=float(np.mean([one[gone].mean() for one in completed])),
        within=_sd(before[0]),
        within_completed=_sd(after[0]),
        between=_sd(before[1]),
        between_completed=_sd(after[1]),
    )


def describe_group_column(
    name: str, observed: Floats, completed: Sequence[Floats]
) -> ImputedColumn:
    """Compare the observed values of a column of groups, shape (J,), with the completed ones."""
    gone: Flags = np.isnan(observed)
    return ImputedColumn(
        column=name,
        level="group",
        missing=int(gone.sum()),
        n=len(observed),
        mean=float(observed[~gone].mean()),
        mean_imputed=float(np.mean([one[gone].mean() for one in completed])),
        within=None,
        within_completed=None,
        between=_sd(float(observed[~gone].var(ddof=1))),
        between_completed=_sd(float(np.mean([one.var(ddof=1) for one in completed]))),
    )


def _variances(values: Floats, codes: Ints, J: int) -> tuple[float, float]:
    """Return the variances within and between groups by analysis of variance; NaN if undefined."""
    counts = np.bincount(codes, minlength=J).astype(float)
    used = counts > 0
    n, groups = len(values), int(used.sum())
    if groups < 2 or n <= groups:
        return np.nan, np.nan
    centred = values - values.mean()
    means = np.bincount(codes, centred, J)[used] / counts[used]
    between = float(counts[used] @ means**2)
    within = (float(centred @ centred) - between) / (n - groups)
    size = (n - float(counts @ counts) / n) / (groups - 1)
    return within, max(0.0, (between / (groups - 1) - within) / size)


def _sd(variance: float) -> float | None:
    return None if not np.isfinite(variance) else float(np.sqrt(variance))
