"""The binomial family: a number of successes among a number of trials."""

import numpy as np

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.model.families.successes import family_of_successes
from bayes_mlm.model.family import FAMILIES, Known, alike
from bayes_mlm.model.links import LINKS


def _check_trials(y: Floats, known: Known) -> tuple[str, ...]:
    if "trials" not in known:
        raise DataError(
            "a binomial outcome needs its number of trials: write 'successes | trials(n) ~ ...', "
            "with n a column or a number; for outcomes of 0 and 1 use family='bernoulli'"
        )
    trials = np.broadcast_to(known["trials"], y.shape)
    remedy = "numbers of successes, not shares", "numbers of attempts"
    for values, what, give in zip((y, trials), ("successes", "trials"), remedy, strict=True):
        wrong = np.flatnonzero((values < 0) | (values != np.floor(values)))
        if wrong.size:
            raise DataError(
                f"{what} are counts 0, 1, 2, ..., and {count(wrong.size, 'value')} of {y.size:,} "
                f"are not (first: {values[wrong[0]]:g}, row {wrong[0] + 1}); give {give}"
            )
    wrong = np.flatnonzero(y > trials)
    if wrong.size:
        raise DataError(
            f"successes exceed trials in {count(wrong.size, 'row')} (first: row {wrong[0] + 1}, "
            f"{y[wrong[0]]:g} of {trials[wrong[0]]:g}); trials are all attempts, not the failures"
        )
    empty = int(np.count_nonzero(trials == 0))
    notes = (f"{count(empty, 'row')} without trials say nothing",) if empty else ()
    return (*notes, *alike(y, known))


BINOMIAL = FAMILIES.register(
    "binomial",
    family_of_successes("binomial", "binomial", LINKS["logit"], _check_trials, "number"),
)
