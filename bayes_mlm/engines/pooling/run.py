"""Run a likelihood engine on a design, or on each of its imputations."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bayes_mlm.base import EngineError, UnsupportedModelError
from bayes_mlm.engines.engine import Drawn, Task
from bayes_mlm.engines.pooling.pool import pool_solutions
from bayes_mlm.engines.registry import ENGINES

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.engines.generalised.result import GeneralisedFit
    from bayes_mlm.engines.ols import OlsFit
    from bayes_mlm.engines.pooling.result import PooledFit
    from bayes_mlm.engines.pooling.rubin import Within
    from bayes_mlm.engines.pooling.several import PooledSeveralFit
    from bayes_mlm.engines.reml import RemlFit, SeveralFactorsFit

    type OneSolution = RemlFit | SeveralFactorsFit | GeneralisedFit | OlsFit
    type Solution = OneSolution | PooledFit | PooledSeveralFit


def _within(design: "Design") -> "Within":
    """Return whose sampling variance is that of all: some surveys' is the first's alone."""
    replicates = None if design.weights is None else design.weights.spec.replicates
    return "mean" if replicates is None else replicates.within


def maximise(name: str, task: Task) -> "Solution":
    """Return the solution of a task by a likelihood engine; of several imputations pooled.

    Raises
    ------
    EngineError
        If the engine draws.
    """
    engine = ENGINES[name]
    if task.design.imputations:
        if task.check:
            raise UnsupportedModelError(
                "a cross-check is of the fit of one data set, and there are "
                f"{len(task.design.imputations)} imputations; check one of them"
            )
        of_one = replace(task, statistics=None, profile=False)  # a profile is of one data set
        tasks = [replace(of_one, design=one) for one in task.design.imputations]
        several = engine.run_several
        parts = [engine.run(one) for one in tasks] if several is None else several(tasks)
        return pool_solutions(parts, within=_within(task.design))
    found = engine.run(task)
    if isinstance(found, Drawn):
        raise EngineError(f"the {engine.label} engine draws; use fit_design")
    return found
