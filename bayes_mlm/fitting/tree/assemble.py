"""Make the tree of a fit: its groups with their labels and the attributes of ArviZ's schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm._version import __version__
from bayes_mlm.base import Array, EngineError
from bayes_mlm.engines import ENGINES, SAMPLE_DIMS, in_arviz_order
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.fitting.tree.computed import Computed
from bayes_mlm.fitting.tree.constant import labels_of
from bayes_mlm.fitting.tree.groups import TREE_GROUPS, Variables, variables_of

if TYPE_CHECKING:
    import xarray as xr

LIBRARY = "bayes-mlm"
# Groups of draws, which have the attributes of the inference.
_SAMPLED = ("posterior", "sample_stats")


@dataclass(frozen=True)
class Group:
    """One group of the tree: its variables, the labels of its dimensions, and its attributes."""

    variables: Variables
    coords: Mapping[str, Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The groups of a fit, with the attributes of the whole.

    Parameters
    ----------
    groups : mapping of str to Group
    attrs : mapping of str to str or number
        ``no_prior`` and the like are the reasons why a group is not there.
    """

    groups: Mapping[str, Group]
    attrs: Mapping[str, Any]

    def without(self, names: "set[str]") -> "Tree":
        """Return the tree without some groups."""
        left = {name: group for name, group in self.groups.items() if name not in names}
        return replace(self, groups=left)

    def by_group(self) -> "Tree":
        """Return the tree whose log-likelihood is by group, without what is by row.

        Raises
        ------
        EngineError
            If the model has no log-likelihood by group.
        """
        if "log_likelihood_group" not in self.groups:
            reason = self.attrs["no_log_likelihood_group"]
            raise EngineError(f"the tree has no log-likelihood by group: {reason}")
        by_row = {"log_likelihood", "posterior_predictive", "prior_predictive", "observed_data"}
        left = dict(self.without({*by_row, "log_likelihood_group"}).groups)
        return replace(self, groups=left | {"log_likelihood": self.groups["log_likelihood_group"]})

    def to_datatree(self) -> "xr.DataTree":
        """Make the `xarray.DataTree`; what is computed is not computed yet."""
        import xarray as xr

        made = {name: _dataset(group) for name, group in self.groups.items()}
        made["/"] = xr.Dataset(attrs=dict(self.attrs))
        return xr.DataTree.from_dict(made)


def lay_out_tree(fit: Sampled, *, mu: bool | None = None) -> Tree:
    """Return the groups of a fit's tree.

    Parameters
    ----------
    fit : Fit or Sampled
    mu : bool, optional
        As in `variables_of`.

    Raises
    ------
    SeveralFactorsError
        Of a fit with the effects of one factor only.
    """
    fit.design.require_all_factors("the tree of a fit")
    found, reasons = variables_of(fit, mu=mu)
    common = _common_attributes(fit)
    labels = labels_of(fit.design) | dict(fit.draws.coords)
    groups = {
        name: Group(
            variables=variables,
            coords=_coords(variables, labels),
            attrs=common
            | (_inference_attributes(fit) if name in _SAMPLED else {})
            | {"description": TREE_GROUPS[name].description},
        )
        for name, variables in found.items()
    }
    missing = {f"no_{name}": reason for name, reason in reasons.items()}
    return Tree(groups=groups, attrs=common | _inference_attributes(fit) | missing)


def reported_posterior(fit: Sampled) -> "xr.Dataset":
    """Return the draws of the reported quantities."""
    variables = in_arviz_order(fit.draws.posterior)
    return _dataset(Group(variables=variables, coords=_coords(variables, fit.draws.coords)))


def plain_labels(values: Any) -> Array:
    """Return labels as the array that a file gives back: text as text of one length.

    Examples
    --------
    >>> plain_labels(np.array(["a", "bc"], dtype=object))
    array(['a', 'bc'], dtype='<U2')
    """
    found = np.asarray(values)
    return found.astype(str) if found.dtype.kind in "OUS" else found


def _coords(variables: Variables, labels: Mapping[str, Any]) -> dict[str, Array]:
    """Return the labels of each dimension: those given, else numbers."""
    found: dict[str, Array] = {}
    for variable in variables.values():
        shape = variable.shape if isinstance(variable, Computed) else variable.values.shape
        for dim, size in zip(variable.dims, shape, strict=True):
            known = dim in labels and dim not in SAMPLE_DIMS
            found[dim] = plain_labels(labels[dim]) if known else np.arange(size)
    return found


def _dataset(group: Group) -> "xr.Dataset":
    import xarray as xr

    variables = {
        name: xr.Variable(one.dims, one.lazy())
        if isinstance(one, Computed)
        else (one.dims, plain_labels(one.values))
        for name, one in group.variables.items()
    }
    return xr.Dataset(variables, dict(group.coords), dict(group.attrs))


def _common_attributes(fit: Sampled) -> dict[str, Any]:
    return {
        "created_at": fit.created_at,
        "creation_library": LIBRARY,
        "creation_library_version": fit.versions.get(LIBRARY, __version__),
        "creation_library_language": "Python",
        "modeling_interface": LIBRARY,
        "modeling_interface_version": fit.versions.get(LIBRARY, __version__),
    }


def _inference_attributes(fit: Sampled) -> dict[str, Any]:
    engine = ENGINES.get(fit.engine)
    library = LIBRARY if engine is None else engine.library
    chains = engine is not None and engine.has_chains
    return {
        "inference_library": library,
        "inference_library_version": fit.versions.get(library, "unknown"),
        "inference_engine": fit.engine,
        "sampling_time": float(fit.seconds),
        "tuning_steps": int(fit.settings.tune) if chains else 0,
        "random_seed": int(fit.settings.random_seed),
    }
