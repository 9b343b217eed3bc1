"""Judge the shape of distributions, and what an outcome of few values leaves of them."""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.assess.checks.reference import kurtosis_tail, skewness_tail, smallest_of
from bayes_mlm.assess.checks.result import Assessment, GroupRow
from bayes_mlm.assess.checks.statistics import Sampled, moments
from bayes_mlm.assess.checks.working import Working
from bayes_mlm.base import Floats, count, number, percent, shorten
from bayes_mlm.design import INTERCEPT
from bayes_mlm.fitting import Fit
from bayes_mlm.moments import GroupMoments

# A departure below these changes no result, however small its p value.
LEAST_SKEWNESS, LEAST_EXCESS = 0.1, 0.2
# By skewness, and by that of the bulk, residuals are skewed and do not only have outliers.
_SKEWED, _BULK_SKEWED = 0.3, 0.1
# Values of an outcome up to which a normal distribution cannot describe it.
FEW_VALUES = 5
# Share of outcomes expected beyond those observed that suggests a bounded scale.
_BEYOND = 0.01
# Of the reference for groups of summed data.
_REPLICATES = 4_000
_NAMED = 3
SKEW = ("Skewness of residuals", "Are residuals symmetric?")
TAILS = ("Tails of residuals", "Do residuals have the tails that the model gives them?")


def values_of_outcome(fit: Fit, sample: Fit) -> int | None:
    """Count the values of an outcome, up to one more than a few; None if unknown from sums."""
    return sample.design.compute(
        lambda design: min(int(np.unique(design.y).size), FEW_VALUES + 1),
        lambda _: _two_values(fit.design.moments()),
    )


def _two_values(s: GroupMoments) -> int | None:
    """Return 2 where the moments of the outcome are those of two values."""
    mean = s.means[:, -1] + s.centre[-1]
    square = s.scatter[:, -1, -1] / s.counts + np.square(mean)
    # Of values a and b: y^2 = (a + b) y - ab in every row, and so on average in every group.
    design = np.column_stack([mean, -np.ones(s.J)])
    (total, product), _, rank, _ = np.linalg.lstsq(design, square, rcond=None)
    miss = np.abs(design @ [total, product] - square).max()
    two = s.J > 2 and rank == 2 and miss < 1e-9 * max(float(np.abs(square).max()), 1e-300)
    return 2 if two and total**2 > 4.0 * product else None


def on_outcome(fit: Fit, values: int | None) -> Assessment:
    """Judge whether the outcome is one that a normal distribution can describe at all."""
    topic, question = "Outcome", "Can the outcome have normal residuals at all?"
    name = fit.design.outcome
    if values is None or values > FEW_VALUES:
        found = f"{name} takes more than {FEW_VALUES} values."
        if values is None:
            found = f"{name} does not take only two values, as far as sums show."
        return Assessment(topic=topic, question=question, fine=True, found=found)
    model = "logistic" if values == 2 else "ordinal or multinomial"
    return Assessment(
        topic=topic,
        question=question,
        fine=False,
        found=f"{name} takes {count(values, 'value')}, so that its variance follows its mean and "
        "residuals are neither normal nor of one variance.",
        remedy=f"The Gaussian family is wrong for it, and so is any other family here: fit a "
        f"{model} multilevel model (brms, bambi, lme4).",
    )


def on_skewness(work: Working, sampled: Sampled, among: str) -> Assessment:
    """Judge whether residuals are symmetric."""
    skew = float(sampled.skewness[0])
    p = skewness_tail(skew, sampled.skewness[1:], work.n)
    way = "right" if skew > 0.0 else "left"
    could = f"log({work.design.outcome}), say" if skew > 0.0 and work.design.y.min() > 0.0 else ""
    could = could or "for counts or times a root or logarithm, for scores of a test normal scores"
    remedy = (
        f"Transform the outcome ({could}). Coefficients are reliable meanwhile, intervals of "
        "single outcomes are not; Student-t residuals, with two equal tails, would not help."
    )
    if not is_skewed(work, sampled):
        remedy = "A few rows far out make it: look at them for errors."
        if float(sampled.kurtosis[0]) < 3.0:
            remedy = (
                "With short tails, it often means a bounded scale: coefficients hold, intervals "
                "of single outcomes near its ends do not."
            )
    return Assessment(
        topic=SKEW[0],
        question=SKEW[1],
        statistic=f"skewness {number(skew, 0.1)}",
        p=p,
        negligible=abs(skew) < LEAST_SKEWNESS,
        found=f"{work.n:,} residuals{among} have a longer tail to the {way}."
        if abs(skew) >= LEAST_SKEWNESS
        else f"{work.n:,} residuals{among} are symmetric, or near enough.",
        remedy=remedy,
    )


