"""Escaping of text: symbols as each format sets them, everything else as it is in the data."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

from bayes_mlm.base.rendering.emphasis import runs
from bayes_mlm.base.text.visible import visible

_SYMBOLS = re.compile("[σρ]_[ue]|[σρν−×]|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def pieces(text: str) -> Iterator[tuple[Literal["symbol", "text"], str]]:
    """Split a run of text into symbols and the rest; controls become escapes.

    Examples
    --------
    >>> list(pieces("σ_u (a_b)"))
    [('symbol', 'σ_u'), ('text', ' (a_b)')]
    """
    text = visible(text)
    last = 0
    for found in _SYMBOLS.finditer(text):
        if found.start() > last:
            yield "text", text[last : found.start()]
        yield "symbol", found[0]
        last = found.end()
    if text[last:]:
        yield "text", text[last:]


def escape_text(
    text: str,
    symbol: Callable[[str], str],
    escape: Callable[[str], str],
    italic: Callable[[str], str] = str,
) -> str:
    """Return a text with symbols as the format has them, and the rest escaped.

    Parameters
    ----------
    text : str
        Of any characters; line feeds and tabs become blanks, other controls escapes.
    symbol : callable
        Sets one of "σ_u", "σ_e", "ρ_u", "σ", "ρ", "ν", "−", "×", or a run of superscript digits.
    escape : callable
        Makes any other text harmless in the format.
    italic : callable
        Sets escaped text in italics, where the text is `Emphasised`.

    Examples
    --------
    >>> escape_text("σ_u (a_b)", lambda found: "<sigma>", lambda text: text.replace("_", "-"))
    '<sigma> (a-b)'
    """
    shown = []
    for slanted, run in runs(text):
        made = "".join(
            symbol(one) if kind == "symbol" else escape(one) for kind, one in pieces(run)
        )
        shown.append(italic(made) if slanted else made)
    return "".join(shown)
