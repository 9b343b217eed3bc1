"""Stand in for rows that were summed where they lie."""

from typing import Any, NoReturn

from bayes_mlm.base import RowsNeededError


class RowsAway:
    """Stand in the place of rows that were summed where they lie, and say so when they are used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, *_: object, **__: object) -> NoReturn:
        """Say that the rows are away, and what to do."""
        raise RowsNeededError(
            f"this needs the rows themselves (their {self.name}), and the data were reduced to "
            "sums by group; ask it of a sample of groups (sample_groups), or keep the rows "
            '(rows="keep")'
        )

    def __getattr__(self, name: str) -> Any:
        # What pickles or copies a design looks for methods of its own, which are not there.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self.refuse()

    __array__ = __getitem__ = __len__ = __iter__ = __matmul__ = __rmatmul__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = __neg__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = refuse


def rows_away() -> dict[str, Any]:
    """Give what a design of summed data has for y, X, Z and codes."""
    return {name: RowsAway(name) for name in ("y", "X", "Z", "codes")}
