"""List every figure with what it shows, what it is made from and when it applies.

The report and the command line go by this list; a new figure is one entry more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.analysis import Analysis
from bayes_mlm.pictures import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

type Section = Literal["data", "posterior", "groups", "diagnostics", "ladder"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Hold one kind of figure.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title : str
        A few words for a list.
    shows : str
        What it shows, in one line.
    applies : str
        When there is such a figure: what its models or its data must have.
    of : {"model", "ladder"}
        Whether it is prepared from one `Analysis`, or from a sequence of them. A ladder of one
        model is a ladder too.
    prepare : callable
        Computes what the figure shows, or gives None where it does not apply.
    draw : callable
        Draws what `prepare` gave.
    section : str
        Where the report puts it.
    """

    name: str
    title: str
    shows: str
    applies: str
    of: Literal["model", "ladder"]
    prepare: Callable[[Any], Any]
    draw: Callable[[Any], "Figure"]
    section: Section


CATALOGUE: tuple[Entry, ...] = ()


def pictures_of(analysis: Analysis) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of one model that applies to it, in the order of the list."""
    yield from _prepared("model", analysis)


def ladder_pictures(analyses: Sequence[Analysis]) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of a ladder of models (or of one) that applies to it."""
    yield from _prepared("ladder", analyses)


def _prepared(of: str, source: object) -> Iterator[tuple[Entry, Picture]]:
    for entry in CATALOGUE:
        if entry.of == of:
            picture = entry.prepare(source)
            if picture is not None:
                yield entry, picture
