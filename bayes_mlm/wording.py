"""Write numbers into captions: as many digits as they are sure of, and no more."""

import math
from collections.abc import Callable, Iterable

from bayes_mlm.visible import visible

_MOST_DECIMALS = 6


def decimals(spread: float) -> int:
    """Give the decimals that leave a spread (an interval's width, an sd) two significant digits.

    Examples
    --------
    >>> decimals(0.37), decimals(4.2), decimals(56.0)
    (2, 1, 0)
    """
    if not (math.isfinite(spread) and spread > 0.0):
        return 2
    return min(max(1 - math.floor(math.log10(spread)), 0), _MOST_DECIMALS)


def number(value: float, spread: float) -> str:
    """Write a number to the digits that its spread leaves it, with a true minus sign.

    Examples
    --------
    >>> number(-1.3131, 0.8), number(12.6573, 0.0)
    ('−1.31', '12.66')
    """
    if not math.isfinite(value):
        return "not defined"
    text = f"{value:,.{decimals(spread)}f}" if abs(value) < 1e10 else f"{value:.4g}"
    zero = not any(digit in text for digit in "123456789")
    return text.removeprefix("-") if zero else text.replace("-", "−")


def interval(lower: float, upper: float) -> str:
    """Write an interval, to two digits of half its width: ``5.21 to 6.61``."""
    half = (upper - lower) / 2
    return f"{number(lower, half)} to {number(upper, half)}"


def estimate(value: float, lower: float, upper: float) -> str:
    """Write an estimate with its interval: ``5.91 (5.21 to 6.61)``."""
    return f"{number(value, (upper - lower) / 2)} ({interval(lower, upper)})"


def count(many: int, noun: str) -> str:
    """Write how many there are: ``7,185 rows``, ``1 row``.

    Examples
    --------
    >>> count(7185, "row"), count(1, "group")
    ('7,185 rows', '1 group')
    """
    return f"{many:,} {noun}{'' if many == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share in per cent, without pretence of more than two digits.

    Examples
    --------
    >>> percent(0.94), percent(0.0512)
    ('94 %', '5.1 %')
    """
    return f"{100 * share:.2g} %" if abs(share) < 0.1 else f"{100 * share:.0f} %"


def probability(value: float) -> str:
    """Write a probability made of draws, never as a certainty that they cannot give.

    Examples
    --------
    >>> probability(0.98765), probability(0.9995), probability(0.0)
    ('0.988', '>0.999', '<0.001')
    """
    text = f"{value:.3f}"
    return {"1.000": ">0.999", "0.000": "<0.001"}.get(text, text)


def shorten(label: object, most: int = 24) -> str:
    """Cut a long label in its middle, so that its two ends still tell it from others.

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
    """Cut long labels where it leaves them different: at the end, in the middle or at the start.

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
