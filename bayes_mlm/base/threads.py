"""Number of threads of the linear algebra."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def _controller() -> "ThreadpoolController":
    """Find the libraries once: to look for them takes longer than a small fit."""
    import scipy.linalg  # noqa: F401  (whose library is then among them)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread: on small blocks several wait for one another.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
