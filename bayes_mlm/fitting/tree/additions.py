"""What a user added to a fit's tree: found in it, and put into it again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bayes_mlm.fitting.tree.assemble import LIBRARY, Tree
from bayes_mlm.fitting.tree.groups import KEPT

if TYPE_CHECKING:
    import xarray as xr

_MADE_BY, _EXTENDED = "creation_library", "extended_by_user"


def with_added(tree: "xr.DataTree", added: "Mapping[str, xr.Dataset]") -> "xr.DataTree":
    """Put additions into a tree: variables into a group of the fit's own, other groups whole.

    Parameters
    ----------
    tree : xarray.DataTree
        Of the fit; it is changed, and returned.
    added : mapping of str to xarray.Dataset
        By the path of the group, as `added_to` finds them.
    """
    import xarray as xr

    for path, dataset in added.items():
        if path in KEPT:
            node = tree.children[path]
            node.dataset = node.to_dataset(inherit=False).merge(dataset)
        else:
            tree[path] = xr.DataTree(dataset.copy())
    return tree


def added_to(tree: "xr.DataTree", own: Tree) -> "dict[str, xr.Dataset]":
    """Find what a user added to the tree of a fit.

    Parameters
    ----------
    tree : xarray.DataTree
        `Fit.data`, changed or not.
    own : Tree
        The fit's groups.

    Returns
    -------
    dict of str to xarray.Dataset
        By the path of the group: the further variables of one of `KEPT`; other groups whole, those
        included that were changed or replaced.
    """
    found: dict[str, xr.Dataset] = {}
    for node in tree.subtree:
        path, dataset = node.path.strip("/"), node.to_dataset(inherit=False)
        if not path or not (dataset.variables or dataset.attrs):
            continue
        if path not in own.groups or not (path in KEPT or is_own(dataset.attrs)):
            found[path] = dataset
            continue
        known = {*own.groups[path].variables, *own.groups[path].coords}
        new = [name for name in dataset.data_vars if name not in known]
        if new and path in KEPT:
            found[path] = dataset[new]
        elif new:
            found[path] = dataset.assign_attrs({_EXTENDED: 1})
    return found


def is_own(attrs: Mapping[Any, Any]) -> bool:
    """Return whether a group is as it was computed from the fit, by its attributes."""
    return attrs.get(_MADE_BY) == LIBRARY and _EXTENDED not in attrs
