"""Slopes within and between groups, and what their difference amounts to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    DesignError,
    ResultTable,
    check_prob,
    digits,
    expect,
    level,
    probability,
)
from bayes_mlm.design import Design, Pair, pairs_of
from bayes_mlm.fitting import Estimate, Fit

QUANTITIES = ("within", "between", "contextual")


@dataclass(frozen=True, kw_only=True)
class ContextualRow:
    """One slope of one predictor by one engine.

    Parameters
    ----------
    model, engine, predictor : str
    mean : str
        The column of group means that the model has: ``between(ses)`` or ``meanses``.
    quantity : {"within", "between", "contextual"}
        Difference in the outcome for one unit more of the predictor: between members of one
        group; between the means of groups; and the second less the first, which is that between
        two members alike in the predictor whose groups' means are a unit apart.
    estimate, sd : float
        Posterior mean and sd, or estimate and standard error, in outcome units.
    lower, upper : float
        Ends of the interval that the table names.
    above : float or None
        Posterior probability that it is above zero; None for REML and OLS.
    """

    model: str
    engine: str
    predictor: str
    mean: str
    quantity: str
    estimate: float
    sd: float
    lower: float
    upper: float
    above: float | None = None

    @property
    def direction(self) -> float | None:
        """Probability of direction: the posterior probability of the sign that is likelier."""
        return None if self.above is None else max(self.above, 1.0 - self.above)


@dataclass(frozen=True, kw_only=True, repr=False)
class ContextualTable(ResultTable[ContextualRow]):
    """Slopes at both levels of one model by one engine, and whether they can be relied on.

    Parameters
    ----------
    rows : tuple of ContextualRow
        ``table["ses", "contextual"]`` is that of a predictor and a quantity.
    interval : str
        What `lower` and `upper` are: "95% HDI", "95% Wald".
    notes : tuple of str
        Which group mean each predictor has, and what its slopes are averaged over.
    cautions : tuple of str
        Predictors that hardly vary at one level, and standard errors that are too small.
    verdict : Verdict
        Of the fit.
    """

    key = ("predictor", "quantity")
    row_type = ContextualRow

    interval: str

    def __repr__(self) -> str:
        """Return the model and its predictors."""
        names = ", ".join(dict.fromkeys(row.predictor for row in self.rows))
        return f"<ContextualTable of {names} in {self.rows[0].model} by {self.rows[0].engine}>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="predictor"),
            Column(name="quantity", heading="slope", kind="label"),
            Column(name="estimate", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=self.interval, kind="interval"),
            Column(name="above", heading="P(> 0)", kind="probability"),
        )


def contextual_effects(
    fit: Fit | Estimate, *, means: Mapping[str, str] | None = None, prob: float = DEFAULT_PROB
) -> ContextualTable:
    """Return the slopes within and between groups and their difference.

    Parameters
    ----------
    fit : Fit or Estimate
        Of the mundlak kind, or with ``between(x)`` next to ``x`` or ``within(x)``, or with a
        column of the data's own that holds the group means of ``x``.
    means : mapping of str to str, optional
        Such columns by predictor, ``{"ses": "meanses"}``; those that follow the rows' own means
        closely are found without.
    prob : float
        Of the intervals.

    Returns
    -------
    ContextualTable

    Raises
    ------
    DesignError
        If no predictor is in the model at two levels.

    Notes
    -----
    The contextual effect compares members and groups as they were observed. It is no effect of
    moving a member to another group, unless nothing else about groups goes with their means.

    References
    ----------
    Mundlak (1978), Econometrica 46(1); Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd
    ed., ch. 5, "compositional effects"; Snijders & Bosker (2012), Multilevel Analysis, 2nd ed.,
    sec. 4.6.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = contextual_effects(fit("hsb_mundlak_random", random_seed=1))
    >>> [f"{found['ses', quantity].estimate:.1f}" for quantity in QUANTITIES]
    ['2.2', '5.9', '3.7']
    >>> reml = contextual_effects(fit("hsb_mundlak_random", engine="reml"))
    >>> print(f"{reml['ses', 'contextual'].estimate:.2f} {reml['ses', 'contextual'].sd:.2f}")
    3.69 0.38
    """
    expect("contextual_effects", fit, Fit, Estimate)
    check_prob(prob)
    design = fit.design.whole
    pairs, left_out = _found(design, means)
    rows = []
    for pair in pairs:
        weights = np.array([getattr(pair, quantity) for quantity in QUANTITIES])
        for quantity, value in zip(QUANTITIES, fit.combine(weights), strict=True):
            lower, upper = value.interval(prob)
            rows.append(
                ContextualRow(
                    model=fit.name,
                    engine=fit.engine,
                    predictor=pair.predictor,
                    mean=pair.mean,
                    quantity=quantity,
                    estimate=value.mean,
                    sd=value.sd,
                    lower=lower,
                    upper=upper,
                    above=value.positive,
                )
            )
    return ContextualTable(
        rows=tuple(rows),
        interval=f"{level(prob)} {fit.interval_kind}",
        notes=_notes(pairs, left_out),
        cautions=_cautions(pairs, design),
        verdict=fit.verdict,
    )


def said(table: ContextualTable) -> tuple[str, ...]:
    """Describe the posterior of each contextual effect, a sentence a predictor.

    Parameters
    ----------
    table : ContextualTable
        From posterior draws.
    """
    lines = []
    for row in table.rows:
        if row.quantity != "contextual" or row.above is None or row.direction is None:
            continue
        side = "above" if row.above >= 0.5 else "below"
        sure = probability(row.direction).replace(">", "more than ")
        shown = digits(row.estimate, row.sd, row.lower, row.upper)
        clear = row.lower > 0 or row.upper < 0
        upshot = (
            "the two slopes differ, and a model with one slope for both mixes them"
            if clear
            else "how far the two slopes differ is open, and no difference is among what is likely"
        )
        lines.append(
            f"The posterior asks how large, not whether: the contextual effect of {row.predictor} "
            f"is {shown.number(row.estimate)} ({table.interval} {shown.number(row.lower)} to "
            f"{shown.number(row.upper)}), {side} zero with probability {sure}; {upshot}."
        )
    return tuple(lines)


def _found(
    design: Design, means: Mapping[str, str] | None
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    pairs, left_out = pairs_of(design, means)
    if pairs:
        return pairs, left_out
    why = f" ({'; '.join(left_out)})" if left_out else ""
    raise DesignError(
        f"no predictor of '{design.formula}' [{design.kind}] is in the model both within and "
        f'between groups{why}; use a record of kind = "mundlak", or between(x) next to x or '
        "within(x) in the formula"
    )


def _notes(pairs: tuple[Pair, ...], left_out: tuple[str, ...]) -> tuple[str, ...]:
    averaged = [
        f"the slopes of {pair.predictor} depend on {', '.join(pair.averaged)}; these are their "
        "averages over the rows"
        for pair in pairs
        if pair.averaged
    ]
    skipped = [f"left out: {reason}" for reason in left_out]
    return (*(pair.version for pair in pairs), *averaged, *skipped)


def _cautions(pairs: tuple[Pair, ...], design: Design) -> tuple[str, ...]:
    found = [pair.caution for pair in pairs if pair.caution]
    if not design.q:
        found.append(
            "the model takes rows of one group as independent, so the sds of the slope between "
            f"and of the contextual effect are too small; add (1 | {design.group}) to the formula"
        )
    return tuple(found)
