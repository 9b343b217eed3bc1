"""Encoding of a formula learned from a table, and its stored form."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from numpy.typing import NDArray

from bayes_mlm.base import FormulaError, StorageError
from bayes_mlm.design.encoding.cells import Crossing, Layout, notes_on
from bayes_mlm.design.encoding.columns import Column, Contrast, OfBasis, lay_out, place_name
from bayes_mlm.design.encoding.levels import Levels, codes_of
from bayes_mlm.design.encoding.means import Centring, LearnedBasis, LevelMeans
from bayes_mlm.design.encoding.values import Learned, evaluate, group_of
from bayes_mlm.formula import Factor, Formula, calls, label, parse_formula, unique

if TYPE_CHECKING:
    from bayes_mlm.data import Table


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A formula and all that was learned from the table it was first used on.

    Parameters
    ----------
    formula : Formula
        The formula.
    group : str or None
        The column that `within` and `between` group by when they name none.
    levels : tuple of Levels
        Categories of each categorical factor, the reference first.
    centrings : tuple of Centring
        Mean and sd of each expression in `center` or `scale`.
    means : tuple of LevelMeans
        Group means of each expression in `within` or `between`.
    crossings : tuple of Crossing
        Interactions with cells that have no rows, and the columns dropped because of them.
    bases : tuple of LearnedBasis
        Constants of each function that is several columns: knots, centres of polynomials.
    strip : bool
        Whether spaces were stripped from the ends of labels, as they are in new data.
    titles : mapping of str to str
        Variable labels of columns of the table, which stand for their names in titles.
    outcome_levels : Levels or None
        The categories of the outcome, those of 0, 1, ...; None of an outcome that is numbers.
    thresholds : bool
        Whether thresholds stand for the intercept, which X then does not have.
    """

    formula: Formula
    group: str | None
    levels: tuple[Levels, ...]
    centrings: tuple[Centring, ...]
    means: tuple[LevelMeans, ...]
    crossings: tuple[Crossing, ...] = ()
    bases: tuple[LearnedBasis, ...] = ()
    strip: bool = False
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)
    outcome_levels: Levels | None = None
    thresholds: bool = False

    def title(self, name: str) -> str:
        """Return the variable label of a column, or its name where it has none.

        Examples
        --------
        >>> from bayes_mlm import build_design, load_hsb
        >>> build_design("mathach ~ ses + (1 | schoolid)", load_hsb()).encoding.title("ses")
        'ses'
        """
        return self.titles.get(name, name)

    @property
    def titles_text(self) -> str:
        """The variable labels on one line: "variables: x = Home resources"; empty if none."""
        listed = "; ".join(f"{name} = {title}" for name, title in self.titles.items())
        return f"variables: {listed}" if listed else ""

    def term_title(self, term: str) -> str:
        """Return the variable labels of a column of X, or its name where there are none.

        Examples
        --------
        >>> from bayes_mlm import build_design
        >>> from bayes_mlm.data import as_table
        >>> rows = as_table({"y": [1.0, 2, 4, 3], "band": ["low", "high", "low", "high"]})
        >>> encoding = build_design("y ~ band", rows).encoding
        >>> replace(encoding, titles={"band": "Achievement"}).term_title("band[low]")
        'Achievement: low'
        """
        column = next((one for one in self.x_columns if one.name == term), None)
        if column is None or not self.titles:
            return self.title(term)
        known = {one.factor: one for one in self.levels}
        parts = []
        for factor, place in column.parts:
            if isinstance(place, Contrast | OfBasis):
                parts.append(place_name(factor, place, None))
                continue
            level = "" if place is None else known[str(factor)].name(place)
            name = known[str(factor)].column if level else label(factor)
            if name in self.titles:
                parts.append(f"{self.titles[name]}: {level}" if level else self.titles[name])
            else:
                parts.append(f"{label(factor)}[{level}]" if level else label(factor))
        titled = any(name in self.titles for factor, _ in column.parts for name in factor.columns)
        return " × ".join(parts) if titled and parts else term

    @property
    def outcome(self) -> str:
        """Name of the outcome, as in ``log(y)``."""
        levels = self.outcome_levels
        return label(self.formula.outcome) if levels is None else levels.column

    @property
    def between_levels(self) -> tuple[str, ...]:
        """Names of the thresholds between the categories of the outcome: ``low|middle``."""
        levels = self.outcome_levels
        if levels is None or not self.thresholds:
            return ()
        names = [levels.name(place) for place in range(len(levels.levels))]
        return tuple(f"{low}|{high}" for low, high in pairwise(names))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns of X, p of them."""
        return tuple(column.name for column in self.x_columns)

    @property
    def effects(self) -> tuple[tuple[str, ...], ...]:
        """Names of the columns of Z, for each group term."""
        return tuple(tuple(column.name for column in one) for one in self.z_columns)

    @property
    def x_columns(self) -> tuple[Column, ...]:
        """Columns of X, those aliased by empty cells dropped."""
        dropped = {name for one in self.crossings for name in one.dropped}
        found = tuple(column for column in self.layout.x if column.name not in dropped)
        return tuple(one for one in found if one.parts) if self.thresholds else found

    @property
    def z_columns(self) -> tuple[tuple[Column, ...], ...]:
        """Columns of Z for each group term, those aliased by empty cells dropped."""
        found = []
        for place, columns in enumerate(self.layout.z):
            dropped = {name for one in self.crossings for name in one.dropped_effects[place]}
            found.append(tuple(column for column in columns if column.name not in dropped))
        return tuple(found)

    @cached_property
    def layout(self) -> Layout:
        """The columns of the formula before any is dropped."""
        return Layout(
            formula=self.formula,
            levels=self.levels,
            x=lay_out(self.formula.terms, self.levels),
            z=tuple(lay_out(term.terms, self.levels) for term in self.formula.group_terms),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on columns that were dropped because cells have no rows."""
        return notes_on(self.layout, self.crossings)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that `encode` reads, in order of appearance."""
        return unique(self.formula.outcome_columns + self.predictor_columns)

    @property
    def predictor_columns(self) -> tuple[str, ...]:
        """Columns of the table that `encode` reads when the outcome is not wanted."""
        parts = (*self.formula.factors, *self.formula.offsets)
        factors = (name for one in parts for name in one.columns)
        return unique((*factors, *(known.group for known in self.means)))

    @property
    def learned(self) -> Learned:
        """Means, sds and group means by expression."""
        return Learned(
            centrings={item.expression: item for item in self.centrings},
            means={(item.expression, item.group): item for item in self.means},
            bases={item.expression: item for item in self.bases},
            group=self.group,
        )

    def of_factor(self, place: int) -> "Encoding":
        """Return the encoding with one of the formula's group terms only."""
        bar = slice(place, place + 1)
        crossings = tuple(
            replace(one, dropped_effects=one.dropped_effects[bar]) for one in self.crossings
        )
        formula = replace(self.formula, group_terms=self.formula.group_terms[bar])
        return replace(self, formula=formula, crossings=crossings)

    def columns_with(self, *factors: str) -> tuple[str, ...]:
        """Columns of the table that `encode` reads, and grouping factors."""
        return unique((*self.columns, *factors))

    def to_dict(self) -> dict[str, Any]:
        """Write the encoding as values that JSON represents exactly."""
        return {
            "formula": self.formula.text,
            "group": self.group,
            "levels": [asdict(item) for item in self.levels],
            "centrings": [asdict(item) for item in self.centrings],
            "means": [asdict(item) for item in self.means],
            "crossings": [asdict(item) for item in self.crossings],
            "bases": [asdict(item) for item in self.bases],
            "strip": self.strip,
            "titles": dict(self.titles),
            "outcome_levels": None if self.outcome_levels is None else asdict(self.outcome_levels),
            "thresholds": self.thresholds,
        }

    @staticmethod
    def from_dict(payload: Mapping[str, Any]) -> "Encoding":
        """Read what `to_dict` wrote, directly or from JSON.

        Raises
        ------
        StorageError
            If the payload is not such a dict.
        """
        try:
            encoding = Encoding(
                formula=parse_formula(payload["formula"]),
                group=msgspec.convert(payload["group"], str | None),
                levels=msgspec.convert(payload["levels"], tuple[Levels, ...]),
                centrings=msgspec.convert(payload["centrings"], tuple[Centring, ...]),
                means=msgspec.convert(payload["means"], tuple[LevelMeans, ...]),
                crossings=msgspec.convert(payload.get("crossings", []), tuple[Crossing, ...]),
                bases=msgspec.convert(payload.get("bases", []), tuple[LearnedBasis, ...]),
                strip=msgspec.convert(payload.get("strip", False), bool),
                titles=msgspec.convert(payload.get("titles", {}), dict[str, str]),
                outcome_levels=msgspec.convert(payload.get("outcome_levels"), Levels | None),
                thresholds=msgspec.convert(payload.get("thresholds", False), bool),
            )
            _check_complete(encoding)
        except (KeyError, TypeError, FormulaError, msgspec.ValidationError) as error:
            raise StorageError(f"the stored encoding is damaged: {error!s}") from error
        return encoding


