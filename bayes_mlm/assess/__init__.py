"""Whether a model can be relied on: leave-one-out, checks, sensitivity to priors, comparison."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
