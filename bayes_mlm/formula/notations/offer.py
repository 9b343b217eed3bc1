"""What a text in another notation is called, and the formula that it stands for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Formula that a text stands for.

    Parameters
    ----------
    formula : str
        The formula; "" where there is none, and only `notes` help.
    of : str
        What the text is, if all of it is in another notation: "a command of Stata".
    place : int
        Where in the text that shows.
    notes : tuple of str
        What else is to be done or known: what the formula does not say.
    """

    formula: str
    of: str = ""
    place: int = 0
    notes: tuple[str, ...] = ()


def split_arguments(text: str, marks: str = ",") -> list[str]:
    """Split a text at marks that are outside of brackets and quotes.

    Examples
    --------
    >>> split_arguments("y ~ f(a, b), data = d['x,y']")
    ['y ~ f(a, b)', "data = d['x,y']"]
    """
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if char in marks and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
