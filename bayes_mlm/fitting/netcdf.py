"""Write groups of labelled arrays to a netCDF-4 file with a checksum, and read them back.

The checksum (SHA-256, the attribute ``bayes_mlm_sha256``) is of what is read: the text, and the
names, dimensions, labels and values of the groups that a fit is read from; not of the file's
bytes. So xarray or ArviZ may add a group to the tree and save it again, and one changed draw is
refused. Until another program saves the file, a checksum of all bytes (`seal`), behind those of
HDF5, is checked first: HDF5 may hang on damage.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import BLANK, SEAL, StorageError, atomic_file, check_seal, sealed
from bayes_mlm.engines import Variable
from bayes_mlm.fitting.tree.additions import is_unchanged
from bayes_mlm.fitting.tree.assemble import Group
from bayes_mlm.fitting.tree.groups import KEPT, TREE_GROUPS

if TYPE_CHECKING:
    import xarray as xr

_TEXT, _SUM = "bayes_mlm", "bayes_mlm_sha256"


def write_netcdf(
    path: Path,
    text: str,
    groups: Mapping[str, Group],
    *,
    attrs: Mapping[str, Any] = MappingProxyType({}),
    added: "Mapping[str, xr.Dataset]" = MappingProxyType({}),
) -> None:
    """Write a file whole or not at all.

    HDF5 writes to memory, and its bytes are then written at once: after a failed write to a file (a
    full disk) HDF5 ends the process when it closes.

    Parameters
    ----------
    path : Path
    text : str
        An attribute of the file.
    groups : mapping of str to Group
        The checksum is of those in `KEPT`.
    attrs : mapping, optional
        Further attributes of the file.
    added : mapping of str to xarray.Dataset, optional
        By path: further variables of one of `KEPT`, else a group.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    import h5netcdf

    further = {name: one for name, one in added.items() if name in KEPT}
    whole = {name: one for name, one in added.items() if name not in KEPT}
    written = {
        name: _labelled(_extended(group, further.get(name)))
        for name, group in groups.items()
        if name not in whole
    }
    made = io.BytesIO()
    with h5netcdf.File(made, "w") as file:
        file.attrs[_TEXT] = text
        kept = {name: group for name, group in written.items() if name in KEPT}
        file.attrs[_SUM] = _checksum(text, kept)
        for key, value in attrs.items():
            file.attrs[key] = value
        for name, group in written.items():
            _write(file, name, group)
    for name, dataset in whole.items():
        made.seek(0)
        dataset.to_netcdf(made, mode="a", group=name, engine="h5netcdf")
    made.seek(0, io.SEEK_END)
    made.write(BLANK)
    with atomic_file(path) as partial:
        partial.write_bytes(sealed(made.getvalue()))


def read_netcdf(path: Path) -> tuple[str, dict[str, Group]]:
    """Read what `write_netcdf` wrote: its text, and the groups of `KEPT`.

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
        groups = {name: _read(file[name]) for name in KEPT if name in file}
    if _checksum(text, groups) != kept:
        raise StorageError(
            "its content is not what was saved (the checksum differs); additions to the tree go "
            "into a new group"
        )
    return text, groups


def read_added(path: Path, names: Mapping[str, Sequence[str]]) -> "dict[str, xr.Dataset]":
    """Read what a user, or another program, added to the tree.

    Parameters
    ----------
    path : Path
        Of a file that `read_netcdf` has read.
    names : mapping of str to sequence of str
        Variables that were added to a group of `KEPT`.

    Returns
    -------
    dict of str to xarray.Dataset
        As `bayes_mlm.fitting.tree.additions.added_to` finds them.
    """
    import h5py

    with h5py.File(path, "r") as file:
        inside = (f"{name}/{key}" for name in KEPT if name in file for key in file[name])
        others = [
            name
            for name in (*file, *inside)
            if name not in KEPT
            and isinstance(file[name], h5py.Group)
            and not (name in TREE_GROUPS and is_unchanged(file[name].attrs))
        ]
    if not names and not others:
        return {}
    import xarray as xr

    found: dict[str, xr.Dataset] = {}
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        for group, added in names.items():
            whole = tree.children[group].to_dataset(inherit=False)
            found[group] = whole[list(added)]
        for node in (node for name in others for node in _node(tree, name).subtree):
            if node.has_data or node.attrs:
                found[node.path.strip("/")] = node.to_dataset(inherit=False)
        return {group: dataset.load() for group, dataset in found.items()}


def _node(tree: "xr.DataTree", path: str) -> "xr.DataTree":
    for name in path.split("/"):
        tree = tree.children[name]
    return tree


def _extended(group: Group, further: "xr.Dataset | None") -> Group:
    """Return a group with further variables of a dataset."""
    if further is None:
        return group
    new = {
        str(name): Variable(tuple(map(str, one.dims)), one.to_numpy())
        for name, one in further.data_vars.items()
    }
    labels = {str(dim): one.to_numpy() for dim, one in further.coords.items()}
    return replace(group, variables={**group.variables, **new}, coords=labels | dict(group.coords))


def _labelled(group: Group) -> Group:
    """Return a group with labels for every dimension: those given, else numbers; text as text."""
    sizes: dict[str, int] = {}
    for variable in group.variables.values():
        sizes |= dict(zip(variable.dims, variable.values.shape, strict=True))
    coords = {dim: _plain(group.coords.get(dim, np.arange(n))) for dim, n in sizes.items()}
    variables = {
        name: Variable(one.dims, _plain(one.values)) for name, one in group.variables.items()
    }
    return replace(group, variables=variables, coords=coords)


def _plain(values: Any) -> Any:
    values = np.asarray(values)
    return _as_text(values) if values.dtype.kind in "OUS" else values


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
    group = file.create_group(name)
    group.dimensions = {dim: len(labels) for dim, labels in content.coords.items()}
    for key, value in content.attrs.items():
        group.attrs[key] = value
    for dim, labels in content.coords.items():
        _store(group, dim, (dim,), labels)
    for key, variable in content.variables.items():
        _store(group, key, variable.dims, variable.values)


def _store(group: Any, name: str, dims: tuple[str, ...], values: Any) -> None:
    import h5py

    truth = values.dtype.kind == "b"
    values = values.astype(np.int8) if truth else values
    dtype = h5py.string_dtype() if values.dtype.kind == "O" else values.dtype
    stored = group.create_variable(name, dims, dtype, data=values)
    if truth:
        stored.attrs["dtype"] = "bool"  # how xarray marks truth values in netCDF


def _as_text(values: Any) -> Any:
    """Return text, which HDF5 returns as bytes."""
    flat = [v.decode() if isinstance(v, bytes) else str(v) for v in np.ravel(values)]
    return np.array(flat, dtype=object).reshape(np.shape(values))


def _read(group: Any) -> Group:
    variables, coords = {}, {}
    for key, stored in group.items():
        if not hasattr(stored, "dtype"):  # a group in it, which was added
            continue
        values = _plain(stored[...])
        truth = "dtype" in stored.attrs and str(stored.attrs["dtype"]) == "bool"
        values = values.astype(bool) if truth else values
        if stored.is_scale:
            coords[key] = values
            continue
        dims = tuple(scales[0].name.rpartition("/")[2] for scales in stored.dims)
        variables[key] = Variable(dims, values)
    return Group(variables=variables, coords=coords)
