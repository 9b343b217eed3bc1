"""What the data of any figure have in common: title, caption and alternative text."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text of a figure, written from its numbers, so that it is right for any data.

    Parameters
    ----------
    title : str
        What the figure is of, in a few words.
    caption : str
        What there is to see, in one to three sentences made of the numbers.
    alt : str
        What is drawn, for those who cannot see it.
    """

    title: str
    caption: str
    alt: str


class FigureData(Protocol):
    """Data of a figure, with its text."""

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
