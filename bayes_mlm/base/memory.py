"""Check, before a computation begins, that it fits into memory."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bayes_mlm.base.errors import EngineError

_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")
# The limit and the usage of a container, by cgroup version 2 and 1, with the folder of each.
_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)

# Bytes below which the limits are not read: that takes longer than a small fit.
_SMALL = 1e6


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Raise an `EngineError` if a computation needs more memory than there is.

    Parameters
    ----------
    needed : float
        Bytes.
    what : str
        Subject of the message: "4,000 draws".
    remedy : str
        End of the message: what to do.

    Raises
    ------
    EngineError

    Examples
    --------
    >>> check_memory(1e6, "4,000 draws", "ask for fewer")
    """
    if needed < _SMALL:
        return
    free = free_memory()
    if free is not None and needed > free:
        raise EngineError(
            f"{what} need about {_size(needed)} of memory, and {_size(free)} are free; {remedy}"
        )


def free_memory() -> float | None:
    """Return the bytes that this process may still allocate; None where they are unknown."""
    return min(_limits(), default=None)


def _limits() -> Iterator[float]:
    """Yield what is left of each limit: of the machine, of the container, of the process."""
    with suppress(OSError, ValueError):
        words = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        yield 1024.0 * int(words["MemAvailable"].split()[0])
    for folder, most, used in _CGROUPS:
        with suppress(OSError, ValueError, KeyError):  # "max": no limit
            left = float((folder / most).read_text()) - float((folder / used).read_text())
            yield left + _page_cache(folder / "memory.stat")
    with suppress(ImportError, OSError, ValueError):
        import resource

        most_process = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most_process != resource.RLIM_INFINITY:
            yield most_process - int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _page_cache(path: Path) -> float:
    """Read the bytes of cached files, which count as used and are freed when they are needed."""
    sizes = dict(line.split() for line in path.read_text().splitlines())
    return float(sizes["active_file"]) + float(sizes["inactive_file"])


def _size(size: float) -> str:
    """Return a size in gigabytes as text.

    Examples
    --------
    >>> _size(5.6e12), _size(2.5e8), _size(-1.0)
    ('5,600 GB', '0.25 GB', '0 GB')
    """
    gigabytes = max(size, 0.0) / 1e9
    return f"{gigabytes:,.0f} GB" if gigabytes >= 10.0 else f"{gigabytes:.2g} GB"
