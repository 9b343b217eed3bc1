"""The whole 2015 document checked: every figure it prints, and what it states that is wrong."""

from dataclasses import dataclass

from bayes_mlm.base import rounded
from bayes_mlm.data import load_dataset
from bayes_mlm.studies.hsb.arithmetic import table_quantities
from bayes_mlm.studies.hsb.study import load_study
from bayes_mlm.studies.published import PublishedRow, check_published, find_quantity, judge
from bayes_mlm.studies.record import WORKED_STUDY, records


@dataclass(frozen=True, kw_only=True)
class CheckedNote:
    """A note on the document with its numbers computed.

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
        """Return it in one line, numbers to six significant digits."""
        shown = "; ".join(f"{name} = {rounded(value, 6)}" for name, value in self.numbers)
        return f"{self.where}: {self.claim}: {self.reason}" + (f" ({shown})" if shown else "")


def check_table() -> tuple[PublishedRow, ...]:
    """Recompute the figures that the document prints of its data, before any model.

    Examples
    --------
    >>> [(row.printed, row.right) for row in check_table() if row.cause == "imprecise"]
    [('18.316999', 18.317)]
    """
    study = load_study()
    figures = table_quantities(load_dataset(study.data))
    return judge(study.published, study.reasons, figures, study.data, imprecise=study.imprecise)


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
    return tuple(
        CheckedNote(
            where=note.where,
            claim=note.claim,
            reason=note.reason,
            numbers=tuple((name, find_quantity(name, {})) for name in note.numbers),
        )
        for note in load_study().notes
    )
