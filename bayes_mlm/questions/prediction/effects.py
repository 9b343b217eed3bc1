"""Give draws of the effects of the groups that rows are predicted in."""

from collections.abc import Callable, Iterator

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.engines import effects_of_groups, effects_root
from bayes_mlm.fitting import Fit
from bayes_mlm.questions.prediction.result import Question

# Rows and groups worked on at a time, so that draws by rows need not all be held.
_ROWS, _GROUPS = 1_000, 250


def sum_effects(u: Floats, places: Ints, Z: Floats) -> Floats:
    """Give what the group effects (S, G, q) add to rows of the groups at `places`: (S, b)."""
    added = np.zeros((len(u), len(Z)))
    for k in range(Z.shape[1]):
        added += u[:, places, k] * Z[:, k]
    return added


type Effects = Callable[[Ints], Floats] | None


def effects_for(fit: Fit, question: Question, rng: np.random.Generator, *, drawn: bool) -> Effects:
    """Give what makes the draws (S, G, q) of the effects of some groups, where they are needed."""
    if question == "population" or (question == "new_group" and not drawn):
        return None
    if question == "new_group":
        root = effects_root(fit.draws)

        def invent(codes: Ints) -> Floats:
            noise = rng.standard_normal((len(root), codes.size, root.shape[1]))
            return np.asarray(noise @ root.swapaxes(1, 2))

        return invent
    if fit.design.kind == "no_pooling" and "u" not in fit.draws.posterior:
        raise EngineError(
            "the own intercepts of so many groups were summarised, not drawn; fit with fewer draws "
            "(draws=..., --draws) to predict from them"
        )
    return effects_of_groups(fit.design, fit.draws, rng)


def batches(codes: Ints, effects: Effects) -> Iterator[tuple[Ints, Ints, Floats | None]]:
    """Go through the rows, some groups at a time, so that rows of a group share its effects.

    Yields
    ------
    rows : ndarray of int, shape (b,)
    places : ndarray of int, shape (b,)
        Of each row's group among the groups of the batch.
    u : ndarray, shape (S, G, q), or None
    """
    order = np.argsort(codes, kind="stable")
    known, first = np.unique(codes[order], return_index=True)
    ends = np.append(first, codes.size)
    for start in range(0, known.size, _GROUPS):
        some = known[start : start + _GROUPS]
        u = None if effects is None else effects(some)
        own = order[ends[start] : ends[start + some.size]]
        for begin in range(0, own.size, _ROWS):
            rows = own[begin : begin + _ROWS]
            yield rows, np.searchsorted(some, codes[rows]), u
