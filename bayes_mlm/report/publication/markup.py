"""Symbols that each format sets in its way; names are shown as they are."""

import re
from collections.abc import Callable

from bayes_mlm.base import visible
from bayes_mlm.report.publication.table import Column

_SYMBOLS = re.compile("[σρ]_[ue]|[σρ−×]|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def set_text(text: str, symbol: Callable[[str], str], escape: Callable[[str], str]) -> str:
    """Set a text: symbols as the format has them, the rest escaped.

    Parameters
    ----------
    text : str
        Of any characters; line feeds and tabs become blanks, other controls escapes.
    symbol : callable
        Sets one of "σ_u", "σ_e", "ρ_u", "σ", "ρ", "−", "×", or a run of superscript digits.
    escape : callable
        Makes any other text harmless in the format.

    Returns
    -------
    str

    Examples
    --------
    >>> set_text("σ_u (a_b)", lambda found: "<sigma>", lambda text: text.replace("_", "-"))
    '<sigma> (a-b)'
    """
    text = visible(" ".join(text.split()))
    parts, last = [], 0
    for found in _SYMBOLS.finditer(text):
        parts += [escape(text[last : found.start()]), symbol(found[0])]
        last = found.end()
    return "".join([*parts, escape(text[last:])])


def heading(column: Column) -> str:
    """Return the heading of a column, in one line and without markup."""
    return f"({column.number}) {column.model}".rstrip()
