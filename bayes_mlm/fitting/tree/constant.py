"""The group ``constant_data``: predictors by name, the design's arrays, or its moments."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Ints
from bayes_mlm.design import INTERCEPT, WEIGHT_SUMS, Design
from bayes_mlm.engines import Variable
from bayes_mlm.likelihood import TermNames, row_dim, term_names
from bayes_mlm.moments import CellMoments

# Of distinct rows: their dimension, and the name of their outcomes.
PATTERN, OUTCOME = "pattern", "outcome"


def constant_variables(design: Design) -> dict[str, Variable]:
    """Return what the draws are conditional on, and does not vary by draw.

    Of a design with rows: each predictor by the name of its column; ``X`` and ``Z``, the group of
    each row as its place among the labels (``codes``) and by its label (``schoolid_of_obs``);
    trials, offset and weights where there are any (of survey weights, also those as given and their
    sums by group); ``design_inputs``, the columns that predictors are functions of; and the
    residual structure by row. Of a design without rows: its moments by
    group; or the same of its distinct rows, with the ``outcome`` of each.
    """
    dims = term_names(design.factors)
    moments, counted = design.aggregated, design.patterns
    if counted is not None:
        found = _of_rows(counted, dims, PATTERN) | {OUTCOME: Variable((PATTERN,), counted.y)}
    elif moments is None:
        found = _of_rows(design, dims, row_dim(design))
    else:
        found = _of_moments(moments, dims)
    for dim, term in zip(dims, design.group_terms, strict=True):  # which names the labels too
        found[dim.variable("group_number")] = Variable((dim.group,), np.arange(term.J))
    if design.base is not None:
        found["base_means"] = Variable((dims[0].group, "base_term"), design.base.means)
        found["base_varies"] = Variable(("base_term",), design.base.varies.astype(np.int8))
    if design.weights is not None:
        for name in WEIGHT_SUMS:
            values = getattr(design.weights, name)
            found[f"weights_{name}"] = Variable((dims[0].group,), values)
        if design.has_rows:
            given = design.weights.of_rows
            found["weights_of_rows"] = Variable((row_dim(design),), given)
            if (sets := design.weights.replicates) is not None:
                found["weights_replicates"] = Variable((row_dim(design), "replicate"), sets)
    if design.residual is not None:
        rows, residual = (row_dim(design) if counted is None else PATTERN,), design.residual
        found |= {
            "stratum_idx": Variable(rows, _places(residual.stratum)),
            "residual_time": Variable(rows, residual.time),
            "previous": Variable(rows, residual.previous),
            "gap": Variable(rows, residual.gap),
        }
    return found if not design.has_rows else _predictors(design, found) | found


def _places(values: Ints) -> NDArray[np.int32]:
    """Return places as PyMC keeps integers, which compares a model's containers with these."""
    return values.astype(np.int32)


def labels_of(design: Design) -> dict[str, Any]:
    """Return the labels of the dimensions of a design."""
    found: dict[str, Any] = {"term": np.array(design.terms, dtype=object)}
    for dim, term in zip(term_names(design.factors), design.group_terms, strict=True):
        found[dim.group] = term.labels
        found[dim.effect] = np.array(term.effects, dtype=object)
    if design.base is not None:
        found["base_term"] = np.array(design.base.terms, dtype=object)
    if design.weighted_rows.inputs:
        found["design_input"] = np.array(list(design.weighted_rows.inputs), dtype=object)
    if design.has_rows and row_dim(design) == "obs":
        found["obs"] = np.arange(design.n)
    return found


def _predictors(design: Design, others: Mapping[str, Variable]) -> dict[str, Variable]:
    """Return the columns of X by name; one whose name is taken has "_column" after it."""
    rows, found = row_dim(design), {}
    taken = {*others, *(dim for one in others.values() for dim in one.dims)}
    for place, term in enumerate(design.terms):
        if term == INTERCEPT:
            continue
        name = term.replace("/", "|")  # a path, in a netCDF file
        found[f"{name}_column" if name in taken else name] = Variable((rows,), design.X[:, place])
    return found


def _of_rows(design: Design, dims: tuple[TermNames, ...], rows: str) -> dict[str, Variable]:
    response = design.response
    found = {"X": Variable((rows, "term"), design.X)}
    for dim, term in zip(dims, design.group_terms, strict=True):
        if term.q:
            found[dim.variable("Z")] = Variable((rows, dim.effect), term.Z)
        found[dim.variable("codes")] = Variable((rows,), _places(term.codes))
        if rows == "obs":
            found[f"{dim.group}_of_obs"] = Variable((rows,), term.row_labels)
    if design.inputs:
        found["design_inputs"] = Variable(
            (rows, "design_input"), np.column_stack([*design.inputs.values()])
        )
    for name in ("trials", "offset", "weights"):
        values = getattr(response, name)
        if values is not None:
            found[name] = Variable((rows,), values)
    return found


def _of_moments(moments: CellMoments, dims: tuple[TermNames, ...]) -> dict[str, Variable]:
    """Return the moments in place of rows: of the scatter the lower triangle."""
    s, several = moments.cells, len(dims) > 1
    lower, upper = np.tril_indices(len(s.centre))
    levels = {
        dim.variable("codes"): Variable(("sums_group",), _places(one.codes))
        for dim, one in zip(dims, moments.factors, strict=True)
        if several
    }
    return levels | {
        "sums_counts": Variable(("sums_group",), s.counts),
        "sums_centre": Variable(("sums_column",), s.centre),
        "sums_means": Variable(("sums_group", "sums_column"), s.means),
        "sums_scatter": Variable(("sums_group", "sums_pair"), s.scatter[:, lower, upper]),
    }
