"""Read the arithmetic, the names and the calls in the tree of a formula."""

import difflib
import math
from typing import TYPE_CHECKING, cast, get_args

from bayes_mlm.base import FormulaError
from bayes_mlm.formula.arguments import read_options
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
from bayes_mlm.formula.function import FunctionKind
from bayes_mlm.formula.functions import FUNCTIONS, HABITS, INSTEAD, REWRITES, instead_of
from bayes_mlm.formula.grammar import Source, describe, kind_of, parse_tree, start_of, unwrap

if TYPE_CHECKING:
    from lark import Token, Tree

    from bayes_mlm.formula.grammar import Branch

MAX_NAME = 255
# In the order in which a message lists functions.
_KINDS = get_args(FunctionKind.__value__)
# A chain a + b + c is as deep as it is long once it is a tree of pairs; every later step that
# walks it recurses, so both count.
MAX_DEPTH = 100
# Characters of a call that a message offers in place of another.
_MAX_MEANT = 120


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
    if kind in ("list", "TEXT"):
        raise source.error(
            start_of(bare), "a column or arithmetic stands here, not a list or text in quotes"
        )
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
            "the group is one column, as in (1 | school), or the combinations of several, as in "
            "(1 | class:school); for classes nested in schools write (1 | school/class), for "
            "crossed factors (1 | rater) + (1 | item)",
        )
    return _read_name(cast("Token", bare), source)


def read_factors(tree: "Branch", source: Source) -> tuple[tuple[str, ...], ...]:
    """Read what is right of a bar: the columns of each factor, of nested ones the outer first.

    ``school/class`` is the factors school and class:school, which lme4 names so.
    """
    bare = unwrap(tree)
    children = [] if isinstance(bare, str) else bare.children
    if kind_of(bare) == "product" and all(str(one) == "/" for one in children[1::2]):
        factors: list[tuple[str, ...]] = []
        for child in children[::2]:
            inner = _read_factor(child, source)
            outer = factors[-1] if factors else ()
            if set(inner) & set(outer):
                raise source.error(start_of(child), "a column cannot be nested in itself")
            factors.append(inner + outer)
        return tuple(factors)
    return (_read_factor(tree, source),)


def _read_factor(tree: "Branch", source: Source) -> tuple[str, ...]:
    """Read one grouping factor: a column, or an interaction of columns."""
    bare = unwrap(tree)
    if kind_of(bare) != "interaction":
        return (read_group(bare, source),)
    children = cast("Tree[Token]", bare).children[::2]
    return tuple(dict.fromkeys(name for one in children for name in _read_factor(one, source)))


def _read_call(tree: "Tree[Token]", source: Source, depth: int) -> Call:
    token = cast("Token", tree.children[0])
    name = str(token)
    if name not in FUNCTIONS:
        raise source.error(start_of(token), _unknown_function(tree, source))
    function = FUNCTIONS[name]
    arguments = cast("list[Tree[Token]]", tree.children[1:])
    grouped = function.kind == "grouped"
    most = 2 if grouped else 1 + len(function.options)
    if not 1 <= len(arguments) <= most:
        count = "a column and perhaps its group" if grouped else "one argument"
        count = f"a column and {most - 1} more at most" if function.options else count
        raise source.error(start_of(token), f"{name} takes {count}, and {len(arguments)} are given")
    for place, argument in enumerate(arguments[: 2 if grouped else 1]):
        keyword = str(argument.children[0]) if len(argument.children) == 3 else None
        if keyword is not None and not (grouped and place == 1 and keyword == "group"):
            allowed = "group= as its second argument" if grouped else "no named argument"
            allowed = "its column first" if function.options else allowed
            raise source.error(start_of(argument), f"{name} takes {allowed}, not {keyword!r}")
    inside = arguments[0].children[-1]
    argument_value = read_expression(inside, source, depth)
    if not argument_value.columns:
        raise source.error(start_of(inside), f"{name}(...) holds no column, only numbers")
    if function.kind == "categorical" and not isinstance(argument_value, Name):
        raise source.error(start_of(inside), f"{name}(...) takes a column")
    for call in calls(argument_value):
        _check_inside(name, call, inside, source)
    group = None
    if len(arguments) > 1 and grouped:
        group = ":".join(_read_factor(arguments[1].children[-1], source))
    options = () if grouped else read_options(function, arguments[1:], source, start_of(token))
    return Call(name, argument_value, group, options)


def _check_inside(name: str, call: Call, inside: "Branch", source: Source) -> None:
    """Refuse inside of a call what is no column of numbers."""
    kind = call.kind
    if kind == "categorical":
        raise source.error(
            start_of(inside), f"{name}(...) is numeric and {call.function}(...) is not"
        )
    if kind == "basis":
        raise source.error(
            start_of(inside),
            f"{call.function}(...) is several columns, and {name}(...) takes one"
            + ("" if name == "offset" else f"; write {call.function}({name}(...), ...)"),
        )
    if kind == "offset":
        raise source.error(
            start_of(inside), "offset(...) is added to the formula by itself: y ~ x + offset(z)"
        )


def _unknown_function(tree: "Tree[Token]", source: Source) -> str:
    name = str(tree.children[0])
    near = difflib.get_close_matches(name.rsplit(".", 1)[-1], FUNCTIONS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    arguments = [source.text_of(cast("Tree[Token]", one).children[-1]) for one in tree.children[1:]]
    meant, rest = "", source.text_of(tree)[len(name) :]
    if name in REWRITES:
        hint = f"write {REWRITES[name]}(...); "
        meant = REWRITES[name] + rest
    elif name in INSTEAD:
        meant = instead_of(
            name, arguments, knots=[source.text_of(one) for one in tree.children[2:]]
        )
    elif name == "Q" and len(arguments) == 1 and arguments[0][:1] in "\"'":
        meant = f"`{arguments[0][1:-1]}`"
    elif near and name not in HABITS:
        meant = near[0] + rest
    hint = f"{HABITS[name]}; " if name in HABITS else hint
    foreign = [char for char in name if not char.isascii()]
    if foreign:
        hint = f"it holds {describe(foreign[0])}, which may only look like a Latin letter; {hint}"
    shown = name if len(name) <= 40 else name[:40] + "..."
    write = f"; write: {source.rewrite(tree, meant)}" if meant and _is_valid(meant) else ""
    known = sorted(FUNCTIONS, key=lambda one: _KINDS.index(FUNCTIONS[one].kind))
    return f"unknown function {shown!r}; {hint}allowed: {', '.join(known)}{write}"


def _is_valid(text: str) -> bool:
    """Return whether a short text is columns of a formula: a name, a call, or a product of them."""
    if len(text) > _MAX_MEANT:
        return False
    try:
        source = Source(f"y ~ {text}")
        tree = parse_tree(source).children[-1]
        is_product = kind_of(tree) == "interaction"
        parts = cast("Tree[Token]", tree).children[::2] if is_product else [tree]
        return all(read_expression(part, source).columns for part in parts)
    except FormulaError:
        return False


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
