"""Save a whole fit to one netCDF-4 file, and read it back.

The file opens in ArviZ and xarray (`xarray.open_datatree`): groups ``posterior``,
``sample_stats``, ``observed_data`` and ``constant_data``. What is not an array (model, data source,
encoding, settings, versions, verdict) is JSON in the attribute ``bayes_mlm``. Nothing in a file is
executed, and a file whose content has changed is refused (`netcdf`); groups may be added to it.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from bayes_mlm.base import (
    ABSENT,
    EngineError,
    Floats,
    StorageError,
    Verdict,
    expand_home,
    expect,
    expect_path,
    explain_file,
    unreadable_reason,
)
from bayes_mlm.design import (
    Design,
    Encoding,
    FixedColumns,
    GroupMeans,
    GroupTerm,
    Response,
    naming,
    require,
    without_rows,
)
from bayes_mlm.engines import Draws, Variable
from bayes_mlm.fitting.netcdf import read_added, read_netcdf, write_netcdf
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.stored import RESIDUAL, Document, check_fit
from bayes_mlm.fitting.stored_arrays import (
    arrays_of,
    inputs_from,
    residual_from,
    sums_from,
    weights_from,
)
from bayes_mlm.fitting.tree.additions import added_to
from bayes_mlm.fitting.tree.assemble import Group, Tree, lay_out_tree, plain_labels
from bayes_mlm.fitting.tree.computed import Computed
from bayes_mlm.fitting.tree.constant import OUTCOME
from bayes_mlm.fitting.tree.groups import KEPT, MAX_NUMBERS
from bayes_mlm.formula import parse_formula
from bayes_mlm.likelihood import known_parameters, parameters_of, term_names
from bayes_mlm.model import family_of

FORMAT = 3


def save_fit(
    fit: Fit,
    path: str | Path,
    *,
    groups: Literal["auto", "all", "none"] | Sequence[str] = "auto",
) -> Path:
    """Write a fit to one file, which is complete or not there at all.

    Parameters
    ----------
    fit : Fit
    path : str or Path
        Conventionally ending in ``.nc``; an existing file is replaced.
    groups : {"auto", "all", "none"} or sequence of str
        Which of the groups that are computed from the rest (``log_likelihood``, ``prior``,
        ``posterior_predictive``, ...) the file has, for programs that open it as a tree; `load_fit`
        gives all of them in any case. "auto" leaves out those of more than two million numbers, or
        that take seconds. What was added to ``fit.data`` is always saved.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        If the folder does not exist or cannot be written to, or the fit is joined to the rows of a
        sample of its groups.

    Examples
    --------
    >>> import tempfile
    >>> from bayes_mlm import fit, load_fit, save_fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_fit(save_fit(fitted, f"{folder}/fit.nc"))
    >>> again.spec == fitted.spec, again.verdict == fitted.verdict
    (True, True)
    """
    expect("save_fit", fit, Fit)
    expect_path("save_fit", path, StorageError)
    if fit.design.crossed is not None:
        raise StorageError(
            f"a fit of {' and '.join(fit.design.factors)}, whose levels have too many combinations "
            "to store, cannot be saved; save the group effects (write_group_effects), or "
            "fit.data.to_netcdf(...)"
        )
    design = fit.design
    if design.imputations:
        raise StorageError(
            f"a mixture over {len(design.imputations)} imputations is not saved as a fit; save its "
            "draws (fit.data.to_netcdf(...)), or the fit of each imputation"
        )
    if design.sample_of is not None:
        raise StorageError(
            f"this fit is joined to the rows of {design.J} of {design.sample_of.J:,} groups; save "
            "the fit that sample_groups was given, and take the sample again when it is read"
        )
    tree = lay_out_tree(fit)
    added = added_to(vars(fit)["data"], tree) if "data" in vars(fit) else dict(fit.added)
    kept, left = _kept(tree, groups)
    further = {
        name: [str(one) for one in dataset.data_vars]
        for name, dataset in added.items()
        if name in KEPT
    }
    path = Path(path)
    text = json.dumps(_document(fit) | {"added": further})
    write_netcdf(path, text, kept, attrs={**tree.attrs, **left}, added=added)
    return path


def _kept(
    tree: Tree, groups: Literal["auto", "all", "none"] | Sequence[str]
) -> "tuple[dict[str, Group], dict[str, str]]":
    """Return the groups that go into the file, and an attribute that names those left out."""
    costly = [name for name in tree.groups if name not in KEPT]
    ways = {"auto": [name for name in costly if _is_small(tree.groups[name])], "all": costly}
    chosen = (
        ({"none": [], **ways}.get(groups, [groups])) if isinstance(groups, str) else list(groups)
    )
    for name in chosen:
        if name not in costly:
            allowed = f"allowed: auto, all, none, or some of {', '.join(costly)}"
            reason = tree.attrs.get(f"no_{name}", allowed)
            raise StorageError(f"the tree has no group {name!r} to save; {reason}")
    if groups == "auto":
        chosen = [name for name in chosen if _can_be_computed(tree.groups[name])]
    left = [name for name in costly if name not in chosen]
    note = {"left_out": f"{', '.join(left)}: bayes_mlm.load_fit(...).data has them"} if left else {}
    return {k: v for k, v in tree.groups.items() if k not in left}, note


def _can_be_computed(group: Group) -> bool:
    """Compute a group; return False where that is refused, as of outcomes at extreme priors."""
    try:
        for one in group.variables.values():
            _ = one.values
    except EngineError:
        return False
    return True


def _is_small(group: Group) -> bool:
    computed = (one for one in group.variables.values() if isinstance(one, Computed))
    return all(one.size <= MAX_NUMBERS and not one.slow for one in computed)


def load_fit(path: str | Path) -> Fit:
    """Read back what `save_fit` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Fit
        Equal to the one that was saved, array by array.

    Raises
    ------
    StorageError
        If there is no such file, it is damaged, or it was not written by `save_fit`.
    """
    expect_path("load_fit", path, StorageError)
    path = expand_home(path)
    reason = unreadable_reason(path)
    if reason == ABSENT:
        raise StorageError(f"there is no file {str(path)!r}; give the path of a saved fit")
    if reason:
        raise StorageError(f"{str(path)!r} {explain_file(path)}")
    with naming(path, "a saved fit", "copy it again, or fit the model anew"):
        text, groups = read_netcdf(path)
        document = json.loads(text)
        require(
            document["format"] == FORMAT,
            f"it has format {document['format']}, this version reads {FORMAT}",
        )
        kept = msgspec.convert(document, Document)
        fit = _assemble(kept, groups)
        check_fit(fit)
        found = read_added(path, kept.added)
        return dataclasses.replace(fit, added=found)


def _document(fit: Fit) -> dict[str, Any]:
    design, residual = fit.design, fit.design.residual
    return {
        "format": FORMAT,
        "engine": fit.engine,
        "reason": fit.reason,
        "report": None if fit.report is None else dataclasses.asdict(fit.report),
        "seconds": fit.seconds,
        "created_at": fit.created_at,
        "request": msgspec.to_builtins(fit.request),
        "settings": dataclasses.asdict(fit.settings),
        "versions": dict(fit.versions),
        "verdict": [dataclasses.asdict(finding) for finding in fit.verdict.findings],
        "priors": dataclasses.asdict(fit.priors),
        "design": {
            "outcome": design.outcome,
            "groups": [
                {"factor": one.factor, "effects": one.effects, "correlated": one.correlated}
                for one in design.group_terms
            ],
            "kind": design.kind,
            "formula": str(design.formula),
            "terms": design.terms,
            "n_dropped": design.n_dropped,
            "notes": design.notes,
            "encoding": design.encoding.to_dict(),
            "residual": msgspec.to_builtins(
                None if residual is None else {name: getattr(residual, name) for name in RESIDUAL}
            ),
        },
    }


def _assemble(document: Document, groups: Mapping[str, Group]) -> Fit:
    kept = document.design
    constant = groups["constant_data"]
    base = None
    if "base_means" in constant.variables:
        base = GroupMeans(
            terms=tuple(map(str, constant.coords["base_term"])),
            means=constant.variables["base_means"].values,
            varies=constant.variables["base_varies"].values.astype(bool),
        )
    formula = parse_formula(kept.formula)
    dims = term_names([one.factor for one in kept.groups])
    labels = [constant.coords[dim.group] for dim in dims]
    summed = sums_from(kept, constant)
    keptarrays_of = constant.variables if summed is None else {}
    arrays = arrays_of(keptarrays_of)
    counted = summed is None and "observed_data" not in groups  # distinct rows, with their numbers
    y = None if summed is not None else _outcome(document, groups, counted=counted)
    n = 0 if y is None else y.size
    empty = None if y is None else np.empty((n, 0))
    weights = arrays.get("weights")
    survey = weights_from(document.request.model.weights, constant)
    counts = [
        survey.rows
        if survey is not None
        else summed.counts_of(place)
        if summed is not None
        else np.bincount(arrays[dim.variable("codes")], weights).astype(np.int64)
        if counted
        else None
        for place, dim in enumerate(dims)
    ]
    terms = tuple(
        GroupTerm(
            factor=one.factor,
            labels=known,
            codes=arrays.get(dim.variable("codes")),
            Z=arrays.get(dim.variable("Z"), empty),
            effects=one.effects,
            correlated=one.correlated,
            counts=counts[place],
        )
        for place, (one, dim, known) in enumerate(zip(kept.groups, dims, labels, strict=True))
    )
    design = Design(
        response=Response(
            name=kept.outcome,
            y=y,
            **{name: arrays.get(name) for name in ("trials", "offset", "weights")},
        ),
        fixed=FixedColumns(X=arrays.get("X", empty), terms=kept.terms),
        group_terms=terms,
        aggregated=summed,
        kind=kept.kind,
        formula=formula,
        encoding=Encoding.from_dict(kept.encoding),
        base=base,
        n_dropped=kept.n_dropped,
        notes=kept.notes,
        family=family_of(document.request.model.family),
        residual=residual_from(kept.residual, constant),
        inputs=inputs_from(constant),
        weights=survey,
    )
    return Fit(
        request=document.request,
        design=without_rows(design) if counted else design,
        priors=document.priors,
        draws=_drawn(document, groups, design),
        engine=document.engine,
        reason=document.reason,
        report=document.report,
        settings=document.settings,
        versions=document.versions,
        verdict=Verdict(document.verdict),
        seconds=document.seconds,
        created_at=document.created_at,
    )


def _drawn(document: Document, groups: Mapping[str, Group], design: Design) -> Draws:
    """Return the draws, without what follows from them (names in ``_``, mu) or was added."""
    table = parameters_of(design) if len(design.factors) > 1 else known_parameters()

    def kept(name: str) -> dict[str, Variable]:
        derived = set() if "mu" in table else {"mu"}
        left = {*document.added.get(name, ()), *(derived if name == "posterior" else ())}
        return {
            key: Variable(one.dims, one.values)
            for key, one in groups[name].variables.items()
            if not key.endswith("_") and key not in left
        }

    posterior = kept("posterior")
    used = {dim for one in posterior.values() for dim in one.dims} - {"chain", "draw"}
    factors = {dim.group for dim in term_names(design.factors)}
    coords = {
        dim: labels if dim in factors else plain_labels(labels)
        for dim, labels in groups["posterior"].coords.items()
        if dim in used
    }
    return Draws(
        posterior=posterior, sample_stats=kept("sample_stats"), coords=coords, parameters=table
    )


def _outcome(document: Document, groups: Mapping[str, Group], *, counted: bool) -> Floats:
    """Return the observed variable, which is the only one that was not added."""
    if counted:
        return np.asarray(groups["constant_data"].variables[OUTCOME].values, dtype=np.float64)
    added, observed = document.added.get("observed_data", ()), groups["observed_data"]
    (y,) = (one.values for name, one in observed.variables.items() if name not in added)
    return np.asarray(y, dtype=np.float64)
