"""Values of a moderator at which a difference is zero (Johnson and Neyman)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, DesignError, Floats, wald_reach
from bayes_mlm.data import label_text
from bayes_mlm.fitting import CoefficientSource, Estimate, Fit, estimate_of, posterior_of
from bayes_mlm.questions.effects.average import change_of, population_of
from bayes_mlm.questions.effects.crossing_result import Crossing, LikelihoodZero, Zero
from bayes_mlm.questions.effects.query import At, Change, changes, check_predictor, grid
from bayes_mlm.questions.effects.regions import fieller, outside, posterior_spans
from bayes_mlm.questions.effects.rows import Population

# Of the residual sd: a difference that changes by less over the whole range is constant.
_PARALLEL = 0.1
# Of the moderator's range: shorter stretches are Monte Carlo noise.
_FINEST = 0.005
# Of the size of the weights: the tolerance of a straight line.
_STRAIGHT = 1e-7


def crossing(
    fit: Fit | Estimate,
    contrast: str | Mapping[str, Any],
    by: str,
    *,
    at: Mapping[str, Any] | None = None,
    data: Any = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
) -> Crossing:
    """Estimate the value of a moderator at which a difference is zero, and where it is not.

    Parameters
    ----------
    fit, at, data, prob, likelihood
        As in `comparisons`; `at` takes one value a predictor.
    contrast : str or mapping
        One difference, as in `comparisons`; ``{"ses": "slope"}`` for a slope.
    by : str
        The moderator: a numeric predictor in which the difference is linear. A slope may cross
        zero along that predictor: the turning point of a parabola.

    Returns
    -------
    Crossing
        Posterior median and equal-tailed interval of the ratio, with the shares of draws by which
        to judge it; by REML the ratio and its Fieller set; and by both the regions in which the
        interval of the difference excludes zero. These regions hold pointwise, not
        simultaneously. With a link the difference is that of the linear predictor at group effects
        of zero, which has the sign and the zero of that of the expected outcomes.

    Raises
    ------
    DesignError
        If the difference does not change with `by`, or is not linear in it.

    References
    ----------
    Johnson & Neyman (1936), Statistical Research Memoirs 1; Bauer & Curran (2005), Multivariate
    Behavioral Research 40(3); Fieller (1954), Journal of the Royal Statistical Society B 16(2).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("mathach ~ ses * sector + (1 | schoolid)", "hsb", random_seed=1)
    >>> found = crossing(fitted, "sector", "ses", prob=0.95)
    >>> round(found.likelihood.estimate, 2), str(found.likelihood.fieller)
    (1.63, '1.02 to 2.60')
    """
    population = population_of(fit, data, prob)
    change = _one_change(changes(population, contrast))
    check_predictor(population, by)
    if population.levels(by) is not None:
        raise DesignError(f"{by!r} is categorical; a crossing is along a numeric predictor")
    if by == change.name and not change.is_slope:
        raise DesignError(
            f"{by!r} is what is compared; a crossing is along another predictor, or of its slope "
            f"({{{by!r}: 'slope'}}, --slope {by})"
        )
    if by in (at or {}):
        raise DesignError(f"a crossing runs along {by!r}; it cannot be set (at) as well")
    settings = grid(population, at, without=change.sets)
    if len(settings) != 1:
        raise DesignError("a crossing takes one value of each other predictor; give one (at)")
    values = population.column(by).astype(np.float64)
    observed = float(values.min()), float(values.max())
    weights = _line(population, change, by, settings[0], observed)
    drawn = posterior_of(fit)
    estimate = estimate_of(fit, prob) if likelihood or drawn is None else None
    return Crossing(
        model=fit.title,
        contrast=change.text,
        by=by,
        at=settings[0],
        observed=observed,
        posterior=None if drawn is None else _posterior(drawn, weights, observed, prob),
        likelihood=None if estimate is None else _ratio(estimate, weights, prob),
        prob=prob,
        verdict=fit.verdict,
    )


def _one_change(found: tuple[Change, ...]) -> Change:
    if len(found) != 1:
        names = ", ".join(one.text for one in found)
        raise DesignError(f"a crossing is of one difference; choose one (from, to) of: {names}")
    return found[0]


def _line(
    population: Population,
    change: Change,
    by: str,
    setting: tuple[At, ...],
    observed: tuple[float, float],
) -> Floats:
    """Return the weights (2, p) of a and b in the difference a + b m, if it is linear in m."""
    low, high = observed
    if not high > low:
        raise DesignError(f"{by!r} has a single value in the rows, {label_text(low)}")
    # Linear in m if two interior points lie on the line through the ends.
    points = np.array([low, high, 0.6 * low + 0.4 * high, 0.1 * low + 0.9 * high])
    at = [(*setting, At(name=by, value=float(point))) for point in points]
    moved = [change_of(population, change, one) for one in at]
    if any(one.shift for one in moved):
        raise DesignError(
            f"the offset changes with {change.name!r}, so that {change.text} is no sum of "
            "coefficients; subtract the offset from the outcome, as in I(y - x) ~ ..."
        )
    found = np.array([one.weights for one in moved])
    b = (found[1] - found[0]) / (high - low)
    a = found[0] - b * low
    size = float(np.abs(found).max())
    if float(np.abs(a + np.outer(points, b) - found).max()) > _STRAIGHT * size:
        raise DesignError(
            f"{change.text} is not linear in {by!r} in this model; estimate it at several "
            f"values instead (comparisons with at={{{by!r}: [...]}})"
        )
    if float(np.abs(b).max()) * (high - low) <= _STRAIGHT * size:
        raise DesignError(
            f"the contrast {change.text} does not change with {by!r} in this model; add their "
            f"product to the formula ({_product(change.name, by)})"
        )
    return np.array([a, b])


def _product(name: str, by: str) -> str:
    return f"{name} * {by}" if name != by else f"I({name}**2)"


def _posterior(source: Fit, weights: Floats, observed: tuple[float, float], prob: float) -> Zero:
    a, b = (source.beta @ weights.T).T
    span = observed[1] - observed[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(b != 0.0, -a / b, np.inf)
    tail = (1.0 - prob) / 2.0
    # Order statistics, not interpolated: an infinite draw must not spoil a finite end.
    lower, median, upper = np.quantile(values, [tail, 0.5, 1.0 - tail], method="nearest")
    family = source.design.family
    # Of a family with a link that of the latent outcome, or an effect of one.
    residual_sd = (
        np.sqrt(source.values.residual_variance)
        if family.is_additive
        else math.sqrt(family.latent_variance or 1.0)
    )
    upward = float((b > 0.0).mean())
    return Zero(
        engine=source.engine,
        median=float(median),
        lower=float(lower),
        upper=float(upper),
        parallel=float((np.abs(b) * span < _PARALLEL * residual_sd).mean()),
        one_way=max(upward, float((b < 0.0).mean())),
        inside=float(((values >= observed[0]) & (values <= observed[1])).mean()),
        spans=posterior_spans(a, b, prob, finest=_FINEST * span),
    )


def _ratio(source: CoefficientSource, weights: Floats, prob: float) -> LikelihoodZero:
    parts = source.combine(weights)
    estimate, covariance = np.array([one.mean for one in parts]), source.joint_covariance(weights)
    a, b = estimate
    ratio = se = float("inf")
    if b != 0.0:
        gradient = np.array([-1.0 / b, a / b**2])
        ratio, se = float(-a / b), float(np.sqrt(gradient @ covariance @ gradient))
    found = fieller(estimate, covariance, wald_reach(prob, min(one.df for one in parts)))
    return LikelihoodZero(
        engine=source.engine,
        estimate=ratio,
        se=se,
        fieller=found,
        spans=outside(found, estimate),
    )
