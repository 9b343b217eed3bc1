"""Registry of the engines: what each is called, what it cannot fit, and how it is run.

It is the only list of engines: options, messages, the order of "auto" and the table of a paper read
it. Functions import what they need when they run, so that the list itself costs nothing.
"""

from typing import TYPE_CHECKING, Literal

from bayes_mlm.base import EngineError, Registry, UnsupportedModelError, check_choice
from bayes_mlm.engines.engine import Drawn, Engine, Task
from bayes_mlm.formula import refuse_several

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bayes_mlm.design import Design
    from bayes_mlm.engines.generalised.result import GeneralisedFit
    from bayes_mlm.engines.ols import OlsFit
    from bayes_mlm.engines.reml import RemlFit, SeveralFactorsFit
    from bayes_mlm.likelihood import Method, ModelPriors

AUTO = "auto"
# For editors and help; a registered engine has a name of its own.
type EngineName = Literal["auto", "direct", "nuts", "reml", "ml", "ols", "pml", "pseudo"] | str

ENGINES = Registry[Engine]("engine", EngineError)


def engine_names(
    *, drawing: bool = False, auto: bool = True, weighted: bool = True
) -> tuple[str, ...]:
    """Return the names that an option takes, "auto" first.

    Parameters
    ----------
    drawing : bool
        Only those that draw from the posterior.
    auto : bool
        With "auto".
    weighted : bool
        With those that fit models with survey weights and no others.

    Examples
    --------
    >>> engine_names(drawing=True), engine_names(drawing=True, auto=False, weighted=False)
    (('auto', 'direct', 'nuts', 'pseudo'), ('direct', 'nuts'))
    """
    names = tuple(
        name
        for name, one in ENGINES.items()
        if (one.draws or not drawing) and (weighted or not one.weighted)
    )
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
    weights = one.refusal_of_weights(design)
    if not one.several_factors and not weights:
        refuse_several(design.factors, f"the {one.label} engine", "use engine='auto'")
    reason = weights or one.why_not(design, priors)
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


def _run_pseudo(task: Task) -> "RemlFit":
    from bayes_mlm.engines.pseudo import fit_pseudo

    design = task.design
    found = fit_pseudo(
        design.whole,
        level=task.prob,
        statistics=task.statistics if design.sample_of is None else None,
    )
    return found if design.sample_of is None else found.of_groups(design)


def _run_imputations(tasks: "Sequence[Task]") -> "list[RemlFit]":
    from bayes_mlm.engines.pseudo import fit_imputations

    return [*fit_imputations([one.design for one in tasks], level=tasks[0].prob)]


def _draw_pseudo(task: Task) -> Drawn:
    from bayes_mlm.engines.pseudo import sample_pseudo

    return sample_pseudo(task)


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
    Engine(
        name="pml",
        label="pseudo-ML",
        draws=False,
        what="pseudo-maximum likelihood, under survey weights",
        why_not=lambda *_: "",
        run=_run_pseudo,
        run_several=_run_imputations,
        estimates="most likely variances and coefficients by the pseudo-likelihood of the weights",
        weighted=True,
    ),
    Engine(
        name="pseudo",
        label="pseudo-posterior",
        draws=True,
        what="draws of the pseudo-posterior, under survey weights",
        why_not=_not_direct,
        run=_draw_pseudo,
        estimates="mean of draws of the pseudo-posterior, adjusted to errors under weights",
        independent=True,
        weighted=True,
    ),
):
    ENGINES.register(_engine.name, _engine)
