"""Number of threads of the linear algebra."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def _controller() -> "ThreadpoolController":
    """Return the control of the libraries, found once: that takes longer than a small fit."""
    from threadpoolctl import ThreadpoolController

    import_module("scipy.linalg")  # loads a BLAS besides NumPy's, which is then found too
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread in a block of code: on small matrices several wait for each other.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
