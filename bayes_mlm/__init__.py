"""Fit multilevel linear models, Bayesian next to REML, from one design.

How much of an outcome's variation lies within groups and how much between them, and what do
predictors at each level have to do with it?

Importing the package is quick: every public name below is loaded when it is first used, and the
heavy libraries (PyMC, ArviZ, pandas, statsmodels) only when a function needs them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
