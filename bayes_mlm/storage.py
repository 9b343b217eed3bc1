"""Save a whole fit to one netCDF-4 file, and read it back.

The file opens in ArviZ and xarray (`xarray.open_datatree`): groups ``posterior``,
``sample_stats``, ``observed_data`` and ``constant_data``. What is not an array (record, encoding,
settings, versions, verdict) is JSON in the attribute ``bayes_mlm``. Nothing in a file is executed.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.atomic import atomic_file
from bayes_mlm.design import Design, GroupMeans
from bayes_mlm.design_priors import ModelPriors
from bayes_mlm.direct.report import DirectReport
from bayes_mlm.draws import Draws, Variable, in_arviz_order
from bayes_mlm.encoding import Encoding
from bayes_mlm.errors import StorageError
from bayes_mlm.fitted import Fit, Settings
from bayes_mlm.formula import parse_formula
from bayes_mlm.priors import Prior
from bayes_mlm.residual import Residual, ResidualRows
from bayes_mlm.rows_away import rows_away
from bayes_mlm.spec import Record
from bayes_mlm.sufficient import Sufficient
from bayes_mlm.verdict import Finding, Verdict

FORMAT = 1


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
    >>> again.record == fitted.record, again.verdict == fitted.verdict
    (True, True)
    """
    import h5netcdf

    design = fit.design
    if design.sample_of is not None:
        raise StorageError(
            f"this fit is joined to the rows of {design.J} of {design.sample_of.J:,} groups; save "
            "the fit that sample_groups was given, and take the sample again when it is read"
        )
    rows = "group" if design.kind == "between" else "obs"
    labels = {"group": design.labels} if design.group is not None else {}
    data = _sums(design.summed) if design.summed is not None else _rows(design, rows)
    if design.base is not None:
        data["base_means"] = Variable(("group", "base_term"), design.base.means)
        data["base_varies"] = Variable(("base_term",), design.base.varies.astype(np.int8))
        labels["base_term"] = np.array(design.base.terms, dtype=object)
    if design.residual is not None:
        own = design.residual
        data |= {
            "stratum": Variable((rows,), own.stratum),
            "residual_time": Variable((rows,), own.time),
            "previous": Variable((rows,), own.previous),
            "gap": Variable((rows,), own.gap),
        }
    if rows == "obs" and design.summed is None:
        labels["obs"] = np.arange(design.n)
    coords = labels | {
        "term": np.array(design.terms, dtype=object),
        "effect": np.array(design.effects, dtype=object),
    }
    draws = fit.draws
    path = Path(path)
    try:
        with atomic_file(path) as partial, h5netcdf.File(partial, "w") as file:
            file.attrs["bayes_mlm"] = json.dumps(_document(fit))
            posterior = in_arviz_order({**draws.posterior, **draws.free(design, fit.priors)})
            _write(file, "posterior", posterior, dict(draws.coords) | coords)
            _write(file, "sample_stats", draws.sample_stats, draws.coords)
            if design.summed is None:
                _write(file, "observed_data", {"y": Variable((rows,), design.y)}, coords)
            _write(file, "constant_data", data, coords)
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error}") from error
    return path


def _rows(design: Design, rows: str) -> dict[str, Variable]:
    data = {"X": Variable((rows, "term"), design.X)}
    if design.q:
        data["Z"] = Variable((rows, "effect"), design.Z)
    if design.group is not None:
        data["codes"] = Variable((rows,), design.codes)
    return data


def _sums(s: Sufficient) -> dict[str, Variable]:
    """Give the sums in the place of rows: of the scatter the lower triangle."""
    lower, upper = np.tril_indices(len(s.centre))
    return {
        "sums_counts": Variable(("sums_group",), s.counts),
        "sums_centre": Variable(("sums_column",), s.centre),
        "sums_means": Variable(("sums_group", "sums_column"), s.means),
        "sums_scatter": Variable(("sums_group", "sums_pair"), s.scatter[:, lower, upper]),
    }


