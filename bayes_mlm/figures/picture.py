"""Compute what each figure shows, as frozen arrays that `bayes_mlm.figures.drawing` draws.

A picture holds the numbers and the names, and says what is to be seen in them: its `title`, its
`caption` (written from the numbers, so that it is true of any data) and its `alt` text.
"""

from typing import Protocol


class Picture(Protocol):
    """Stand for whatever a figure can be drawn from."""

    @property
    def title(self) -> str:
        """What the figure is of, in a few words."""

    @property
    def caption(self) -> str:
        """What there is to see, in one to three sentences made of the numbers."""

    @property
    def alt(self) -> str:
        """What is drawn, for those who cannot see it."""
