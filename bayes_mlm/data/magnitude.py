"""Check that the squares of numbers neither overflow nor vanish."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError

# Likelihoods take products of four numbers, which must neither overflow (1e308) nor vanish.
_LARGEST, _LEAST = 1e50, 1e-50


def refuse_magnitude(name: str, low: float, high: float) -> None:
    """Raise an error if the values of a column are too large, or vary too little, to be squared.

    Parameters
    ----------
    name : str
    low, high : float
        Its extremes.

    Raises
    ------
    DataError

    Examples
    --------
    >>> refuse_magnitude("y", 0.0, 3.5)
    >>> refuse_magnitude("y", 0.0, 2e200)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: column 'y' reaches 2e+200, and numbers beyond 1e+50 cannot be \
squared and summed; give it in a larger unit (divide it by a power of ten)
    """
    size = max(abs(low), abs(high))
    if not size <= _LARGEST:
        raise DataError(
            f"column {name!r} reaches {size:.3g}, and numbers beyond {_LARGEST:.0e} cannot be "
            "squared and summed; give it in a larger unit (divide it by a power of ten)"
        )
    if 0.0 < high - low < _LEAST:
        raise DataError(
            f"column {name!r} varies by {high - low:.3g}, and differences below {_LEAST:.0e} "
            "underflow when squared; give it in a smaller unit (multiply it by a power of "
            "ten)"
        )


def refuse_magnitudes(names: Sequence[str], columns: NDArray[np.generic]) -> None:
    """Raise that error for columns (n, k), or (n,) of one name; other types are not checked."""
    if columns.dtype.kind not in "fiu" or not columns.size:
        return
    values = columns.reshape(len(columns), -1)
    for name, low, high in zip(names, values.min(axis=0), values.max(axis=0), strict=True):
        refuse_magnitude(name, float(low), float(high))
