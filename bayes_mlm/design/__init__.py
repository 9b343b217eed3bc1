"""Designs: encoded columns and groups of a model, as arrays or sums for any engine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
