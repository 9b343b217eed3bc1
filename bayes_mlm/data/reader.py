"""Type of the readers of data files, and how text is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayes_mlm.data.numerals import Decimal
from bayes_mlm.data.table import Table


@dataclass(frozen=True, kw_only=True)
class Written:
    """Notation of text, where a file does not state it; as of `read_table`."""

    decimal: Decimal | None = None
    delimiter: str | None = None


USUAL = Written()

# From the path of a file that is there, the columns to read (all if None), and how text is written;
# it raises a DataError with what is wrong with the file. `read_table` reports an OSError.
type Reader = Callable[[Path, Sequence[str] | None, Written], Table]
