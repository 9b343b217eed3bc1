"""Registry of the engines: what each is called, what it cannot fit, and how it is run.

It is the only list of engines: options, messages, the order of "auto" and the table of a paper read
it. Functions import what they need when they run, so that the list itself costs nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    Registry,
    UnsupportedModelError,
    Verdict,
    check_choice,
)
from bayes_mlm.formula import refuse_several

if TYPE_CHECKING:
    from collections.abc import Callable

    from bayes_mlm.design import Design
    from bayes_mlm.engines.direct.report import DirectReport
    from bayes_mlm.engines.draws import Draws
    from bayes_mlm.engines.generalised.result import GeneralisedFit
    from bayes_mlm.engines.ols import OlsFit
    from bayes_mlm.engines.reml import RemlFit, SeveralFactorsFit
    from bayes_mlm.engines.settings import Settings
    from bayes_mlm.likelihood import Method, ModelPriors
    from bayes_mlm.moments import GroupMoments

AUTO = "auto"
# For editors and help; a registered engine has a name of its own.
type EngineName = Literal["auto", "direct", "nuts", "reml", "ml", "ols"] | str


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
    """

    design: "Design"
    priors: "ModelPriors | None" = None
    settings: "Settings | None" = None
    statistics: "GroupMoments | None" = None
    prob: float = DEFAULT_PROB
    check: bool = False
    progressbar: bool = False
    profile: bool = True


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
    estimates : str
        What its estimates are, for the note below a table.
    independent : bool
        Whether its draws are independent, so that there are no chains to converge.
    several_factors : bool
        Whether it fits models with several grouping factors.
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
    independent: bool = False
    several_factors: bool = False
    instead: str = ""
    library: str = "bayes-mlm"

    @property
    def has_chains(self) -> bool:
        """Whether it runs Markov chains, whose convergence is to be diagnosed."""
        return self.draws and not self.independent

    def refusal(self, design: "Design", priors: "ModelPriors | None") -> str:
        """Return the reason why it cannot fit a model, in a clause; "" if it can."""
        if len(design.factors) > 1 and not self.several_factors:
            named = ", ".join(design.factors)
            return f"the formula has {len(design.factors)} grouping factors ({named})"
        return self.why_not(design, priors)


ENGINES = Registry[Engine]("engine", EngineError)


def engine_names(*, drawing: bool = False, auto: bool = True) -> tuple[str, ...]:
    """Return the names that an option takes, "auto" first.

    Examples
    --------
    >>> engine_names(drawing=True)
    ('auto', 'direct', 'nuts')
    """
    names = tuple(name for name, one in ENGINES.items() if one.draws or not drawing)
    return (AUTO, *names) if auto else names


def is_drawing(name: str) -> bool:
    """Return whether an engine draws from the posterior ("auto" does).

    Raises
    ------
    EngineError
        If there is no such engine; with the names of those there are.
    """
    check_choice("engine", name, engine_names())
    return name == AUTO or ENGINES[name].draws


def has_chains(name: str) -> bool:
    """Return whether an engine runs Markov chains ("auto" may not)."""
    return name != AUTO and ENGINES[name].has_chains


def check_engine(name: str, design: "Design", priors: "ModelPriors | None" = None) -> None:
    """Refuse an engine that does not exist, or that cannot fit a design.

    Raises
    ------
    EngineError
        If there is no such engine.
    UnsupportedModelError
        With the reason, and an engine that can.
    """
    is_drawing(name)
    if name == AUTO:
        return
    one = ENGINES[name]
    if not one.several_factors:
        refuse_several(design.factors, f"the {one.label} engine", "use engine='auto'")
    reason = one.why_not(design, priors)
    if reason:
        instead = ENGINES[one.instead] if one.instead else None
        can = instead is not None and not instead.refusal(design, priors)
        advice = f'; use engine="{one.instead}"' if can else ""
        raise UnsupportedModelError(
            f"the {one.label} engine cannot fit this model: {reason}{advice}"
        )


def likelihood_engine(design: "Design") -> str:
    """Return the first engine without draws that can fit a design: REML or OLS; "" of none.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> likelihood_engine(build_design("mathach ~ ses", load_dataset("hsb")))
    'ols'
    """
    can = (name for name, one in ENGINES.items() if not one.draws)
    return next((name for name in can if not ENGINES[name].refusal(design, None)), "")


def has_random_effects(design: "Design") -> bool:
    """Return whether a design's group effects have a distribution."""
    return design.has_group_effects and design.kind != "no_pooling"


def _not_reml(design: "Design", _: "ModelPriors | None") -> str:
    if design.family.residual_sd is None:
        return f"there is no REML of {design.family.label} outcomes; use --engine ml"
    if len(design.factors) > 1 and design.residual is not None:
        return f"with several grouping factors it has no {design.errors}; use nuts"
    if has_random_effects(design) or design.residual is not None:
        return ""
    return (
        f"a {design.kind} model has no group effects for REML; use --engine ols, or add "
        "(1 | group) to the formula"
    )


