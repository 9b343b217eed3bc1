"""Values of a moderator at which a difference is zero (Johnson and Neyman)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    DesignError,
    Floats,
    Tabular,
    Verdict,
    View,
    level,
    number,
    probability,
    texts,
    wald_reach,
)
from bayes_mlm.data import label_text
from bayes_mlm.fitting import (
    CoefficientSource,
    Estimate,
    Fit,
    estimate_of,
    posterior_of,
)
from bayes_mlm.questions.effects.average import change_of, population_of
from bayes_mlm.questions.effects.query import At, Change, changes, check_predictor, grid
from bayes_mlm.questions.effects.regions import FiellerSet, Span, fieller, outside, posterior_spans
from bayes_mlm.questions.effects.rows import Population

# Of the residual sd: a difference that changes by less over the whole range is constant.
_PARALLEL = 0.1
# Of the moderator's range: shorter stretches are Monte Carlo noise.
_FINEST = 0.005
# Of the size of the weights: the tolerance of a straight line.
_STRAIGHT = 1e-7


@dataclass(frozen=True, kw_only=True)
class Zero:
    """Posterior of the value at which a difference is zero.

    Parameters
    ----------
    engine : str
    median : float
        Of the draws; a mean does not exist where the lines may be parallel.
    lower, upper : float
        Ends of the equal-tailed interval.
    parallel : float
        Share of draws in which the lines are near-parallel: over the whole observed range of the
        moderator the difference changes by less than a tenth of the residual sd.
    one_way : float
        Share of draws in which the difference changes in the more probable direction. Unless it
        is near one, the distribution of the crossing has mass at both ends of the line and its
        interval is uninformative: read `spans`.
    inside : float
        Share of draws whose crossing lies in the observed range.
    spans : tuple of Span
        Where the equal-tailed interval of the difference excludes zero.
    """

    engine: str
    median: float
    lower: float
    upper: float
    parallel: float
    one_way: float
    inside: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class LikelihoodZero:
    """REML or OLS estimate of the value at which a difference is zero.

    Parameters
    ----------
    engine : str
        A name in `ENGINES`.
    estimate : float
        Ratio of the estimates; infinite if the lines are parallel.
    se : float
        By the delta method; of use only where the Fieller set is bounded.
    fieller : FiellerSet
        Its confidence set.
    spans : tuple of Span
        Where the Wald interval of the difference excludes zero: all that is outside that set.
    """

    engine: str
    estimate: float
    se: float
    fieller: FiellerSet
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Crossing(Tabular):
    """Values of a moderator at which a difference is zero, and where its interval excludes zero.

    Parameters
    ----------
    model, contrast, by : str
        The model; the difference; the moderator.
    at : tuple of At
        What other predictors are set to.
    observed : (float, float)
        Least and greatest value of the moderator in the rows.
    posterior : Zero or None
    likelihood : LikelihoodZero or None
    prob : float
        Of the intervals.
    verdict : Verdict
    """

    model: str
    contrast: str
    by: str
    at: tuple[At, ...]
    observed: tuple[float, float]
    posterior: Zero | None
    likelihood: LikelihoodZero | None
    prob: float
    verdict: Verdict

    def __repr__(self) -> str:
        """Describe where the difference is zero."""
        return f"<Crossing of {self.contrast!r} along {self.by!r}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        names = ("model", "engine", "contrast", "by", "at", "what", "estimate", "lower", "upper")
        return (*names, "sign", "parallel", "one_way", "inside")

    def raw(self) -> list[list[Any]]:
        """Return a row for each crossing, each interval of its set, and each region without zero.

        The column `what` says which: "crossing", "fieller" or "excludes zero". An end at infinity
        is infinite.
        """
        rows: list[dict[str, Any]] = []
        if self.posterior is not None:
            drawn = self.posterior
            found = {
                "estimate": drawn.median,
                "lower": drawn.lower,
                "upper": drawn.upper,
            }
            found |= {
                "parallel": drawn.parallel,
                "one_way": drawn.one_way,
                "inside": drawn.inside,
            }
            rows.append({"engine": drawn.engine, "what": "crossing", **found})
            rows += _spans(drawn.engine, "excludes zero", drawn.spans)
        if self.likelihood is not None:
            fitted = self.likelihood
            rows.append({"engine": fitted.engine, "what": "crossing", "estimate": fitted.estimate})
            rows += _spans(fitted.engine, "fieller", fitted.fieller.spans)
            rows += _spans(fitted.engine, "excludes zero", fitted.spans)
        same = {"model": self.model, "contrast": self.contrast, "by": self.by}
        same["at"] = ", ".join(map(str, self.at))
        return [[{**same, **row}.get(name) for name in self.names] for row in rows]

    @property
    def lines(self) -> tuple[str, ...]:
        """Summary lines: range of the moderator, and how well the crossing is determined."""
        setting = f" at {', '.join(map(str, self.at))}" if self.at else ""
        low, high = self.observed
        lines = [
            f"where {self.contrast} is zero along {self.by}{setting} "
            f"(observed: {label_text(low)} to {label_text(high)})"
        ]
        if self.posterior is not None:
            drawn = self.posterior
            lines.append(
                f"{drawn.engine}: in the observed range with probability "
                f"{probability(drawn.inside)}; near-parallel lines in "
                f"{probability(drawn.parallel)} of draws; the difference "
                f"changes in one direction in {probability(drawn.one_way)}"
            )
        if self.likelihood is not None and self.likelihood.fieller.shape != "bounded":
            whole = self.likelihood.fieller.shape == "everything"
            lines.append(
                f"{self.likelihood.engine}: the Fieller set is "
                + ("the whole line" if whole else "unbounded")
                + ": the data are compatible with a difference that does not change"
            )
        return tuple(lines)

    def view(self) -> View:
        """Return the crossing by each engine, and the regions that exclude zero."""
        rows = []
        if self.posterior is not None:
            drawn = self.posterior
            shown = texts(drawn.median, None, drawn.lower, drawn.upper)
            interval = f"{shown.interval} equal tails"
            rows.append((drawn.engine, shown.estimate, interval, _shown(drawn.spans)))
        if self.likelihood is not None:
            fitted = self.likelihood
            found = number(fitted.estimate, fitted.se, style="terminal")
            fieller_set = f"{fitted.fieller} (Fieller)"
            rows.append((fitted.engine, found, fieller_set, _shown(fitted.spans)))
        title, *rest = self.lines
        return View(
            title=title,
            headings=("engine", "crossing", level(self.prob), "difference not zero"),
            cells=tuple(rows),
            legend=(*rest, self.verdict.line),
        )


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
        simultaneously.

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
    (1.63, '1.03 to 2.58')
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


def _posterior(
    source: CoefficientSource, weights: Floats, observed: tuple[float, float], prob: float
) -> Zero:
    a, b = (source.values.beta @ weights.T).T
    span = observed[1] - observed[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(b != 0.0, -a / b, np.inf)
    tail = (1.0 - prob) / 2.0
    # Order statistics, not interpolated: an infinite draw must not spoil a finite end.
    lower, median, upper = np.quantile(values, [tail, 0.5, 1.0 - tail], method="nearest")
    residual_sd = np.sqrt(source.values.residual_variance)
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
    found = fieller(estimate, covariance, wald_reach(prob, parts[0].df))
    return LikelihoodZero(
        engine=source.engine,
        estimate=ratio,
        se=se,
        fieller=found,
        spans=outside(found, estimate),
    )


def _spans(engine: str, what: str, spans: tuple[Span, ...]) -> list[dict[str, Any]]:
    return [
        {
            "engine": engine,
            "what": what,
            "lower": span.lower,
            "upper": span.upper,
            "sign": span.sign if what != "fieller" else None,
        }
        for span in spans
    ]


def _shown(spans: tuple[Span, ...]) -> str:
    signs = {1: "+", -1: "-"}
    return ", ".join(f"{span} ({signs[span.sign]})" for span in spans) or "nowhere"
