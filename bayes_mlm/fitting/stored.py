"""What a saved fit holds: the parts that are not arrays, names of its arrays, and its checks."""

from typing import Annotated, Any

import msgspec
import numpy as np

from bayes_mlm.base import Finding
from bayes_mlm.design import Design, check_cells, check_names, require
from bayes_mlm.engines import ENGINES, SAMPLE_DIMS, DirectReport, Settings
from bayes_mlm.fitting.result import Fit
from bayes_mlm.likelihood import ModelPriors, term_names
from bayes_mlm.model import Kind, ModelRequest, Residual

RESIDUAL = ("spec", "levels", "step", "whole")


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """JSON that is read strictly: every field there, of its type, and no other."""


class KeptResidual(Kept, frozen=True):
    """Parts of a residual structure that are not arrays."""

    spec: Residual
    levels: tuple[bool | int | float | str, ...]
    step: float
    whole: bool


class KeptTerm(Kept, frozen=True):
    """Parts of a group term that are not arrays."""

    factor: str
    effects: tuple[str, ...]
    correlated: bool


class KeptDesign(Kept, frozen=True):
    """Parts of a design that are not arrays."""

    outcome: str
    groups: tuple[KeptTerm, ...]
    kind: Kind
    formula: str
    terms: tuple[str, ...]
    n_dropped: Annotated[int, msgspec.Meta(ge=0)]
    notes: tuple[str, ...]
    encoding: dict[str, Any]
    residual: KeptResidual | None


class Document(Kept, frozen=True):
    """Parts of a fit that are not arrays."""

    format: int
    engine: str
    reason: str
    report: DirectReport | None
    seconds: float
    request: ModelRequest
    settings: Settings
    versions: dict[str, str]
    verdict: tuple[Finding, ...]
    priors: ModelPriors
    design: KeptDesign
    created_at: str = ""
    added: dict[str, tuple[str, ...]] = {}


def check_fit(fit: Fit) -> None:
    """Refuse a fit whose parts do not agree, or whose values are impossible.

    Parameters
    ----------
    fit : Fit
        As read from a file.

    Raises
    ------
    StorageError
    """
    design, draws = fit.design, fit.draws
    require(fit.engine in ENGINES, f"there is no engine {fit.engine!r}")
    check_names(design)
    for term in design.group_terms:
        require(np.unique(term.labels).size == term.J, "a group is in it twice")
    if design.aggregated is None:
        _check_rows(design.weighted_rows)
    else:
        check_cells(design.aggregated)
    labels: dict[str, tuple[Any, ...]] = {"term": design.terms}
    for names, term in zip(term_names(design.factors), design.group_terms, strict=True):
        labels |= {names.group: tuple(term.labels.tolist()), names.effect: term.effects}
    shape = (fit.settings.chains, fit.settings.draws)
    for name, variable in draws.posterior.items():
        found = variable.dims[:2], variable.values.shape[:2]
        require(found == (SAMPLE_DIMS, shape), f"its draws of {name} are {found}, and not {shape}")
        require(np.isfinite(variable.values).all(), f"a draw of {name} is not finite")
        for dim in variable.dims[2:]:
            coords = tuple(draws.coords[dim].tolist())
            require(coords == labels.get(dim, coords), f"the labels of {name} are not the design's")
    for one in draws.parameters.role("residual sd"):
        if one.name in draws.posterior:
            require((draws[one.name] > 0.0).all(), f"a draw of {one.name} is not above 0")


def _check_rows(design: Design) -> None:
    n, terms = design.y.size, design.group_terms
    shapes = [design.y.shape, design.X.shape, *(t.Z.shape for t in terms)]
    require(
        shapes == [(n,), (n, design.p), *((n, t.q) for t in terms)]
        and all(t.codes.shape == (n,) for t in terms),
        "its y, X, Z and groups do not have the same rows",
    )
    offset = design.response.offset
    require(
        (offset is not None) == bool(design.formula.offsets) or design.kind == "between",
        "its offset is not that of its formula",
    )
    require(offset is None or offset.shape == (n,), "its offset does not have the rows of y")
    require(
        set(design.inputs) <= set(design.encoding.predictor_columns)
        and all(values.shape == (n,) for values in design.inputs.values()),
        "its columns that predictors are functions of are not those of its formula",
    )
    weights = design.response.weights
    require(
        weights is None or (weights.shape == (n,) and bool((weights > 0.0).all())),
        "its weights, the numbers of equal rows, are not positive",
    )
    arrays = [("y", design.y), ("X", design.X), *(("Z", t.Z) for t in terms)]
    arrays += [(name, values) for name, values in design.inputs.items()]
    for name, values in (*arrays, *([] if offset is None else [("offset", offset)])):
        require(np.isfinite(values).all(), f"a value of its {name} is not finite")
    for term in terms:
        require(
            term.codes.dtype.kind in "iu" and set(np.unique(term.codes)) == set(range(term.J)),
            "its rows are not those of its groups",
        )
