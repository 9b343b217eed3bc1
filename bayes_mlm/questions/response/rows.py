"""Rows whose expected outcomes are computed, and what their targets are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design

type Question = Literal["existing_group", "new_group", "population"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseRows:
    """Rows in the columns of a design.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    offset : ndarray, shape (n,)
    Z : tuple of ndarray, shape (n, q)
        Of each grouping factor.
    codes : tuple of ndarray of int, shape (n,)
        Groups of each factor; -1 of those that the model has not.
    weights : ndarray, shape (n,), or None
        How many equal rows each stands for; None where each is one.
    """

    X: Floats
    offset: Floats
    Z: tuple[Floats, ...]
    codes: tuple[Ints, ...]
    weights: Floats | None = None

    def take(self, places: "Ints | slice") -> "ResponseRows":
        """Return some of the rows."""
        return ResponseRows(
            X=self.X[places],
            offset=self.offset[places],
            Z=tuple(one[places] for one in self.Z),
            codes=tuple(one[places] for one in self.codes),
            weights=None if self.weights is None else self.weights[places],
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.X)

    @property
    def shares(self) -> Floats:
        """Proportion of all rows that each stands for, shape (n,)."""
        if self.weights is None:
            return np.full(self.n, 1.0 / self.n)
        return np.asarray(self.weights / self.weights.sum())

    @cached_property
    def products(self) -> Floats:
        """Products (n, r) of two columns of Z, whose sums with `entries` are variances."""
        found = [
            Z[:, a] * Z[:, b] * (1.0 if a == b else 2.0)
            for Z in self.Z
            for a in range(Z.shape[1])
            for b in range(a, Z.shape[1])
        ]
        return np.stack(found, axis=1) if found else np.empty((self.n, 0))

    def collapsed(self, weights: Floats) -> "tuple[ResponseRows, Floats]":
        """Return the rows that differ but by their groups, and sums of the weights (n,) of each."""
        every = np.concatenate([self.X, self.offset[:, None], *self.Z], axis=1)
        if (every == every[0]).all():
            return self.take(slice(0, 1)), weights.sum(keepdims=True)
        # Sums of the columns by irrational numbers are alike where rows are; that is verified.
        keys = every @ np.sqrt(np.arange(2.0, every.shape[1] + 2.0)).reshape(-1, 1)
        _, first, places = np.unique(keys[:, 0], return_index=True, return_inverse=True)
        if first.size > self.n // 2 or not (every == every[first[places]]).all():
            return self, weights
        return self.take(first), np.bincount(places, weights=weights)


def entries(covariances: Sequence[Floats]) -> Floats:
    """Return the entries (S, r) of covariances (S, q, q) of effects, as `products` has them."""
    found = [
        cov[:, a, b]
        for cov in covariances
        for a in range(cov.shape[1])
        for b in range(a, cov.shape[1])
    ]
    return np.stack(found, axis=1)


def scores_of(design: Design) -> Floats:
    """Return the score (K,) of each ordered category: its number, or its place from 1."""
    levels = design.encoding.outcome_levels
    if design.family.thresholds is None or levels is None:
        return np.empty(0)
    numbers = levels.levels
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return np.array(numbers, dtype=np.float64)
    return np.arange(1.0, len(numbers) + 1.0)


def targets_of(design: Design) -> tuple[str, ...]:
    """Return what is expected: "" of one mean, or each category and the expected score."""
    levels = design.encoding.outcome_levels
    if design.family.thresholds is None or levels is None:
        return ("",)
    names = (levels.name(place) for place in range(len(levels.levels)))
    return (*(f"P({name})" for name in names), "expected score")
