"""Escaping of text: symbols as each format sets them, everything else as it is in the data."""

import re
from collections.abc import Callable

from bayes_mlm.base.text.visible import visible

_SYMBOLS = re.compile("[σρ]_[ue]|[σρν−×]|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def escape_text(text: str, symbol: Callable[[str], str], escape: Callable[[str], str]) -> str:
    """Return a text with symbols as the format has them, and the rest escaped.

    Parameters
    ----------
    text : str
        Of any characters; line feeds and tabs become blanks, other controls escapes.
    symbol : callable
        Sets one of "σ_u", "σ_e", "ρ_u", "σ", "ρ", "ν", "−", "×", or a run of superscript digits.
    escape : callable
        Makes any other text harmless in the format.

    Examples
    --------
    >>> escape_text("σ_u (a_b)", lambda found: "<sigma>", lambda text: text.replace("_", "-"))
    '<sigma> (a-b)'
    """
    text = visible(" ".join(text.split()))
    parts, last = [], 0
    for found in _SYMBOLS.finditer(text):
        parts += [escape(text[last : found.start()]), symbol(found[0])]
        last = found.end()
    return "".join([*parts, escape(text[last:])])
