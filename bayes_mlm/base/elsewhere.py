"""Arguments of other packages' functions: an error that names what does the same here."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature

from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.toml import suggest


def knows_words[**P, R](words: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that explains keywords which a function does not take.

    Parameters
    ----------
    words : mapping of str to str
        What to write instead of a keyword of bambi, marginaleffects, brms or lme4.

    Examples
    --------
    >>> @knows_words({"ci": "prob=0.9"})
    ... def interval(*, prob=0.9):
    ...     return prob
    >>> interval(ci=0.9)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.EngineError: interval has no argument 'ci'; use prob=0.9
    """

    def explained(function: Callable[P, R]) -> Callable[P, R]:
        known = tuple(signature(function).parameters)

        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> R:
            for name in options.keys() - set(known):
                advice = f"; use {words[name]}" if name in words else suggest(name, known)
                raise EngineError(f"{function.__name__} has no argument {name!r}{advice}")
            return function(*arguments, **options)

        return call

    return explained
