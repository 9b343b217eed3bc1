"""Mean design rows of groups along one predictor, from which a line is computed."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.data import Table
from bayes_mlm.design import Design, NewRows, means_by_group, replay
from bayes_mlm.questions.effects.rows import set_columns


@dataclass(frozen=True, kw_only=True, eq=False)
class RowsAlong:
    """Mean rows of groups along a predictor: X (G, m, p), Z (G, m, q) and the offset (G, m)."""

    X: Floats
    Z: Floats
    offset: Floats


def rows_along(design: Design, table: Table, along: str, x: Floats, places: Ints) -> RowsAlong:
    """Average the design rows of each group, with one predictor set to each value of x (m,)."""
    where = np.full(design.J, -1)
    where[places] = np.arange(len(places))
    place = design.weighted_rows.group_term.by_row(where)
    kept = place >= 0
    part = Table(
        columns={name: values[kept] for name, values in table.columns.items()},
        n=int(kept.sum()),
        source=table.source,
    )
    counts = design.weighted_rows.response.weights
    counts = None if counts is None else counts[kept]

    def averaged(columns: Floats) -> Floats:
        return means_by_group(columns, place[kept], len(places), counts)

    found = [columns_at(design, part, along, value) for value in x]
    return RowsAlong(
        X=np.stack([averaged(one.X) for one in found], axis=1),
        Z=np.stack([averaged(one.Z) for one in found], axis=1),
        offset=np.stack([averaged(one.offset[:, None])[:, 0] for one in found], axis=1),
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
    effects = [term[0] for term in design.formula.effects if len(term) == 1]
    columns = [one for one in design.encoding.x_columns if one.name in moving]
    # A factor by itself before one in products; a spline is several columns.
    fixed = [
        part[0] for one in sorted(columns, key=lambda one: len(one.parts)) for part in one.parts
    ]
    for factor in (*effects, *fixed):
        if str(factor) not in categorical:
            return factor.columns[0]
    raise EngineError(
        f"no numeric predictor of '{design.formula}' varies within groups, so a line has no "
        "horizontal axis; name one (along)"
    )


def columns_at(design: Design, table: Table, along: str, value: float) -> NewRows:
    """Return rows with one predictor set to a value."""
    return replay(design, set_columns(table, {along: np.full(table.n, value)}))
