"""Columns of X and y as the sums of several factors have them: centred, scaled, y less its fit."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class TransformedSums:
    """Sums of ``[X, y]`` in columns that keep their digits, and the way back to those as given.

    Attributes
    ----------
    n : int
        Rows.
    terms : tuple of str, length p
        Names of the columns of X.
    total : ndarray, shape (p + 1, p + 1)
        ``[X, y]'[X, y]`` of the transformed columns.
    transform : ndarray, shape (p + 1, p + 1)
        They are ``[X, y] @ transform``: linear, so that nothing is lost.
    """

    n: int
    terms: tuple[str, ...]
    total: Floats
    transform: Floats

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return len(self.terms)

    @property
    def y_scale(self) -> float:
        """Units of the outcome in one unit of the transformed one."""
        return 1.0 / float(self.transform[-1, -1])

    @property
    def log_det(self) -> float:
        """Log of the determinant of the transformation of X."""
        return float(np.linalg.slogdet(self.transform[:-1, :-1])[1]) if self.p else 0.0

    def original_beta(self, beta: Floats) -> Floats:
        """Return coefficients (..., p) of the columns as given, from those of the transformed."""
        x, y = self.transform[:-1, :-1], self.transform[:-1, -1]
        return np.asarray((beta @ x.T - y) * self.y_scale)

    def original_covariance(self, covariance: Floats) -> Floats:
        """Return the covariance (p, p) of the coefficients of the columns as given."""
        x = self.transform[:-1, :-1] * self.y_scale
        return np.asarray(x @ covariance @ x.T)
