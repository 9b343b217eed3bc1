"""The formula language: text to the tree of an outcome, fixed terms and terms of group effects."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
