"""Hold a fitted model with everything needed to say where its numbers come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from bayes_mlm._version import __version__
from bayes_mlm.base import Verdict
from bayes_mlm.data import DataSource
from bayes_mlm.design import Design
from bayes_mlm.engines import DirectReport, Draws, Settings
from bayes_mlm.likelihood import ModelPriors
from bayes_mlm.model import ModelRequest, ModelSpec

if TYPE_CHECKING:
    import xarray as xr

_PACKAGES = ("pymc", "nutpie", "arviz", "statsmodels", "numpy", "pandas", "xarray")


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit:
    """Hold one fitted model: posterior draws, what they were made from, and whether to trust them.

    Parameters
    ----------
    request : ModelRequest
        The model, and the data it was fitted to.
    design : Design
        The arrays, laid out for the kind of model.
    priors : ModelPriors
        The priors in force, defaults included.
    draws : Draws
        Posterior draws of every parameter.
    engine : {"direct", "nuts"}
        What made them.
    why : str
        Why this engine, in a few words.
    report : DirectReport or None
        Of the direct engine: its accuracy, and the log marginal likelihood.
    settings : Settings
        Seed and sizes.
    versions : mapping of str to str
        Of the packages that matter.
    verdict : Verdict
        Whether to believe the draws, and what to do if not.
    seconds : float
        Wall time of building, compiling and sampling.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> fitted.posterior["u"].dims
    ('chain', 'draw', 'group', 'effect')
    """

    request: ModelRequest
    design: Design
    priors: ModelPriors
    draws: Draws
    engine: str
    why: str
    report: DirectReport | None
    settings: Settings
    versions: Mapping[str, str]
    verdict: Verdict
    seconds: float

    def __repr__(self) -> str:
        """Say what was fitted, by what, and the verdict; `summarise` gives the numbers."""
        shape = f"{self.draws.n_chains} x {self.draws.n_draws} draws"
        return f"<Fit {self.spec.formula!r} by {self.engine}, {shape}, {self.verdict.line}>"

    @property
    def spec(self) -> ModelSpec:
        """The model that was fitted."""
        return self.request.model

    @property
    def source(self) -> DataSource:
        """The data it was fitted to, and how they are read."""
        return self.request.source

    @cached_property
    def data(self) -> "xr.DataTree":
        """The draws and the data as the `xarray.DataTree` that ArviZ and PyMC read.

        It has every free variable of the factories' models, those whose names end in an underscore
        included, so that ``pymc.sample_posterior_predictive(fitted.data, model=...)`` is of this
        fit. Of a fit whose draws of ``u`` were too many to keep, PyMC refuses.
        """
        return self.draws.to_datatree(self.design, self.priors)

    @property
    def posterior(self) -> "xr.Dataset":
        """The posterior draws of the reported quantities, by ``chain`` and ``draw``."""
        return self.draws.to_datatree()["posterior"].to_dataset()


def installed_versions() -> dict[str, str]:
    """Give the versions of the packages that a result depends on, without importing them."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    # Read once: looking them up costs a fifth of a direct fit.
    found = {"bayes-mlm": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
