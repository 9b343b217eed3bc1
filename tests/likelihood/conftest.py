"""Fixtures of the tests of models in PyMC."""

import pytest


@pytest.fixture
def interpreted():
    """Evaluate PyTensor's graphs operation by operation, not compiled.

    The numbers are the same; compiling each graph takes seconds on a new machine, and what is
    compiled for samplers is tested with them.
    """
    import pytensor

    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield
