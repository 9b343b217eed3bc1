"""Show text of a user's as it is, and what would act on the screen or hide there as an escape."""

import unicodedata

# Controls (C0, DEL, C1), formats (bidi overrides, zero-width), half characters, line separators.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Formats that letters of several scripts, and emoji, are written with.
_JOINERS = "\u200c\u200d"


def visible(text: object, *, keep: str = "") -> str:
    r"""Write what does not print in a text as the escape that Python knows it by.

    Parameters
    ----------
    text : object
        A label, a name, a message: whatever a user may have chosen a part of.
    keep : str
        Characters to let through: a line feed, where the text has lines of our own.

    Returns
    -------
    str

    Examples
    --------
    >>> visible("North\x1b[2J\nSouth"), visible("école 1")
    ('North\\x1b[2J\\nSouth', 'école 1')
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    keep += _JOINERS
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in _ACTING and one not in keep
        else one
        for one in shown
    )
