"""A model as it was specified: records, priors and the residual structure; no data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