def is_skewed(work: Working, sampled: Sampled) -> bool:
    """Return whether the bulk of the residuals is skewed, not only a few rows far out."""
    bulk = bulk_skewness(work.scaled(work.found)[:, 0])
    return abs(float(sampled.skewness[0])) > _SKEWED and abs(bulk) > _BULK_SKEWED


def bulk_skewness(y: Floats) -> float:
    """Return Bowley's skewness of the 10 %, 50 % and 90 % points, robust to a few far out.

    Examples
    --------
    >>> round(bulk_skewness(np.array([1.0, 2.0, 3.0, 4.0, 900.0])), 2)
    0.99
    >>> round(bulk_skewness(np.array([*range(99), 900.0])), 2)
    0.0
    """
    low, middle, high = np.quantile(y, [0.1, 0.5, 0.9])
    return float((high + low - 2.0 * middle) / (high - low)) if high > low else 0.0


def on_tails(
    work: Working, sampled: Sampled, among: str, *, unequal: bool, sd: float | None
) -> Assessment:
    """Judge whether residuals have the tails of their distribution.

    Parameters
    ----------
    work, sampled
    among : str
        Of which rows.
    unequal : bool
        Whether the residual variance was found to differ, which makes long tails too.
    sd : float or None
        Of the residuals, where all have the same.
    """
    family = work.design.family
    label = "normal" if family.gaussian_moments else family.label
    kurtosis = float(sampled.kurtosis[0])
    long = kurtosis > 3.0
    negligible = abs(kurtosis - 3.0) < LEAST_EXCESS
    found = f"{work.n:,} residuals{among} have {'longer' if long else 'shorter'} tails than "
    found += f"{label} ones."
    if negligible:
        found = f"{work.n:,} residuals{among} have the tails they should, or near enough."
    beyond = 0.0 if sd is None else _beyond(work, sd)
    if not long:
        remedy = (
            "Shorter tails often mean a bounded scale: coefficients hold, intervals of single "
            "outcomes near its ends do not."
        )
        if beyond > _BEYOND:
            remedy += f" The model expects {percent(beyond)} of outcomes beyond those observed."
    elif label != "normal":
        remedy = "Look at the rows furthest out for errors."
    elif is_skewed(work, sampled):
        remedy = "The skew makes them: transform the outcome first."
    elif unequal:
        remedy = "Unequal residual variances cause them too: correct those first (--sigma)."
    elif work.ordering.modelled:
        remedy = (
            "Look at the rows furthest out for errors; Student-t residuals (--family student_t) "
            "are offered in place of AR(1) ones, not with them."
        )
    else:
        remedy = (
            "Student-t residuals (--family student_t) keep single rows from deciding; compare "
            "the two with bayes-mlm loo-compare."
        )
    return Assessment(
        topic=TAILS[0],
        question=TAILS[1],
        statistic=f"kurtosis {number(kurtosis, 0.1)} (normal: 3)",
        p=kurtosis_tail(kurtosis, sampled.kurtosis[1:], work.n),
        negligible=negligible,
        found=found,
        remedy=remedy,
    )


def _beyond(work: Working, sd: float) -> float:
    """Compute the share of outcomes that the model expects below and above all observed."""
    from scipy.special import ndtr

    y = work.design.y
    residual = work.found[:, 0] * sd
    mean = y - residual
    below, above = ndtr((y.min() - mean) / sd), ndtr((mean - y.max()) / sd)
    return float((below + above).mean())


