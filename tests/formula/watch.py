"""A watch over formulas as they are read: whatever would run, open or import a text fails."""

import builtins
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bayes_mlm.formula.formula import Formula, parse_formula

# What runs or opens a text. A call of any of them while a formula is read is the failure.
RUNNERS = ("eval", "exec", "compile", "open", "breakpoint", "input")
# Used honestly by libraries, but not with the names in FORBIDDEN; and where they take the name.
LOOKUPS = {"__import__": 0, "getattr": 1}


class RanSomethingError(AssertionError):
    """Signal that a text reached something that runs, opens or looks things up."""


FORBIDDEN = {
    "__class__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__mro__",
    "ctypes",
    "system",
    "popen",
    "antigravity",
    "subprocess",
    "/etc/passwd",
}


@contextmanager
def watched() -> Iterator[None]:
    """Make every way to run, import or open a text fail loudly inside the block."""
    parse_formula("y ~ x")  # lark builds its tables, by honest means, once
    with pytest.MonkeyPatch.context() as patch:
        for name in RUNNERS:
            patch.setattr(builtins, name, refuse)
        patch.setattr(os, "system", refuse)
        patch.setattr(os, "popen", refuse)
        patch.setattr(subprocess, "Popen", refuse)
        for name, place in LOOKUPS.items():  # last: patching looks names up itself
            patch.setattr(builtins, name, refuse_forbidden(getattr(builtins, name), place))
        yield


def refuse(*args: object, **_: object) -> None:
    raise RanSomethingError(str(args)[:200])


def refuse_forbidden(honest: Callable, place: int) -> Callable:
    def guarded(*args: object, **kwargs: object) -> object:
        if args[place] in FORBIDDEN:
            refuse(*args)
        return honest(*args, **kwargs)

    return guarded


def parse_watched(text: str) -> Formula:
    with watched():
        return parse_formula(text)
