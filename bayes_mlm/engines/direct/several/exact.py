"""Draw with every proposal evaluated by a factorisation of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import draw_beta
from bayes_mlm.engines.direct.posterior import Sums, Variances, join_sums
from bayes_mlm.engines.direct.propriety import check_proper
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.engines.direct.several.start import choose_start
from bayes_mlm.engines.direct.variances import draw_by_importance

# Numbers of u that are held at a time.
_CHUNK = 2_000_000
# Values in a batch whose sums are kept, at least, and numbers in all that are.
_LARGE, _MOST_KEPT = 2_000, 20_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralDraws:
    """The S draws of all parameters, in either way, and what is known of the group effects.

    Attributes
    ----------
    at : Variances
    log_density, log_weight : (S,) arrays
        As in `bayes_mlm.engines.direct.variances.VarianceDraws`.
    beta : (S, p) array
    effects : tuple of (S, J, q) arrays
        Of each term; empty if they were not drawn.
    mean, sd : tuple of (J, q) arrays
        Of each term, where they are summarised; else empty.
    report : DirectReport
    """

    at: Variances
    log_density: Floats
    log_weight: Floats
    beta: Floats
    effects: tuple[Floats, ...] = ()
    mean: tuple[Floats, ...] = ()
    sd: tuple[Floats, ...] = ()
    report: DirectReport


class _Evaluated:
    """The sums of the proposals, so that those of the draws among them need no factorisation."""

    def __init__(self, problem: SeveralProblem) -> None:
        self.problem = problem
        self._at: list[Floats] = []
        self._sums: list[Sums] = []
        self._room = _MOST_KEPT // (problem.p + 1) ** 2

    def sums(self, at: Variances) -> Sums:
        """Evaluate the sums, and keep those of large batches."""
        found, n = self.problem.sums(at), len(at.log_sigma_e)
        if n >= _LARGE and n <= self._room:
            self._room -= n
            self._at.append(np.column_stack([at.log_sigma_u, at.log_sigma_e]))
            self._sums.append(found)
        return found

    def known(self, at: Variances) -> Sums | None:
        """Return the sums at values that were all evaluated; else None."""
        if not self._at:
            return None
        before, now = np.concatenate(self._at), np.column_stack([at.log_sigma_u, at.log_sigma_e])
        order = np.argsort(before[:, 0])
        place = order[np.searchsorted(before[order, 0], now[:, 0]) % len(order)]
        if not (before[place] == now).all():
            return None
        return join_sums(self._sums).part(place)


def draw_exactly(
    problem: SeveralProblem,
    n_draws: int,
    rng: np.random.Generator,
    *,
    effects: bool,
    keep: bool,
) -> SeveralDraws:
    """Draw by importance sampling, the group effects from their exact conditional distribution.

    Parameters
    ----------
    problem : SeveralProblem
    n_draws : int
    rng : numpy.random.Generator
    effects : bool
        Whether the group effects are wanted.
    keep : bool
        Whether all their draws are; else means and sds.
    """
    start = choose_start(problem)
    check_proper(problem, start)
    evaluated = _Evaluated(problem)
    remembering = replace(problem, approximation=evaluated.sums)
    variances = draw_by_importance(remembering, start, n_draws, rng)
    at = variances.at
    drawn = SeveralDraws(
        at=at,
        log_density=variances.log_density,
        log_weight=variances.log_weight,
        beta=draw_beta(problem, at, rng, evaluated.known(at)),
        report=variances.report,
    )
    if not effects:
        return drawn
    parts = _effect_parts(problem, at, drawn.beta, rng)
    if keep:
        kept = list(parts)
        return replace(drawn, effects=tuple(map(np.concatenate, zip(*kept, strict=True))))
    mean, sd = _summary(parts, n_draws)
    return replace(drawn, mean=mean, sd=sd)


def _effect_parts(
    problem: SeveralProblem, at: Variances, beta: Floats, rng: np.random.Generator
) -> Iterator[tuple[Floats, ...]]:
    """Draw the group effects a part of the draws at a time."""
    n_effects = problem.system.products.n_effects
    step = max(1, _CHUNK // n_effects)
    for start in range(0, len(beta), step):
        part = slice(start, start + step)
        some = at.part(part)
        noise = rng.standard_normal((len(some.log_sigma_e), n_effects))
        relative = problem.relative(some)
        yield problem.system.draw(relative, np.exp(some.log_sigma_e), beta[part], noise)


def _summary(
    parts: Iterator[tuple[Floats, ...]], n_draws: int
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Return means and sds (J, q) of draws that are not kept, of each term."""
    total: list[Floats] = []
    squares: list[Floats] = []
    for some in parts:
        total = _added(total, [one.sum(axis=0) for one in some])
        squares = _added(squares, [np.square(one).sum(axis=0) for one in some])
    mean = tuple(one / n_draws for one in total)
    sd = tuple(
        np.sqrt(np.maximum(two / n_draws - one**2, 0.0))
        for one, two in zip(mean, squares, strict=True)
    )
    return mean, sd


def _added(total: list[Floats], more: list[Floats]) -> list[Floats]:
    return [a + b for a, b in zip(total, more, strict=True)] if total else more
