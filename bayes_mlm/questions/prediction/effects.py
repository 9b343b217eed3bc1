"""Draws of the effects of the groups of predicted rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.design import sum_effects
from bayes_mlm.engines import effects_of_groups, effects_root
from bayes_mlm.fitting import Fit
from bayes_mlm.questions.prediction.result import GroupStatus
from bayes_mlm.questions.prediction.rows import TermRows

# Rows and groups processed at a time.
_ROWS, _GROUPS = 1_000, 250


type Effects = Callable[[Ints], Floats] | None


def effects_for(fit: Fit, status: GroupStatus, rng: np.random.Generator, *, drawn: bool) -> Effects:
    """Return a function that draws the effects (S, G, q) of groups; None where none are needed."""
    if status == "mean" or (status == "new" and not drawn):
        return None
    if status == "new":
        root = effects_root(fit.draws)

        def new_groups(codes: Ints) -> Floats:
            noise = rng.standard_normal((len(root), codes.size, root.shape[1]))
            return np.asarray(noise @ root.swapaxes(1, 2))

        return new_groups
    if fit.design.kind == "no_pooling" and "u" not in fit.draws.posterior:
        raise EngineError(
            "the group-specific intercepts of so many groups were summarised, not drawn; fit "
            "with fewer draws (draws=..., --draws) to predict from them"
        )
    return effects_of_groups(fit.design, fit.draws, rng)


@dataclass(frozen=True, kw_only=True, eq=False)
class TermEffects:
    """Effects `u` (S, G, q) of one group term on some rows."""

    u: Floats
    places: Ints
    Z: Floats
    status: GroupStatus

    def add_to(self, values: Floats) -> None:
        """Add the effects to linear predictors (S, b), in place."""
        values += sum_effects(self.u, self.places, self.Z)


def batches(
    groups: Sequence[TermRows], effects: Sequence[Effects]
) -> Iterator[tuple[Ints, list[TermEffects]]]:
    """Return the rows in batches, with the effects of their groups in each term.

    With one factor a batch has a limited number of groups, whose effects are drawn together.

    Yields
    ------
    rows : ndarray of int, shape (b,)
    terms : list of TermEffects
        Of the terms with drawn effects.
    """
    if len(groups) == 1:
        for rows, places, u in _by_group(groups[0].codes, effects[0]):
            one = groups[0]
            part = (
                None
                if u is None
                else TermEffects(u=u, places=places, Z=one.Z[rows], status=one.status)
            )
            yield rows, [] if part is None else [part]
        return
    drawn = []
    for term, draw in zip(groups, effects, strict=True):
        known, places = np.unique(term.codes, return_inverse=True)
        if draw is not None:
            drawn.append((draw(known), places, term))
    for rows in np.split(np.arange(n := groups[0].codes.size), range(_ROWS, n, _ROWS)):
        yield (
            rows,
            [
                TermEffects(u=u, places=at[rows], Z=term.Z[rows], status=term.status)
                for u, at, term in drawn
            ],
        )


def _by_group(codes: Ints, effects: Effects) -> Iterator[tuple[Ints, Ints, Floats | None]]:
    order = np.argsort(codes, kind="stable")
    known, first = np.unique(codes[order], return_index=True)
    ends = np.append(first, codes.size)
    for start in range(0, known.size, _GROUPS):
        some = known[start : start + _GROUPS]
        u = None if effects is None else effects(some)
        inside = order[ends[start] : ends[start + some.size]]
        for begin in range(0, inside.size, _ROWS):
            rows = inside[begin : begin + _ROWS]
            yield rows, np.searchsorted(some, codes[rows]), u
