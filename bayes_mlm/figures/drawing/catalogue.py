"""List every figure with what it shows, what it is made from and when it applies.

The report and the command line go by this list; a new figure is one entry more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from bayes_mlm.base import RowsNeededError
from bayes_mlm.figures.drawing.document_entries import DOCUMENT
from bayes_mlm.figures.drawing.entry import Entry, Section
from bayes_mlm.figures.drawing.posterior_entries import POSTERIOR
from bayes_mlm.figures.picture import Picture
from bayes_mlm.fitting import Analysis

__all__ = ["CATALOGUE", "Entry", "Section", "ladder_pictures", "pictures_of", "prepared"]

CATALOGUE: tuple[Entry, ...] = (*DOCUMENT, *POSTERIOR)


def pictures_of(analysis: Analysis) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of one model that applies to it, in the order of the list."""
    yield from _prepared("model", analysis)


def ladder_pictures(analyses: Sequence[Analysis]) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of a ladder of models (or of one) that applies to it."""
    yield from _prepared("ladder", analyses)


def prepared(entry: Entry, source: Any) -> Picture | None:
    """Prepare a figure; None where it does not apply, or needs rows that were summed."""
    try:
        picture: Picture | None = entry.prepare(source)
    except RowsNeededError:
        return None
    return picture


def _prepared(of: str, source: object) -> Iterator[tuple[Entry, Picture]]:
    for entry in CATALOGUE:
        if entry.of == of:
            picture = prepared(entry, source)
            if picture is not None:
                yield entry, picture
