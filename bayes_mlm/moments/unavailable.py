"""The refusal of questions about rows where only their moments are there."""

from typing import NoReturn

from bayes_mlm.base import RowsNeededError

_REMEDY = 'ask it of a sample of groups (sample_groups), or keep the rows (rows="keep")'


def refuse_rows(name: str, remedy: str = "") -> NoReturn:
    """Refuse a question that needs an array with a value per row.

    Parameters
    ----------
    name : str
        Name of the array: "y".
    remedy : str
        What to do; by default, to sample groups or to keep the rows.

    Raises
    ------
    RowsNeededError
        Always.
    """
    raise RowsNeededError(
        f"this needs the rows themselves (their {name}), and the data were reduced to "
        f"sums by group, or counts of distinct rows; {remedy or _REMEDY}"
    )
