"""What each choice changes: pairs of models that differ in it alone."""

from collections.abc import Iterator, Sequence

import numpy as np

from bayes_mlm.assess.specifications.choices import Choice
from bayes_mlm.assess.specifications.tables import ChangeRow
from bayes_mlm.base import Floats


def changes_of(
    term: str,
    choices: Sequence[Choice],
    options: Sequence[tuple[str, ...]],
    estimates: Floats,
    errors: Floats,
) -> list[ChangeRow]:
    """Return a row for each pair of options of each choice, the largest mean change first.

    Parameters
    ----------
    term : str
    choices : sequence of Choice
    options : sequence of tuple of str
        Of the models that have the term.
    estimates, errors : ndarray, shape (m,)
        Of the term in these models.
    """
    rows = [
        row
        for place, choice in enumerate(choices)
        for row in _of_choice(term, place, choice, options, estimates, errors)
    ]
    return sorted(rows, key=lambda row: -row.in_se)


def _of_choice(
    term: str,
    place: int,
    choice: Choice,
    options: Sequence[tuple[str, ...]],
    estimates: Floats,
    errors: Floats,
) -> Iterator[ChangeRow]:
    """Iterate over the options after the first, which each is compared with."""
    by_rest: dict[tuple[str, ...], dict[str, float]] = {}
    for taken, estimate in zip(options, estimates.tolist(), strict=True):
        rest = taken[:place] + taken[place + 1 :]
        by_rest.setdefault(rest, {})[taken[place]] = estimate
    total = float(np.square(estimates - estimates.mean()).sum())
    of_option = np.array([taken[place] for taken in options])
    between = sum(
        int(some.sum()) * float(estimates[some].mean() - estimates.mean()) ** 2
        for some in (of_option == one.label for one in choice.options)
        if some.any()
    )
    for first, one in (
        (first, one) for k, first in enumerate(choice.options) for one in choice.options[k + 1 :]
    ):
        pairs = np.array(
            [
                (found[first.label], found[one.label])
                for found in by_rest.values()
                if first.label in found and one.label in found
            ]
        )
        if not len(pairs):
            continue
        change = pairs[:, 1] - pairs[:, 0]
        yield ChangeRow(
            term=term,
            choice=choice.name,
            before=first.label,
            after=one.label,
            pairs=len(pairs),
            mean=float(change.mean()),
            lowest=float(change.min()),
            highest=float(change.max()),
            in_se=float(np.abs(change).mean() / np.median(errors)),
            sign_changes=float((np.sign(pairs[:, 0]) != np.sign(pairs[:, 1])).mean()),
            share=between / total if total > 0.0 else 0.0,
        )
