"""What `center`, `scale`, `within`, `between` and splines replay on new data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats

type Scalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class Centring:
    """Mean and sd (divisor n - 1; 0 for one row) of an expression, in its units."""

    expression: str
    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class LevelMeans:
    """Mean of an expression in each group of a column; labels and means run in step."""

    expression: str
    group: str
    labels: tuple[Scalar, ...]
    means: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LearnedBasis:
    """Constants of a function that is several columns: knots, centres of polynomials.

    Parameters
    ----------
    expression : str
        The call as a formula writes it.
    constants : mapping of str to tuple of float
        By the name that the function has for them.
    """

    expression: str
    constants: Mapping[str, tuple[float, ...]]


def learn_centring(text: str, values: Floats) -> Centring:
    """Learn the mean and sd of the values, shape (n,), of the expression `text`."""
    mean = float(values[0] + (values - values[0]).mean())
    # Exactly 0 for a constant column: the rounding of its mean would give a tiny sd.
    varies = values.size > 1 and bool(np.ptp(values) > 0)
    return Centring(expression=text, mean=mean, sd=float(values.std(ddof=1)) if varies else 0.0)


def learn_means(text: str, group: str, values: Floats, labels: NDArray[Any]) -> LevelMeans:
    """Learn the mean of the values, shape (n,), at each label, shape (n,), of column `group`."""
    found, codes = np.unique(labels, return_inverse=True)
    means = means_by_code(values, codes, found.size)
    return LevelMeans(
        expression=text, group=group, labels=tuple(found.tolist()), means=tuple(means.tolist())
    )


def means_by_code(values: Floats, codes: NDArray[np.int64], size: int) -> Floats:
    """Return the means of values by group code, centred first so that an offset costs no digits."""
    level = values[0]
    sums = np.bincount(codes, weights=values - level, minlength=size)
    means: Floats = level + sums / np.bincount(codes, minlength=size)
    return means
