"""Mean design rows of groups along one predictor, from which a line is computed."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.data import Table
from bayes_mlm.design import Design, replay
from bayes_mlm.formula import label_term
from bayes_mlm.questions.effects.rows import set_columns


@dataclass(frozen=True, kw_only=True, eq=False)
class RowsAlong:
    """Mean rows of groups along a predictor: X (G, m, p) and Z (G, m, q)."""

    X: Floats
    Z: Floats


def rows_along(design: Design, table: Table, along: str, x: Floats, places: Ints) -> RowsAlong:
    """Average the design rows of each group, with one predictor set to each value of x (m,)."""
    where = np.full(design.J, -1)
    where[places] = np.arange(len(places))
    place = design.by_row(where)
    kept = place >= 0
    part = Table(
        columns={name: values[kept] for name, values in table.columns.items()},
        n=int(kept.sum()),
        source=table.source,
    )
    codes, size = place[kept], np.bincount(place[kept], minlength=len(places))

    def averaged(columns: Floats) -> Floats:
        sums = [np.bincount(codes, weights=one, minlength=len(places)) for one in columns.T]
        return np.asarray(np.array(sums).T / size[:, None])

    found = [columns_at(design, part, along, value) for value in x]
    return RowsAlong(
        X=np.stack([averaged(X) for X, _ in found], axis=1),
        Z=np.stack([averaged(Z) for _, Z in found], axis=1),
    )


def along_of(design: Design) -> str:
    """Return the default column on the horizontal axis of lines.

    Raises
    ------
    EngineError
        If no numeric predictor varies within groups.
    """
    categorical = {item.factor for item in design.encoding.levels}
    moving: set[str] = set()
    if design.base is not None:
        moving = set(np.array(design.base.terms)[design.base.varies].tolist())
    fixed = [term for term in design.formula.terms if label_term(term) in moving]
    for term in (*design.formula.effects, *fixed):
        if len(term) == 1 and str(term[0]) not in categorical:
            return term[0].columns[0]
    raise EngineError(
        f"no numeric predictor of '{design.formula}' varies within groups, so a line has no "
        "horizontal axis; name one (along)"
    )


def columns_at(design: Design, table: Table, along: str, value: float) -> tuple[Floats, Floats]:
    """Return X (n, p) and Z (n, q) with one predictor set to a value."""
    rows = replay(design, set_columns(table, {along: np.full(table.n, value)}))
    return rows.X, rows.Z
