"""Save a whole fit to one netCDF-4 file, and read it back.

The file opens in ArviZ and xarray (`xarray.open_datatree`): groups ``posterior``,
``sample_stats``, ``observed_data`` and ``constant_data``. What is not an array (model, data source,
encoding, settings, versions, verdict) is JSON in the attribute ``bayes_mlm``. Nothing in a file is
executed, and a file whose content has changed is refused (`netcdf`); groups may be added to it.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bayes_mlm.base import (
    ABSENT,
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
)
from bayes_mlm.engines import (
    Draws,
    Variable,
    in_arviz_order,
)
from bayes_mlm.fitting.netcdf import Group, read_netcdf, write_netcdf
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.stored import (
    RESIDUAL,
    Document,
    KeptDesign,
    KeptResidual,
    TermNames,
    check_fit,
    term_names,
)
from bayes_mlm.formula import parse_formula
from bayes_mlm.likelihood import known_parameters, parameters_of
from bayes_mlm.model import FAMILIES, ResidualRows
from bayes_mlm.moments import GroupMoments

FORMAT = 3


def save_fit(fit: Fit, path: str | Path) -> Path:
    """Write a fit to one file, which is complete or not there at all.

    Parameters
    ----------
    fit : Fit
    path : str or Path
        Conventionally ending in ``.nc``; an existing file is replaced.

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
    design = fit.design
    if design.sample_of is not None:
        raise StorageError(
            f"this fit is joined to the rows of {design.J} of {design.sample_of.J:,} groups; save "
            "the fit that sample_groups was given, and take the sample again when it is read"
        )
    dims = term_names(design.factors)
    rows = dims[0].group if design.kind == "between" else "obs"
    labels = {dim.group: term.labels for dim, term in zip(dims, design.group_terms, strict=True)}
    data = design.compute(lambda of: _rows(of, rows, dims), _sums)
    observed = design.compute(lambda of: {"y": Variable((rows,), of.y)}, lambda _: {})
    for dim, term in zip(dims, design.group_terms, strict=True):  # which names the labels too
        labels[dim.effect] = np.array(term.effects, dtype=object)
        data[dim.array("group_number")] = Variable((dim.group,), np.arange(term.J))
    if design.base is not None:
        data["base_means"] = Variable((dims[0].group, "base_term"), design.base.means)
        data["base_varies"] = Variable(("base_term",), design.base.varies.astype(np.int8))
        labels["base_term"] = np.array(design.base.terms, dtype=object)
    if design.residual is not None:
        residual = design.residual
        data |= {
            "stratum": Variable((rows,), residual.stratum),
            "residual_time": Variable((rows,), residual.time),
            "previous": Variable((rows,), residual.previous),
            "gap": Variable((rows,), residual.gap),
        }
    if rows == "obs" and observed:
        labels["obs"] = np.arange(design.n)
    coords = labels | {"term": np.array(design.terms, dtype=object)}
    draws = fit.draws
    groups = {
        "posterior": Group(
            in_arviz_order({**draws.posterior, **draws.free(design, fit.priors)}),
            dict(draws.coords) | coords,
        ),
        "sample_stats": Group(draws.sample_stats, draws.coords),
        "constant_data": Group(data, coords),
    }
    if observed:
        groups["observed_data"] = Group(observed, coords)
    path = Path(path)
    write_netcdf(path, json.dumps(_document(fit)), groups)
    return path


def _rows(design: Design, rows: str, dims: tuple[TermNames, ...]) -> dict[str, Variable]:
    data = {"X": Variable((rows, "term"), design.X)}
    for dim, term in zip(dims, design.group_terms, strict=True):
        if term.q:
            data[dim.array("Z")] = Variable((rows, dim.effect), term.Z)
        data[dim.array("codes")] = Variable((rows,), term.codes)
    return data


def _sums(s: GroupMoments) -> dict[str, Variable]:
    """Return the sums in place of rows: of the scatter the lower triangle."""
    lower, upper = np.tril_indices(len(s.centre))
    return {
        "sums_counts": Variable(("sums_group",), s.counts),
        "sums_centre": Variable(("sums_column",), s.centre),
        "sums_means": Variable(("sums_group", "sums_column"), s.means),
        "sums_scatter": Variable(("sums_group", "sums_pair"), s.scatter[:, lower, upper]),
    }


