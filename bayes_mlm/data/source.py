"""Where the rows of a model are, and how they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bayes_mlm.base import ABSENT, SpecError, expand_home, suggest, unreadable_reason
from bayes_mlm.data.datasets import DATASETS
from bayes_mlm.data.reader import Written

# The `data` of a frame that was handed over in Python, which no file can find again.
IN_MEMORY = "(a data frame in memory)"


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A data set by name or path, and how its text and its missing values are read.

    Parameters
    ----------
    data : str
        An embedded data set ("hsb"), or a file; by default a frame in memory.
    missing : {"error", "drop"}
        What to do with rows that miss a value.
    strip : bool
        Whether to strip spaces from the ends of labels.
    decimal : {".", ","}, optional
        The decimal mark of numbers in text (see `bayes_mlm.read_table`).
    delimiter : str, optional
        What separates the columns of a text file, if not a comma (.tsv: a tab).
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
    folder: str | None = None

    @property
    def location(self) -> str | Path:
        """The embedded data set's name, or the path of the data file."""
        return self.data if self.data in DATASETS else Path(self.folder or "") / self.data

    @property
    def written(self) -> Written:
        """Notation of the text of the data."""
        return Written(decimal=self.decimal, delimiter=self.delimiter)


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
    if data in (*DATASETS, IN_MEMORY) or unreadable_reason(expand_home(source.location)) != ABSENT:
        return
    if "://" in data or data.lower().startswith(("http:", "https:", "ftp:", "file:")):
        raise SpecError(f"{at}: data = {data!r} is an address; download the file and give its path")
    if not (Path(data).suffix or "/" in data):
        raise SpecError(
            f"{at}: data = {data!r} is no embedded data set{suggest(data, DATASETS)}; "
            "for another file give its path, ending in .csv or .parquet"
        )
