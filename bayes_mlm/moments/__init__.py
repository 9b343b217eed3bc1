"""Per-group sufficient statistics: cross-products of the columns, and their rotated form."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
