"""Posterior draws as labelled arrays, with the name of each quantity in the tables.

xarray takes seconds to import, so what the engines hand on is plain arrays with named dimensions;
`bayes_mlm.fitting.tree` makes the `xarray.DataTree` that ArviZ reads of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Array
from bayes_mlm.design import Design
from bayes_mlm.likelihood import (
    GroupParameters,
    ModelPriors,
    Parameters,
    free_dims,
    free_values,
    known_parameters,
)
from bayes_mlm.model import Parameter

if TYPE_CHECKING:
    import xarray as xr

SAMPLE_DIMS = ("chain", "draw")
# The statistic that draws of Gibbs sampling have: their place in the chain.
SWEEP = "sweep"
# nutpie's names of a sampler's statistics, and those of ArviZ's schema.
_SCHEMA = {
    "logp": "lp",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
    "tuning": "tune",
}


@dataclass(frozen=True)
class Variable:
    """One array with a name for each dimension.

    Parameters
    ----------
    dims : tuple of str
        One name a dimension; draws start with "chain" and "draw".
    values : ndarray
    """

    dims: tuple[str, ...]
    values: Array


@dataclass(frozen=True, kw_only=True, repr=False)
class Draws:
    """Draws of every variable of a model, with the sampler's statistics.

    Parameters
    ----------
    posterior : mapping of str to Variable
        Each of shape (chains, draws, ...), in the units of the parameter.
    sample_stats : mapping of str to Variable
        Each of shape (chains, draws): sampler statistics of each draw.
    coords : mapping of str to ndarray
        Labels of the dimensions (``term``, the factor's, ``effect``, ``effect_pair``).
    parameters : Parameters
        What the variables are; by default those of a model with one grouping factor.
    """

    posterior: Mapping[str, Variable]
    sample_stats: Mapping[str, Variable]
    coords: Mapping[str, Array]
    parameters: Parameters = field(default_factory=known_parameters)

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return self._size[0]

    @property
    def n_draws(self) -> int:
        """Number of kept draws in each chain."""
        return self._size[1]

    @property
    def _size(self) -> tuple[int, int]:
        drawn = (one for one in self.posterior.values() if one.dims[:2] == SAMPLE_DIMS)
        chains, draws = next(drawn).values.shape[:2]
        return int(chains), int(draws)

    @property
    def is_chain(self) -> bool:
        """Whether each draw is made from the one before, by an engine whose others are not."""
        return SWEEP in self.sample_stats

    def __repr__(self) -> str:
        """Return the variables and the number of draws as text."""
        return f"<Draws of {', '.join(self.posterior)}: {self.n_chains} x {self.n_draws}>"

    def __getitem__(self, name: str) -> Array:
        """Return one variable's draws, shape (chains, draws, ...)."""
        return self.posterior[name].values

    def label(self, name: str, index: tuple[int, ...]) -> str:
        """Return the name of one element of a variable by its labels: ``u[1224,Intercept]``."""
        dims = self.posterior[name].dims[len(SAMPLE_DIMS) :]
        labels = [str(self.coords[dim][place]) for dim, place in zip(dims, index, strict=True)]
        known = next((one for one in self.parameters if one.name == name), None)
        if known is not None:
            return known.element(*labels)
        return f"{name}[{','.join(labels)}]" if labels else name

    def of_factor(self, names: GroupParameters, alone: GroupParameters) -> "Draws":
        """Return the draws with the group effects of one factor only, under other names.

        Parameters
        ----------
        names : GroupParameters
            Of the factor, among several.
        alone : GroupParameters
            Of the same factor by itself.
        """
        several, one = ((part.u, part.sigma_u, part.rho_u) for part in (names, alone))
        pairs = zip(several, one, strict=True)
        new_name = {old.name: new for old, new in pairs if old.name in self.posterior}
        dims = {names.group: alone.group, names.effect: alone.effect, names.pair: alone.pair}
        groups = {one.name for one in self.parameters if one.factor is not None}
        posterior = {k: v for k, v in self.posterior.items() if k not in groups}
        for old, new in new_name.items():
            posterior[new.name] = Variable(SAMPLE_DIMS + new.dims, self.posterior[old].values)
        for summary in ("u_mean", "u_sd"):
            if (found := posterior.pop(names.variable(summary), None)) is not None:
                posterior[summary] = Variable(alone.u.dims, found.values)
        coords = {dims.get(dim, dim): labels for dim, labels in self.coords.items()}
        return replace(self, posterior=posterior, coords=coords, parameters=known_parameters())

    def free(self, design: Design, priors: ModelPriors) -> dict[str, Variable]:
        """Compute the draws of the free variables of the factories' models, as PyMC names them."""
        reported = {name: variable.values for name, variable in self.posterior.items()}
        found, labelled = {}, free_dims(design)
        for name, values in free_values(design, priors, reported).items():
            numbered = range(values.ndim - len(SAMPLE_DIMS))
            dims = labelled.get(name, tuple(f"{name}_dim_{place}" for place in numbered))
            found[name] = Variable(SAMPLE_DIMS + dims, values)
        return found


def in_arviz_order(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """Sort variables of more dimensions first.

    ArviZ 1.3 labels the flattened elements of a variable in the order in which its dimensions
    first appear in the dataset; after ``sigma_u`` (effect), ``u`` (group, effect) would be given
    each other's labels.
    """
    return dict(sorted(variables.items(), key=lambda item: -len(item[1].dims)))


def draws_from_datatree(tree: "xr.DataTree") -> Draws:
    """Extract the draws from what a PyMC sampler returned.

    Variables whose names end in an underscore are the sampler's coordinates and are omitted.
    """
    posterior, coords = {}, {}
    for name, array in tree["posterior"].data_vars.items():
        if not str(name).endswith("_"):
            ordered = array.transpose(*SAMPLE_DIMS, ...)
            posterior[str(name)] = Variable(tuple(map(str, ordered.dims)), ordered.to_numpy())
            for dim in map(str, ordered.dims[2:]):
                coords[dim] = array.coords[dim].to_numpy()
    return Draws(posterior=posterior, sample_stats=sampler_stats(tree), coords=coords)


def sampler_stats(tree: "xr.DataTree") -> dict[str, Variable]:
    """Return the sampler's statistics of each draw, by the names of ArviZ's schema.

    Every number of shape (chains, draws).
    """
    return {
        _SCHEMA.get(str(name), str(name)): Variable(
            SAMPLE_DIMS, array.transpose(*SAMPLE_DIMS).to_numpy()
        )
        for name, array in tree["sample_stats"].data_vars.items()
        if set(array.dims) == set(SAMPLE_DIMS) and array.dtype.kind in "biuf"
    }


def samples(draws: Draws, name: str) -> Array:
    """Return the draws of a variable with chains joined, shape (S, ...)."""
    values = draws[name]
    return values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])


