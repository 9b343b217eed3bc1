"""Whitening of designs with a residual structure, to independent residuals of one sd."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.model import ResidualRows, whiten
from bayes_mlm.moments import GroupMoments, RotatedMoments, rotate_moments


@dataclass(frozen=True, kw_only=True, eq=False)
class Whitened:
    """A design whose rows can be whitened for any residual structure.

    Parameters
    ----------
    design : Design
        With a residual structure.
    x_mean : ndarray, shape (p,)
    y_mean : float
        What is taken from the columns before whitening, so that an offset costs no digits; zero
        without an intercept.
    """

    design: Design
    x_mean: Floats
    y_mean: float

    @property
    def rows(self) -> ResidualRows:
        """The residual structure."""
        assert self.design.residual is not None  # for mypy: made by `whitened`
        return self.design.residual

    def reduced(self, sds: Floats, rho: float) -> RotatedMoments:
        """Reduce the rows, whitened for relative residual sds (n_sds,) and a correlation."""
        return rotate_moments(self.statistics(sds, rho))

    def statistics(self, sds: Floats, rho: float) -> GroupMoments:
        """Compute the sufficient statistics of the rows whitened so."""
        design = self.design
        columns = design.columns - np.concatenate([self.x_mean, np.zeros(design.q), [self.y_mean]])
        return design.moments_of(whiten(self.rows, columns, sds, rho), grouped=design.q > 0)

    @property
    def transform(self) -> Floats:
        """The matrix (p, p) that takes coefficients of the columns less their means to `beta`."""
        transform = np.eye(self.design.p)
        if self.design.has_intercept:
            transform[self.design.terms.index(INTERCEPT)] -= self.x_mean
        return transform

    @property
    def offset(self) -> Floats:
        """Shift of the coefficients after that transformation, shape (p,)."""
        offset = np.zeros(self.design.p)
        if self.design.has_intercept:
            offset[self.design.terms.index(INTERCEPT)] = self.y_mean
        return offset


def whitened(design: Design) -> Whitened:
    """Return a design with a residual structure prepared for whitening."""
    x_mean, y_mean = np.zeros(design.p), 0.0
    if design.has_intercept:
        x_mean, y_mean = design.X.mean(axis=0), float(design.y_less_offset.mean())
        x_mean[design.terms.index(INTERCEPT)] = 0.0
    return Whitened(design=design, x_mean=x_mean, y_mean=y_mean)
