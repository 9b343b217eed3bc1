"""What an aggregation is asked for, and the checks of its groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DataError
from bayes_mlm.data import Scan
from bayes_mlm.design.aggregated.checking import check_levels
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.design.encoding.levels import label_notes
from bayes_mlm.design.terms import GroupTerm
from bayes_mlm.formula import Formula
from bayes_mlm.model import UNWEIGHTED, Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Request of an aggregation: formula, factors, and the treatment of missing values."""

    formula: Formula
    factors: tuple[str, ...]
    missing: str
    group_level: tuple[str, ...]
    strip: bool
    weights: Weights = UNWEIGHTED

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are needed."""
        formula = self.formula
        names = (name for name in formula.columns if name not in formula.interactions)
        more = (*self.group_level, *self.weights.columns)
        return tuple(dict.fromkeys([*names, *self.keys, *more]))

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns whose combinations are the cells."""
        parts = (name for one in self.factors for name in self.formula.columns_of(one))
        return tuple(dict.fromkeys(parts))

    @property
    def group(self) -> str | None:
        """The one factor; None of none, and of several."""
        return self.factors[0] if len(self.factors) == 1 else None


def check_group_level(request: Request, scan: Scan) -> None:
    """Refuse a column declared a property of groups that varies within those of every factor."""
    for name in request.group_level if request.factors else ():
        errors = []
        for factor in request.factors:
            try:
                check_levels(scan, factor, request.formula.columns_of(factor), [name])
            except DataError as error:
                errors.append(error)
        if len(errors) == len(request.factors):
            raise errors[0]


def notes_on_labels_of(encoding: Encoding, terms: Sequence[GroupTerm]) -> tuple[str, ...]:
    """Return the remarks on labels that are alike, of the factors and of categories."""
    if not terms:
        return label_notes(encoding.levels, None, np.zeros(1))
    found = (note for one in terms for note in label_notes(encoding.levels, one.factor, one.labels))
    return tuple(dict.fromkeys(found))
