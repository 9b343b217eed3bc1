"""The class by which xarray reads an array that is computed, as its backends read files.

Imported inside the function that needs it, since it is made of xarray's class.
"""

from typing import Any

from xarray.backends import BackendArray
from xarray.core import indexing


def lazy_array(computed: Any) -> indexing.LazilyIndexedArray:
    """Wrap a `Computed` for an `xarray.Variable`: shape and type are known, values are not read."""
    return indexing.LazilyIndexedArray(ComputedArray(computed))


class ComputedArray(BackendArray):
    """A `Computed` as a backend of xarray.

    Parameters
    ----------
    computed : Computed
    """

    def __init__(self, computed: Any) -> None:
        self.computed = computed
        self.shape = computed.shape
        self.dtype = computed.dtype

    def __deepcopy__(self, memo: dict[int, Any]) -> "ComputedArray":
        """Return itself, since nothing changes its values."""
        return self

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return a part of the values, which are computed at the first call."""
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        return self.computed.values[key]
