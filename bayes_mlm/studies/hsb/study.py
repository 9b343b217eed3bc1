"""Check the whole 2015 document: every figure it prints, and what it says that is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bayes_mlm.base import convert, read_toml, rounded
from bayes_mlm.data import load_dataset
from bayes_mlm.studies.document import table_figures
from bayes_mlm.studies.printed import Published, check_published_fields
from bayes_mlm.studies.published import PublishedRow, check_published, find_figure, judge
from bayes_mlm.studies.record import WORKED_STUDY, records

_FILE = Path(__file__).with_name("published.toml")


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold a statement or a label that is wrong, where no printed figure is the mistake.

    Parameters
    ----------
    where, claim, reason : str
        Place in the document, what it says there, and why that is not so, in one line each.
    numbers : tuple of str
        Figures that show it, as ``record/quantity``.
    """

    where: str
    claim: str
    reason: str
    numbers: tuple[str, ...]


class Excluded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold numbers in the document that are no figures of the study.

    Parameters
    ----------
    where : str
        Cell of the document.
    tokens : tuple of str
        The numbers as printed, each as often as it is.
    reason : str
        Why they are no figures.
    """

    where: str
    tokens: tuple[str, ...]
    reason: str


class Study(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold what the document prints and says outside its models.

    Parameters
    ----------
    title, author, date : str
        The document's.
    data : str
        The embedded data set it is about.
    published : tuple of Published
        Figures of the table, before any model.
    reasons : dict of str to str
        Reasons of those figures, by key.
    imprecise : tuple of str
        Keys of the reasons that are of rounding or early stopping.
    notes : tuple of Note
    excluded : tuple of Excluded
    """

    title: str
    author: str
    date: str
    data: str
    published: tuple[Published, ...]
    reasons: dict[str, str]
    imprecise: tuple[str, ...]
    notes: tuple[Note, ...]
    excluded: tuple[Excluded, ...]


@dataclass(frozen=True, kw_only=True)
class CheckedNote:
    """Hold a note with its numbers computed.

    Parameters
    ----------
    where, claim, reason : str
        As in `Note`.
    numbers : tuple of (str, float)
        Figures that show it, by ``record/quantity``.
    """

    where: str
    claim: str
    reason: str
    numbers: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        """Say it in one line, numbers to six significant digits."""
        shown = "; ".join(f"{name} = {rounded(value, 6)}" for name, value in self.numbers)
        return f"{self.where}: {self.claim}: {self.reason}" + (f" ({shown})" if shown else "")


def load_study() -> Study:
    """Read the document's own file of figures, notes and exclusions.

    Raises
    ------
    SpecError
        If the file is malformed.

    Examples
    --------
    >>> load_study().author
    'J. Nathan Matias'
    """
    study = convert(read_toml(_FILE), Study, _FILE)
    check_published_fields(study.published, study.reasons, str(_FILE), study.imprecise)
    return study


def check_table() -> tuple[PublishedRow, ...]:
    """Recompute the figures that the document prints of its data, before any model.

    Examples
    --------
    >>> [(row.printed, row.right) for row in check_table() if row.cause == "imprecise"]
    [('18.316999', 18.317)]
    """
    study = load_study()
    own = table_figures(load_dataset(study.data))
    return judge(study.published, study.reasons, own, study.data, imprecise=study.imprecise)


def check_study() -> tuple[PublishedRow, ...]:
    """Recompute every figure of the document: those of its data, then model by model.

    Returns
    -------
    tuple of PublishedRow
        One for each place a figure is printed at; `bayes_mlm.studies.published.tally` counts them.
    """
    ladder = records(WORKED_STUDY)
    return (*check_table(), *(row for record in ladder for row in check_published(record)))


def check_notes() -> tuple[CheckedNote, ...]:
    """Compute the numbers behind every note on the document.

    Examples
    --------
    >>> print([note for note in check_notes() if "2.390" in note.claim][0].numbers[0])
    ('hsb_ses/beta[ses]', 2.3901)
    """
    return tuple(_notes())


def _notes() -> Iterator[CheckedNote]:
    for note in load_study().notes:
        yield CheckedNote(
            where=note.where,
            claim=note.claim,
            reason=note.reason,
            numbers=tuple((name, find_figure(name, {})) for name in note.numbers),
        )
