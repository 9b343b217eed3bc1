"""Versions of the packages that a result depends on."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from bayes_mlm._version import __version__

_PACKAGES = ("pymc", "nutpie", "arviz", "statsmodels", "numpy", "pandas", "xarray")


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on, without importing them."""
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
