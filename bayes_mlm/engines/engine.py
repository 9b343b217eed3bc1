"""What an engine is: a way to fit a model, what it is given, and what it draws."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_mlm.base import DEFAULT_PROB, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bayes_mlm.design import Design
    from bayes_mlm.engines.direct.report import DirectReport
    from bayes_mlm.engines.draws import Draws
    from bayes_mlm.engines.generalised.result import GeneralisedFit
    from bayes_mlm.engines.ols import OlsFit
    from bayes_mlm.engines.reml import RemlFit, SeveralFactorsFit
    from bayes_mlm.engines.settings import Settings
    from bayes_mlm.likelihood import ModelPriors
    from bayes_mlm.moments import GroupMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A model bound to data, with what an engine needs to fit it.

    Parameters
    ----------
    design : Design
    priors : ModelPriors or None
        For the engines that draw.
    settings : Settings or None
        For the engines that draw.
    statistics : GroupMoments or None
        Per-group sufficient statistics; computed by default.
    prob : float
        Coverage of the intervals of an engine that does not draw.
    check : bool
        Whether statsmodels evaluates the likelihood at a REML estimate.
    progressbar : bool
    profile : bool
        Whether variance parameters get profile intervals, where the engine has them.
    estimate : RemlFit or None
        The pseudo-likelihood estimate of a design with survey weights, where it is known.
    """

    design: "Design"
    priors: "ModelPriors | None" = None
    settings: "Settings | None" = None
    statistics: "GroupMoments | None" = None
    prob: float = DEFAULT_PROB
    check: bool = False
    progressbar: bool = False
    profile: bool = True
    estimate: "RemlFit | None" = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Posterior draws with their verdict; `how` they were made, in a few words, where it differs.

    `trusted` is False where "auto" is to pass on to the next engine.
    """

    draws: "Draws"
    verdict: Verdict
    report: "DirectReport | None" = None
    how: str = ""
    trusted: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """A way to fit a model.

    Parameters
    ----------
    name : str
        In options and results: "reml".
    label : str
        In text and tables: "REML".
    draws : bool
        Whether it draws from the posterior; else it maximises a likelihood.
    what : str
        What it does, in a phrase, for the help.
    why_not : callable
        ``why_not(design, priors) -> str``: the reason why it cannot fit a model, in a clause; "" if
        it can.
    run : callable
        ``run(task) -> Drawn`` of an engine that draws, else RemlFit or OlsFit.
    run_several : callable, optional
        ``run_several(tasks) -> list`` of the solutions of tasks that differ in imputed values
        alone; by default each is run.
    estimates : str
        What its estimates are, for the note below a table.
    independent : bool
        Whether its draws are independent, so that there are no chains to converge.
    several_factors : bool
        Whether it fits models with several grouping factors.
    weighted : bool
        Whether it fits models with survey weights, and no others.
    instead : str
        The engine to use where it cannot, if the reason does not state what to do.
    library : str
        The package that makes the draws, for the attributes of a tree.
    """

    name: str
    label: str
    draws: bool
    what: str
    why_not: "Callable[[Design, ModelPriors | None], str]"
    run: "Callable[[Task], Drawn | RemlFit | SeveralFactorsFit | GeneralisedFit | OlsFit]"
    estimates: str
    run_several: "Callable[[Sequence[Task]], list[RemlFit]] | None" = None
    independent: bool = False
    several_factors: bool = False
    weighted: bool = False
    instead: str = ""
    library: str = "bayes-mlm"

    @property
    def has_chains(self) -> bool:
        """Whether it runs Markov chains, whose convergence is to be diagnosed."""
        return self.draws and not self.independent

    @property
    def maximised(self) -> str:
        """What one that does not draw maximises, in tables."""
        return "log pseudo-likelihood" if self.weighted else "log-likelihood"

    def refusal(self, design: "Design", priors: "ModelPriors | None") -> str:
        """Return the reason why it cannot fit a model, in a clause; "" if it can."""
        if reason := self.refusal_of_weights(design):
            return reason
        if len(design.factors) > 1 and not self.several_factors:
            named = ", ".join(design.factors)
            return f"the formula has {len(design.factors)} grouping factors ({named})"
        return self.why_not(design, priors)

    def refusal_of_weights(self, design: "Design") -> str:
        """Return why it cannot fit a model because of its survey weights, or without any."""
        if self.weighted and design.weights is None:
            return "it is of survey weights, and the model has none; give weights, or use auto"
        if self.weighted or design.weights is None:
            return ""
        return "the model has survey weights, which have no likelihood; use pml, or pseudo (draws)"
