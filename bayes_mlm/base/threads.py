"""Threads: those of the linear algebra, and those that work is shared among."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import pairwise
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


def in_threads(work: Callable[[slice], None], many: int, *, least: int) -> None:
    """Do work that releases the interpreter on equal parts of many items, a thread a core.

    Parameters
    ----------
    work : callable
        On a slice of the items.
    many : int
    least : int
        Fewest items that are worth a thread.

    Examples
    --------
    >>> done = [0] * 10
    >>> def work(part):
    ...     done[part] = [1] * len(done[part])
    >>> in_threads(work, 10, least=3)
    >>> sum(done)
    10
    """
    threads = max(1, min(os.cpu_count() or 1, many // least))
    ends = [many * k // threads for k in range(threads + 1)]
    parts = [slice(first, last) for first, last in pairwise(ends)]
    if threads == 1:
        work(parts[0])
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, parts))
