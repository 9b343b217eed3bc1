"""Planning a study with groups: how many of them, of what size, to find an effect."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
