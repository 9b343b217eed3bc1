"""Methods by which coefficients of a likelihood estimate are tested, each with what it refuses."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import EngineError, Registry, UnsupportedModelError
from bayes_mlm.design import Design, group_means
from bayes_mlm.engines.reml.coefficient_tests import CoefficientTests, KnownDf

if TYPE_CHECKING:
    from collections.abc import Callable

    from bayes_mlm.engines.pooling.run import OneSolution, Solution

    type Method = Callable[[OneSolution, Design], CoefficientTests]


# From a solution and its design to a covariance with degrees of freedom, whose label tables show.
DF_METHODS: "Registry[Callable[[Solution, Design], CoefficientTests]]" = Registry("df", EngineError)


def register_df(name: str, method: "Method") -> None:
    """Register a method for the solution of one data set; those of imputations are pooled."""

    def tests(solution: "Solution", design: Design) -> CoefficientTests:
        from bayes_mlm.engines.pooling.pool import pooled_tests
        from bayes_mlm.engines.pooling.result import PooledResult

        if not isinstance(solution, PooledResult):
            return method(solution, design)
        if name == "satterthwaite":
            return solution.tests
        each = zip(solution.parts, design.imputations, strict=True)
        return pooled_tests(
            [method(part, one) for part, one in each],
            solution.tests.estimates,
            within=solution.tests.within,
        )

    DF_METHODS.register(name, tests)


def _satterthwaite(solution: "OneSolution", design: Design) -> CoefficientTests:
    if solution.tests is None:
        why = "a residual structure, or several factors with a singular covariance of effects"
        if not design.family.gaussian_moments:
            why = "an outcome that is not Gaussian"
        raise UnsupportedModelError(
            f"Satterthwaite's degrees of freedom are not defined here for {why}; use df='normal'"
        )
    return solution.tests


def _kenward_roger(solution: "OneSolution", design: Design) -> CoefficientTests:
    design.require_likelihood("df='kenward-roger'")
    from bayes_mlm.engines.reml import OneFactorFit, RemlFit
    from bayes_mlm.engines.reml.kenward_roger import kenward_roger
    from bayes_mlm.moments import rotate_moments

    if isinstance(solution.tests, KnownDf):  # least squares, where both are exact
        return solution.tests
    if (
        not isinstance(solution, RemlFit)
        or isinstance(solution, OneFactorFit)
        or solution.residual is not None
        or solution.method != "REML"
    ):
        raise UnsupportedModelError(
            "Kenward and Roger's tests are of a REML estimate of a Gaussian outcome with one "
            "grouping factor and residuals of one sd; use df='satterthwaite' or 'normal'"
        )
    return kenward_roger(
        rotate_moments(design.moments()),
        correlated=design.group_term.correlated,
        lam=solution.lam,
    )


def _between_within(solution: "OneSolution", design: Design) -> CoefficientTests:
    design.require_likelihood("df='between-within'")
    if isinstance(solution.tests, KnownDf):
        return solution.tests
    if len(design.factors) != 1:
        raise UnsupportedModelError(
            "between-within degrees of freedom are of one grouping factor; use df='satterthwaite'"
        )
    spread = group_means(design).varies
    within = design.n - len(design.labels) - int(spread.sum())
    between = len(design.labels) - int((~spread).sum())
    return KnownDf(
        label="between-within",
        covariance=solution.beta_cov,
        degrees=np.where(spread, float(within), float(between)),
    )


def _normal(solution: "OneSolution", design: Design) -> CoefficientTests:
    degrees = np.full(design.p, np.inf)
    return KnownDf(label="normal", covariance=solution.beta_cov, degrees=degrees)


def _cluster_robust(kind: str) -> "Method":
    def tests(solution: "OneSolution", design: Design) -> CoefficientTests:
        design.require_likelihood(f"df={kind.lower()!r}")
        from bayes_mlm.engines.reml import OneFactorFit, RemlFit
        from bayes_mlm.engines.reml.cluster_robust import cluster_robust

        if (
            not isinstance(solution, RemlFit)
            or isinstance(solution, OneFactorFit)
            or solution.residual is not None
        ):
            raise UnsupportedModelError(
                f"{kind} is of a Gaussian outcome with one grouping factor and residuals of one "
                "sd; use df='satterthwaite' or 'normal'"
            )
        return cluster_robust(design.moments(), solution.cov_u, solution.sigma_e**2, kind)

    return tests


register_df("satterthwaite", _satterthwaite)
register_df("kenward-roger", _kenward_roger)
register_df("between-within", _between_within)
register_df("normal", _normal)
for _kind in ("CR0", "CR1", "CR2"):
    register_df(_kind.lower(), _cluster_robust(_kind))