def _not_ml(design: "Design", priors: "ModelPriors | None") -> str:
    if design.family.gaussian_moments or design.family.residual_sd is not None:
        return _not_reml(design, priors)
    from bayes_mlm.engines.generalised import why_not_generalised  # loads numba

    return why_not_generalised(design)


def _not_ols(design: "Design", _: "ModelPriors | None") -> str:
    if design.family.residual_sd is None:
        return f"the {design.family.name} family has no residual sd; use nuts"
    if design.residual is not None:
        return (
            "OLS has independent residuals of one sd, and the model has "
            f"{design.errors}; use --engine reml"
        )
    if has_random_effects(design):
        return (
            f"OLS has no group effects, and the formula '{design.formula}' has; "
            "use --engine reml, or a kind without them"
        )
    return ""


def _not_nuts(design: "Design", _: "ModelPriors | None") -> str:
    from bayes_mlm.design import NEED_ROWS

    return f"{design.family.label} outcomes {NEED_ROWS}" if design.patterns is not None else ""


def _not_direct(design: "Design", priors: "ModelPriors | None") -> str:
    from bayes_mlm.engines.direct import refusal_of

    return refusal_of(design, priors)


def _maximise(method: "Method") -> "Callable[[Task], RemlFit | SeveralFactorsFit]":
    def run(task: Task) -> "RemlFit | SeveralFactorsFit":
        from bayes_mlm.engines.crossed.route import crossed_table_of
        from bayes_mlm.engines.reml import fit_reml, fit_several

        design = task.design
        if len(design.factors) > 1:
            table = crossed_table_of(design)
            if table is None:
                profile = None if task.profile else False
                return fit_several(design, method=method, level=task.prob, profile=profile)
            from bayes_mlm.engines.reml.crossed import fit_crossed  # loads numba

            return fit_crossed(table, design, method=method, level=task.prob)
        found = fit_reml(
            design.whole,
            method=method,
            level=task.prob,
            check=task.check,
            profile=task.profile,
            statistics=task.statistics if design.sample_of is None else None,
        )
        return found if design.sample_of is None else found.of_groups(design)

    return run


def _run_ml(task: Task) -> "RemlFit | SeveralFactorsFit | GeneralisedFit":
    if task.design.family.residual_sd is not None:
        return _maximise("ML")(task)
    if len(task.design.factors) > 1:
        from bayes_mlm.engines.generalised.several import fit_generalised_several

        return fit_generalised_several(task.design, level=task.prob)
    from bayes_mlm.engines.generalised import fit_generalised

    design = task.design
    found = fit_generalised(design.whole, level=task.prob)
    return found if design.sample_of is None else found.of_groups(design)


def _run_ols(task: Task) -> "OlsFit":
    from bayes_mlm.engines.ols import fit_ols

    design = task.design
    found = fit_ols(design.whole, level=task.prob)
    return found if design.sample_of is None else found.of_groups(design)


def _run_direct(task: Task) -> Drawn:
    from bayes_mlm.engines.direct import sample_direct

    assert task.priors is not None and task.settings is not None  # noqa: PT018  for mypy
    found = sample_direct(
        task.design,
        task.priors,
        draws=task.settings.draws,
        chains=task.settings.chains,
        random_seed=task.settings.random_seed,
        statistics=task.statistics,
    )
    report = found.report
    return Drawn(
        draws=found.draws,
        verdict=report.verdict,
        report=report,
        how=report.how,
        trusted=report.trusted,
    )


def _run_nuts(task: Task) -> Drawn:
    from bayes_mlm.engines.diagnostics import diagnose
    from bayes_mlm.engines.nuts import sample_model

    assert task.priors is not None and task.settings is not None  # noqa: PT018  for mypy
    draws = sample_model(task.design, task.priors, task.settings, progressbar=task.progressbar)
    return Drawn(draws=draws, verdict=diagnose(draws))


for _engine in (
    Engine(
        name="direct",
        label="direct",
        draws=True,
        what="exact, independent draws",
        why_not=_not_direct,
        run=_run_direct,
        estimates="mean of independent draws from the exact posterior",
        independent=True,
        several_factors=True,
        instead="nuts",
    ),
    Engine(
        name="nuts",
        label="NUTS",
        draws=True,
        what="Markov chains, for any model",
        why_not=_not_nuts,
        run=_run_nuts,
        estimates="mean of Markov chains that converge to the posterior",
        several_factors=True,
        library="nutpie",
    ),
    Engine(
        name="reml",
        label="REML",
        draws=False,
        what="restricted maximum likelihood",
        why_not=_not_reml,
        run=_maximise("REML"),
        estimates="most likely variances, coefficients by generalised least squares",
        several_factors=True,
    ),
    Engine(
        name="ml",
        label="ML",
        draws=False,
        what="maximum likelihood",
        why_not=_not_ml,
        run=_run_ml,
        estimates="most likely variances and coefficients",
        several_factors=True,
    ),
    Engine(
        name="ols",
        label="OLS",
        draws=False,
        what="least squares, without group effects",
        why_not=_not_ols,
        run=_run_ols,
        estimates="least squares, for models without group effects",
    ),
):
    ENGINES.register(_engine.name, _engine)
