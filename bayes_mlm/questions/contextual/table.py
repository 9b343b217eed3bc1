"""Slopes within and between groups and their difference, the contextual effect."""

from collections.abc import Mapping, Sequence
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
from bayes_mlm.design import Design, Pair, argument_of, pairs_of
from bayes_mlm.fitting import Estimate, Fit
from bayes_mlm.questions.one_factor import of_one_factor

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
        Difference in the expected outcome for one unit of the predictor between members of one
        group; for one unit of the group mean between group means; and the second minus the first,
        for one unit of the group mean between members with the same value of the predictor.
    estimate, sd : float
        Posterior mean and sd, or estimate and standard error, in outcome units.
    lower, upper : float
        Ends of the interval that the table states.
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
        """Probability of direction: posterior probability of the more probable sign."""
        return None if self.above is None else max(self.above, 1.0 - self.above)


@dataclass(frozen=True, kw_only=True, repr=False)
class ContextualTable(ResultTable[ContextualRow]):
    """Slopes at both levels of one model by one engine, with diagnostics.

    Parameters
    ----------
    rows : tuple of ContextualRow
        ``table["ses", "contextual"]`` is the row of a predictor and a quantity.
    interval : str
        Level and kind of the interval: "95% HDI", "95% CI".
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
    fit: Fit | Estimate,
    *,
    means: Mapping[str, str] | None = None,
    prob: float = DEFAULT_PROB,
    factor: str | None = None,
) -> ContextualTable:
    """Return the slopes within and between groups and their difference.

    Parameters
    ----------
    fit : Fit or Estimate
        Of the mundlak kind, or with ``between(x)`` next to ``x`` or ``within(x)``, or with a
        column of the data that holds the group means of ``x``.
    means : mapping of str to str, optional
        Columns of group means by predictor, ``{"ses": "meanses"}``; those close to the means of
        the rows are detected.
    prob : float
        Of the intervals.
    factor : str, optional
        Whose groups, where the model has several grouping factors: slopes within and between them.

    Returns
    -------
    ContextualTable

    Raises
    ------
    DesignError
        If no predictor is in the model at both levels.

    Notes
    -----
    The contextual effect is an observed association. It is the effect of moving a member to
    another group only if no other property of groups is correlated with their means.

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
    factors = fit.design.factors
    fit = of_one_factor(fit, factor)
    design = fit.design.whole
    others = [name for name in factors if name != design.group]
    _check_other_means(design, others)
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
        notes=(*_notes(pairs, left_out), *_method(fit)),
        cautions=_cautions(pairs, design),
        verdict=fit.verdict,
    )


def _method(fit: Fit | Estimate) -> tuple[str, ...]:
    return (f"CI: {fit.interval_method}",) if isinstance(fit, Estimate) else ()


def describe_contextual(table: ContextualTable) -> tuple[str, ...]:
    """Return a sentence on the posterior of each contextual effect.

    Parameters
    ----------
    table : ContextualTable
        From posterior draws.
    """
    lines = []
    for row in table.rows:
        if row.quantity != "contextual" or row.above is None or row.direction is None:
            continue
        sign = "positive" if row.above >= 0.5 else "negative"
        sure = probability(row.direction).replace(">", "more than ")
        shown = digits(row.estimate, row.sd, row.lower, row.upper)
        clear = row.lower > 0 or row.upper < 0
        upshot = (
            "the two slopes differ, and a model with a common slope estimates neither"
            if clear
            else "the interval includes zero, so the data are compatible with equal slopes"
        )
        lines.append(
            f"The contextual effect of {row.predictor} is {shown.number(row.estimate)} "
            f"({table.interval} {shown.number(row.lower)} to {shown.number(row.upper)}), {sign} "
            f"with probability {sure}; {upshot}."
        )
    return tuple(lines)


def _check_other_means(design: Design, others: Sequence[str]) -> None:
    """Refuse a predictor that has group means by another factor in the model too."""
    for term in design.terms:
        for name in others:
            known = (argument_of(term, one, design, group=name) for one in ("within", "between"))
            predictor = next((one for one in known if one is not None), None)
            if predictor is None or not term.endswith(f", {name})"):
                continue
            raise DesignError(
                f"slopes of {predictor} within and between {design.group} are not single numbers, "
                f"because of {term}; fit {predictor} with the means of one factor, or write "
                f"{predictor} next to between({predictor}, ...) of each factor: the coefficient of "
                "each is its contextual effect"
            )


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
    skipped = [f"omitted: {reason}" for reason in left_out]
    return (*(pair.version for pair in pairs), *averaged, *skipped)


def _cautions(pairs: tuple[Pair, ...], design: Design) -> tuple[str, ...]:
    found = [pair.caution for pair in pairs if pair.caution]
    if not design.q:
        found.append(
            "the model assumes independent rows within groups, so the sds of the between slope and "
            f"of the contextual effect are too small; add (1 | {design.group}) to the formula"
        )
    return tuple(found)
