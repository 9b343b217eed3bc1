"""Check the arguments of public names: one message for an argument of the wrong type."""

import os
from collections.abc import Iterable
from numbers import Real
from typing import Any

from bayes_mlm.base.errors import BayesMLMError, DataError, DesignError, EngineError, SpecError
from bayes_mlm.base.toml import suggest

# The function that returns a value of a type, and the error where another is found.
_RETURNED_BY: dict[str, tuple[str, type[BayesMLMError]]] = {
    "Design": ("build_design", DesignError),
    "Estimate": ("fit", EngineError),
    "Fit": ("fit", EngineError),
    "OlsFit": ("fit_ols", EngineError),
    "Record": ("load_record", SpecError),
    "RemlFit": ("fit_reml", EngineError),
    "Summary": ("summarise", EngineError),
}


def expect(caller: str, value: Any, *kinds: type, hint: str = "") -> None:
    """Raise an error if an argument is not of an accepted type.

    Parameters
    ----------
    caller : str
        The function or the quantity that the message is about.
    value : object
    *kinds : type
        Public types that some function of the package returns.
    hint : str
        What to use instead, if another function takes it.

    Examples
    --------
    >>> from bayes_mlm import Fit
    >>> expect("predict", 3, Fit)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.EngineError: predict expects the result of fit, found int (3)
    """
    if not isinstance(value, kinds):
        names = list(dict.fromkeys(_RETURNED_BY[kind.__name__][0] for kind in kinds))
        listed = " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        more = f"; {hint}" if hint else ""
        error = _RETURNED_BY[kinds[0].__name__][1]
        raise error(f"{caller} expects the result of {listed}, found {describe_value(value)}{more}")


def expect_each(caller: str, values: Any, *kinds: type) -> None:
    """Raise an error if an argument is not a sequence of values of the listed types."""
    if not isinstance(values, Iterable) or isinstance(values, str | dict):
        function, error = _RETURNED_BY[kinds[0].__name__]
        found = describe_value(values)
        raise error(f"{caller} expects a list of results of {function}, found {found}")
    for value in values:
        expect(caller, value, *kinds)


def check_choice(
    option: str, value: Any, allowed: Iterable[str], error: type[BayesMLMError] = EngineError
) -> None:
    """Refuse a value that is not one of an option's words, and name the nearest.

    Examples
    --------
    >>> check_choice("interval", "hpd", ("hdi", "eti"))
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.EngineError: unknown interval 'hpd'; did you mean 'hdi'? allowed: hdi, eti
    """
    words = tuple(allowed)
    if not isinstance(value, str):
        found = describe_value(value)
        raise error(f"{option} must be a text, found {found}; allowed: {', '.join(words)}")
    if value not in words:
        raise error(f"unknown {option} {value!r}{suggest(value, words)}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse what is not a whole number of at least so many.

    Raises
    ------
    EngineError

    Examples
    --------
    >>> check_whole("n", 5, 100)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.EngineError: n must be a whole number of 100 or more, found 5
    """
    if type(value) is not int or value < least:
        found = value if isinstance(value, Real) else describe_value(value)
        raise EngineError(f"{name} must be a whole number of {least} or more, found {found}")


def expect_text(caller: str, value: Any, what: str, error: type[BayesMLMError] = DataError) -> None:
    """Raise an error if an argument is not text, or is empty."""
    if not isinstance(value, str) or not value:
        raise error(f"{caller} expects {what}, found {describe_value(value)}")


def expect_path(caller: str, value: Any, error: type[BayesMLMError] = DataError) -> None:
    """Raise an error if an argument is no path: neither non-empty text nor a `Path`."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise error(f"{caller} expects the path of a file, found {describe_value(value)}")


def describe_value(value: Any) -> str:
    """Return a short description of a value: ``int (3)``, ``empty str``, ``DataFrame``.

    Examples
    --------
    >>> describe_value(None), describe_value([]), describe_value("a" * 50)
    ('None', 'empty list', "str ('aaaaaaaaaaaaaaaaaaaaaaaaa…')")
    """
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, str | list | tuple | dict | set) and not value:
        return f"empty {name}"
    if isinstance(value, bool | int | float):
        return f"{name} ({value!r})"
    if isinstance(value, str):
        shown = value if len(value) <= 25 else f"{value[:25]}…"
        return f"str ({shown!r})"
    return name
