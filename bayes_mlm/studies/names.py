"""Models by the name or path of their record, for functions that take a formula or a request."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

from bayes_mlm.base import EngineError
from bayes_mlm.design import is_sums
from bayes_mlm.fitting import as_request, fit as _fit
from bayes_mlm.model import is_formula
from bayes_mlm.studies.record import Record, load_record, record_of


def is_record(model: Any) -> bool:
    """Return whether a model is the name or path of a record: no formula and no saved sums."""
    if not isinstance(model, (str, Path)) or is_sums(model):
        return False
    return isinstance(model, Path) or not is_formula(model)


def resolve(model: Any) -> Any:
    """Return the request of a record by its name or path, of each of several; else what is given.

    Examples
    --------
    >>> resolve("hsb_ses").model.formula, resolve("y ~ x")
    ('mathach ~ ses + (1 | schoolid)', 'y ~ x')
    """
    if isinstance(model, (list, tuple)):
        return [resolve(one) for one in model]
    return load_record(model).request if is_record(model) else model


def as_record(model: str | Path, data: Any = None, **options: Any) -> Record:
    """Return the record of a name or path, with changes, or that of a formula.

    Parameters
    ----------
    model, data, **options
        As in `bayes_mlm.fitting.as_request`.

    Examples
    --------
    >>> as_record("reaction ~ days + (1 | subject)", "sleepstudy").title
    'reaction ~ days + (1 | subject)'
    """
    if not is_record(model):
        return record_of(as_request(model, data, **options))
    record = load_record(model)
    return record.requesting(as_request(record.request, data, **options))


def _check_order(caller: str, model: Any = None, data: Any = None) -> None:
    """Refuse data in the place of the model, and a formula in that of the data."""
    if isinstance(data, str) and "~" in data and not (isinstance(model, str) and "~" in model):
        raise EngineError(
            f"the model comes first, the data second: {caller}({data!r}, ...); found the formula "
            "in second place"
        )


# What bambi, statsmodels and nlme call the formula.
_FORMULAS = ("formula", "fixed", "equation")


def takes_records[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return a function of a model, or of several, that takes names and paths of records too.

    Parameters
    ----------
    function : callable
        Of a model, or of a sequence of models, as its first argument.
    """
    first = next(iter(signature(function).parameters))

    @wraps(function)
    def with_records(*arguments: P.args, **options: P.kwargs) -> R:
        _check_order(function.__name__, *arguments[:2])
        named = next((word for word in _FORMULAS if word in options), None)
        if named is not None and not arguments and first not in options:
            raise EngineError(
                f"{function.__name__} has no argument {named!r}; give the formula in first place, "
                f"the data second: {function.__name__}('y ~ x + (1 | g)', data)"
            )
        if first in options:
            options[first] = resolve(options[first])
        return function(*map(resolve, arguments[:1]), *arguments[1:], **options)  # type: ignore[arg-type]

    return with_records


fit = takes_records(_fit)
