"""Read the arithmetic, the names and the calls in the tree of a formula."""

import difflib
import math
from typing import TYPE_CHECKING, cast

from bayes_mlm.formula.expressions import (
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Operation,
    calls,
    is_bare_name,
)
from bayes_mlm.formula.functions import FUNCTIONS, HABITS
from bayes_mlm.formula.grammar import Source, describe

if TYPE_CHECKING:
    from lark import Token, Tree

    type Branch = Tree[Token] | Token

MAX_NAME = 255
# A chain a + b + c is as deep as it is long once it is a tree of pairs; every later step that
# walks it recurses, so both count.
MAX_DEPTH = 100


def read_expression(tree: "Branch", source: Source, depth: int = 0) -> Expression:
    """Read ordinary arithmetic, names and calls."""
    bare = unwrap(tree)
    kind = kind_of(bare)
    if kind in ("NAME", "QUOTED"):
        return Name(_read_name(cast("Token", bare), source))
    if kind == "NUMBER":
        value = float(str(bare))
        if not math.isfinite(value):
            raise source.error(start_of(bare), "the number is too large")
        return Number(value)
    branch = cast("Tree[Token]", bare)
    if kind in ("bar", "interaction"):
        raise source.error(
            start_of(branch),
            f"'{':' if kind == 'interaction' else '|'}' has no meaning in arithmetic",
        )
    if kind == "call":
        return _read_call(branch, source, depth + 1)
    children = branch.children
    depth += len(children)
    if depth > MAX_DEPTH:
        raise source.error(start_of(bare), f"the expression is more than {MAX_DEPTH} steps deep")
    if kind in ("unary", "exponent"):
        return Negative(read_expression(children[1], source, depth))
    result = read_expression(children[0], source, depth)
    for operator, child in zip(children[1::2], children[2::2], strict=True):
        result = Operation(str(operator), result, read_expression(child, source, depth))
    return result


def read_group(tree: "Branch", source: Source) -> str:
    """Read the name of a grouping column."""
    bare = unwrap(tree)
    if kind_of(bare) not in ("NAME", "QUOTED"):
        raise source.error(
            start_of(tree),
            "the group is one column, as in (1 | school); for classes nested in schools name a "
            "column that tells every class from every other: (1 | school) + (1 | class)",
        )
    return _read_name(cast("Token", bare), source)


def _read_call(tree: "Tree[Token]", source: Source, depth: int) -> Call:
    token = cast("Token", tree.children[0])
    name = str(token)
    if name not in FUNCTIONS:
        raise source.error(start_of(token), _unknown_function(name))
    arguments = cast("list[Tree[Token]]", tree.children[1:])
    group: str | None = None
    grouped = FUNCTIONS[name].kind == "grouped"
    if len(arguments) != 1 and not (grouped and len(arguments) == 2):
        count = "a column and perhaps its group" if grouped else "one argument"
        raise source.error(start_of(token), f"{name} takes {count}, and {len(arguments)} are given")
    for place, argument in enumerate(arguments):
        keyword = str(argument.children[0]) if len(argument.children) == 3 else None
        if keyword is not None and not (grouped and place == 1 and keyword == "group"):
            allowed = "group= as its second argument" if grouped else "no named argument"
            raise source.error(start_of(argument), f"{name} takes {allowed}, not {keyword!r}")
        if place == 1:
            group = read_group(argument.children[-1], source)
    inside = arguments[0].children[-1]
    argument_value = read_expression(inside, source, depth)
    if not argument_value.columns:
        raise source.error(start_of(inside), f"{name}(...) holds no column, only numbers")
    if name == "C" and not isinstance(argument_value, Name):
        raise source.error(start_of(inside), "C(...) takes a column")
    if any(call.function == "C" for call in calls(argument_value)):
        raise source.error(start_of(inside), f"{name}(...) is numeric and C(...) is not")
    return Call(name, argument_value, group)


def _unknown_function(name: str) -> str:
    short = name.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(short, FUNCTIONS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    hint = f"{HABITS[name]}; " if name in HABITS else hint
    foreign = [char for char in name if not char.isascii()]
    if foreign:
        hint = f"it holds {describe(foreign[0])}, which may only look like a Latin letter; {hint}"
    shown = name if len(name) <= 40 else name[:40] + "..."
    return f"unknown function {shown!r}; {hint}allowed: {', '.join(FUNCTIONS)}"


def _read_name(token: "Token", source: Source) -> str:
    name = str(token)
    position = start_of(token)
    if token.type == "QUOTED":
        name = name[1:-1]
        if not name.strip():
            raise source.error(position, "the backquotes hold no name")
    elif not is_bare_name(name):
        what = "begins with two underscores" if "__" in name else "is not a plain word"
        raise source.error(position, f"the name {what}; if it is a column, write `{name[:60]}`")
    if len(name) > MAX_NAME:
        raise source.error(position, f"the name has more than {MAX_NAME} characters")
    return name


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
