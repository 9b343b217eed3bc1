"""The refusal of questions about rows where only their moments are there."""

from typing import NoReturn

from bayes_mlm.base import RowsNeededError

_REMEDY = 'ask it of a sample of groups (sample_groups), or keep the rows (rows="keep")'


def refuse_rows(name: str, remedy: str = "", *, imputations: int = 0) -> NoReturn:
    """Refuse a question that needs an array with a value per row.

    Parameters
    ----------
    name : str
        Name of the array: "y".
    remedy : str
        What to do; by default, to sample groups or to keep the rows.
    imputations : int
        How many data sets there are, where it is not one.

    Raises
    ------
    RowsNeededError
        Always.
    """
    if imputations:
        raise RowsNeededError(
            f"this needs the rows of one data set (their {name}), and the result is pooled over "
            f"{imputations} imputations; fit one of them by itself to look at it"
        )
    raise RowsNeededError(
        f"this needs the rows themselves (their {name}), and the data were reduced to "
        f"sums by group or counts of distinct rows, or are several imputations; {remedy or _REMEDY}"
    )
