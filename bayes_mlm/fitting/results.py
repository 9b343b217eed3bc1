"""What a question takes of a result: its draws, or the likelihood estimate of its model."""

from bayes_mlm.base import DEFAULT_PROB, EngineError, expect
from bayes_mlm.engines import AUTO, ENGINES, likelihood_engine
from bayes_mlm.fitting.estimate import Estimate, estimate_design
from bayes_mlm.fitting.result import Fit


def posterior_of(result: Fit | Estimate) -> Fit | None:
    """Return a result that has draws; None of an estimate."""
    return result if isinstance(result, Fit) else None


def expect_draws(caller: str, *results: Fit | Estimate, likelihood: bool = True) -> None:
    """Refuse what is no result, or of one of its factors, and an estimate, which has no draws.

    By default a pseudo-posterior too, which has no `likelihood`.

    Raises
    ------
    EngineError, SeveralFactorsError, UnsupportedModelError
    """
    for result in results:
        expect(caller, result, Fit, Estimate)
        result.design.require_all_factors(caller)
        if isinstance(result, Estimate):
            raise EngineError(
                f"{caller} needs posterior draws, and {ENGINES[result.engine].label} has none: "
                f"fit with engine={AUTO!r}"
            )
        if likelihood:
            result.design.require_likelihood(caller)


def estimate_of(result: Fit | Estimate, prob: float = DEFAULT_PROB) -> Estimate:
    """Return an estimate as it is, and of a posterior the likelihood estimate, computed once."""
    if isinstance(result, Estimate):
        return result
    known: dict[float, Estimate] = result.estimates
    if prob not in known:
        known[prob] = estimate_design(result.design, request=result.request, prob=prob)
    return known[prob]


def with_estimate(
    result: Fit | Estimate, prob: float, *, wanted: bool = True
) -> tuple[Fit | Estimate, ...]:
    """Return a posterior with the likelihood estimate of its design; an estimate alone."""
    if not wanted or isinstance(result, Estimate) or not likelihood_engine(result.design):
        return (result,)
    return result, estimate_of(result, prob)
