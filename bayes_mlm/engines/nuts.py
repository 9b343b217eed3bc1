"""Sample a model with the no-U-turn sampler (nutpie)."""

import logging
import math
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import EngineError, Floats, check_memory
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.effects import MAX_EFFECTS
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable, draws_from_datatree, sampler_stats
from bayes_mlm.engines.recovery import recover_effects
from bayes_mlm.engines.settings import Settings
from bayes_mlm.likelihood import (
    FACTORIES,
    LogDensity,
    ModelPriors,
    Parameters,
    check_bounded_rows,
    compile_log_density,
    group_views,
    parameters_of,
)

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

# How far from the model's initial point the chains start, in unconstrained units: as PyMC's do.
JITTER = 1.0


def sample_model(
    design: Design, priors: ModelPriors, settings: Settings, *, progressbar: bool = False
) -> Draws:
    """Draw from the posterior of a design, with the group effects integrated out where they can be.

    Parameters
    ----------
    design : Design
    priors : ModelPriors
    settings : Settings
    progressbar : bool

    Returns
    -------
    Draws
    """
    check_bounded_rows(design)
    kind = design.kind
    views = group_views(design)
    integrated = kind in ("partial_pooling", "mundlak") and len(views) == 1
    integrated = integrated and design.residual is None
    scalars = design.p + sum(view.q for view in views) + 6
    numbers = settings.chains * (settings.draws + settings.tune) * scalars
    effects = settings.chains * settings.draws * sum(view.q * view.J for view in views)
    numbers += min(effects, MAX_EFFECTS) if integrated else effects
    check_memory(
        8 * numbers,
        f"{settings.chains} chains of {settings.draws:,} draws",
        "draw fewer (draws, --draws)",
    )
    if integrated:
        model = FACTORIES[kind](design, priors, likelihood="marginal")
        draws = sample_nuts(model, settings, progressbar=progressbar)
        return recover_effects(design, draws, settings.random_seed)
    model = FACTORIES[kind](design, priors)
    return sample_nuts(model, settings, progressbar=progressbar, parameters=parameters_of(design))


def sample_nuts(
    model: "pm.Model",
    settings: Settings,
    *,
    progressbar: bool = False,
    parameters: Parameters | None = None,
) -> Draws:
    """Draw from a model's posterior with nutpie's NUTS.

    A model whose log density is cheap (the marginal likelihood) is compiled by
    `bayes_mlm.likelihood.pymc.compiled`, which is fast but evaluates one chain at a time; others
    as PyMC does.

    Parameters
    ----------
    model : pymc.Model
        From a factory of `bayes_mlm.likelihood.pymc.models`.
    settings : Settings
        Seed and sizes; the same settings and versions give the same draws on one machine. With
        another BLAS kernel rounding differs, and the chains diverge.
    progressbar : bool
        Whether to draw a progress bar.
    parameters : Parameters, optional
        Parameters of a model with several grouping factors.

    Returns
    -------
    Draws
        Variables whose names end in an underscore, the sampler's coordinates, are omitted.

    Raises
    ------
    EngineError
        If the sampler cannot start or fails.

    References
    ----------
    Hoffman & Gelman (2014), Journal of Machine Learning Research 15, 1593-1623.
    """
    import pymc as pm
    import pytensor

    # The marginal likelihood observes a single number without dimensions (`observe_marginally`).
    by_row = any(one.name in model.named_vars_to_dims for one in model.observed_RVs)
    sample = _sample_model if by_row else _sample_density
    if parameters is not None and (
        len(parameters.role("group sd")) > 1 or not parameters.role("residual sd")
    ):
        sample = partial(_sample_model, adaptation="low_rank")
    try:
        # Numba's fast mathematics rounds as the compiler happens to inline, which differs between
        # what was just compiled and what is read back from the cache: other draws, same seed.
        exact = pytensor.config.change_flags(numba__fastmath=False)
        with exact, warnings.catch_warnings():
            # nutpie compiles with numba; that PyTensor's C code would be slow does not matter.
            warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
            drawn = sample(model, settings, progressbar)
            return drawn if parameters is None else replace(drawn, parameters=parameters)
    except (RuntimeError, ValueError, pm.exceptions.SamplingError) as error:
        raise EngineError(
            f"NUTS could not sample this model ({error}); check the priors and the units "
            "of the columns, or fit it with --engine reml"
        ) from error


def _sample_model(
    model: "pm.Model", settings: Settings, progressbar: bool, adaptation: str | None = None
) -> Draws:
    """Draw as PyMC does; `adaptation` is that of nutpie's mass matrix.

    With several grouping factors, and where group effects are sampled in units of their sds, the
    intercept and the means of the effects are almost collinear, which a diagonal mass matrix cannot
    express and "low_rank" can.
    """
    import pymc as pm

    logging.getLogger("pymc").setLevel(logging.WARNING)  # it lists its variables on stdout
    tree = pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        random_seed=settings.random_seed,
        target_accept=settings.target_accept,
        nuts_sampler="nutpie",
        progressbar=progressbar,
        compute_convergence_checks=False,  # `bayes_mlm.engines.diagnostics` makes them
        model=model,
        **({} if adaptation is None else {"nuts": {"adaptation": adaptation}}),
    )
    return draws_from_datatree(tree)


def _sample_density(model: "pm.Model", settings: Settings, progressbar: bool) -> Draws:
    import nutpie

    density = compile_log_density(model)
    tree = nutpie.sample(
        _for_nutpie(density),
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.random_seed,
        target_accept=settings.target_accept,
        progress_bar=progressbar,
        save_warmup=False,
    )
    return _named_draws(density, tree)


def _for_nutpie(density: LogDensity) -> Any:
    """Wrap a log density as a model for nutpie, which calls it from Python."""
    from nutpie.compiled_pyfunc import from_pyfunc

    evaluate, end = density.evaluate, 1 + density.start.size

    def logp_and_gradient(point: Floats) -> tuple[float, Floats]:
        found = evaluate(point)
        return float(found[0]), found[1:end]

    def expand(point: Floats) -> dict[str, Floats]:
        return {"values": evaluate(point)[end:]}

    def start(seed: int) -> Floats:
        jitter = np.random.default_rng(seed).uniform(-JITTER, JITTER, density.start.size)
        point: Floats = density.start + jitter
        return point

    return from_pyfunc(
        ndim=density.start.size,
        make_logp_fn=lambda: logp_and_gradient,
        make_expand_fn=lambda *_: expand,
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[(sum(map(math.prod, density.shapes.values())),)],
        expanded_names=["values"],
        make_initial_point_fn=start,
    )


def _named_draws(density: LogDensity, tree: "xr.DataTree") -> Draws:
    """Cut the draws into the model's variables."""
    values = tree["posterior"]["values"].transpose(*SAMPLE_DIMS, ...).to_numpy()
    posterior = {
        name: Variable(SAMPLE_DIMS + density.dims.get(name, ()), part)
        for name, part in density.split(values).items()
    }
    used = {dim for variable in posterior.values() for dim in variable.dims}
    coords = {dim: labels for dim, labels in density.coords.items() if dim in used}
    return Draws(posterior=posterior, sample_stats=sampler_stats(tree), coords=coords)
