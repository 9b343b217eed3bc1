"""The columns of a model as expressions of the engine that stores the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from bayes_mlm.design.aggregated.crossed import Product
from bayes_mlm.design.aggregated.expressions import Guard, Written, product, write, write_basis
from bayes_mlm.design.aggregated.learning import Learned, known_levels, weighted_levels
from bayes_mlm.design.encoding.columns import OfBasis, Place, level_weights, place_name
from bayes_mlm.formula import Call, Factor, label


@dataclass(frozen=True, kw_only=True, eq=False)
class WrittenColumns:
    """Columns as the engine reads them.

    Parameters
    ----------
    plain : mapping of str to narwhals.Expr
        The distinct columns other than ones, by name.
    place : tuple of int or None
        Where each of [X, Z, y] is among them; None for ones.
    guards : tuple of Guard
    products : tuple of Product
        What each of `plain` is a product of.
    numbers : mapping of str to narwhals.Expr
        The numbers in these products.
    extra : mapping of str to narwhals.Expr
        The offset and the trials, where they are apart.
    """

    plain: Mapping[str, nw.Expr]
    place: tuple[int | None, ...]
    guards: tuple[Guard, ...]
    products: tuple[Product, ...]
    numbers: Mapping[str, nw.Expr]
    extra: Mapping[str, nw.Expr]


def write_columns(learned: Learned, *, apart: bool = False) -> WrittenColumns:
    """Return the columns of [X, Z, y] of a model, of all its factors, as queries.

    With `apart` y has its offset not subtracted: offset and trials are columns of their own.
    """
    encoding, scan = learned.encoding, learned.scan
    levels = known_levels(encoding)
    written: dict[Factor, tuple[Written, ...]] = {}
    guards: list[Guard] = []

    def value(factor: Factor, place: Place) -> nw.Expr:
        """Return what a column takes of a factor."""
        if str(factor) in levels:
            known = levels[str(factor)]
            return weighted_levels(known, level_weights(place, known), scan)
        if factor not in written:
            written[factor] = (
                write_basis(factor, scan, learned.constants)
                if isinstance(factor, Call) and isinstance(place, OfBasis)
                else (write(factor, scan, learned.constants),)
            )
            guards.extend(guard for one in written[factor] for guard in one.guards)
        return written[factor][place.place if isinstance(place, OfBasis) else 0].value

    products: list[Product] = []
    numbers: dict[str, nw.Expr] = {}

    def take_apart(parts: Sequence[tuple[Factor, Place]]) -> Product:
        without = [one for one in parts if str(one[0]) not in levels]
        number = ":".join(place_name(*one, None) for one in without) if without else None
        if number is not None and number not in numbers:
            numbers[number] = product([value(*one) for one in without])
        known = [(levels[str(f)], place) for f, place in parts if str(f) in levels]
        indicators = tuple((one, level_weights(place, one)) for one, place in known)
        return Product(number=number, indicators=indicators)

    plain: dict[str, nw.Expr] = {}
    names: list[str | None] = []
    for column in (*encoding.x_columns, *(column for one in encoding.z_columns for column in one)):
        names.append(column.name if column.parts else None)
        if column.parts and column.name not in plain:
            plain[column.name] = product([value(*part) for part in column.parts])
            products.append(take_apart(column.parts))
    outcome = _free_name(label(encoding.formula.outcome), plain)
    known = encoding.outcome_levels
    if known is None:
        plain[outcome] = value(encoding.formula.outcome, None)
    else:
        plain[outcome] = weighted_levels(known, range(len(known.levels)), scan)
    added: dict[str, nw.Expr] = {}
    for offset in encoding.formula.offsets:
        one = write(offset, scan, learned.constants)
        guards.extend(one.guards)
        added["offset"] = added["offset"] + one.value if added else one.value
    if added and not apart:
        plain[outcome] = plain[outcome] - added.pop("offset")
    if apart and encoding.formula.trials is not None:
        added["trials"] = write(encoding.formula.trials, scan, learned.constants).value
    extra = {name: _free_name(name, plain) for name in added}
    numbers[outcome] = plain[outcome]
    products.append(Product(number=outcome, indicators=()))
    names.append(outcome)
    places = {name: k for k, name in enumerate(plain)}
    return WrittenColumns(
        plain=plain,
        place=tuple(None if name is None else places[name] for name in names),
        guards=tuple(guards),
        products=tuple(products),
        numbers=numbers,
        extra={extra[name]: one for name, one in added.items()},
    )


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name = f"{name} "
    return name
