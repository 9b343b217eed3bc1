"""What a page holds of its model to compute with: sufficient statistics and priors, or draws."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Ints, StorageError, count
from bayes_mlm.data import label_text
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.fitting import Fit
from bayes_mlm.model import Prior

# Larger pages open slowly.
MOST_GROUPS, MOST_TERMS = 2_000, 30
_TEXT = (
    "This page holds the sums by group of {}, not its rows, and computes its posterior and REML "
    "estimate anew when you change the prior of sigma_u, omit predictors or groups, or compare "
    "other profiles. Priors of coefficients stay as they were; the intercept's is stated where the "
    "predictors are at the means of all rows. Posterior means and intervals with equal tails, by "
    "quadrature; expectations of profiles are for a group whose effect is zero."
)
SCRIPTS = ("common.js", "posterior.js", "controls.js")
_SD_PRIORS = ("HalfNormal", "HalfCauchy", "HalfStudentT", "Exponential", "Flat")


@dataclass(frozen=True, kw_only=True)
class LiveModel:
    """What a page holds of its main model, and the scripts that compute with it.

    Parameters
    ----------
    data : str
        JSON, safe inside a script element.
    scripts : tuple of str
        Names of files of this package, in order.
    title, text : str
        Of the section.
    """

    data: str
    scripts: tuple[str, ...]
    title: str
    text: str


def as_json(found: dict[str, Any]) -> str:
    """Return a model as JSON in which no tag may end the script element that holds it."""
    return json.dumps(found, allow_nan=False).replace("<", "\\u003c")


def check_disclosure(sizes: Ints, least_rows: int) -> None:
    """Refuse groups of few rows, which what a page holds of them would disclose.

    Raises
    ------
    StorageError
        If a group has fewer rows.
    """
    small = int(np.count_nonzero(sizes < least_rows))
    if small:
        raise StorageError(
            f"{count(small, 'group')} of {sizes.size} have fewer than {least_rows} rows, and the "
            "page would disclose these: it holds sums or effects of each group; write the report "
            "without --live, join small groups, or lower --least-rows"
        )


def why_not_refitted(fit: Fit) -> str:
    """Return why a page cannot refit a model, in a clause; "" if it can."""
    design = fit.design
    if design.weights is not None:
        return "it has survey weights, whose pseudo-posterior the page does not draw"
    if not design.family.gaussian_moments or design.residual is not None:
        return "its outcome is not Gaussian with one residual sd"
    if len(design.group_terms) != 1 or design.group_term.q != 1 or design.kind != "partial_pooling":
        return "it is not a model of one grouping factor with random intercepts"
    moments = design.moments()
    z = moments.means[:, moments.p] + moments.centre[moments.p]
    if not np.allclose(z, 1.0) or np.abs(moments.scatter[:, moments.p]).max() > 0:
        return "its group effects are slopes, not intercepts"
    if moments.J > MOST_GROUPS or moments.p > MOST_TERMS:
        return f"it has more than {MOST_GROUPS:,} groups or {MOST_TERMS} coefficients"
    named = fit.priors.by_name(design)
    for name, prior in named.items():
        if prior.family not in (_SD_PRIORS if name.startswith("sigma") else ("Normal", "Flat")):
            return f"the prior of {name} is {prior}; the page knows normal priors of coefficients"
    return ""


def sums_of(fit: Fit, *, least_rows: int) -> LiveModel:
    """Return the sums and priors of a model with random intercepts, which the page refits.

    Parameters
    ----------
    fit : Fit
        Gaussian, of one grouping factor, with random intercepts (`why_not_refitted`).
    least_rows : int
        Groups of fewer rows, whose sums would disclose them, are refused.

    Raises
    ------
    StorageError
        If a group has fewer rows.
    """
    design, moments = fit.design, fit.design.moments()
    check_disclosure(design.group_sizes, least_rows)
    p = moments.p
    kept = [*range(p), p + moments.q]
    lower = np.tril_indices(p + 1)
    overall, sd = moments.moments
    priors = fit.priors.by_name(design)
    coefficients = list(priors.values())[:p]
    found = {
        "outcome": design.outcome_title,
        "group": design.group,
        "terms": list(moments.terms),
        "intercept": moments.terms.index(INTERCEPT) if INTERCEPT in moments.terms else -1,
        "labels": [label_text(label) for label in moments.labels.tolist()],
        "counts": moments.counts.tolist(),
        "overall": overall[kept].tolist(),
        "sd": sd[kept].tolist(),
        "means": (moments.means + moments.centre)[:, kept].tolist(),
        "scatter": [one[np.ix_(kept, kept)][lower].tolist() for one in moments.scatter],
        "priors": {
            "beta": [_prior(one) if one.is_proper else None for one in coefficients],
            "sigma_u": _prior(priors["sigma_u"]),
            "sigma_e": _prior(priors["sigma_e"]),
        },
        "products": products(moments.terms),
        "categories": categories(design),
    }
    return LiveModel(
        data=as_json(found),
        scripts=SCRIPTS,
        title="The model under other assumptions",
        text=_TEXT.format(fit.title),
    )


def _prior(prior: Prior) -> dict[str, Any]:
    return {"family": prior.family, **dict(prior.parameters)}


def categories(design: Design) -> list[dict[str, Any]]:
    """Return the categorical predictors whose columns are indicators, with the places of these."""
    found, terms = [], list(design.terms)
    for one in design.encoding.levels:
        names = [one.name(place) for place in range(len(one.levels))]
        columns = [f"{one.factor}[{name}]" for name in names]
        places = [terms.index(column) if column in terms else -1 for column in columns]
        if min(places[1:]) >= 0:  # the reference may have none
            found.append({"name": one.factor, "levels": names, "places": places})
    return found


def products(terms: tuple[str, ...]) -> list[list[int] | None]:
    """Return the places of the columns that each column is the product of, where it is one."""
    found: list[list[int] | None] = []
    for term in terms:
        parts = term.split(":")
        known = len(parts) > 1 and all(part in terms for part in parts)
        found.append([terms.index(part) for part in parts] if known else None)
    return found
