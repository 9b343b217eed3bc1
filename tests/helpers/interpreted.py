"""NUTS on models whose graphs PyTensor evaluates operation by operation, with nothing compiled.

nutpie compiles a model of rows for a minute or two on a new machine, anew in each process; a
density of a small model takes a few milliseconds without. The graph, the sampler and the draws'
way into a fit are those of the package. What is compiled for users is held by the slow tests and
by the notebooks 04 and 05, which CI runs. Marginal models, compiled once and kept on disk, are
compiled here too.
"""

import contextlib
import os
from functools import partial

import numpy as np
import pytest

FLAGS = "mode=FAST_COMPILE"
_patch = pytest.MonkeyPatch()


def interpret() -> None:
    """Let NUTS draw from models of rows without compiling them, from now on in this process."""
    from bayes_mlm.engines import nuts

    _patch.setattr(nuts, "_sample_model", _sample_model)


@contextlib.contextmanager
def compiling():
    """Compile as for users: NUTS, and PyTensor's own functions in its default mode."""
    import pytensor

    _patch.undo()
    try:
        with pytensor.config.change_flags(mode="Mode"):
            yield
    finally:
        if FLAGS in os.environ.get("PYTENSOR_FLAGS", ""):
            interpret()


def log_density(model):
    """Return what `compile_log_density` does, interpreted."""
    import pytensor
    from pytensor.compile.mode import Mode
    from pytensor.graph import rewrite_graph
    from pytensor.link.vm import VMLinker

    from bayes_mlm.likelihood.pymc.compiled import LogDensity, _labels, _shape

    # Neither fused, which is for compilers, nor in place, which is for large arrays.
    linker = VMLinker(use_cloop=False, c_thunks=False)
    mode = Mode(linker=linker, optimizer="fast_run").excluding("fusion", "inplace", "BlasOpt")
    values = [model.rvs_to_values[variable] for variable in model.free_RVs]
    initial = model.initial_point()
    parts = [np.asarray(initial[value.name], dtype=float) for value in values]
    kept = [variable for variable in model.unobserved_RVs if not variable.name.endswith("_")]
    named = {variable.name: variable for variable in model.unobserved_value_vars}
    rewrites = ("canonicalize", "stabilize", "local_remove_check_parameter")
    logp = rewrite_graph(model.logp(), include=rewrites)
    outputs = [logp, *pytensor.grad(logp, values), *(named[one.name] for one in kept)]
    options = {"mode": mode, "on_unused_input": "ignore", "trust_input": True}
    run = pytensor.function(values, outputs, **options)
    cuts = np.cumsum([part.size for part in parts])[:-1]

    def evaluate(point):
        pieces = np.split(np.asarray(point, dtype=float), cuts)
        shaped = [one.reshape(part.shape) for one, part in zip(pieces, parts, strict=True)]
        with np.errstate(all="ignore"):  # what is impossible is no number, which NUTS rejects
            return np.concatenate([np.ravel(one) for one in run(*shaped)])

    return LogDensity(
        evaluate=evaluate,
        start=np.concatenate([part.ravel() for part in parts]),
        shapes={variable.name: _shape(model, variable) for variable in kept},
        dims={name: tuple(dims) for name, dims in model.named_vars_to_dims.items()},
        coords={
            name: _labels(labels) for name, labels in model.coords.items() if labels is not None
        },
    )


def _sample_model(model, settings, progressbar, adaptation="diag"):
    """Draw as `nuts._sample_model` does; `adaptation` is that of nutpie's mass matrix."""
    import nutpie

    from bayes_mlm.engines import nuts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nuts, "compile_log_density", log_density)
        # One chain after another: a function of PyTensor has one place for its inputs.
        patch.setattr(nutpie, "sample", partial(nutpie.sample, cores=1, adaptation=adaptation))
        return nuts._sample_density(model, settings, progressbar)
