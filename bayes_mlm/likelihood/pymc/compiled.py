"""Compile a PyMC model's log density once a machine rather than once a fit.

nutpie compiles a model into C callbacks that numba cannot keep, which takes most of a short run
(10 s of 12 here). PyTensor's numba functions are kept on disk, under a key made of the graph and
of the constants in it. So this module compiles the log density with PyTensor alone, after turning
the numbers in the graph that come from the data and the priors into inputs: every model with the
same structure (the same families of priors and number of group effects) then has the same key,
whatever its data, its number of predictors and groups, or the numbers in its priors.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats

if TYPE_CHECKING:
    import pymc as pm
    from pytensor.tensor import TensorVariable


@dataclass(frozen=True, kw_only=True, eq=False)
class LogDensity:
    """Compiled log density of a model over its unconstrained parameters.

    Attributes
    ----------
    evaluate : callable
        Takes a point (d,); gives, in one array (1 + d + v,), the log density, its gradient, and
        the model's variables one after another.
    start : (d,) array
        The model's initial point.
    shapes : mapping of str to tuple of int
        Shape of each variable, in the order of `evaluate`. Those whose names end in an underscore
        are omitted.
    dims : mapping of str to tuple of str
        Names of the dimensions of each variable that has some.
    coords : mapping of str to ndarray
        Labels of the dimensions.
    """

    evaluate: Callable[[Floats], Floats]
    start: Floats
    shapes: Mapping[str, tuple[int, ...]]
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, NDArray[Any]]

    def split(self, values: Floats) -> dict[str, Floats]:
        """Cut joined variables (..., v) into one array a variable, (..., *shape)."""
        parts, at = {}, 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            parts[name] = values[..., at : at + size].reshape((*values.shape[:-1], *shape))
            at += size
        return parts


def compile_log_density(model: "pm.Model") -> LogDensity:
    """Compile the log density of a model, its gradient, and its variables.

    Parameters
    ----------
    model : pymc.Model
        With continuous parameters only. Its parameters' values must be valid, as those of
        `bayes_mlm.model.priors` are: PyMC's checks of them are omitted.

    Returns
    -------
    LogDensity

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, partial_pooling
    >>> design = build_design("reaction ~ days + (1 | subject)", load_dataset("sleepstudy"))
    >>> density = compile_log_density(partial_pooling(design, likelihood="marginal"))
    >>> found = density.evaluate(density.start)
    >>> len(found), density.split(found[1 + len(density.start):])["beta"].shape
    (10, (2,))
    """
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph import clone_replace, rewrite_graph

    values = [model.rvs_to_values[variable] for variable in model.free_RVs]
    initial = model.initial_point()
    kept = [variable for variable in model.unobserved_RVs if not variable.name.endswith("_")]
    named = {variable.name: variable for variable in model.unobserved_value_vars}
    terms = _with_constants(model, [model.logp(), *(named[one.name] for one in kept)])
    rewrites = ("canonicalize", "stabilize", "local_remove_check_parameter")
    logp = rewrite_graph(terms[0], include=rewrites)
    gradient = pt.grad(logp, values)
    cut = _cut([initial[value.name] for value in values])
    # One array, because each costs numba a microsecond to hand to Python.
    parts = [logp, *gradient, *terms[1:]]
    joined = pt.concatenate([part.ravel() for part in parts])
    lifted = _lift(clone_replace([joined], dict(zip(values, cut.pieces, strict=True))))
    numbers = [*cut.places, *lifted.numbers]
    # The linker's function: the checks of inputs around it cost more than it does.
    function = pytensor.function(
        [cut.point, *cut.bounds, *lifted.inputs],
        lifted.outputs[0],
        mode="NUMBA",
        trust_input=True,
        on_unused_input="ignore",
    ).vm.jit_fn
    start = np.concatenate([np.ravel(initial[value.name]) for value in values])
    return LogDensity(
        evaluate=lambda point: function(point, *numbers)[0],
        start=start.astype(float),
        shapes={variable.name: _shape(model, variable) for variable in kept},
        dims={name: tuple(dims) for name, dims in model.named_vars_to_dims.items()},
        coords={
            name: _labels(labels) for name, labels in model.coords.items() if labels is not None
        },
    )


def _cut(parts: Sequence[Floats]) -> "_Cut":
    """Make a vector (d,), and its consecutive pieces with the shapes of `parts`."""
    import pytensor.tensor as pt

    point = pt.vector("point", dtype="float64")
    pieces, bounds = [], [pt.lscalar()]
    for part in parts:
        bounds.append(pt.lscalar())
        piece = point[bounds[-2] : bounds[-1]] if part.ndim else point[bounds[-2]]
        pieces.append(piece.reshape(part.shape) if part.ndim > 1 else piece)
    places = np.cumsum([0, *(part.size for part in parts)])
    return _Cut(point=point, pieces=pieces, bounds=bounds, places=[np.array(k) for k in places])


def _lift(outputs: "list[TensorVariable]") -> "_Lifted":
    """Replace the arrays of a graph, and the numbers that belong to no formula, by inputs.

    Each occurrence has an input: that two priors have equal numbers must not make
    another graph. A number that passes for a part of a formula (a sigma of 1) only does that.
    """
    import pytensor.tensor as pt
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import io_toposort
    from pytensor.tensor import TensorConstant

    made: dict[TensorVariable, TensorVariable] = {}
    inputs, numbers = [], []
    for node in io_toposort([], outputs):
        arguments = [made.get(variable, variable) for variable in node.inputs]
        for place, variable in enumerate(node.inputs):
            if isinstance(variable, SharedVariable):
                number = variable.get_value()
            elif isinstance(variable, TensorConstant) and _is_data(variable.data):
                number = variable.data
            else:
                continue
            # A static length would be part of the key; that of 1 means broadcasting.
            shape = tuple(1 if length == 1 else None for length in number.shape)
            arguments[place] = pt.tensor(dtype=number.dtype.name, shape=shape)
            inputs.append(arguments[place])
            numbers.append(np.ascontiguousarray(number).reshape(number.shape))
        # Rebuilt, not cloned: a clone would keep the lengths of the constants.
        rebuilt = node.clone_with_new_inputs(arguments, strict=False)
        made |= dict(zip(node.outputs, rebuilt.outputs, strict=True))
    return _Lifted(inputs=inputs, numbers=numbers, outputs=[made[output] for output in outputs])


def _is_data(number: NDArray[Any]) -> bool:
    """Return whether a constant may differ from one data set or prior to the next."""
    if number.dtype.kind != "f":
        return False
    return number.size != 1 or abs(number.item()) not in (0.0, 0.5, 1.0)


def _shape(model: "pm.Model", variable: "TensorVariable") -> tuple[int, ...]:
    dims = model.named_vars_to_dims.get(variable.name, ())
    if dims:
        return tuple(len(model.coords[dim]) for dim in dims)
    return tuple(int(length) for length in variable.type.shape)


def _with_constants(model: "pm.Model", terms: "list[TensorVariable]") -> "list[TensorVariable]":
    """Replace a model's containers of data and lengths of dimensions by what they hold."""
    import pytensor.tensor as pt
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph import clone_replace

    held = [*model.data_vars, *model.dim_lengths.values()]
    shared = [one for one in held if isinstance(one, SharedVariable)]
    replaced = {one: pt.constant(one.get_value(), dtype=one.dtype) for one in shared}
    return clone_replace(terms, replaced) if model.data_vars else terms


def _labels(labels: Sequence[Any]) -> NDArray[Any]:
    """Make an array of labels, with text as objects."""
    array = np.asarray(labels)
    return array.astype(object) if array.dtype.kind == "U" else array


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A vector with its pieces, and where they begin and end as inputs with their values."""

    point: "TensorVariable"
    pieces: "list[TensorVariable]"
    bounds: "list[TensorVariable]"
    places: list[NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class _Lifted:
    """A graph and the inputs, with their values, that replace its former constants."""

    inputs: "list[TensorVariable]"
    numbers: list[NDArray[Any]]
    outputs: "list[TensorVariable]"
