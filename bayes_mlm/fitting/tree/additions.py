"""What a user added to a fit's tree: found in it, and put into it again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import StorageError
from bayes_mlm.fitting.tree.assemble import LIBRARY, Tree, plain_labels
from bayes_mlm.fitting.tree.computed import Computed
from bayes_mlm.fitting.tree.groups import KEPT, Variables

if TYPE_CHECKING:
    import xarray as xr

_MADE_BY, _EXTENDED = "creation_library", "extended_by_user"


def with_added(tree: "xr.DataTree", added: "Mapping[str, xr.Dataset]") -> "xr.DataTree":
    """Add additions to a tree: variables into a group of the fit, other groups whole.

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


def added_to(tree: "xr.DataTree", laid_out: Tree) -> "dict[str, xr.Dataset]":
    """Find what a user added to the tree of a fit.

    Parameters
    ----------
    tree : xarray.DataTree
        `Fit.data`, changed or not.
    laid_out : Tree
        The fit's groups.

    Returns
    -------
    dict of str to xarray.Dataset
        By the path of the group: the further variables of one of `KEPT`; other groups whole, those
        included that were changed or replaced.

    Raises
    ------
    StorageError
        If draws or data were changed, which a fit keeps as they were.
    """
    found: dict[str, xr.Dataset] = {}
    for node in tree.subtree:
        path, dataset = node.path.strip("/"), node.to_dataset(inherit=False)
        if not path or not (dataset.variables or dataset.attrs):
            continue
        if path in KEPT and path not in laid_out.groups:
            raise StorageError(
                f"this fit has no {path} ({laid_out.attrs[f'no_{path}']}), and what was added as "
                "such is not saved; add it to the tree under another name"
            )
        if path not in laid_out.groups or not (path in KEPT or is_unchanged(dataset.attrs)):
            found[path] = dataset
            continue
        if path in KEPT:
            _check_draws_and_data(path, dataset, laid_out.groups[path].variables)
        known = {*laid_out.groups[path].variables, *laid_out.groups[path].coords}
        new = [name for name in dataset.data_vars if name not in known]
        if new and path in KEPT:
            found[path] = dataset[new]
        elif new:
            found[path] = dataset.assign_attrs({_EXTENDED: 1})
    return found


def _check_draws_and_data(path: str, dataset: "xr.Dataset", variables: Variables) -> None:
    for name, one in variables.items():
        if isinstance(one, Computed) or name not in dataset:
            continue
        found, values = dataset[name].to_numpy(), plain_labels(one.values)
        if not np.array_equal(found, values, equal_nan=values.dtype.kind == "f"):
            raise StorageError(
                f"{name} of the tree's {path} was changed, and a fit is saved as it was made; add "
                "the changed values to the tree under another name"
            )


def is_unchanged(attrs: Mapping[Any, Any]) -> bool:
    """Return whether a group is as it was computed from the fit, by its attributes."""
    return attrs.get(_MADE_BY) == LIBRARY and _EXTENDED not in attrs
