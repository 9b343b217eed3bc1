"""Parser of a formula's text by an LALR grammar, with the position of any error.

The grammar says only how a formula is put together; `bayes_mlm.formula.reader` says what the
parts mean. The limits here keep a hostile text from costing more than a moment.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from bayes_mlm.base import FormulaError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

    type Branch = Tree[Token] | Token

MAX_LENGTH = 10_000
MAX_NESTING = 50

GRAMMAR = r"""
start: _side TILDE _side
_side: bar | sum
bar: sum (BAR | DOUBLE_BAR) sum
?sum: product ((PLUS | MINUS) product)*
?product: unary ((STAR | SLASH) unary)*
?unary: MINUS? interaction
?interaction: power (COLON power)*
?power: atom (POWER exponent)?
?exponent: MINUS? atom
?atom: NUMBER | NAME | QUOTED | call | group
group: "(" (bar | sum) ")"
call: NAME "(" (argument ("," argument)*)? ")"
argument: (NAME EQUALS)? _value
_value: sum | TEXT | list
list: "(" _item "," (_item ("," _item)*)? ")" | "[" (_item ("," _item)*)? "]"
_item: sum | TEXT

TILDE: "~"
DOUBLE_BAR: "||"
BAR: "|"
PLUS: "+"
MINUS: "-"
POWER: "**"
STAR: "*"
SLASH: "/"
COLON: ":"
EQUALS: "="
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
NAME: /[^\W\d]\w*(\.\w+)*/
QUOTED: /`[^`]*`/
TEXT: /"[^"]*"|'[^']*'/
%ignore /[ \t]+/
"""

ALLOWED = (
    "a formula is 'outcome ~ predictors': column names, + - * / : **, parentheses, 0 or 1 for the "
    "intercept, listed functions such as log(x), and group terms such as (1 | school)"
)
_HINTS = {
    "^": "write ** for a power",
    "@": "there is no matrix product",
    "=": "write ~ between the outcome and the predictors",
    "'": "column names are written without quotes, or in `backquotes`",
    '"': "column names are written without quotes, or in `backquotes`",
    "`": "a backquoted name ends with a second backquote",
    "[": "there is no indexing; C(x) reads a column as categories",
    "{": "write I(...) for arithmetic",
    ".": "write out the columns",
    "if": "select the rows before",
    "%": "write : for the combinations of two columns, and / for nesting",
    ">": "make a column of the truth values in the data",
    "<": "make a column of the truth values in the data",
    "$": "write the column alone, without its table",
    ";": "there is one formula",
    "~": "a formula has one ~",
    "|": "a group term is written (effects | group)",
    "||": "a group term is written (effects || group)",
    ",": "only functions have more than one argument",
}
_WIDE = ("W", "F")
_AROUND = 60  # characters of a long formula shown around the error


@dataclass(frozen=True)
class Source:
    """Text of a formula, with the means to point into it."""

    text: str

    def error(self, position: int, message: str) -> FormulaError:
        """Make an error that shows the formula with a mark under a position.

        Parameters
        ----------
        position : int
            Index into the text; its length for the end.
        message : str
            What is wrong, and what to write.
        """
        start = max(0, position - _AROUND) if len(self.text) > 2 * _AROUND else 0
        shown = self.text[start : start + 2 * _AROUND]
        before, after = (
            ("..." if start else ""),
            ("..." if start + len(shown) < len(self.text) else ""),
        )
        blank = len(before) + sum(_width(char) for char in self.text[start:position])
        line = "".join(_printable(char) for char in shown)
        return FormulaError(f"{message}\n  {before}{line}{after}\n  {' ' * blank}^")

    def rewrite(self, tree: "Branch", text: str) -> str:
        """Return the formula with a part of it written otherwise, to show in a message.

        Parameters
        ----------
        tree : Tree or Token
            The part.
        text : str
            What to write in its place; alone where the formula is long.
        """
        whole = f"{self.text[: start_of(tree)]}{text}{self.text[end_of(tree) :]}"
        return "".join(map(_printable, whole if len(whole) <= 2 * _AROUND else text))

    def text_of(self, tree: "Branch") -> str:
        """Return the text of a part."""
        return self.text[start_of(tree) : end_of(tree)]


def parse_tree(source: Source) -> "Tree[Token]":
    """Parse a formula's text by the grammar.

    Raises
    ------
    FormulaError
        If it is too long, too deep, or not a formula.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    _check_limits(source)
    try:
        return _parser().parse(source.text)
    except UnexpectedCharacters as error:
        position = cast("int", error.pos_in_stream)  # lark types it by its class default, None
        raise _unexpected(source, position, source.text[position]) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            missing = "" if "~" in source.text else "there is no ~; "
            raise source.error(
                len(source.text), f"the formula ends too early: {missing}{ALLOWED}"
            ) from None
        raise _unexpected(source, error.token.start_pos or 0, str(error.token)) from None


def printable(text: str) -> str:
    """Return a text without characters that a terminal acts on."""
    return "".join(map(_printable, text))


@cache
def _parser() -> "Lark":
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", propagate_positions=True)


def _check_limits(source: Source) -> None:
    text = source.text
    if len(text) > MAX_LENGTH:
        raise source.error(
            MAX_LENGTH, f"the formula has {len(text):,} characters; at most {MAX_LENGTH:,} are read"
        )
    for position, char in enumerate(text):
        if char != "\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            what = "a line break: a formula is one line" if char in "\r\n" else describe(char)
            raise source.error(position, f"the formula holds {what}; take it out")
    depth = 0
    for match in re.finditer(r"`[^`]*`|\"[^\"]*\"|'[^']*'|[()\[\]]", text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(match.group(), 0)
        if depth > MAX_NESTING:
            raise source.error(
                match.start(), f"the parentheses are nested more than {MAX_NESTING} deep"
            )


def _unexpected(source: Source, position: int, found: str) -> FormulaError:
    shown = repr(found) if len(found) <= 30 else repr(found[:30]) + "..."
    if not found.isascii() and not found.isalnum():
        shown = describe(found[0])
    hint = _HINTS.get(found, _HINTS.get(found[0], ""))
    if source.text[position : position + 2] == "==":
        hint = _HINTS[">"]
    if found == "~" and not source.text[:position].strip():
        hint = "the outcome stands before the ~"
    if found[0] == "^":
        hint = f"{hint}, and I(x ** 2) for the square of a column"
    return source.error(position, f"unexpected {shown}: {hint + '; ' if hint else ''}{ALLOWED}")


def describe(char: str) -> str:
    """Describe a character for a message, so that look-alikes can be distinguished."""
    name = unicodedata.name(char, "")
    return f"the character U+{ord(char):04X}{' ' + name if name else ''}"


def _printable(char: str) -> str:
    if char == "\t":
        return " "
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def unwrap(tree: "Branch") -> "Branch":
    """Strip parentheses."""
    while not isinstance(tree, str) and tree.data == "group":
        tree = tree.children[0]
    return tree


def kind_of(tree: "Branch") -> str:
    """Return the terminal of a token (a Token is a str), or the rule of a tree."""
    return tree.type if isinstance(tree, str) else str(tree.data)


def start_of(tree: "Branch") -> int:
    """Return the position in the text at which a tree or token begins."""
    start = tree.start_pos if isinstance(tree, str) else tree.meta.start_pos
    return start or 0


def end_of(tree: "Branch") -> int:
    """Return the position in the text after a tree or token."""
    end = tree.end_pos if isinstance(tree, str) else tree.meta.end_pos
    return end or 0


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest of some names, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
