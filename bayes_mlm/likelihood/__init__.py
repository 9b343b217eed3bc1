"""The likelihood of a design, conditional and marginal, its default priors, and its PyMC models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
