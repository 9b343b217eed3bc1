"""Run a likelihood engine on a design, or on each of its imputations."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bayes_mlm.base import EngineError, UnsupportedModelError
from bayes_mlm.engines.engine import Drawn, Task
from bayes_mlm.engines.pooling.pool import pool_solutions
from bayes_mlm.engines.registry import ENGINES

if TYPE_CHECKING:
    from bayes_mlm.engines.generalised.result import GeneralisedFit
    from bayes_mlm.engines.ols import OlsFit
    from bayes_mlm.engines.pooling.result import PooledFit
    from bayes_mlm.engines.pooling.several import PooledSeveralFit
    from bayes_mlm.engines.reml import RemlFit, SeveralFactorsFit

    type Solution = (
        RemlFit | SeveralFactorsFit | GeneralisedFit | OlsFit | PooledFit | PooledSeveralFit
    )


def maximise(name: str, task: Task) -> "Solution":
    """Return the solution of a task by a likelihood engine; of several imputations pooled.

    Raises
    ------
    EngineError
        If the engine draws.
    """
    run = ENGINES[name].run
    if task.design.imputations:
        if task.check:
            raise UnsupportedModelError(
                "a cross-check is of the fit of one data set, and there are "
                f"{len(task.design.imputations)} imputations; check one of them"
            )
        of_one = replace(task, statistics=None, profile=False)  # a profile is of one data set
        parts = [run(replace(of_one, design=one)) for one in task.design.imputations]
        return pool_solutions(parts)
    found = run(task)
    if isinstance(found, Drawn):
        raise EngineError(f"the {ENGINES[name].label} engine draws; use fit_design")
    return found
