"""Explain which columns a table lacks: the nearest names, and what stands in their place."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

_LISTED, _ABSENT = 12, 5  # more names than this would drown the message
_STATA = re.compile(r"(?P<operator>i|c|ib(?P<base>\d+)|[LDF]\d*)\.(?P<name>\w+)")


def explain_absent(absent: Sequence[str], names: Sequence[str], source: str) -> str:
    """Return a message on the columns that a source lacks, with the nearest of its names.

    Parameters
    ----------
    absent : sequence of str
        The names that are not there; at least one.
    names : sequence of str
        The names there are.
    source : str
        Where.

    Returns
    -------
    str
        One sentence, for a `DataError`.

    Examples
    --------
    >>> explain_absent(["sess"], ["ses", "mathach"], "hsb")
    "hsb has no column 'sess' (did you mean 'ses'?); columns: ses, mathach"
    >>> explain_absent(["i.sex"], ["sex", "y"], "t.dta")
    "t.dta has no column 'i.sex' (it is written C(sex) here); columns: sex, y"
    """
    parts = [f"{name!r}{_hint(str(name), names)}" for name in absent[:_ABSENT]]
    more = f" and {len(absent) - _ABSENT} more that are needed" if len(absent) > _ABSENT else ""
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    repeated = [found for name in absent if (found := _waves(str(name), names))]
    wide = f"; {_reshape(str(absent[0]), repeated[0])}" if repeated else ""
    return f"{source} has no column {', no column '.join(parts)}{more}; columns: {listed}{wide}"


def _hint(name: str, names: Sequence[str]) -> str:
    stata = _STATA.fullmatch(name)
    if stata is not None and stata["name"] in names:
        return f" ({_of_stata(stata)})"
    folded = {one.casefold(): one for one in names}
    near = [folded[key] for key in get_close_matches(name.casefold(), folded, n=3)]
    if not near or _waves(name, names):
        return ""
    return f" (did you mean {' or '.join(map(repr, near))}?)"


def _of_stata(found: re.Match[str]) -> str:
    """Return what an operator of Stata before the name of a column is here."""
    operator, name = found["operator"], found["name"]
    if operator[0] in "LDF":
        return f"there are no lags or differences: make such a column of {name} before"
    base = f", ref={found['base']}" if found["base"] else ""
    return f"it is written {name if operator == 'c' else f'C({name}{base})'} here"


def _waves(name: str, names: Sequence[str]) -> list[str]:
    """Return columns that are a name with numbers after it, two or more: score0, score1."""
    numbered = re.compile(re.escape(name) + r"[_.]?\d+", re.IGNORECASE)
    found = [one for one in names if numbered.fullmatch(one)]
    return found if len(found) > 1 else []


def _reshape(name: str, waves: Sequence[str]) -> str:
    return (
        f"{waves[0]} to {waves[-1]} look like the same measure on {len(waves)} occasions: reshape "
        f"the table to one row an occasion before (reshape long {name}, i(id) j(wave) in Stata, "
        "pivot_longer in R, melt or wide_to_long in pandas, unpivot in DuckDB)"
    )
