"""The 2015 document apart from its models: figures of the table, wrong statements, exclusions."""

from pathlib import Path

import msgspec

from bayes_mlm.base import convert, read_toml
from bayes_mlm.studies.printed import Published, check_published_fields

_FILE = Path(__file__).with_name("published.toml")


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement or a label that is wrong, where no printed figure is the mistake.

    Parameters
    ----------
    where, claim, reason : str
        Place in the document, what it states there, and why that is not so, in one line each.
    numbers : tuple of str
        Figures that show it, as ``record/quantity``.
    """

    where: str
    claim: str
    reason: str
    numbers: tuple[str, ...]


class Excluded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers in the document that are no figures of the study.

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
    """What the document prints and states outside its models.

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


def load_study() -> Study:
    """Read the document's file of figures, notes and exclusions.

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
