"""Rows of families without a residual sd: the latent icc, median ratios, exponentiated betas."""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bayes_mlm.base import Array, rounded
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.engines import EstimateRow, Interval
from bayes_mlm.fitting import derived
from bayes_mlm.likelihood import group_parameters
from bayes_mlm.model import Family

_BETA = "beta["


def ratio_of(family: Family, quantity: str) -> str:
    """Return what exp() of a coefficient is called: ``odds_ratio[ses]``; of an intercept odds.

    Examples
    --------
    >>> from bayes_mlm.model import FAMILIES
    >>> [ratio_of(FAMILIES["bernoulli"], f"beta[{one}]") for one in ("ses", "Intercept")]
    ['odds_ratio[ses]', 'odds[Intercept]']
    """
    term = quantity.removeprefix(_BETA).removesuffix("]")
    name = family.ratio_name.removesuffix(" ratio") if term == INTERCEPT else family.ratio_name
    return f"{name.replace(' ', '_')}[{term}]"


def median_name(family: Family, factor: str = "") -> str:
    """Return the name of the median ratio: ``median_odds_ratio``, of a factor in brackets."""
    name = f"median_{family.ratio_name.replace(' ', '_')}"
    return f"{name}[{factor}]" if factor else name


def exponentiated_draws(named: Mapping[str, Array], family: Family) -> dict[str, Array]:
    """Return draws with those of the coefficients exponentiated, under the names of ratios.

    Raises
    ------
    UnsupportedModelError
        If the family has no ratios.
    """
    family.require_ratio()
    return {
        ratio_of(family, name) if name.startswith(_BETA) else name: (
            np.exp(values) if name.startswith(_BETA) else values
        )
        for name, values in named.items()
    }


def exponentiated_rows(rows: list[EstimateRow], family: Family) -> list[EstimateRow]:
    """Return rows of a maximum with the coefficients as ratios: delta method, exp() of the ends.

    Raises
    ------
    UnsupportedModelError
        If the family has no ratios.
    """
    family.require_ratio()
    found = []
    for name, estimate, error, span in rows:
        if not name.startswith(_BETA):
            found.append((name, estimate, error, span))
            continue
        ratio = math.exp(estimate)
        spread = None if error is None else ratio * error
        found.append((ratio_of(family, name), ratio, spread, _carried(span, math.exp)))
    return found


def ratio_note(family: Family, *, drawn: bool) -> str:
    """Return what a table of exponentiated coefficients says of them."""
    what = (
        "mean, sd and interval are of the exponentiated draws"
        if drawn
        else "exp() of the estimate and of the ends of its interval, se by the delta method"
    )
    name = family.ratio_name.replace(" ", "_")
    return f"{name}[x]: exp(beta[x]), {what}; other rows are in {family.predictor_scale}"


def latent_quantities(design: Design, sd_of: Callable[[str], Array | None]) -> dict[str, Array]:
    r"""Return icc of the latent outcome and median ratios, from sds of random intercepts.

    .. math:: \mathrm{icc}_f = \sigma_f^2 / (\sum_g \sigma_g^2 + \sigma_d^2)

    with the variance :math:`\sigma_d^2` of the latent outcome given its linear predictor. Empty of
    additive families, whose residual sd is estimated; without an icc where slopes are random or
    there is no latent outcome, without a median ratio where exp() of a coefficient is no ratio.

    Parameters
    ----------
    design : Design
    sd_of : callable
        The name of an sd to its values, any shape; None of one that is not estimated.

    References
    ----------
    Goldstein, Browne & Rasbash (2002), Understanding Statistics 1(4), sec. 2.2; `median_ratio`.
    """
    family = design.family
    found: dict[str, Array] = {}
    groups = group_parameters(design)
    if family.is_additive or not groups:
        return found
    several = len(groups) > 1
    # Of each factor with a random intercept alone.
    sds = {
        str(design.factors[k]) if several else "": values
        for k, one in enumerate(groups)
        if not one.sigma_u.dims and (values := sd_of(one.sigma_u.name)) is not None
    }
    if family.latent_variance is not None and len(sds) == len(groups):
        total = sum(np.square(values) for values in sds.values()) + family.latent_variance
        for factor, values in sds.items():
            found[f"icc[{factor}]" if factor else "icc"] = np.square(values) / total
    if family.ratio_name:
        for factor, values in sds.items():
            found[median_name(family, factor)] = derived.median_ratio(values)
    return found


def latent_rows(rows: list[EstimateRow], design: Design) -> Iterator[EstimateRow]:
    """Yield the same of a maximum: delta method; ends are those of the interval of the sd.

    Both rise with the sd, so that its profile interval goes over exactly. The icc of one of several
    factors depends on all sds, and has no interval.
    """
    by_name = {name: (estimate, error, span) for name, estimate, error, span in rows}
    groups = group_parameters(design)
    # Of each random intercept by the name of its sd as a variable; rows have that of tables.
    row_of = {one.sigma_u.name: by_name.get(one.sd_names[0]) for one in groups}

    def estimated(name: str) -> Array | None:
        row = row_of[name]
        return None if row is None else np.asarray(row[0])

    for quantity, value in latent_quantities(design, estimated).items():
        of = quantity.partition("[")[2].rstrip("]")
        row = row_of[groups[design.factors.index(of) if of else 0].sigma_u.name]
        if row is None:
            continue
        sd, error, span = row
        is_icc = quantity.startswith("icc")
        if is_icc and of:
            yield quantity, float(value), None, None
            continue
        share = float(value)
        slope = derived.MEDIAN * share
        if is_icc:
            slope = 2.0 * share * (1.0 - share) / sd if sd > 0 else 0.0

        def moved(end: float, quantity: str = quantity) -> float:
            if math.isinf(end):
                return 1.0 if quantity.startswith("icc") else math.inf
            return float(latent_quantities(design, lambda _: np.asarray(end))[quantity])

        yield quantity, share, None if error is None else slope * error, _carried(span, moved)


def _carried(span: Interval | None, move: Callable[[float], float]) -> Interval | None:
    """Return an interval whose ends are moved by a rising function; missing ones stay so."""
    if span is None:
        return None
    ends = (end if math.isnan(end) else move(end) for end in (span.lower, span.upper))
    lower, upper = ends
    return Interval(lower=lower, upper=upper, level=span.level, method=span.method)


def latent_notes(design: Design, quantities: list[str]) -> tuple[str, ...]:
    """Return what the legend of a summary says of the latent icc and of median ratios."""
    family, notes = design.family, []
    if family.latent_variance is not None and any(one.startswith("icc") for one in quantities):
        notes.append(
            f"icc: of the latent outcome, whose variance given the linear predictor is "
            f"{rounded(family.latent_variance)} ({family.link}); on the scale of {design.outcome} "
            "see variance_by_level"
        )
    name = median_name(family)
    if family.ratio_name and any(one.startswith(name) for one in quantities):
        notes.append(
            f"{name}: of two rows with equal predictors in two groups taken at random, the median "
            f"of the {family.ratio_name}, larger to smaller"
        )
    return tuple(notes)
