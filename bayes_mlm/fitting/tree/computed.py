"""Arrays that are computed when they are first read, for plain code and for xarray."""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np

from bayes_mlm.base import Array


class Computed:
    """An array with named dimensions whose values are computed when first read, once.

    Parameters
    ----------
    dims : tuple of str
        One name a dimension.
    shape : tuple of int
    compute : callable
        Returns the values, of that shape; ``functools.partial`` of a function of a module, so that
        the array can be pickled.
    slow : bool
        Whether computing takes longer than its size suggests.
    """

    def __init__(
        self,
        dims: tuple[str, ...],
        shape: tuple[int, ...],
        compute: Callable[[], Array],
        *,
        slow: bool = False,
    ) -> None:
        self.dims = dims
        self.shape = shape
        self.dtype = np.dtype(np.float64)
        self.slow = slow
        self._compute = compute

    @cached_property
    def values(self) -> Array:
        """The values."""
        return self._compute()

    @property
    def is_computed(self) -> bool:
        """Whether the values have been read."""
        return "values" in vars(self)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape))

    def lazy(self) -> Any:
        """Return the array as xarray holds an array of a file that it has not read."""
        from xarray.core.indexing import LazilyIndexedArray

        return LazilyIndexedArray(_backend_of(self))


def _backend_of(computed: Computed) -> Any:
    """Return a backend of xarray that reads an array: shape and type are known, values are not."""
    return _backend()(computed)


@cache
def _backend() -> Any:
    """Make the class of these backends, which cannot be made without xarray's."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class ComputedArray(BackendArray):
        """A `Computed` as a backend of xarray."""

        def __init__(self, computed: Computed) -> None:
            self.computed = computed
            self.shape = computed.shape
            self.dtype = computed.dtype

        def __reduce__(self) -> Any:
            """Pickle by the function that makes it."""
            return _backend_of, (self.computed,)

        def __deepcopy__(self, memo: dict[int, Any]) -> "ComputedArray":
            """Return itself, since nothing changes its values."""
            return self

        def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
            """Return a part of the values, which are computed at the first call."""
            support = indexing.IndexingSupport.BASIC
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

        def _read(self, key: tuple[Any, ...]) -> Any:
            return self.computed.values[key]

    return ComputedArray
