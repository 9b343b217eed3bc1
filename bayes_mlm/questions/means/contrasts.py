"""Contrasts of means: all pairs, against the first, successive, polynomial, or given weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from bayes_mlm.base import DesignError, EngineError, Floats, Registry, describe_value
from bayes_mlm.questions.effects.query import At

_DEGREES = ("linear", "quadratic", "cubic", "quartic", "degree 5", "degree 6")
# Relative to their size: weights whose sum is smaller sum to zero.
_ZERO = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ContrastSet:
    """Contrasts of the means of one family.

    Parameters
    ----------
    names : tuple of str
    weights : ndarray, shape (c, k)
        Of k means.
    pairwise : bool
        Whether they are all pairs.
    adjust : str
        The usual adjustment.
    """

    names: tuple[str, ...]
    weights: Floats
    pairwise: bool = False
    adjust: str = "none"

    @property
    def averages(self) -> tuple[str, ...]:
        """Names of those whose weights do not sum to zero, which are no differences."""
        total = np.abs(self.weights.sum(axis=1))
        size = np.abs(self.weights).sum(axis=1)
        return tuple(
            name for name, off in zip(self.names, total > _ZERO * size, strict=True) if off
        )


# From the names of means, and their values, to contrasts.
CONTRASTS: "Registry[Callable[[Sequence[str], Sequence[tuple[At, ...]]], ContrastSet]]" = Registry(
    "contrast", EngineError
)


def read_contrasts(
    how: Any,
    names: Sequence[str],
    means: Sequence[tuple[At, ...]],
) -> ContrastSet:
    """Return contrasts by their name, or of given weights.

    Raises
    ------
    EngineError, DesignError
        If there is no such kind, or weights do not fit the means.
    """
    if isinstance(how, str):
        make = CONTRASTS[how]
        if len(names) < 2:
            raise DesignError(
                f"{how!r} contrasts need two means or more, and there is one in each family; name "
                "a predictor of several values, or give it more values (at)"
            )
        return make(names, means)
    if not isinstance(how, Mapping) or not how:
        raise DesignError(
            f"contrasts are one of {', '.join(CONTRASTS)}, or {{name: weights}}; found "
            f"{describe_value(how)}"
        )
    rows = [_weights(str(name), weights, names) for name, weights in how.items()]
    return ContrastSet(names=tuple(map(str, how)), weights=np.array(rows))


def _weights(contrast: str, weights: Any, names: Sequence[str]) -> Floats:
    """Return the weights of one contrast, by place or by the names of the means."""
    if isinstance(weights, Mapping):
        unknown = [str(one) for one in weights if one not in names]
        if unknown:
            raise DesignError(
                f"contrast {contrast!r}: there is no mean {unknown[0]!r}; there are "
                f"{', '.join(names)}"
            )
        weights = [weights.get(name, 0.0) for name in names]
    try:
        row = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        row = np.empty((0, 0))
    if row.shape != (len(names),) or not np.isfinite(row).all() or not row.any():
        raise DesignError(
            f"contrast {contrast!r} needs {len(names)} finite weights, not all zero, one for each "
            f"of {', '.join(names)}; found {weights!r}"
        )
    return row


def _between(names: Sequence[str], pairs: Sequence[tuple[int, int]]) -> tuple[Any, Floats]:
    """Return the names and weights of differences, later less earlier."""
    weights = np.zeros((len(pairs), len(names)))
    for row, (low, high) in enumerate(pairs):
        weights[row, high], weights[row, low] = 1.0, -1.0
    texts = tuple(f"{names[high]} - {names[low]}" for low, high in pairs)
    return texts, weights


def _pairwise(names: Sequence[str], _means: Sequence[tuple[At, ...]]) -> ContrastSet:
    texts, weights = _between(names, list(combinations(range(len(names)), 2)))
    return ContrastSet(names=texts, weights=weights, pairwise=True, adjust="tukey")


def _reference(names: Sequence[str], _means: Sequence[tuple[At, ...]]) -> ContrastSet:
    texts, weights = _between(names, [(0, k) for k in range(1, len(names))])
    return ContrastSet(names=texts, weights=weights, pairwise=len(names) == 2, adjust="mvt")


def _consecutive(names: Sequence[str], _means: Sequence[tuple[At, ...]]) -> ContrastSet:
    texts, weights = _between(names, [(k, k + 1) for k in range(len(names) - 1)])
    return ContrastSet(names=texts, weights=weights, pairwise=len(names) == 2, adjust="mvt")


def _polynomial(names: Sequence[str], means: Sequence[tuple[At, ...]]) -> ContrastSet:
    values = [one.value for one in means[0]]
    if len(values) > 1:
        raise DesignError(
            "polynomial contrasts are along one predictor; name one, and the others as by (--by)"
        )
    along = [mean[0].value for mean in means]
    if all(isinstance(one, float | int) and not isinstance(one, bool) for one in along):
        steps = np.diff(np.array(along, dtype=np.float64))
        if not np.allclose(steps, steps[0]):
            raise DesignError(
                "polynomial contrasts are of evenly spaced values, and those of "
                f"{means[0][0].name!r} are not; give evenly spaced ones (at), or weights"
            )
    weights = orthogonal_polynomials(len(names), min(len(names) - 1, len(_DEGREES)))
    return ContrastSet(names=_DEGREES[: len(weights)], weights=weights)


def orthogonal_polynomials(k: int, degree: int) -> Floats:
    """Return orthogonal polynomials on k even points, in the least whole numbers.

    Examples
    --------
    >>> orthogonal_polynomials(4, 3)
    array([[-3., -1.,  1.,  3.],
           [ 1., -1., -1.,  1.],
           [-1.,  3., -3.,  1.]])
    """
    found = [[Fraction(1)] * k]
    for power in range(1, degree + 1):
        row = [Fraction(x**power) for x in range(k)]
        for one in found:
            product = sum((a * b for a, b in zip(row, one, strict=True)), Fraction(0))
            share = product / sum((a * a for a in one), Fraction(0))
            row = [a - share * b for a, b in zip(row, one, strict=True)]
        whole = math.lcm(*(one.denominator for one in row))
        numbers = [int(one * whole) for one in row]
        divisor = math.gcd(*numbers)
        found.append([Fraction(one // divisor) for one in numbers])
    return np.array([[float(one) for one in row] for row in found[1:]])


CONTRASTS.register("pairwise", _pairwise)
CONTRASTS.register("reference", _reference)
CONTRASTS.register("consecutive", _consecutive)
CONTRASTS.register("polynomial", _polynomial)
