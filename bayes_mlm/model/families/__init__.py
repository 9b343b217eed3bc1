"""The families of the package, one a file; a family registers itself when it is imported."""

import re

from bayes_mlm.base import SpecError
from bayes_mlm.model.families.bernoulli import BERNOULLI
from bayes_mlm.model.families.beta import BETA
from bayes_mlm.model.families.binomial import BINOMIAL
from bayes_mlm.model.families.cumulative import CUMULATIVE
from bayes_mlm.model.families.gamma import GAMMA
from bayes_mlm.model.families.gaussian import GAUSSIAN
from bayes_mlm.model.families.negative_binomial import NEGATIVE_BINOMIAL
from bayes_mlm.model.families.poisson import POISSON
from bayes_mlm.model.families.student_t import LEAST_NU, STUDENT_T
from bayes_mlm.model.family import FAMILIES, Family

__all__ = [
    "BERNOULLI",
    "BETA",
    "BINOMIAL",
    "CUMULATIVE",
    "FAMILIES",
    "GAMMA",
    "GAUSSIAN",
    "LEAST_NU",
    "NEGATIVE_BINOMIAL",
    "POISSON",
    "STUDENT_T",
    "family_of",
]

_WITH_LINK = re.compile(r"\s*(\w+)\s*(?:\(\s*[\"']?(\w+)[\"']?\s*\))?\s*")


def family_of(text: str, link: str | None = None) -> Family:
    """Return the family that a text names, with its link if that is not the usual one.

    Parameters
    ----------
    text : str
        ``"bernoulli"``, or as brms writes it ``"bernoulli(probit)"``.
    link : str, optional
        Apart from the text.

    Raises
    ------
    SpecError
        If there is no such family, or it has no such link; if two links are named.

    Examples
    --------
    >>> family_of("bernoulli(probit)"), family_of("bernoulli", "cloglog").text
    (<Family 'bernoulli', link 'probit'>, 'bernoulli(cloglog)')
    """
    found = _WITH_LINK.fullmatch(text)
    if found is None:
        return FAMILIES[text]
    name, written = found.groups()
    if written and link and written != link:
        raise SpecError(f"family {text!r} names the link {written!r}, and link={link!r} another")
    return FAMILIES[name].with_link(written or link)
