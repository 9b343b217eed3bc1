"""Text of which parts are in italics: statistical symbols, titles."""

import re
from collections.abc import Iterator


class Emphasised(str):
    """A text with runs in italics; for a format without italics it is the text alone.

    Parameters
    ----------
    *parts : str or (str,)
        In order; one in a tuple is in italics.

    Examples
    --------
    >>> text = Emphasised(("R",), "² between")
    >>> text, list(runs(text))
    ('R² between', [(True, 'R'), (False, '² between')])
    """

    parts: tuple[str | tuple[str], ...]

    def __new__(cls, *parts: str | tuple[str]) -> "Emphasised":
        """Join the parts."""
        made = super().__new__(cls, "".join("".join(part) for part in parts))
        made.parts = parts
        return made


def runs(text: str) -> Iterator[tuple[bool, str]]:
    """Iterate over the runs of a text: whether each is in italics, and the run on one line."""
    if not isinstance(text, Emphasised):
        yield False, " ".join(text.split())
        return
    for part in text.parts:
        yield isinstance(part, tuple), re.sub(r"\s+", " ", "".join(part))
