"""The maximum of the likelihood of several grouping factors, for outcomes that are not Gaussian."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints, scaled
from bayes_mlm.engines.generalised.joint import JointEstimate
from bayes_mlm.engines.reml.inference import EstimateRow
from bayes_mlm.engines.reml.several.result import FactorisedEquations, SeveralFactorsFit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeneralisedSeveralFit(SeveralFactorsFit):
    """An ML fit with several grouping factors, on the scale of the linear predictor.

    The effects of each factor are their joint mode (lme4's ``ranef``), with sds from the curvature
    about it; `sigma_e` is nan, as there is no residual sd.

    Attributes
    ----------
    family : str
        With its link, where that is not the usual one.
    auxiliary : dict of str to ndarray
        Further parameters: shape (), thresholds (K - 1,).
    auxiliary_rows : tuple
        Their names, estimates, standard errors and Wald intervals.
    laplace : float
        The log-likelihood by Laplace's approximation; `loglik` is corrected.
    loglik_error : float
        Monte Carlo standard error of `loglik`; of a lattice its numerical error.
    k_hat : float
        Pareto k of the importance weights; minus infinity where none are drawn.
    corrected : bool
        Whether the estimates maximise the corrected likelihood; else Laplace's.
    off : float
        Bound on the distance of the estimates from the corrected optimum, in standard errors.
    joint : JointEstimate
        Every parameter with the covariance of all.
    """

    family: str
    auxiliary: dict[str, Floats]
    auxiliary_rows: tuple[EstimateRow, ...]
    laplace: float
    loglik_error: float
    k_hat: float
    corrected: bool
    off: float
    joint: JointEstimate
    equations: FactorisedEquations

    def __repr__(self) -> str:
        """Return the family, the size of the data and the log-likelihood."""
        groups = "".join(f", {len(one.labels):,} groups ({one.factor})" for one in self.factors)
        text = scaled(self.loglik, 2)
        return (
            f"<GeneralisedSeveralFit ({self.family}, ML), n = {self.n:,}{groups}, loglik = {text}>"
        )

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds and correlations factor by factor, and the auxiliary parameters."""
        for one in self.factors:
            yield from one.variance_rows()
        yield from self.auxiliary_rows

    def error_variance(self, X: Floats, groups: Mapping[int, tuple[Floats, Ints]]) -> Floats:
        """Return the variance (k,) of the error of the linear predictor, as of Gaussian outcomes.

        M is the curvature in effects and coefficients at the joint mode, the sds known.
        """
        return np.asarray(self.equations.relative_variance(X, groups))

    def error_root(self, X: Floats, sums: Mapping[int, Floats]) -> Floats:
        """Return a root W (D, k) of the covariance ``W'W`` of errors of linear combinations.

        Parameters
        ----------
        X : ndarray, shape (k, p)
            Weights of the coefficients.
        sums : mapping of int to ndarray, shape (k, m, q)
            Weights of the effects of every level, by the place of the factor in the formula.
        """
        return self.equations.relative_root(X, sums)
