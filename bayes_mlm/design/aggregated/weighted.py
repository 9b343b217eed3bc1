"""Survey weights of rows that are summed where they lie."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np

from bayes_mlm.base import DataError
from bayes_mlm.data import Scan, as_labels, collect
from bayes_mlm.design.aggregated.checking import check_levels
from bayes_mlm.design.aggregated.request import Request
from bayes_mlm.design.terms import GroupTerm, changed
from bayes_mlm.design.weights import WEIGHT_SUMS, GroupWeights, refuse_weights_that_are
from bayes_mlm.model import Weights
from bayes_mlm.moments import CellMoments, GroupSums, by_group


def check_weights_of_sums(request: Request) -> None:
    """Refuse weights that sums cannot have: without one factor, and replicate ones.

    Raises
    ------
    DataError
    """
    if not request.weights:
        return
    if request.weights.replicates is not None:
        raise DataError(
            "replicate weights need the rows, and these are summed where they lie; keep the rows "
            '(rows="keep", --rows keep), or omit the replicates and use the sandwich'
        )
    if request.group is None:
        raise DataError(
            f"weights are of one grouping factor, and the formula has {len(request.factors)}; "
            "add a term such as (1 | school)"
        )


def weight_of_rows(
    request: Request, scan: Scan, raw: Mapping[str, tuple[float, float]]
) -> nw.Expr | None:
    """Return the weight of each row as the engine reads it; None without weights.

    Parameters
    ----------
    request : Request
    scan : Scan
    raw : mapping of str to (float, float)
        Lowest and highest value of each numeric column.

    Raises
    ------
    DataError
        If weights are text, zero or negative.
    """
    weights = request.weights
    if not weights:
        return None
    for name in weights.columns:
        if name not in raw:
            raise DataError(f"the weights {name!r} are not numbers; give a numeric column")
        if not raw[name][0] > 0.0:
            found = collect(scan, scan.frame.select(n=(scan.col(name) <= 0.0).sum()))
            refuse_weights_that_are(name, int(found["n"][0]), raw[name][0])
    return nw.lit(1.0) if weights.rows is None else scan.col(weights.rows).cast(nw.Float64)


def counted(terms: tuple[GroupTerm, ...], weights: GroupWeights | None) -> tuple[GroupTerm, ...]:
    """Return group terms with the numbers of rows, of which weighted sums have none."""
    return terms if weights is None else (changed(terms[0], counts=weights.rows),)


def weights_of_sums(
    request: Request, scan: Scan, sums: GroupSums, moments: CellMoments
) -> tuple[GroupWeights | None, CellMoments]:
    """Return the weights of groups that were summed, and the sums by scaled ones.

    Without weights: None, and the sums as they are.

    Raises
    ------
    DataError
        If the weight of a group varies within it.
    """
    if sums.totals is None or sums.weight_squares is None:
        return None, moments
    labels = moments.cells.labels
    weights, factor = request.weights, request.factors[0]
    level2 = np.ones(len(labels))
    if weights.level2 is not None:
        try:
            check_levels(scan, factor, request.keys, [weights.level2])
        except DataError as error:
            raise DataError(
                f"weights of {factor!r} must not vary within its groups: {error}"
            ) from error
        (key,) = request.keys
        rows = scan.frame.select(group_=scan.col(key), w_=scan.col(weights.level2))
        found = collect(scan, rows.group_by("group_").agg(nw.col("w_").mean()))
        _, order = as_labels(found["group_"])
        level2 = found["w_"][order].astype(float)
    _, order = as_labels(sums.labels[0])
    made = GroupWeights(
        spec=weights,
        rows=sums.counts[order],
        total=sums.totals[order],
        square=sums.weight_squares[order],
        level2=level2,
    )
    return made, by_group(made.scaled(moments.cells))


def weight_columns(weights: GroupWeights | None) -> dict[str, Any]:
    """Return the columns of a file that survey weights have, by group; none without."""
    if weights is None:
        return {}
    return {f"weights_{name}": getattr(weights, name) for name in WEIGHT_SUMS}


def weights_from(spec: Weights, arrays: Mapping[str, Any]) -> GroupWeights | None:
    """Return the survey weights whose columns a file has; None without."""
    if not spec:
        return None
    return GroupWeights(spec=spec, **{name: arrays[f"weights_{name}"] for name in WEIGHT_SUMS})
