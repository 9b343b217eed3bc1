"""Sufficient statistics and priors of a model, as a page embeds them."""

import json
from typing import Any

import numpy as np

from bayes_mlm.base import StorageError, count
from bayes_mlm.data import label_text
from bayes_mlm.design import INTERCEPT
from bayes_mlm.fitting import Fit
from bayes_mlm.model import Prior

# Larger pages open slowly.
MOST_GROUPS, MOST_TERMS = 2_000, 30
_SD_PRIORS = ("HalfNormal", "HalfCauchy", "HalfStudentT", "Exponential", "Flat")


def why_not_live(fit: Fit) -> str:
    """Return why a page cannot refit a model, in a clause; "" if it can."""
    design = fit.design
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


def live_model(fit: Fit, *, least_rows: int) -> str:
    """Return the sums and priors of a model with random intercepts, as JSON.

    Parameters
    ----------
    fit : Fit
        Gaussian, of one grouping factor, with random intercepts (`why_not_live`).
    least_rows : int
        Groups of fewer rows, whose sums would disclose them, are refused.

    Raises
    ------
    StorageError
        If a group has fewer rows.
    """
    design, moments = fit.design, fit.design.moments()
    small = int(np.count_nonzero(moments.counts < least_rows))
    if small:
        raise StorageError(
            f"{count(small, 'group')} of {moments.J} have fewer than {least_rows} rows, whose "
            "sums in the page would disclose them; write the report without --live, join small "
            "groups, or lower --least-rows"
        )
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
        "products": _products(moments.terms),
    }
    # In a script element: no tag may end it.
    return json.dumps(found, allow_nan=False).replace("<", "\\u003c")


def _prior(prior: Prior) -> dict[str, Any]:
    return {"family": prior.family, **dict(prior.parameters)}


def _products(terms: tuple[str, ...]) -> list[list[int] | None]:
    """Return the places of the columns that each column is the product of, where it is one."""
    found: list[list[int] | None] = []
    for term in terms:
        parts = term.split(":")
        known = len(parts) > 1 and all(part in terms for part in parts)
        found.append([terms.index(part) for part in parts] if known else None)
    return found
