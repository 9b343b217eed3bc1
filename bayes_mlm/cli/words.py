"""Options that take one of few words: an error names the nearest, and shells complete them."""

import copy
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from bayes_mlm.base import suggest


def with_words(annotation: Any) -> Any:
    """Return the annotation of an option of words, ``Annotated[Literal[...], Option]``, as of text.

    Typer's own message has the words, and not which of them is meant. Others are returned as they
    are.
    """
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, option = get_args(annotation)[:2]
    parts = [one for one in get_args(kind) or (kind,) if one is not NoneType]
    if get_origin(kind) is Literal:
        return Annotated[str, of_words(option, get_args(kind))]
    if len(parts) == 1 and get_origin(parts[0]) is Literal:  # or None
        return Annotated[str | None, of_words(option, get_args(parts[0]))]
    return annotation


def of_words(option: Any, words: tuple[str, ...]) -> Any:
    """Return an option that takes one of some words, several times if it is repeatable.

    Examples
    --------
    >>> engine = of_words(typer.Option(), ("auto", "reml"))
    >>> engine.metavar, engine.autocompletion("re")
    ('[auto|reml]', ['reml'])
    """

    def known(found: Any) -> Any:
        for word in found if isinstance(found, (list, tuple)) else [found]:
            if word is not None and word not in words:
                raise typer.BadParameter(f"{word!r} is unknown{suggest(word, words)}")
        return found

    def completed(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    made = copy.copy(option)
    made.metavar = f"[{'|'.join(words)}]"
    made.callback, made.autocompletion = known, completed
    return made
