"""The arrays of a design, from the variables of a saved fit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_mlm.design import WEIGHT_SUMS, GroupWeights
from bayes_mlm.fitting.stored import KeptDesign, KeptResidual
from bayes_mlm.fitting.tree.assemble import Group
from bayes_mlm.likelihood import term_names
from bayes_mlm.model import ResidualRows, Weights
from bayes_mlm.moments import CellFactor, CellMoments, GroupMoments, by_group


def sums_from(kept: KeptDesign, constant: Group) -> CellMoments | None:
    """Return the sums of a design without rows; None where there are none."""
    if "sums_counts" not in constant.variables:
        return None
    counts = constant.variables["sums_counts"].values
    centre = constant.variables["sums_centre"].values
    lower, upper = np.tril_indices(len(centre))
    scatter = np.empty((len(counts), len(centre), len(centre)))
    triangle = constant.variables["sums_scatter"].values
    scatter[:, lower, upper] = scatter[:, upper, lower] = triangle
    dims = term_names([one.factor for one in kept.groups])
    labels = [constant.coords[dim.group] for dim in dims]
    single = len(dims) == 1
    cells = GroupMoments(
        labels=labels[0] if single else np.arange(len(counts)),
        counts=counts,
        centre=centre,
        means=constant.variables["sums_means"].values,
        scatter=scatter,
        terms=kept.terms,
        effects=tuple(effect for one in kept.groups for effect in one.effects),
        group=kept.groups[0].factor if single else None,
    )
    if "weights_level2" in constant.variables:
        level2 = constant.variables["weights_level2"].values
        cells = replace(cells, weights=level2 / level2.mean())
    if len(dims) < 2:
        return by_group(cells)
    factors = (
        CellFactor(
            factor=one.factor,
            labels=known,
            codes=constant.variables[dim.variable("codes")].values.astype(np.int64),
            effects=one.effects,
        )
        for one, dim, known in zip(kept.groups, dims, labels, strict=True)
    )
    return CellMoments(cells=cells, factors=tuple(factors))


def weights_from(spec: Weights, constant: Group) -> GroupWeights | None:
    """Return the survey weights; None without any."""
    if not spec:
        return None
    arrays = arrays_of(constant.variables)
    return GroupWeights(
        spec=spec,
        given=arrays.get("weights_of_rows"),
        replicates=arrays.get("weights_replicates"),
        **{name: arrays[f"weights_{name}"] for name in WEIGHT_SUMS},
    )


def inputs_from(constant: Group) -> dict[str, Any]:
    """Return the columns that predictors are functions of."""
    if "design_inputs" not in constant.variables:
        return {}
    columns = constant.variables["design_inputs"].values
    names = map(str, constant.coords["design_input"])
    return {name: columns[:, k] for k, name in enumerate(names)}


def arrays_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays by name, integers in the width that designs have."""
    found = {name: variable.values for name, variable in variables.items()}
    return {
        name: one.astype(np.int64) if one.dtype == np.int32 else one for name, one in found.items()
    }


def residual_from(kept: KeptResidual | None, constant: Group) -> ResidualRows | None:
    """Return the residual structure by row; None where it was not kept."""
    if kept is None:
        return None
    arrays = arrays_of(constant.variables)
    return ResidualRows(
        spec=kept.spec,
        levels=kept.levels,
        stratum=arrays["stratum_idx"],
        time=arrays["residual_time"],
        previous=arrays["previous"],
        gap=arrays["gap"],
        step=kept.step,
        whole=kept.whole,
    )
