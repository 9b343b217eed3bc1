"""Estimands of a fitted model: effects, predictions, parts of variance, lines of groups."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
