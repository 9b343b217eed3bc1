"""Fit multilevel linear models, Bayesian next to REML, from one design.

How much of an outcome's variation lies within groups and how much between them, and what do
predictors at each level have to do with it?

Importing the package is quick: every public name below is loaded when it is first used, and the
heavy libraries (PyMC, ArviZ, pandas, statsmodels) only when a function needs them.
"""

from importlib import import_module

import lazy_loader

_loaded, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Load a public name; of one that another package has, name what is here."""
    try:
        return _loaded(name)
    except AttributeError:
        if name.startswith("_"):
            raise
    raise import_module("bayes_mlm.fitting").no_function(name)  # loaded late, as the names are
