"""Parts of formulas as other programs write them, replaced by what stands for them here."""

import re
from collections.abc import Callable, Iterator

from bayes_mlm.formula.functions import REWRITES, instead_of
from bayes_mlm.formula.notations.offer import Offer, split_arguments

type _Way = str | Callable[[re.Match[str]], str]
_CODINGS = {"sum": "Sum", "helmert": "Helmert", "poly": "Poly", "treatment": "Treatment"}
_LEVELS = re.compile(r"\b(?:[bBuUrRgG]|beta|gamma|[βγ])_?\d+(?:ij|j|i)?\b|\b(?:LEVEL|Level)\s*-?\d")
_EFFECTS, _GROUP = r"([^()|]*)", r"(\w[\w.:/ ]*?)"

# Of one part each: what is written elsewhere, and here.
_PARTS: tuple[tuple[str, _Way], ...] = (
    (r";\s*$", ""),
    (r"""^\s*(["'])(.*)\1\s*$""", r"\2"),
    (r"\b[A-Za-z]\w*:::?(?=[\w.]+\()", ""),  # splines::bs(x)
    (r"\b(?:np|numpy|math|patsy|scipy)\.(?=\w+\()", ""),
    (r"""\b[A-Za-z][\w.]*\[\s*["']([^"'`]+)["']\s*\]""", lambda m: _quoted(m[1])),  # df["x"]
    (r"\b[A-Za-z][\w.]*\$(\w+)", r"\1"),  # d$x
    (r"""(?<=\|)(\s*)["']([^"'`]+)["']""", lambda m: m[1] + _quoted(m[2])),
    (rf"\b(?:us|un|random|re|unstr)\(\s*{_EFFECTS}\|\s*{_GROUP}\s*\)", r"(\1| \2)"),
    (rf"\bdiag\(\s*{_EFFECTS}\|\s*{_GROUP}\s*\)", r"(\1|| \2)"),
    (r"\b(?:re|ranef|random|Error)\(\s*([\w.]+(?:\s*[:/]\s*[\w.]+)*)\s*\)", r"(1 | \1)"),
    (r"""\bs\(\s*([\w.]+)\s*,\s*bs\s*=\s*["']re["']\s*\)""", r"(1 | \1)"),
    (r"(?<=\|)(\s*)gr\(\s*([\w.]+)[^()]*\)", r"\1\2"),
    (r"\s*%in%\s*", ":"),
    (r"\b(\w+)\s*-\s*mean\(\s*\1\s*\)", r"center(\1)"),
    (r"\bscale\(\s*([^(),]+?)\s*,[^()]*\bscale\s*=\s*(?:F|FALSE|False)\b[^()]*\)", r"center(\1)"),
    (r"\b(?:center|cwc)\(\s*([^(),]+?)\s*,[^()]*\)", r"within(\1)"),
    (r"\blog\(\s*([^(),]+?)\s*,\s*(?:base\s*=\s*)?(2|10)\s*\)", r"log\2(\1)"),
    (r"\bcontr\.(\w+)", lambda m: _CODINGS.get(m[1], m[0])),
    (r"([\w.]+)\(((?:[^()]|\([^()]*\))*)\)", lambda m: _call(m[0], m[1], m[2])),
    (r"[+*:\-]\s*$", ""),
)


def cleaned(text: str) -> str:
    """Return a formula with the parts of other notations replaced, where there are any.

    Examples
    --------
    >>> cleaned("y ~ factor(d$x) + I(z^2) + w^2 + (1 | g)")
    'y ~ C(x) + I(z**2) + I(w ** 2) + (1 | g)'
    """
    for pattern, way in _PARTS:
        text = re.sub(pattern, way, text)
    return _powers(text).strip()


def offer_pieces(text: str) -> Iterator[Offer]:
    """Yield a formula with its parts replaced, its outcome's mark, or its group in parentheses.

    Examples
    --------
    >>> [one.formula for one in offer_pieces("y = x + (1 | g)")]
    ['y ~ x + (1 | g)']
    >>> next(offer_pieces("y ~ x | g")).formula
    'y ~ x + (1 | g)'
    """
    if _LEVELS.search(text) and "~" not in text:
        yield Offer(
            formula="",
            notes=(
                "coefficients are not written; put the equations of all levels into one formula: "
                "y ~ x * w + (1 + x | group) has the slope of x differ by group, and by w",
            ),
        )
        return
    addition = re.match(r"\s*([\w.]+)\s*\|\s*(\w+)\([^~]*\)\s*~", text)
    if addition:
        yield Offer(
            formula=cleaned(f"{addition[1]} ~{text[addition.end() :]}"),
            of="the notation of brms",
            place=addition.start(2),
            notes=(f"{addition[2]}(...) is no part of a formula, and is not in this one",),
        )
        return
    found = cleaned(text)
    if "~" not in found:
        found = re.sub(r"^([\w.() ]+?)\s*(?<![=<>!])=(?!=)\s*", r"\1 ~ ", found, count=1)
        on = re.fullmatch(r"\s*(?:regress\s+)?([\w.]+)\s+on\s+(.+)", found)
        found = f"{on[1]} ~ {on[2]}" if on else found
    found = _in_parentheses(found)
    if found != text.strip():
        yield Offer(formula=found)


def _call(whole: str, name: str, inside: str) -> str:
    arguments = [one for one in split_arguments(inside) if one]
    if name in REWRITES:
        return f"{REWRITES[name]}({inside})"
    return instead_of(name, arguments) or whole


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[^\W\d]\w*", name) else f"`{name}`"


def _powers(text: str) -> str:
    """Replace ^: of a column by its square, elsewhere by **."""
    made, depth = "", 0
    for piece in re.split(r"([\w.]*\(|\)|[\w.]+\s*\^\s*\d+|\^)", text):
        power = re.fullmatch(r"([^\W\d][\w.]*)\s*\^\s*(\d+)", piece)
        if piece.endswith("(") and len(piece) > 1:
            depth += 1
        elif piece in ("(", ")") and depth:
            depth += 1 if piece == "(" else -1
        if power and not depth:
            made += f"I({power[1]} ** {power[2]})"
        else:
            made += re.sub(r"\s*\^\s*", "**", piece) if "^" in piece else piece
    return made


def _in_parentheses(text: str) -> str:
    """Put a group term without parentheses into them: ``y ~ x + 1 | g``."""
    left, *groups = split_arguments(text, marks="|")
    if len(groups) != 1 or "~" not in left or not groups[0]:
        return text
    left = re.sub(r"\s*\+\s*1\s*$", "", left)
    return f"{left} + (1 | {groups[0]})"
