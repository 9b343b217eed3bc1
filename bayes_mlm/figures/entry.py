"""One kind of figure as an entry of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bayes_mlm.figures.style import Figure

type Section = Literal["data", "posterior", "groups", "diagnostics", "ladder"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kind of figure.

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
        Computes what the figure shows; returns None where it does not apply.
    draw : callable
        ``draw(data, ax=None)``: draws what `prepare` returned, on axes or a new figure, and
        returns the matplotlib figure.
    section : str
        Where the report puts it.
    by_factor : bool
        Whether it is of the groups of one factor: `prepare` then takes ``factor=`` too, and there
        is a figure for each grouping factor of a model.
    """

    name: str
    title: str
    shows: str
    applies: str
    of: Literal["model", "ladder"] = "model"
    prepare: Callable[..., Any]
    draw: Callable[[Any], Figure]
    section: Section
    by_factor: bool = False