def quantities(draws: Draws, *, groups: bool = False) -> Iterator[tuple[str, Array]]:
    """Yield each scalar quantity with its draws, under its name in the tables.

    Parameters
    ----------
    draws : Draws
    groups : bool
        Whether to go through every group effect too (``u[1224]``, ``u[1224,ses]``).

    Yields
    ------
    name : str
        ``beta[ses]``, ``sigma_u`` or ``sigma_u[ses]``, ``rho_u[Intercept,ses]``, ``sigma_e`` and
        ``sigma_e[sex=Male]``, ``rho_e``, ``nu``, ``icc`` and ``icc[sex=Male]``.
    values : ndarray, shape (chains, draws)
    """
    for _, name, values in listed_quantities(draws, groups=groups):
        yield name, values


def listed_quantities(
    draws: Draws, *, groups: bool = False
) -> Iterator[tuple[Parameter, str, Array]]:
    """Return each scalar quantity as `quantities` does, with the parameter it is an element of."""
    for one in draws.parameters:
        if one.name not in draws.posterior:
            continue
        variable = draws.posterior[one.name]
        labels = [draws.coords[dim] for dim in variable.dims[len(SAMPLE_DIMS) :]]
        if one.role == "group effect":
            if not groups:
                continue
            if labels[-1].size == 1:  # the only effect of a group needs no name
                labels, values = labels[:-1], variable.values[..., 0]
            else:
                values = variable.values
        else:
            values = variable.values
        for index in np.ndindex(*(label.size for label in labels)):
            named = [label[k] for label, k in zip(labels, index, strict=True)]
            yield one, one.element(*named), values[(slice(None), slice(None), *index)]


def parameter_named(draws: Draws, quantity: str) -> Parameter:
    """Return the parameter that a quantity of a table is an element of.

    Raises
    ------
    KeyError
        If the draws have none of that name.
    """
    return {name: one for one, name, _ in listed_quantities(draws)}[quantity]
