"""Write groups of labelled arrays to a netCDF-4 file with a checksum, and read them back.

The checksum (SHA-256, the attribute ``bayes_mlm_sha256``) is of what is read: the text, and the
names, dimensions, labels and values of the groups below; not of the file's bytes. So xarray or
ArviZ may add a group to the tree and save it again, and one changed draw is refused. Until another
program saves the file, a checksum of all bytes (`seal`), behind those of HDF5, is checked first:
HDF5 may hang on damage.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.base import BLANK, SEAL, StorageError, atomic_file, check_seal, sealed
from bayes_mlm.engines import Variable

GROUPS = ("posterior", "sample_stats", "observed_data", "constant_data")
_TEXT, _SUM = "bayes_mlm", "bayes_mlm_sha256"


@dataclass(frozen=True)
class Group:
    """One group of the file: its variables, and the labels of its dimensions."""

    variables: Mapping[str, Variable]
    coords: Mapping[str, Any]


def write_netcdf(path: Path, text: str, groups: Mapping[str, Group]) -> None:
    """Write a file whole or not at all.

    HDF5 writes to memory, and its bytes are then written at once: after a failed write to a file (a
    full disk) HDF5 ends the process when it closes.

    Parameters
    ----------
    path : Path
    text : str
        An attribute of the file.
    groups : mapping of str to Group
        Named by some of `GROUPS`; of the labels those of the group's dimensions are kept.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    import h5netcdf

    groups = {name: _labelled(group) for name, group in groups.items()}
    made = io.BytesIO()
    with h5netcdf.File(made, "w") as file:
        file.attrs[_TEXT] = text
        file.attrs[_SUM] = _checksum(text, groups)
        for name, group in groups.items():
            _write(file, name, group)
    made.seek(0, io.SEEK_END)
    made.write(BLANK)
    with atomic_file(path) as partial:
        partial.write_bytes(sealed(made.getvalue()))


def read_netcdf(path: Path) -> tuple[str, dict[str, Group]]:
    """Read what `write_netcdf` wrote; groups that were added since are left alone.

    Raises
    ------
    StorageError
        If it was not written by `write_netcdf`, or its content has changed. Damage may raise
        anything else that HDF5 raises.
    """
    import h5py  # h5netcdf itself fails, and once more when it closes, on some damage

    content = path.read_bytes()
    if SEAL in content:  # not saved again by another program
        check_seal(content)
    del content  # as large as what is read next
    with h5py.File(path, "r") as file:
        if _TEXT not in file.attrs:
            raise StorageError("it was not written by bayes_mlm.save_fit")
        if _SUM not in file.attrs:
            raise StorageError("it has no checksum: it is of an earlier version")
        text, kept = str(file.attrs[_TEXT]), str(file.attrs[_SUM])
        groups = {name: _read(file[name]) for name in GROUPS if name in file}
    if _checksum(text, groups) != kept:
        raise StorageError(
            "its content is not what was saved (the checksum differs); additions to the tree go "
            "into a new group"
        )
    return text, groups


def _labelled(group: Group) -> Group:
    """Return a group with labels for every dimension: those given, else numbers; text as text."""
    sizes: dict[str, int] = {}
    for variable in group.variables.values():
        sizes |= dict(zip(variable.dims, variable.values.shape, strict=True))
    coords = {dim: np.asarray(group.coords.get(dim, np.arange(n))) for dim, n in sizes.items()}
    texts = {dim: _as_text(v) if v.dtype.kind in "OUS" else v for dim, v in coords.items()}
    return Group(group.variables, texts)


def _checksum(text: str, groups: Mapping[str, Group]) -> str:
    digest = hashlib.sha256()

    def add(part: bytes | memoryview) -> None:
        digest.update(b"%d:" % len(part))
        digest.update(part)

    add(text.encode())
    for name in sorted(groups):
        group = groups[name]
        labels = {dim: Variable((dim,), values) for dim, values in group.coords.items()}
        for kind, variables in (("variable", group.variables), ("labels", labels)):
            for key, variable in sorted(variables.items()):
                values = variable.values
                add("\t".join((name, kind, key, *variable.dims, str(values.shape))).encode())
                if values.dtype.kind == "O":
                    add(b"text")
                    for one in values.tolist():
                        add(str(one).encode())
                else:
                    plain = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
                    add(plain.dtype.str.encode())
                    add(plain.tobytes())
    return digest.hexdigest()


def _write(file: Any, name: str, content: Group) -> None:
    import h5py

    group = file.create_group(name)
    group.dimensions = {dim: len(labels) for dim, labels in content.coords.items()}
    for dim, labels in content.coords.items():
        dtype = h5py.string_dtype() if labels.dtype.kind == "O" else labels.dtype
        group.create_variable(dim, (dim,), dtype, data=labels)
    for key, variable in content.variables.items():
        values = variable.values
        values = values.astype(np.int8) if values.dtype.kind == "b" else values
        stored = group.create_variable(key, variable.dims, values.dtype, data=values)
        if variable.values.dtype.kind == "b":
            stored.attrs["dtype"] = "bool"  # how xarray marks truth values in netCDF


def _as_text(values: Any) -> Any:
    """Return labels as text, which HDF5 returns as bytes."""
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], dtype=object)


def _read(group: Any) -> Group:
    variables, coords = {}, {}
    for key, stored in group.items():
        values = stored[...]
        if stored.is_scale:
            coords[key] = _as_text(values) if values.dtype.kind in "OUS" else values
            continue
        truth = "dtype" in stored.attrs and str(stored.attrs["dtype"]) == "bool"
        dims = tuple(scales[0].name.rpartition("/")[2] for scales in stored.dims)
        variables[key] = Variable(dims, values.astype(bool) if truth else values)
    return Group(variables, coords)
