"""Arrays that are computed when they are first read, for plain code and for xarray."""

from collections.abc import Callable
from functools import cached_property
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
        from bayes_mlm.fitting.tree.backend import lazy_array

        return lazy_array(self)
