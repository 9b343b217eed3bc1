"""Compact letters: means that share one do not differ significantly."""

from collections.abc import Sequence


def compact_letters(size: int, differing: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Return the letters of means, such that two share one unless they differ.

    Parameters
    ----------
    size : int
        Number of means, in the order in which letters are given.
    differing : sequence of (int, int)
        Pairs that differ significantly.

    Notes
    -----
    Insertion and absorption (Piepho 2004, Journal of Computational and Graphical Statistics
    13(2)).

    Examples
    --------
    >>> compact_letters(3, [(0, 2)])
    ('a', 'ab', 'b')
    """
    columns = [frozenset(range(size))]
    for one, other in differing:
        split = [part for part in columns if {one, other} <= part]
        kept = [part for part in columns if part not in split]
        for part in [new for old in split for new in (old - {one}, old - {other})]:
            if not any(part <= whole for whole in kept):
                kept = [whole for whole in kept if not whole <= part] + [part]
        columns = kept
    columns.sort(key=sorted)
    return tuple(
        "".join(_letter(k) for k, part in enumerate(columns) if mean in part)
        for mean in range(size)
    )


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"({place + 1})"
