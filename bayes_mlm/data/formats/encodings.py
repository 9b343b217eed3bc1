"""Recognise the encoding of text that is not UTF-8, by how plausible its words are in each."""

import re

# In order of how common they are; the first of equals is chosen.
CANDIDATES = ("cp1252", "cp1250", "cp1251", "cp1253", "mac-roman", "cp850")
_MOST = 20_000  # characters that are looked at
# Letters outside ASCII that hardly any language uses.
_ODD = frozenset("ƒªºµˆ")
# Signs that ordinary text has next to a letter (quotation marks, …, €), and between two letters.
_USUAL = frozenset("\u201c\u201d\u2018\u2026\u20ac")
_BETWEEN = frozenset("\u2019\u2013\u2014")
_ALPHABETS = {"cp1251": re.compile("[\u0400-\u04ff]"), "cp1253": re.compile("[\u0370-\u03ff]")}
_WORD = re.compile(r"[^\s,;|\"'()\[\]0-9.]*[^\x00-\x7f][^\s,;|\"'()\[\]0-9.]*")


def guess_encoding(data: bytes) -> str | None:
    """Return the encoding in which the words of a text are the most plausible.

    Parameters
    ----------
    data : bytes
        Text that is not UTF-8.

    Returns
    -------
    str or None
        None if it is no text in any of `CANDIDATES`.

    Examples
    --------
    >>> [guess_encoding("École Łódź".encode(name, "ignore")) for name in ("cp1252", "cp1250")]
    ['cp1252', 'cp1250']
    >>> guess_encoding("Школа".encode("cp1251")), guess_encoding("École".encode("mac-roman"))
    ('cp1251', 'mac-roman')
    """
    lines = [line for line in data.splitlines() if not line.isascii()][:500]
    text = b"\n".join(lines)[:_MOST]
    scores = {}
    for name in CANDIDATES:
        try:
            data.decode(name)
            scores[name] = _implausible(text.decode(name), name)
        except UnicodeDecodeError:
            continue
    return min(scores, key=lambda name: scores[name]) if scores else None


def _implausible(text: str, name: str) -> float:
    """Return how many characters stand where no language has them."""
    score = 0.0
    alphabet = _ALPHABETS.get(name)
    for word in set(_WORD.findall(text)):
        letters = [character for character in word if character.isalpha()]
        foreign = [character for character in letters if not character.isascii()]
        if alphabet is not None:  # another script: its words have no Latin letters
            matched = sum(alphabet.match(character) is not None for character in foreign)
            score += 2.0 * (len(letters) - matched) if matched else 1.0
        elif len(foreign) > 2 and len(foreign) == len(letters):
            score += len(foreign)  # accents in every letter
        for place, character in enumerate(word):
            if character.isascii():
                continue
            before = word[place - 1] if place else ""
            after = word[place + 1 : place + 2]
            if not character.isalpha():
                neighbours = before.isalpha() + after.isalpha()
                allowed = 2 if character in _BETWEEN else int(character in _USUAL)
                score += neighbours > allowed
            else:
                score += character in _ODD
                score += character.isupper() and before.islower()
    return score
