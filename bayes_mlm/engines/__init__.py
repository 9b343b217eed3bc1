"""Engines: REML and ML, OLS, direct sampling and NUTS, each from a design to draws or estimates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
