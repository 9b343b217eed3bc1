"""The Bernoulli family: an outcome that happens or not, 1 or 0."""

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.model.families.successes import family_of_successes
from bayes_mlm.model.family import FAMILIES, Known, alike
from bayes_mlm.model.links import LINKS


def _check_binary(y: Floats, known: Known) -> tuple[str, ...]:
    other = y[(y != 0.0) & (y != 1.0)]
    if other.size:
        raise DataError(
            f"a bernoulli outcome is 0 or 1, and {count(other.size, 'value')} of {y.size:,} are "
            f"neither (first: {other[0]:g}); write C(outcome) to read two categories, use "
            "family='binomial' with '| trials(n)' for counts of successes, or 'cumulative' for "
            "ordered categories"
        )
    return alike(y, known)


BERNOULLI = FAMILIES.register(
    "bernoulli",
    family_of_successes("bernoulli", "Bernoulli", LINKS["logit"], _check_binary, "two levels"),
)
