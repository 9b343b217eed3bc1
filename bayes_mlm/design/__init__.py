"""A model laid over data: columns coded, groups found, arrays or sums ready for any engine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