def _sums_from(design: Mapping[str, Any], constant: "_Group", labels: Any) -> Sufficient | None:
    if "sums_counts" not in constant.variables:
        return None
    counts = constant.variables["sums_counts"].values
    centre = constant.variables["sums_centre"].values
    lower, upper = np.tril_indices(len(centre))
    scatter = np.empty((len(counts), len(centre), len(centre)))
    triangle = constant.variables["sums_scatter"].values
    scatter[:, lower, upper] = scatter[:, upper, lower] = triangle
    return Sufficient(
        labels=labels,
        counts=counts,
        centre=centre,
        means=constant.variables["sums_means"].values,
        scatter=scatter,
        terms=tuple(design["terms"]),
        effects=tuple(design["effects"]),
        group=design["group"],
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
    import h5netcdf

    path = Path(path)
    if not path.is_file():
        raise StorageError(f"there is no file {str(path)!r}; give the path of a saved fit")
    try:
        with h5netcdf.File(path, "r") as file:
            if "bayes_mlm" not in file.attrs:
                raise StorageError(f"{str(path)!r} was not written by bayes_mlm.save_fit")
            document = json.loads(str(file.attrs["bayes_mlm"]))
            if document["format"] != FORMAT:
                raise StorageError(
                    f"{str(path)!r} has format {document['format']}, this version reads {FORMAT}; "
                    f"read it with bayes-mlm {document['versions'].get('bayes-mlm')}"
                )
            groups = {name: _read(file[name]) for name in file.groups}
    except (OSError, KeyError, ValueError) as error:
        raise StorageError(f"{str(path)!r} cannot be read as a saved fit: {error}") from error
    return _assemble(document, groups)


def _document(fit: Fit) -> dict[str, Any]:
    import msgspec

    design = fit.design
    return {
        "format": FORMAT,
        "engine": fit.engine,
        "why": fit.why,
        "report": None if fit.report is None else dataclasses.asdict(fit.report),
        "seconds": fit.seconds,
        "record": msgspec.to_builtins(fit.record),
        "settings": dataclasses.asdict(fit.settings),
        "versions": dict(fit.versions),
        "verdict": [dataclasses.asdict(finding) for finding in fit.verdict.findings],
        "priors": _priors_to_json(fit.priors),
        "design": {
            "outcome": design.outcome,
            "group": design.group,
            "kind": design.kind,
            "formula": str(design.formula),
            "terms": design.terms,
            "effects": design.effects,
            "n_dropped": design.n_dropped,
            "notes": design.notes,
            "encoding": design.encoding.to_dict(),
            "residual": None if design.residual is None else _residual_to_json(design.residual),
        },
    }


def _assemble(document: Mapping[str, Any], groups: Mapping[str, "_Group"]) -> Fit:
    import msgspec

    kept = document["design"]
    constant, posterior = groups["constant_data"], groups["posterior"]
    base = None
    if "base_means" in constant.variables:
        base = GroupMeans(
            terms=tuple(map(str, constant.coords["base_term"])),
            means=constant.variables["base_means"].values,
            varies=constant.variables["base_varies"].values.astype(bool),
        )
    formula = parse_formula(kept["formula"])
    labels = constant.coords["group"] if base else np.zeros(1, dtype=np.int64)
    summed = _sums_from(kept, constant, labels)
    design = Design(
        **(rows_away() if summed is not None else _rows_from(kept, groups)),
        summed=summed,
        labels=labels,
        outcome=kept["outcome"],
        terms=tuple(kept["terms"]),
        effects=tuple(kept["effects"]),
        group=kept["group"],
        kind=kept["kind"],
        formula=formula,
        encoding=Encoding.from_dict(kept["encoding"]),
        correlated=formula.correlated,
        base=base,
        n_dropped=kept["n_dropped"],
        notes=tuple(kept["notes"]),
        residual=_residual_from(kept.get("residual"), constant),
    )
    # The factories' own coordinates are there for PyMC, and follow from the rest.
    reported = {k: v for k, v in posterior.variables.items() if not k.endswith("_")}
    named = {dim for v in reported.values() for dim in v.dims} - {"chain", "draw"}
    return Fit(
        record=msgspec.convert(document["record"], Record),
        design=design,
        priors=_priors_from_json(document["priors"]),
        draws=Draws(
            posterior=reported,
            sample_stats=groups["sample_stats"].variables,
            coords={k: v for k, v in posterior.coords.items() if k in named},
        ),
        engine=document["engine"],
        why=document["why"],
        report=_report_from_json(document["report"]),
        settings=Settings(**document["settings"]),
        versions=document["versions"],
        verdict=Verdict(tuple(Finding(**finding) for finding in document["verdict"])),
        seconds=document["seconds"],
    )


def _rows_from(kept: Mapping[str, Any], groups: Mapping[str, "_Group"]) -> dict[str, Any]:
    constant = groups["constant_data"].variables
    y = groups["observed_data"].variables["y"].values
    n = y.size
    return {
        "y": y,
        "X": constant["X"].values if kept["terms"] else np.empty((n, 0)),
        "Z": constant["Z"].values if kept["effects"] else np.empty((n, 0)),
        "codes": constant["codes"].values if "codes" in constant else np.zeros(n, dtype=np.int64),
    }


def _residual_to_json(rows: ResidualRows) -> dict[str, Any]:
    import msgspec

    return {
        "asked": msgspec.to_builtins(rows.asked),
        "levels": rows.levels,
        "step": rows.step,
        "whole": rows.whole,
    }


def _residual_from(document: Mapping[str, Any] | None, constant: "_Group") -> ResidualRows | None:
    import msgspec

    if document is None:
        return None
    kept = {name: one.values for name, one in constant.variables.items()}
    return ResidualRows(
        asked=msgspec.convert(document["asked"], Residual),
        levels=tuple(document["levels"]),
        stratum=kept["stratum"],
        time=kept["residual_time"],
        previous=kept["previous"],
        gap=kept["gap"],
        step=document["step"],
        whole=document["whole"],
    )


def _priors_to_json(priors: ModelPriors) -> dict[str, Any]:
    return dataclasses.asdict(priors)


def _priors_from_json(document: Mapping[str, Any]) -> ModelPriors:
    def one(prior: Mapping[str, Any]) -> Prior:
        return Prior(prior["family"], tuple((key, value) for key, value in prior["parameters"]))

    def if_any(prior: Mapping[str, Any] | None) -> Prior | None:
        return None if prior is None else one(prior)

    return ModelPriors(
        beta=tuple(one(prior) for prior in document["beta"]),
        u=if_any(document["u"]),
        sigma_u=tuple(one(prior) for prior in document["sigma_u"]),
        rho_u=if_any(document["rho_u"]),
        sigma_e=one(document["sigma_e"]),
        sigma_e_by=tuple(one(prior) for prior in document.get("sigma_e_by", ())),
        rho_e=if_any(document.get("rho_e")),
        nu=if_any(document.get("nu")),
        effects_at=document.get("effects_at", "zero"),
    )


def _report_from_json(document: Mapping[str, Any] | None) -> DirectReport | None:
    if document is None:
        return None
    return DirectReport(**{**document, "notes": tuple(document["notes"])})


@dataclasses.dataclass(frozen=True)
class _Group:
    """Hold one group of the file: its variables, and the labels of its dimensions."""

    variables: Mapping[str, Variable]
    coords: Mapping[str, Any]


def _write(
    file: Any, name: str, variables: Mapping[str, Variable], coords: Mapping[str, Any]
) -> None:
    import h5py

    group = file.create_group(name)
    sizes: dict[str, int] = {}
    for variable in variables.values():
        sizes |= dict(zip(variable.dims, variable.values.shape, strict=True))
    group.dimensions = sizes
    for dim, size in sizes.items():
        labels = np.asarray(coords.get(dim, np.arange(size)))
        text = labels.dtype.kind in "OUS"
        dtype = h5py.string_dtype() if text else labels.dtype
        group.create_variable(dim, (dim,), dtype, data=labels.astype(object) if text else labels)
    for key, variable in variables.items():
        values = variable.values
        values = values.astype(np.int8) if values.dtype.kind == "b" else values
        stored = group.create_variable(key, variable.dims, values.dtype, data=values)
        if variable.values.dtype.kind == "b":
            stored.attrs["dtype"] = "bool"  # how xarray marks truth values in netCDF


def _as_text(values: Any) -> Any:
    """HDF5 gives text back as bytes."""
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], dtype=object)


def _read(group: Any) -> _Group:
    variables, coords = {}, {}
    for key, stored in group.variables.items():
        values = stored[...]
        if key in group.dimensions:
            coords[key] = _as_text(values) if values.dtype.kind in "OUS" else values
            continue
        truth = "dtype" in stored.attrs and str(stored.attrs["dtype"]) == "bool"
        variables[key] = Variable(
            tuple(stored.dimensions), values.astype(bool) if truth else values
        )
    return _Group(variables, coords)
