"""Cautions that no sampler's diagnostics can raise: a model whose data or priors mislead."""

import numpy as np

from bayes_mlm.base import Finding, count
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.likelihood import ModelPriors

# How many sds zero may lie from the mean of a column whose slope varies between groups, where
# intercept and slope are independent (||): they are so at zero, and nowhere else.
MAX_OFFSET = 3.0
# With fewer residual groups than this, a flat prior on sigma_u gives it no posterior sd.
LEAST_GROUPS_FOR_FLAT = 4
# As many independent draws as are required of Markov chains.
LEAST_DRAWS = 400


def cautions(design: Design, priors: ModelPriors, n_independent: int | None) -> list[Finding]:
    """Return findings on a model and its priors, however exact the computation.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : ModelPriors
    n_independent : int or None
        Number of independent draws; None for Markov chains, which are judged by their ESS.

    Returns
    -------
    list of Finding
        Empty if there are none.
    """
    found = [*cautions_on_model(design), *_cautions_on_outcomes(design)]
    for place, group_priors in enumerate(priors.groups):
        flat, view = (
            [one for one in group_priors.sigma_u if not one.is_proper],
            design.of_factor(place),
        )
        if not flat or view.J - _group_columns(view) >= LEAST_GROUPS_FOR_FLAT:
            continue
        found.append(
            Finding(
                "moments",
                False,
                f"with {view.J} groups a flat prior on sigma_u gives no posterior mean or "
                "sd; give it a proper prior such as HalfNormal",
            )
        )
    if n_independent is not None and n_independent < LEAST_DRAWS:
        found.append(
            Finding(
                "draws",
                False,
                f"{n_independent} independent draws, fewer than {LEAST_DRAWS}: raise --draws",
            )
        )
    return found


def cautions_on_model(design: Design) -> list[Finding]:
    """Return findings on the model, whichever engine fits it."""
    if len(design.factors) > 1:
        views = map(design.of_factor, range(len(design.factors)))
        return list(dict.fromkeys(one for view in views for one in cautions_on_model(view)))
    if INTERCEPT not in design.effects or design.kind == "no_pooling":
        return []
    found = []
    moments = column_moments(design)
    for effect, mean, sd in zip(design.effects, moments.z_mean, moments.z_sd, strict=True):
        if effect != INTERCEPT and abs(mean) > MAX_OFFSET * sd:
            where = f"{effect} is {count(abs(mean) / sd)} sds from zero on average, where "
            remedy = f"; centre it: center({effect}) in the formula and in the bar"
            if design.group_term.correlated:
                what = "sigma_u[Intercept] and rho_u are reported, far from the data"
            else:
                what = (
                    "|| holds intercepts and slopes independent, so that they correlate wherever "
                    "there are data"
                )
            found.append(Finding("offset", design.group_term.correlated, f"{where}{what}{remedy}"))
    return found


def _cautions_on_outcomes(design: Design) -> list[Finding]:
    """Return what the likelihood does not bound, of outcomes for which that is cheap to find."""
    if design.family.residual_sd is not None or design.aggregated is not None:
        return []
    from bayes_mlm.engines.generalised.separation import notes_on_separation  # loads numba

    return [Finding("separation", True, note, always=True) for note in notes_on_separation(design)]


def _group_columns(design: Design) -> int:
    return 1 if design.base is None else int(np.count_nonzero(~design.base.varies))
