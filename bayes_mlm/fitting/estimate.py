"""Estimates: the maximum of a likelihood with its curvature, by REML, ML or least squares."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Floats,
    Ints,
    UnsupportedModelError,
    Verdict,
    check_prob,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    AUTO,
    ENGINES,
    EngineName,
    PooledSeveralFit,
    SeveralFactorsFit,
    Task,
    check_engine,
    degrees_of,
    likelihood_engine,
    maximise,
)
from bayes_mlm.fitting.agreement import EngineComparison
from bayes_mlm.fitting.by_engine import Result, compare_with
from bayes_mlm.fitting.elsewhere import no_attribute
from bayes_mlm.fitting.estimate_summary import summarise_solution
from bayes_mlm.fitting.estimates import Summary, short_summary
from bayes_mlm.fitting.parameter_points import ParameterPoints, points_of_estimate
from bayes_mlm.fitting.pooled_table import PooledTable, pooled_table
from bayes_mlm.fitting.predictions import OneFactorSolution, Solution, expected_outcomes
from bayes_mlm.fitting.source import FactorValues, GroupEffects, ParameterValues, Value
from bayes_mlm.formula import place_of_factor, refuse_several
from bayes_mlm.model import UNNAMED, ModelRequest
from bayes_mlm.moments import GroupMoments


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Estimate:
    """A model fitted by a likelihood engine.

    Parameters
    ----------
    design : Design
        That was fitted.
    solution : RemlFit or OlsFit
        Coefficients, variances, standard errors and intervals, as the engine found them.
    request : ModelRequest or None
        The model and its data; None of a design alone.
    seconds : float
        Wall time.
    registered : str
        Name of the engine that was run, where it is another than the solution names.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("mathach ~ ses + (1 | schoolid)", "hsb", engine="reml")
    >>> found.engine, found.verdict.ok
    ('reml', True)
    >>> print(f"{found.summary()['beta[ses]'].estimate:.4f}")
    2.3902
    """

    design: Design
    solution: Solution
    request: ModelRequest | None = None
    seconds: float = 0.0
    registered: str = ""

    interval_kind = "CI"
    reason = "requested"
    random_seed = 0

    def __repr__(self) -> str:
        """Return the model, its size and its estimates as a short table; `summary` has them all.

        Of several imputations the parts of the variances follow.
        """
        short = str(short_summary(self.summary(), self.design))
        return f"{short}\n\n{self.pooled}" if self.design.imputations else short

    if not TYPE_CHECKING:  # a checker is to find a name that there is not

        def __getattr__(self, name: str):
            """Refuse a name that there is not, with what other packages mean by it."""
            raise no_attribute("Estimate", name)

    def _repr_html_(self) -> str:
        return short_summary(self.summary(), self.design)._repr_html_()

    @property
    def interval_method(self) -> str:
        """How an interval of a coefficient is made: "t (Satterthwaite df)"; "Wald", the normal."""
        return self.solution.beta_interval[0].method

    @property
    def name(self) -> str:
        """Name of the model."""
        return UNNAMED if self.request is None else self.request.model.name

    @property
    def title(self) -> str:
        """Its name, or the formula of a model without one."""
        return str(self.design.formula) if self.request is None else self.request.model.title

    @property
    def engine(self) -> str:
        """The engine, by its name in the registry."""
        return self.registered or self.solution.engine

    @property
    def verdict(self) -> Verdict:
        """Whether the optimum was found."""
        return self.solution.verdict

    def combine(self, weights: Floats) -> tuple[Value, ...]:
        """Return k linear combinations of the coefficients, weights (k, p).

        Standard errors are by the covariance of generalised least squares at the variance
        estimates (lme4's), and exact; degrees of freedom are those of `interval_method`.
        """
        fit = self.solution
        degrees = degrees_of(fit.tests, weights)
        errors = np.sqrt(np.maximum(np.diagonal(self.joint_covariance(weights)), 0.0))
        found = zip((weights @ fit.beta).tolist(), errors.tolist(), degrees.tolist(), strict=True)
        return tuple(Value(estimate=estimate, se=se, df=df) for estimate, se, df in found)

    def joint_covariance(self, weights: Floats) -> Floats:
        """Return the covariance (k, k) of linear combinations of the coefficients."""
        found: Floats = weights @ self.solution.beta_cov @ weights.T
        return found

    def parameter_points(self) -> ParameterPoints:
        """Return the estimate of every parameter, with the points its gradient needs.

        Raises
        ------
        UnsupportedModelError
            If the engine has no joint covariance of its parameters.
        """
        joint = getattr(self.solution, "joint", None)
        if joint is None:
            raise UnsupportedModelError(
                f"{ENGINES[self.engine].label} has no joint covariance of its parameters, which "
                "this needs; fit with engine='auto' or 'ml'"
            )
        return points_of_estimate(joint)

    def group_covariance(self) -> Floats:
        """Return the covariance (1, q, q) of the group effects."""
        return self.single_solution("a question on variances").cov_u[None]

    def single_solution(self, what: str = "this") -> OneFactorSolution:
        """Return the solution, which has one factor at most.

        Raises
        ------
        SeveralFactorsError
        """
        if isinstance(self.solution, SeveralFactorsFit | PooledSeveralFit):
            refuse_several(self.design.factors, what)
            raise AssertionError  # for mypy: there are several
        return self.solution

    def combine_by_group(self, X: Floats, Z: Floats, places: Ints) -> Iterator[tuple[Value, ...]]:
        """Return X beta + Z u of G groups, one by one: X (G, k, p), Z (G, k, q), places (G,).

        Standard errors are those of prediction (`expected_outcomes`): the error of u, that of
        beta, and their covariance.
        """
        flat_X, flat_Z = (one.reshape(-1, one.shape[-1]) for one in (X, Z))
        codes = np.repeat(places, X.shape[1])
        solution = self.single_solution("group_lines")
        found = expected_outcomes(solution, self.design, flat_X, [(flat_Z, codes)])
        for values, variances in zip(*(one.reshape(X.shape[:2]) for one in found), strict=True):
            errors = np.sqrt(np.maximum(variances, 0.0))
            yield tuple(
                Value(estimate=value, se=error, df=self.solution.df)
                for value, error in zip(values.tolist(), errors.tolist(), strict=True)
            )

    def group_effects(self, prob: float, factor: str | None = None) -> GroupEffects | None:
        """Return the predicted effects (EBLUPs) of every group of a factor; None without any."""
        fit = self.of_factor(factor).single_solution("group_effects")
        return GroupEffects.wald(fit.u, fit.u_sd, prob, fit.df) if fit.u.size else None

    def of_factor(self, factor: str | None) -> "Estimate":
        """Return the estimate with the group effects of one factor, by its name among several."""
        place = place_of_factor(self.design.factors, factor, "group effects")
        if not isinstance(self.solution, SeveralFactorsFit | PooledSeveralFit):
            return self
        solution = self.solution.of_factor(place)
        return replace(self, design=self.design.of_factor(place), solution=solution)

    def effect_moments(self, factor: str | None = None) -> Callable[[Ints], tuple[Floats, Floats]]:
        """Return what selects the predicted effects of groups and their conditional sds."""
        solution = self.of_factor(factor).single_solution("group_effects")
        return lambda places: (solution.u[places], solution.u_sd[places])

    @cached_property
    def values(self) -> ParameterValues:
        """The estimate as one value of every parameter."""
        parts = [self.of_factor(name).single_solution() for name in self.design.factors]
        return ParameterValues(
            beta=self.solution.beta[None],
            residual_variance=np.array([self.solution.sigma_e**2]),
            factors=tuple(
                FactorValues(
                    factor=name, cov_u=one.cov_u[None], u=one.u[None] if one.u.size else None
                )
                for name, one in zip(self.design.factors, parts, strict=True)
            ),
            auxiliary={
                name: np.asarray(value)[None]
                for name, value in getattr(self.solution, "auxiliary", {}).items()
            },
        )

    def of_sample(self, design: Design, places: Ints, random_seed: int) -> "Estimate":  # noqa: ARG002
        """Return the estimate with the groups of a sample, whose rows a design has."""
        solution = self.single_solution("a sample of groups").of_groups(design)
        return replace(self, design=design, solution=solution)

    def at_prob(self, prob: float) -> "Estimate":
        """Return the estimate with intervals of another coverage."""
        check_prob(prob)
        if prob == self.solution.beta_interval[0].level:
            return self
        return estimate_design(self.design, self.engine, request=self.request, prob=prob)

    @property
    def pooled(self) -> PooledTable:
        """The parameters with the shares of their variances within and between imputations.

        Raises
        ------
        EngineError
            If the estimate is of one data set.
        """
        return pooled_table(self.solution)

    def summary(
        self,
        *,
        null: "Estimate | None" = None,
        prob: float | None = None,
        groups: bool = False,
        exponentiate: bool = False,
    ) -> Summary:
        """Return the estimates as rows named like those of a posterior.

        Standard errors are those of generalised least squares at the estimate for the coefficients
        (lme4's), and of the observed information for the variance parameters. Intervals are of the
        t distribution (`interval_method`) for the coefficients and profile for `sigma_u`, `sigma_e`
        and `icc`; what follows from the icc alone has the icc's interval, carried over.

        Parameters
        ----------
        null : Estimate, optional
            Of the model without predictors, for R² by level.
        prob : float, optional
            Of the intervals; by default that of the estimate.
        groups : bool
            Whether every group effect has a row too: its prediction, with the sd given the
            coefficients and variances.
        exponentiate : bool
            Whether coefficients are shown as odds, rate or hazard ratios, as the family has them.
        """
        solution = self.solution if prob is None else self.at_prob(prob).solution
        return summarise_solution(
            solution,
            self.design,
            name=self.name,
            engine=self.engine,
            null=None if null is None else null.solution,
            groups=groups,
            exponentiate=exponentiate,
        )

    def compare(
        self,
        *others: "EngineName | Result",
        prob: float | None = None,
        random_seed: int | None = None,
    ) -> EngineComparison:
        """Return the model by other engines next to this one, a row a quantity.

        Parameters
        ----------
        *others : str or result
            Engines that fit the model anew ("direct", "nuts", "ml"), or results of the same model;
            by default draws from the posterior with the default priors ("auto").
        prob, random_seed : float, int, optional
            Of the intervals, by default that of the estimate; of the draws, by default a fresh one.

        Raises
        ------
        EngineError
            As `Fit.compare`.

        Examples
        --------
        >>> from bayes_mlm import fit
        >>> found = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml")
        >>> found.compare("ml").engines
        ('reml', 'ml')
        """
        prob = self.solution.beta_interval[0].level if prob is None else prob
        return compare_with(self, others or (AUTO,), prob=prob, random_seed=random_seed)


def estimate_design(
    design: Design,
    engine: str | None = None,
    *,
    request: ModelRequest | None = None,
    prob: float = DEFAULT_PROB,
    check: bool = False,
    statistics: GroupMoments | None = None,
) -> Estimate:
    """Fit a design by a likelihood engine.

    Parameters
    ----------
    design : Design
        Laid out for its kind. Where its rows are a sample's, the fit is that of all the data.
    engine : str, optional
        A name in `ENGINES`, of one that does not draw.
        By default REML if the design has group effects or a residual structure, else OLS.
    request : ModelRequest, optional
        The model, for its name.
    prob : float
        Coverage of the intervals.
    check, statistics
        As in `fit_reml`.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> print(f"{estimate_design(design).solution.sigma_e:.4f}")
    6.0856
    """
    started = time.perf_counter()
    check_prob(prob)
    design.require_all_factors("an estimate")
    name = likelihood_engine(design) if engine is None else engine
    if not name:
        design.family.require_residual_sd("REML or OLS")
    check_engine(name, design)
    task = Task(design=design, prob=prob, check=check, statistics=statistics)
    return Estimate(
        design=design,
        solution=maximise(name, task),
        request=request,
        seconds=time.perf_counter() - started,
        registered=name,
    )
