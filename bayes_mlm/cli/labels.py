"""Labels of columns for axes and titles, given on the command line."""

from typing import TYPE_CHECKING, Annotated

import typer

from bayes_mlm.base import DesignError
from bayes_mlm.cli.options import read_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayes_mlm.fitting import Analysis

Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        help="What axes and titles call a column, NAME=TEXT, as in 'ses=socioeconomic status "
        "(sd)'; repeat it.",
    ),
]


def read_labels(texts: "Sequence[str] | None") -> dict[str, str]:
    """Return the labels by column."""
    form = "NAME=TEXT, such as 'ses=socioeconomic status (sd)'"
    return read_pairs("--label", texts or [], form, DesignError)


def labelled(analyses: "Sequence[Analysis]", labels: dict[str, str]) -> "list[Analysis]":
    """Return analyses with the labels of their columns; each name is one of some model.

    Raises
    ------
    DesignError
        If a name is in no model.
    """
    columns = [one.design.formula.columns for one in analyses]
    unknown = {name: labels[name] for name in labels if not any(name in one for one in columns)}
    analyses[-1].with_labels(unknown)  # raises, if there are any
    return [
        one.with_labels({name: text for name, text in labels.items() if name in known})
        for one, known in zip(analyses, columns, strict=True)
    ]