def on_effects(
    names: Sequence[str],
    sizes: Sequence[int],
    skewness: Floats,
    kurtosis: Floats,
    rows: Sequence[GroupRow],
    group: str,
) -> tuple[Assessment, Assessment]:
    """Judge whether group effects are symmetric, and have the tails of a normal distribution.

    Parameters
    ----------
    names : sequence of str
        Of the q effects.
    sizes : sequence of int
        Groups whose effects were looked at.
    skewness, kurtosis : ndarray, shape (q, 1 + R)
        Of the data, then of replicates.
    rows : sequence of GroupRow
    group : str
    """
    known = [k for k, one in enumerate(skewness) if np.isfinite(one[0])]
    topics = [
        ("Skewness of group effects", f"Are the effects of {group} symmetric about their mean?"),
        ("Tails of group effects", f"Is no {group} further out than the others allow for?"),
    ]
    if not known:
        found = "The rows contain too little information on single groups."
        one, other = (Assessment(topic=a, question=b, found=found) for a, b in topics)
        return one, other
    skewness, kurtosis = skewness[known], kurtosis[known]
    many = [sizes[k] for k in known]
    by_skew, by_tail = (
        np.array([tail(float(one[0]), one[1:], n) for one, n in zip(values, many, strict=True)])
        for tail, values in ((skewness_tail, skewness), (kurtosis_tail, kurtosis))
    )
    a, b = int(by_skew.argmin()), int(by_tail.argmin())

    def of(k: int) -> str:
        return "" if tuple(names) == (INTERCEPT,) else f" of {names[known[k]]}"

    far = sorted(
        (row for row in rows if row.effect is not None), key=lambda row: row.effect_p or 0.0
    )
    named = ", ".join(
        f"{shorten(row.group)} ({number(row.effect or 0.0, 0.1)} sds)" for row in far[:_NAMED]
    )
    long = kurtosis[b][0] > 3.0
    return (
        Assessment(
            topic=topics[0][0],
            question=topics[0][1],
            statistic=f"skewness{of(a)} {number(float(skewness[a][0]), 0.1)}",
            p=smallest_of(by_skew),
            found=f"The estimated effects{of(a)} of {many[a]} groups lean to the "
            f"{'right' if skewness[a][0] > 0.0 else 'left'}.",
            remedy="Coefficients are little affected, the intervals of extreme groups and "
            "predictions of new groups are off; transform the outcome, or add a predictor of "
            "groups that sets the extreme ones apart (bayes-mlm plot group-residuals).",
        ),
        Assessment(
            topic=topics[1][0],
            question=topics[1][1],
            statistic=f"kurtosis{of(b)} {number(float(kurtosis[b][0]), 0.1)} (normal: 3)",
            p=smallest_of(by_tail),
            found=f"The estimated effects{of(b)} have {'longer' if long else 'shorter'} tails "
            f"than normal ones; furthest out: {named}.",
            remedy="Look at these groups' rows for errors, and for what they have in common: a "
            "predictor of groups may be missing."
            if long
            else "The groups may be of two or more sorts: add the predictor that separates them.",
        ),
    )


def effect_moments(standardised: Floats, seed: int) -> tuple[tuple[int, ...], Floats, Floats]:
    """Compute number, skewness and kurtosis (q, 1 + R) of effects (J, q), then of normal samples.

    For summed data, of which nothing else can be redrawn.
    """
    rng = np.random.default_rng(seed)
    skewness, kurtosis = [], []
    for column in standardised.T:
        known = column[np.isfinite(column)]
        many = max(200, min(_REPLICATES, 10_000_000 // max(known.size, 1)))
        both = np.column_stack([known, rng.standard_normal((known.size, many))])
        one, other = moments(both)
        skewness.append(one)
        kurtosis.append(other)
    sizes = tuple(np.isfinite(standardised).sum(axis=0).tolist())
    return sizes, np.array(skewness), np.array(kurtosis)