def _sums_from(kept: "KeptDesign", constant: Group, labels: Any) -> GroupMoments | None:
    if "sums_counts" not in constant.variables:
        return None
    counts = constant.variables["sums_counts"].values
    centre = constant.variables["sums_centre"].values
    lower, upper = np.tril_indices(len(centre))
    scatter = np.empty((len(counts), len(centre), len(centre)))
    triangle = constant.variables["sums_scatter"].values
    scatter[:, lower, upper] = scatter[:, upper, lower] = triangle
    return GroupMoments(
        labels=labels,
        counts=counts,
        centre=centre,
        means=constant.variables["sums_means"].values,
        scatter=scatter,
        terms=kept.terms,
        effects=kept.groups[0].effects if kept.groups else (),
        group=kept.groups[0].factor if kept.groups else None,
    )


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
        fit = _assemble(msgspec.convert(document, Document), groups)
        check_fit(fit)
    return fit


def _document(fit: Fit) -> dict[str, Any]:
    design, residual = fit.design, fit.design.residual
    return {
        "format": FORMAT,
        "engine": fit.engine,
        "reason": fit.reason,
        "report": None if fit.report is None else dataclasses.asdict(fit.report),
        "seconds": fit.seconds,
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
    constant, posterior = groups["constant_data"], groups["posterior"]
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
    summed = _sums_from(kept, constant, labels[0] if labels else np.zeros(1, dtype=np.int64))
    kept_arrays = constant.variables if summed is None else {}
    arrays = {name: variable.values for name, variable in kept_arrays.items()}
    y = None if summed is not None else groups["observed_data"].variables["y"].values
    n = 0 if y is None else y.size
    empty = None if y is None else np.empty((n, 0))
    terms = tuple(
        GroupTerm(
            factor=one.factor,
            labels=known,
            codes=arrays.get(dim.array("codes")),
            Z=arrays.get(dim.array("Z"), empty),
            effects=one.effects,
            correlated=one.correlated,
        )
        for one, dim, known in zip(kept.groups, dims, labels, strict=True)
    )
    design = Design(
        response=Response(name=kept.outcome, y=y),
        fixed=FixedColumns(X=arrays.get("X", empty), terms=kept.terms),
        group_terms=terms,
        aggregated=summed,
        kind=kept.kind,
        formula=formula,
        encoding=Encoding.from_dict(kept.encoding),
        base=base,
        n_dropped=kept.n_dropped,
        notes=kept.notes,
        family=FAMILIES[document.request.model.family],
        residual=_residual_from(kept.residual, constant),
    )
    # The coordinates of the factories are there for PyMC, and follow from the rest.
    reported = {k: v for k, v in posterior.variables.items() if not k.endswith("_")}
    named = {dim for v in reported.values() for dim in v.dims} - {"chain", "draw"}
    return Fit(
        request=document.request,
        design=design,
        priors=document.priors,
        draws=Draws(
            posterior=reported,
            sample_stats=groups["sample_stats"].variables,
            coords={k: v for k, v in posterior.coords.items() if k in named},
            parameters=parameters_of(design) if len(terms) > 1 else known_parameters(),
        ),
        engine=document.engine,
        reason=document.reason,
        report=document.report,
        settings=document.settings,
        versions=document.versions,
        verdict=Verdict(document.verdict),
        seconds=document.seconds,
    )


def _residual_from(kept: "KeptResidual | None", constant: Group) -> ResidualRows | None:
    if kept is None:
        return None
    arrays = {name: one.values for name, one in constant.variables.items()}
    return ResidualRows(
        spec=kept.spec,
        levels=kept.levels,
        stratum=arrays["stratum"],
        time=arrays["residual_time"],
        previous=arrays["previous"],
        gap=arrays["gap"],
        step=kept.step,
        whole=kept.whole,
    )
