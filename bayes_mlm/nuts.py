"""Sample a model with the no-U-turn sampler (PyMC with nutpie)."""

import logging
import warnings
from typing import TYPE_CHECKING

from bayes_mlm.draws import Draws, draws_from_datatree
from bayes_mlm.errors import EngineError
from bayes_mlm.fitted import Settings

if TYPE_CHECKING:
    import pymc as pm


def sample_nuts(model: "pm.Model", settings: Settings, *, progressbar: bool = False) -> Draws:
    """Draw from a model's posterior with nutpie's NUTS.

    Parameters
    ----------
    model : pymc.Model
        From a factory of `bayes_mlm.factories`.
    settings : Settings
        Seed and sizes; the same settings and versions give the same draws.
    progressbar : bool
        Whether to draw a progress bar.

    Returns
    -------
    Draws

    Raises
    ------
    EngineError
        If the sampler cannot start or breaks down.

    References
    ----------
    Hoffman & Gelman (2014), Journal of Machine Learning Research 15, 1593-1623.
    """
    import pymc as pm

    logging.getLogger("pymc").setLevel(logging.WARNING)  # it lists its variables on stdout
    try:
        with warnings.catch_warnings():
            # nutpie compiles with numba; that PyTensor's C code would be slow does not matter.
            warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
            tree = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                random_seed=settings.random_seed,
                target_accept=settings.target_accept,
                nuts_sampler="nutpie",
                progressbar=progressbar,
                compute_convergence_checks=False,  # `bayes_mlm.diagnostics` makes them
                model=model,
            )
    except (RuntimeError, ValueError, pm.exceptions.SamplingError) as error:
        raise EngineError(
            f"NUTS could not sample this model ({error}); look at the priors and at the units "
            "of the columns, or fit it with --engine reml"
        ) from error
    return draws_from_datatree(tree)
