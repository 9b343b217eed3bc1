"""Draw from a posterior by an engine, or by the first that can; and what its verdict omits."""

from bayes_mlm.base import EngineError, Finding
from bayes_mlm.engines import AUTO, ENGINES, Drawn, Draws, Engine, Task, cautions, check_engine
from bayes_mlm.fitting.waiting import waiting
from bayes_mlm.likelihood import unidentified
from bayes_mlm.moments import GroupMoments, rotate_moments


def draw(engine: str, task: Task) -> tuple[str, str, Drawn]:
    """Draw; return the engine, the reason for it, and the draws. "auto": the first that can."""
    if engine != AUTO:
        check_engine(engine, task.design, task.priors)
        found = _run(ENGINES[engine], task)
        return engine, "requested", found
    passed = ""
    for name, one in ENGINES.items():
        if not one.draws or one.refusal_of_weights(task.design):
            continue
        reason = one.refusal(task.design, task.priors)
        if not reason:
            found = _run(one, task)
            if found.trusted:
                return name, passed or found.how, found
            reason = str(found.verdict)
        passed = passed or f"not {one.label}: {reason}"
    raise EngineError(f"no engine can draw from this posterior: {passed}")


def _run(engine: Engine, task: Task) -> Drawn:
    """Run an engine, and show that it runs; chains have a bar of their own."""
    text = f"drawing from the posterior of {task.design.formula} ({engine.label})"
    with waiting(text, shown=task.progressbar and not engine.has_chains):
        found = engine.run(task)
    assert isinstance(found, Drawn)  # for mypy: it draws
    return found


def cautions_on(
    task: Task, engine: str, draws: Draws, statistics: GroupMoments | None
) -> list[Finding]:
    """List what the engine's verdict does not cover."""
    design, priors = task.design, task.priors
    assert priors is not None  # for mypy
    independent = ENGINES[engine].independent
    found = cautions(design, priors, draws.n_chains * draws.n_draws if independent else None)
    plain = len(priors.groups) == 1 and design.family.is_additive
    if not independent and plain and statistics is not None:
        # The direct engine's report says this itself.
        notes = unidentified(rotate_moments(statistics), correlated=priors.rho_u is not None)
        found += [Finding("identification", False, note) for note in notes]
    return found
