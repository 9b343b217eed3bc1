"""What is shown: the HTML report, tables for papers, the console and the notebook."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
