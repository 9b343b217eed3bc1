"""The maximum of a pseudo-likelihood, before its standard errors."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines.pseudo.jackknife import refit_one
from bayes_mlm.engines.reml import assemble, optimum_of
from bayes_mlm.engines.reml.factor import make_factor
from bayes_mlm.engines.reml.identified import check_identified
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.engines.reml.search import Optimum, maximise_near
from bayes_mlm.engines.reml.statsmodels_check import StatsmodelsCheck
from bayes_mlm.moments import GroupMoments, RotatedMoments, rotate_moments

_NO_CHECK = StatsmodelsCheck(loglik=None, reason="it has no weights at two levels")


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum:
    """A maximum, with what it is one of.

    Parameters
    ----------
    statistics : GroupMoments
        By scaled weights.
    reduced : RotatedMoments
        Of the same.
    optimum : Optimum
    plain : RemlFit
        The estimates, with errors as if rows were drawn by the model.
    """

    statistics: GroupMoments
    reduced: RotatedMoments
    optimum: Optimum
    plain: RemlFit


def maximum_of_weights(
    design: Design, s: GroupMoments, level: float, near: Maximum | None = None
) -> Maximum:
    """Return the maximum of the pseudo-likelihood of a design with weights.

    Parameters
    ----------
    design : Design
    s : GroupMoments
        Weighted, of the design.
    level : float
        Coverage of the intervals.
    near : Maximum, optional
        Of another outcome of the same rows, from which the search starts.
    """
    correlated = design.group_term.correlated
    reduced = rotate_moments(s)
    check_identified(reduced)
    if near is None or near.plain.singular:
        optimum = optimum_of(reduced, "ML", correlated=correlated)
    else:
        # Compiled code finds it; one more step of the search differentiates there.
        at = refit_one(reduced, near.plain, correlated=correlated)
        centred = reduced.z_centring @ at.cov_u[0] @ reduced.z_centring.T / at.sigma2[0]
        factor = make_factor(reduced, correlated=correlated)
        optimum = maximise_near(reduced, factor, "ML", _root(centred))
    plain = assemble(
        reduced,
        optimum,
        labels=design.labels,
        method="ML",
        correlated=correlated,
        level=level,
        intervals=None,
        check=_NO_CHECK,
    )
    return Maximum(statistics=s, reduced=reduced, optimum=optimum, plain=plain)


def _root(covariance: Floats) -> Floats:
    """Return a lower triangular root of a covariance (q, q) that may be singular."""
    value, vector = np.linalg.eigh(covariance)
    root = vector * np.sqrt(np.maximum(value, 0.0))
    return np.asarray(np.linalg.qr(root.T)[1].T)
