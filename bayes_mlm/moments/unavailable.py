"""The refusal of questions about rows where only their moments are there."""

from typing import NoReturn

from bayes_mlm.base import RowsNeededError


def refuse_rows(name: str) -> NoReturn:
    """Refuse a question that needs an array with a value per row.

    Parameters
    ----------
    name : str
        Name of the array: "y".

    Raises
    ------
    RowsNeededError
        Always.
    """
    raise RowsNeededError(
        f"this needs the rows themselves (their {name}), and the data were reduced to "
        "sums by group; ask it of a sample of groups (sample_groups), or keep the rows "
        '(rows="keep")'
    )
