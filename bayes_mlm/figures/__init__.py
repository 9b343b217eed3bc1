"""Figures: the data of each, frozen, with caption and alt text; and its drawing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
