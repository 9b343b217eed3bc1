"""Models with printed results to check against: the ladder, and the 2015 document."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
