"""A model that has been fitted, by other engines: the summaries next to one another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bayes_mlm.base import EngineError, Verdict, describe_value
from bayes_mlm.design import Design, column_moments
from bayes_mlm.engines import (
    Draws,
    EngineName,
    Settings,
    Task,
    check_engine,
    is_drawing,
    likelihood_engine,
    maximise,
)
from bayes_mlm.fitting.agreement import EngineComparison, compare_summaries
from bayes_mlm.fitting.drawing import cautions_on, draw
from bayes_mlm.fitting.estimate_summary import summarise_solution
from bayes_mlm.fitting.estimates import Summary
from bayes_mlm.fitting.posterior_summary import summarise_posterior
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.waiting import is_watched, waiting
from bayes_mlm.likelihood import ModelPriors, model_priors
from bayes_mlm.model import ModelRequest


class Result(Protocol):
    """A result of a model by one engine: a `Fit` or an `Estimate`."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def engine(self) -> str:
        """The engine, by its name in the registry."""

    @property
    def design(self) -> Design:
        """The arrays, laid out for the kind of model."""

    @property
    def request(self) -> ModelRequest | None:
        """The model and its data."""

    def summary(self, *, prob: float) -> Summary:
        """Return every quantity as a row, with intervals of a coverage."""


class HasPriors(Protocol):
    """A result with priors and settings of its draws: a `Fit`."""

    @property
    def priors(self) -> ModelPriors:
        """The priors in force."""

    @property
    def settings(self) -> Settings:
        """Seed and sizes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Posterior:
    name: str
    engine: str
    design: Design
    draws: Draws
    verdict: Verdict


def compare_with(
    result: Result,
    others: Sequence[EngineName | Result],
    *,
    prob: float,
    random_seed: int | None = None,
    of: HasPriors | None = None,
) -> EngineComparison:
    """Return the summaries of a result and of the same model by other engines as one table.

    Parameters
    ----------
    result : Fit or Estimate
    others : sequence of str or result
        Engines, or results of the same model; of none the likelihood engine.
    prob : float
        Of the intervals of what is fitted anew.
    random_seed : int, optional
    of : Fit, optional
        Whose priors and settings the draws have; by default those requested, else the defaults.
    """
    result.design.require_all_factors("compare")
    if not others:
        likely = likelihood_engine(result.design)
        if not likely or not is_drawing(result.engine):
            raise EngineError(
                "no likelihood engine can fit this model; give another: compare('nuts')"
            )
        others = (likely,)
    summaries = [result.summary(prob=prob)]
    for other in others:
        if isinstance(other, str):
            summaries.append(_by(other, result, prob, random_seed, of))
            continue
        if not (hasattr(other, "design") and hasattr(other, "summary")):
            raise EngineError(
                "compare expects the name of an engine, or another result of the same model, "
                f"found {describe_value(other)}"
            )
        if _model_of(other) != _model_of(result):
            raise EngineError(
                "compare shows one model by several engines, and these are two models: "
                f"'{result.design.formula}' and '{other.design.formula}' (n = {result.design.n}, "
                f"{other.design.n}); rank models by loo_compare([one, other])"
            )
        summaries.append(other.summary(prob=prob))
    return compare_summaries(*summaries)


def _model_of(result: Result) -> tuple[object, ...]:
    design = result.design
    residual = None if design.residual is None else design.residual.spec
    moments = column_moments(design.whole)
    columns = (moments.y_mean, moments.y_sd, *moments.x_mean, *moments.x_sd)
    digits = tuple(f"{value:.9g}" for value in columns)  # of rows and of sums alike
    return str(design.formula), design.kind, design.n, design.family.text, residual, digits


def _by(
    engine: str, result: Result, prob: float, random_seed: int | None, of: HasPriors | None
) -> Summary:
    """Fit the model of a result by an engine, and summarise that."""
    design, request = result.design, result.request
    if not is_drawing(engine):
        check_engine(engine, design)
        with waiting(f"fitting {design.formula} by {engine}"):
            solution = maximise(engine, Task(design=design, prob=prob))
        return summarise_solution(solution, design, name=result.name, engine=engine)
    if design.imputations:
        raise EngineError(
            f"compare draws for one data set, and there are {len(design.imputations)} imputations; "
            "fit them with engine='auto', and compare with that result"
        )
    if of is None:
        request = as_request(design) if request is None else request
        priors = model_priors(design, request.model.priors)
        settings = make_settings(request, random_seed=random_seed)
    else:
        priors, settings = of.priors, of.settings
        if random_seed is not None:
            settings = replace(settings, random_seed=random_seed)
    moments = design.moments() if len(design.factors) < 2 else None
    task = Task(
        design=design,
        priors=priors,
        settings=settings,
        statistics=moments,
        progressbar=is_watched(),
    )
    name, _, drawn = draw(engine, task)
    found = (*drawn.verdict.findings, *cautions_on(task, name, drawn.draws, moments))
    posterior = _Posterior(
        name=result.name, engine=name, design=design, draws=drawn.draws, verdict=Verdict(found)
    )
    return summarise_posterior(posterior, prob=prob)
