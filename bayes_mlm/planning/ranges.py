"""Numbers of a plan, one or several, and the ranges that they lie in."""

import math
from collections.abc import Iterable

from bayes_mlm.base import EngineError, check_whole


def _listed(values: object) -> list[object]:
    return list(values) if isinstance(values, Iterable) else [values]


def whole_numbers(name: str, values: object, least: int) -> list[int]:
    """Return one number or several as a list, after checking that they are whole and not less."""
    found = _listed(values)
    for one in found or [None]:
        check_whole(name, one, least)
    return [one for one in found if type(one) is int]


def numbers_between(
    name: str,
    values: object,
    low: float,
    high: float,
    ends: tuple[bool, bool] = (False, False),
) -> list[float]:
    """Return one number or several as a list, after checking that they lie between two.

    An end that is flagged is one of them.
    """
    found = _listed(values)
    numbers = [float(one) for one in found if type(one) is int or isinstance(one, float)]
    inside = [
        one
        for one in numbers
        if low < one < high or (one == low and ends[0]) or (one == high and ends[1])
    ]
    if len(inside) == len(found) > 0:
        return inside
    span = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of {low:g} or more"
    span = span if math.isfinite(low) else "that are finite"
    wrong = next((repr(one) for one in found if one not in inside), "none")
    raise EngineError(f"{name} must be numbers {span}, found {wrong}")
