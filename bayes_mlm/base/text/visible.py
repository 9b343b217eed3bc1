"""Escape characters of a user's text that act on the screen or do not show there."""

import re

# Controls (C0, DEL, C1), bidi marks and overrides, separators of lines, what has no width, halves
# of surrogate pairs (bytes of a file's name that are no text), tags. Joiners of letters are let be.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: object, *, keep: str = "") -> str:
    r"""Return a text with Python's escapes for characters that do not print.

    Parameters
    ----------
    text : object
        A label, a name, a message: any text of which a user may have chosen a part.
    keep : str
        Characters that are kept: a line feed, where the text has several lines.

    Returns
    -------
    str

    Examples
    --------
    >>> visible("North\x1b[2J\nSouth"), visible("école 1")
    ('North\\x1b[2J\\nSouth', 'école 1')
    """
    return _ACTING.sub(
        lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], str(text)
    )
