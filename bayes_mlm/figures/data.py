"""What the data of any figure have in common: title, caption and alt text.

The caption is written from the numbers, so that it holds for any data.
"""

from typing import Protocol


class FigureData(Protocol):
    """Data of a figure, with its title, caption and alternative text."""

    @property
    def title(self) -> str:
        """What the figure is of, in a few words."""

    @property
    def caption(self) -> str:
        """What there is to see, in one to three sentences made of the numbers."""

    @property
    def alt(self) -> str:
        """What is drawn, for those who cannot see it."""