def factor_values(
    encoding: Encoding, factors: Sequence[Factor], table: "Table", learned: Learned
) -> dict[Factor, NDArray[Any]]:
    """Evaluate factors by row: places of categories, and numbers."""
    known = encoding.layout.known
    return {
        factor: codes_of(known[str(factor)], table)
        if str(factor) in known
        else evaluate(factor, table, learned)
        for factor in factors
    }


def _check_complete(encoding: Encoding) -> None:
    """Refuse a stored encoding that does not match its formula."""
    formula = encoding.formula
    outcome = (formula.outcome,) if encoding.outcome_levels is None else ()
    factors = (*outcome, *formula.factors, *formula.offsets)
    known = {item.factor for item in encoding.levels}
    found = [call for factor in factors if str(factor) not in known for call in calls(factor)]
    centred = {str(c.argument) for c in found if c.kind == "centring"}
    grouped = {
        (str(call.argument), group_of(call, encoding.group))
        for call in found
        if call.kind == "grouped"
    }
    bases = {str(c) for c in found if c.kind == "basis"}
    complete = (
        known <= {str(factor) for factor in encoding.formula.factors}
        and all(len(item.levels) > 1 for item in encoding.levels)
        and centred == {item.expression for item in encoding.centrings}
        and grouped == {(item.expression, item.group) for item in encoding.means}
        and bases == {item.expression for item in encoding.bases}
        and all(len(item.labels) == len(item.means) > 0 for item in encoding.means)
        and all(call.kind != "categorical" for call in found)
        and all(_is_whole(encoding, one) for one in encoding.crossings)
    )
    if not complete:
        raise StorageError(
            f"the stored encoding of '{encoding.formula}' does not match the "
            "formula; fit the model again"
        )


def _is_whole(encoding: Encoding, one: Crossing) -> bool:
    """Return whether stored cells are of the formula's factors, categories and columns."""
    known = {item.factor: set(item.levels) for item in encoding.levels}
    cells = [dict(zip(one.factors, cell, strict=False)) for cell in one.seen]
    return (
        set(one.factors) <= {str(factor) for factor in encoding.formula.factors}
        and len(cells) > 0
        and all(len(cell) == len(one.factors) for cell in one.seen)
        and all(value in known.get(f, {value}) for cell in cells for f, value in cell.items())
        and set(one.dropped) <= {column.name for column in encoding.layout.x}
        and len(one.dropped_effects) == len(encoding.layout.z)
        and all(
            set(names) <= {column.name for column in columns}
            for names, columns in zip(one.dropped_effects, encoding.layout.z, strict=True)
        )
    )
