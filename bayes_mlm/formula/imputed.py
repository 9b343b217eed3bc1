"""Sets of plausible values or imputations in a formula: ``pv(PV1MATH..PV10MATH)``.

A set stands for one variable, known by several columns: the formula is read with a name in its
place, and fitted once with each column under that name.
"""

import re
from dataclasses import dataclass

from bayes_mlm.base import FormulaError, numbered_names
from bayes_mlm.formula.grammar import Source

_CALL = re.compile(r"(?<![\w.`])(pv|imputed)\s*\(")
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'")
_NAME = re.compile(r"[^\W\d]\w*(?:\.(?!\.)\w+)*|`[^`]+`")
_PLAIN = re.compile(r"[^\W\d]\w*(\.\w+)*")
_WRITE = "write pv(PV1MATH..PV10MATH), or list the columns: pv(m1, m2, m3)"


@dataclass(frozen=True)
class ImputedSet:
    """A variable with a column for each imputation.

    Attributes
    ----------
    name : str
        That stands for it in the formula, the terms and new data: "PVMATH".
    columns : tuple of str
        In the order of the imputations.
    """

    name: str
    columns: tuple[str, ...]


def expand_sets(source: Source) -> tuple[str, tuple[ImputedSet, ...]]:
    """Return a formula with a name in place of each set of columns, and the sets.

    Raises
    ------
    FormulaError
        If a set is malformed or has one column, or two have different numbers.

    Examples
    --------
    >>> expand_sets(Source("pv(PV1MATH..PV3MATH) ~ ses + (1 | school)"))
    ('PVMATH ~ ses + (1 | school)', (ImputedSet(name='PVMATH', columns=('PV1MATH', 'PV2MATH',
    'PV3MATH')),))
    """
    text = source.text
    if not _CALL.search(text):
        return text, ()
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    found: list[tuple[int, int, tuple[str, ...]]] = []
    for match in _CALL.finditer(text):
        if any(start <= match.start() < end for start, end in quoted):
            continue
        end = text.find(")", match.end())
        if end < 0:
            raise source.error(match.start(), f"{match[1]}( is not closed; {_WRITE}")
        columns = _columns(source, match.end(), end)
        found.append((match.start(), end + 1, columns))
    if not found:
        return text, ()
    sizes = {len(columns) for _, _, columns in found}
    if len(sizes) > 1:
        first, other = (len(columns) for _, _, columns in (found[0], found[-1]))
        place = next(start for start, _, columns in found if len(columns) != first)
        other = next(len(columns) for start, _, columns in found if start == place)
        raise source.error(
            place,
            f"the sets of a formula are paired, and have {first} and {other} columns; give as many "
            "in each",
        )
    outside = _outside(text, found)
    names: dict[tuple[str, ...], str] = {}
    for _, _, columns in found:
        if columns not in names:
            names[columns] = _name_of(columns, {*outside, *names.values()})
    parts, last = [], 0
    for start, end, columns in found:
        name = names[columns]
        parts += [text[last:start], name if _PLAIN.fullmatch(name) else f"`{name}`"]
        last = end
    plain = "".join([*parts, text[last:]])
    return plain, tuple(ImputedSet(name, columns) for columns, name in names.items())


def refuse_sets(sets: tuple[ImputedSet, ...]) -> None:
    """Refuse sets where one design is made of one table.

    Raises
    ------
    FormulaError
    """
    if sets:
        columns = sets[0].columns
        raise FormulaError(
            f"pv({columns[0]}, ..., {columns[-1]}) has {len(columns)} columns, each of which makes "
            f"a design; fit takes it as it is, and here one column is needed, such as {columns[0]}"
        )


def _columns(source: Source, start: int, end: int) -> tuple[str, ...]:
    """Return the columns that are listed between two places, ranges written out."""
    columns: list[str] = []
    place = start
    for part in source.text[start:end].split(","):
        at = place + len(part) - len(part.lstrip())
        place += len(part) + 1
        ends = [one.strip() for one in part.split("..")]
        if len(ends) > 2 or any(not _NAME.fullmatch(one) for one in ends):
            raise source.error(at, f"{part.strip()!r} is no column and no range; {_WRITE}")
        bare = [one.strip("`") for one in ends]
        columns += bare if len(bare) == 1 else _range(source, at, bare[0], bare[1])
    if len(columns) < 2:
        raise source.error(start, f"a set has two columns or more, and this has one; {_WRITE}")
    twice = next((name for k, name in enumerate(columns) if name in columns[:k]), None)
    if twice is not None:
        raise source.error(start, f"column {twice} is in the set twice")
    return tuple(columns)


def _range(source: Source, at: int, first: str, last: str) -> list[str]:
    """Return the numbered columns from one to another."""
    found = numbered_names(first, last)
    if not found:
        raise source.error(
            at,
            f"{first}..{last} is no range: the two differ in one number, the lower first; {_WRITE}",
        )
    return found


def _outside(text: str, found: list[tuple[int, int, tuple[str, ...]]]) -> set[str]:
    """Return the names that a formula has outside its sets."""
    rest, last = [], 0
    for start, end, _ in found:
        rest.append(text[last:start])
        last = end
    rest.append(text[last:])
    return {name.strip("`") for name in _NAME.findall(" ".join(rest))}


def _name_of(columns: tuple[str, ...], taken: set[str]) -> str:
    """Return the columns' name without their number, or the first and last of them."""
    split = [re.split(r"(\d+)", one) for one in columns]
    if len({len(one) for one in split}) == 1:
        places = zip(*split, strict=True)
        differ = [k for k, values in enumerate(places) if len(set(values)) > 1]
        if len(differ) == 1 and differ[0] % 2:
            name = "".join([*split[0][: differ[0]], *split[0][differ[0] + 1 :]]).strip("_.")
            if _PLAIN.fullmatch(name) and name not in taken:
                return name
    return f"{columns[0]}..{columns[-1]}"
