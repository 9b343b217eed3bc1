"""Shorten labels so that they stay different."""

from collections.abc import Callable, Iterable

from bayes_mlm.base.text.visible import visible


def shorten(label: object, most: int = 24) -> str:
    """Return a long label without its middle, so that both ends still distinguish it.

    Examples
    --------
    >>> shorten("Our Lady of Perpetual Help Secondary School", 20)
    'Our Lady …ary School'
    """
    text = visible(" ".join(str(label).split()))
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - tail - 1]}…{text[-tail:]}"


def shorten_all(labels: Iterable[object], most: int = 24) -> tuple[str, ...]:
    """Return labels cut where they stay different: at the end, in the middle or at the start.

    Examples
    --------
    >>> shorten_all(["school 1 of the north", "school 2 of the north"], 12)
    ('school 1 of…', 'school 2 of…')
    >>> shorten_all(["the same beginning 1", "the same beginning 2"], 10)
    ('the …ing 1', 'the …ing 2')
    """
    texts = [visible(" ".join(str(label).split())) for label in labels]
    cuts: tuple[Callable[[str], str], ...] = (
        lambda text: f"{text[: most - 1]}…",
        lambda text: shorten(text, most),
        lambda text: f"…{text[1 - most :]}",
    )
    for cut in cuts:
        short = tuple(text if len(text) <= most else cut(text) for text in texts)
        if len(set(short)) == len(set(texts)):
            return short
    return tuple(f"{k + 1}: {shorten(text, most - 4)}" for k, text in enumerate(texts))
