"""Where the rows of a model are, and how they are read."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from bayes_mlm.base import ABSENT, SpecError, expand_home, suggest, unreadable_reason
from bayes_mlm.data.datasets import DATASETS
from bayes_mlm.data.reader import ReadOptions, split_part

# The `data` of a frame that was handed over in Python, which no file can find again.
IN_MEMORY = "(a data frame in memory)"


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A data set by name or path, and how its text and its missing values are read.

    Parameters
    ----------
    data : str
        An embedded data set ("hsb"), or a file, of a database or a workbook with the table after
        two colons ("study.duckdb::pupils"); by default a frame in memory.
    missing : {"error", "drop"}
        What to do with rows that miss a value.
    strip : bool
        Whether to strip spaces from the ends of labels.
    decimal, delimiter, encoding, sheet, cells, omit_rows, codes, na_values : str, optional
        How a file is read, where it does not say so itself: as of `bayes_mlm.read_table`.
    imputation : str, optional
        Column that numbers the imputations of a long table, or "each-file": each file is one.
    folder : str, optional
        What the path of a file is relative to, if not the working directory.

    Examples
    --------
    >>> DataSource(data="hsb").location, str(DataSource(data="my.csv", folder="study").location)
    ('hsb', 'study/my.csv')
    """

    data: str = IN_MEMORY
    missing: Literal["error", "drop"] = "error"
    strip: bool = False
    decimal: Literal[".", ","] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    cells: str | None = None
    omit_rows: str | None = None
    codes: str | None = None
    na_values: str | None = None
    imputation: str | None = None
    folder: str | None = None

    @property
    def location(self) -> str | Path:
        """The embedded set's name, or the path of the data file, with the part that is meant."""
        if self.data in DATASETS:
            return self.data
        file, part = split_part(self.data)
        path = Path(self.folder or "") / file
        return f"{path}::{part}" if part else path

    @property
    def path(self) -> Path:
        """The path of the data file, whatever part of it is meant."""
        return Path(split_part(str(self.location))[0])

    @property
    def options(self) -> ReadOptions:
        """How the file is read."""
        return ReadOptions(**{one.name: getattr(self, one.name) for one in fields(ReadOptions)})


def check_source(source: DataSource, at: str) -> None:
    """Refuse data that are neither an embedded set nor a path.

    Parameters
    ----------
    source : DataSource
    at : str
        The file that names them, for the message.

    Raises
    ------
    SpecError
        With what was found, and what to write instead.
    """
    data = source.data
    if not data.strip():
        raise SpecError(f"{at}: data is empty; name an embedded data set or a file")
    if data in (*DATASETS, IN_MEMORY) or unreadable_reason(expand_home(source.path)) != ABSENT:
        return
    if "://" in data or data.lower().startswith(("http:", "https:", "ftp:", "file:")):
        raise SpecError(f"{at}: data = {data!r} is an address; download the file and give its path")
    if not (Path(data).suffix or "/" in data):
        raise SpecError(
            f"{at}: data = {data!r} is no embedded data set{suggest(data, DATASETS)}; "
            "for another file give its path, ending in .csv or .parquet"
        )
