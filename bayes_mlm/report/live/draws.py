"""Posterior draws of a model, as a page embeds them that compares profiles and groups."""

from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.data import label_text
from bayes_mlm.design import INTERCEPT, column_moments, expected_name
from bayes_mlm.fitting import Fit
from bayes_mlm.report.live.model import (
    MOST_GROUPS,
    MOST_TERMS,
    LiveModel,
    as_json,
    categories,
    check_disclosure,
    products,
)

SCRIPTS = ("common.js", "draws.js")
# Draws that are kept, as evenly spaced ones; of fewer the ends of intervals would be poor.
MOST_DRAWS, FEWEST_DRAWS = 1_000, 200
# Numbers in a page: at seven digits, three megabytes.
MOST_NUMBERS = 300_000


def why_no_draws(fit: Fit) -> str:
    """Return why a page cannot predict from draws of a model, in a clause; "" if it can."""
    design = fit.design
    if design.family.thresholds is not None:
        return "its outcome has ordered categories"
    if design.p > MOST_TERMS:
        return f"it has more than {MOST_TERMS} coefficients"
    for one in design.group_terms:
        absent = [name for name in one.effects if name not in design.terms]
        if absent:
            return f"{', '.join(absent)} varies by {one.factor} and has no coefficient"
    return ""


def draws_of(fit: Fit, why: str, *, least_rows: int) -> LiveModel:
    """Return draws of coefficients, covariances and group effects, with which a page predicts.

    Parameters
    ----------
    fit : Fit
        Of a mean through a link (`why_no_draws`).
    why : str
        Why the page does not refit it, in a clause.
    least_rows : int
        Groups of fewer rows, whose effects would disclose them, are refused.

    Raises
    ------
    StorageError
        If a group has fewer rows.
    """
    design, values = fit.design, fit.values
    terms = list(design.terms)
    used = [one for one in design.group_terms if one.q]
    drawn = [one for one in values.factors if one.cov_u.shape[1]]
    shares = sum(one.q * (one.q + 1) // 2 for one in used) + design.p
    effects = sum(one.q * one.J for one in used)
    known = all(one.u is not None for one in drawn) and sum(one.J for one in used) <= MOST_GROUPS
    known &= MOST_NUMBERS // (shares + effects) >= FEWEST_DRAWS
    for one in used if known else ():
        check_disclosure(one.sizes, least_rows)
    total = len(values.beta)
    kept = min(total, MOST_DRAWS, MOST_NUMBERS // (shares + (effects if known else 0)))
    places = np.arange(kept) * total // kept
    moments, factors = column_moments(design), []
    for one, of in zip(used, drawn, strict=True):
        lower = np.tril_indices(one.q)
        u = of.u[places].reshape(kept, -1) if known and of.u is not None else np.empty((kept, 0))
        factors.append(
            {
                "name": one.factor,
                "effects": [terms.index(name) for name in one.effects],
                "covariance": _numbers(of.cov_u[places][:, *lower]),
                "labels": [label_text(label) for label in one.labels.tolist()] if known else [],
                "u": _numbers(u),
            }
        )
    found: dict[str, Any] = {
        "outcome": expected_name(design),
        "terms": terms,
        "intercept": terms.index(INTERCEPT) if INTERCEPT in terms else -1,
        "products": products(design.terms),
        "categories": categories(design),
        "overall": moments.x_mean.tolist(),
        "sd": moments.x_sd.tolist(),
        "link": design.family.link,
        "ratio": design.family.ratio_name,
        "beta": _numbers(values.beta[places]),
        "factors": factors,
    }
    groups = "" if known or not used else "; effects of its groups are too many for a page"
    offset = " The offset is zero (an exposure of one)." if design.formula.offsets else ""
    text = (
        f"This page does not refit {fit.title}, since {why}. It holds {kept:,} of its {total:,} "
        f"posterior draws{groups}, and computes from them what is expected at two profiles of the "
        "predictors: in a new group (averaged over the distribution of groups), in a group whose "
        f"effects are zero, or in one of those observed.{offset} Posterior means and intervals "
        "with equal tails."
    )
    return LiveModel(
        data=as_json(found), scripts=SCRIPTS, title="Expected outcomes at other profiles", text=text
    )


def _numbers(values: Floats) -> list[list[float]]:
    """Return rows of numbers with seven digits."""
    return [[float(f"{one:.7g}") for one in row] for row in values.tolist()]
