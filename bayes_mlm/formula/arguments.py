"""Read the arguments of a call after its column: numbers, categories, codings of categories."""

import math
from typing import TYPE_CHECKING, cast

from bayes_mlm.formula.codings import CODINGS
from bayes_mlm.formula.function import Function, Option, OptionValue
from bayes_mlm.formula.grammar import Source, kind_of, nearest, start_of, unwrap

if TYPE_CHECKING:
    from lark import Token, Tree

    from bayes_mlm.formula.grammar import Branch

MAX_KNOTS = 50
_TRUTH = {"True": True, "False": False, "TRUE": True, "FALSE": False}
_EXPECTED = {
    "count": "a whole number of 1 or more",
    "number": "a number",
    "numbers": "numbers, as in knots=(10, 20)",
    "flag": "True or False",
    "label": 'a category, as in ref="a"',
    "labels": 'all categories in their order, as in levels=["low", "high"]',
    "coding": f"the name of a coding ({', '.join(CODINGS)})",
}


def read_options(
    function: Function, arguments: "list[Tree[Token]]", source: Source, at: int
) -> tuple[tuple[str, OptionValue], ...]:
    """Read the arguments after the first, by place or by name.

    Raises
    ------
    FormulaError
        If the function has no such argument, or one has a value that it cannot have.
    """
    known = {option.name: option for option in function.options}
    found: dict[str, OptionValue] = {}
    for place, argument in enumerate(arguments):
        named = len(argument.children) == 3
        if named:
            name = str(argument.children[0])
            if name not in known:
                raise source.error(
                    start_of(argument),
                    f"{function.name} has no argument {name!r}{nearest(name, known)}; "
                    f"allowed: {_listed(function)}",
                )
        elif place < len(function.options):
            name = function.options[place].name
        else:
            raise source.error(
                start_of(argument),
                f"{function.name} takes {_listed(function)} after its column, and more are given",
            )
        if name in found:
            raise source.error(start_of(argument), f"{function.name} is given {name} twice")
        found |= _read(function, known[name], argument.children[-1], source)
    wanted = {name: value for name, value in found.items() if value is not False}
    reason = function.check(wanted)
    if reason:
        raise source.error(at, f"{function.name}: {reason}")
    return tuple((name, wanted[name]) for name in known if name in wanted)


def _listed(function: Function) -> str:
    return ", ".join(option.name for option in function.options) or "no other argument"


def _read(
    function: Function, option: Option, tree: "Branch", source: Source
) -> dict[str, OptionValue]:
    bare = unwrap(tree)
    if option.kind == "coding":
        return _read_coding(bare, source)
    value: OptionValue | None
    if option.kind == "numbers":
        value = _numbers(bare, source)
    elif option.kind == "labels":
        value = _labels(bare, source)
    elif option.kind == "flag":
        value = _TRUTH.get(str(bare)) if kind_of(bare) == "NAME" else None
    elif option.kind == "label":
        value = _label(bare, source)
    else:
        value = _number(bare)
        if option.kind == "count" and (value is None or value < 1 or not value.is_integer()):
            value = None
        elif value is not None and option.kind == "count":
            value = int(value)
    if value is None:
        raise source.error(
            start_of(bare), f"{function.name} takes as {option.name} {_EXPECTED[option.kind]}"
        )
    return {option.name: value}


def _label(tree: "Branch", source: Source) -> OptionValue | None:
    if kind_of(tree) == "TEXT":
        return str(tree)[1:-1]
    if kind_of(tree) in ("NAME", "QUOTED"):
        word = str(tree).strip("`")
        if word in _TRUTH:
            return str(_TRUTH[word])
        whole = source.rewrite(tree, f'"{word}"')
        raise source.error(start_of(tree), f"a category is written in quotes: {whole}")
    number = _number(tree)
    return int(number) if number is not None and number.is_integer() else number


def _read_coding(tree: "Branch", source: Source) -> dict[str, OptionValue]:
    """Read ``Sum``, ``Treatment("a")`` or ``Treatment(reference="a")``."""
    kind = kind_of(tree)
    name = str(tree if kind != "call" else cast("Tree[Token]", tree).children[0])
    if kind == "TEXT":
        name = name[1:-1]
    if kind not in ("NAME", "call", "TEXT") or name not in CODINGS:
        coding = name.removeprefix("contr.").capitalize()
        hint = nearest(name, CODINGS)
        if kind in ("NAME", "TEXT") and coding in CODINGS:
            hint = f"; write: {source.rewrite(tree, coding)}"
        elif kind == "TEXT":
            hint = f"; write: {source.rewrite(tree, f'ref={tree}')}"
        raise source.error(
            start_of(tree), f"C takes after its column {_EXPECTED['coding']}, or ref=...{hint}"
        )
    found: dict[str, OptionValue] = {} if name == "Treatment" else {"coding": name}
    if kind != "call":
        return found
    arguments = cast("list[Tree[Token]]", cast("Tree[Token]", tree).children[1:])
    keyword = str(arguments[0].children[0]) if arguments else "reference"
    named = bool(arguments) and len(arguments[0].children) == 3
    if (
        len(arguments) > 1
        or (arguments and name != "Treatment")
        or (named and keyword not in ("reference", "ref"))
    ):
        raise source.error(
            start_of(tree), f'{name} takes no argument here; a reference is C(x, ref="a")'
        )
    if arguments:
        label = _label(unwrap(arguments[0].children[-1]), source)
        if label is None:
            raise source.error(start_of(arguments[0]), f"a reference is {_EXPECTED['label']}")
        found["ref"] = label
    return found


def _numbers(tree: "Branch", source: Source) -> tuple[float, ...] | None:
    """Read ``(1, 2)``, ``[1, 2]`` or R's ``c(1, 2)``; one number stands for itself."""
    children = _listed_values(tree)
    if len(children) > MAX_KNOTS:
        raise source.error(start_of(tree), f"at most {MAX_KNOTS} numbers can be given")
    found = [_number(unwrap(child)) for child in children]
    known = [one for one in found if one is not None]
    return tuple(known) if known and len(known) == len(found) else None


def _labels(tree: "Branch", source: Source) -> tuple[float | str, ...] | None:
    """Read ``["low", "high"]``: two categories or more, none of them twice."""
    found = [_label(unwrap(child), source) for child in _listed_values(tree)]
    known = tuple(one for one in found if isinstance(one, str | int | float))
    return known if 1 < len(known) == len(found) == len(set(known)) else None


def _listed_values(tree: "Branch") -> "list[Branch]":
    if kind_of(tree) == "list":
        return list(cast("Tree[Token]", tree).children)
    if kind_of(tree) == "call" and str(cast("Tree[Token]", tree).children[0]) == "c":
        arguments = cast("list[Tree[Token]]", cast("Tree[Token]", tree).children[1:])
        return [one.children[-1] for one in arguments]
    return [tree]


def _number(tree: "Branch") -> float | None:
    """Read a number with its sign, or nothing."""
    sign = 1.0
    bare = unwrap(tree)
    if kind_of(bare) in ("unary", "exponent"):
        sign, bare = -1.0, unwrap(cast("Tree[Token]", bare).children[1])
    if kind_of(bare) != "NUMBER":
        return None
    value = sign * float(str(bare))
    return value if math.isfinite(value) else None
