"""How far apart groups are, in odds, rates and expected outcomes; and the observation scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, RowsNeededError, rounded
from bayes_mlm.design import INTERCEPT, mean_offset
from bayes_mlm.fitting import derived, median_name
from bayes_mlm.questions.effects.rows import Moved, Population, read_population
from bayes_mlm.questions.variance.factors import shareable
from bayes_mlm.questions.variance.inputs import NO_SCALE, Measure, VarianceInputs
from bayes_mlm.questions.variance.observation import (
    one_trial,
    shared_covariance,
    split,
    spread_out,
)
from bayes_mlm.questions.variance.partition import Along

_NO_CATEGORY = "ordered categories have a probability each: see predict"
_NO_RATIO = (
    "exp() of a coefficient is no ratio with the {} link; with a logit link it would be an odds "
    "ratio"
)
# Normal quantile of the ends of 80 % intervals.
_Z = 1.2815515655446004
# A column varies within groups where more than this part of its variance does.
_NOTHING = 1e-9


_MEANS = "means"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Point:
    """Fixed part (S,) at a point, and the variances (S,) by factor; or why there are none."""

    name: str
    centre: Floats | None = None
    variances: Sequence[Floats] = ()
    note: str = ""


def observation(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[Measure]:
    """Yield shares of the variance of the outcome itself, and the dispersion of counts."""
    at, family = inputs.averages, inputs.design.family
    none = "" if at is not None else NO_SCALE

    def one(quantity: str, values: Floats | None, meaning: str, note: str = none) -> Measure:
        return Measure(
            question="observation", quantity=quantity, values=values, meaning=meaning, note=note
        )

    yield one(
        "icc_observation_adjusted",
        None if at is None else at.between / (at.between + at.within),
        "between groups, of the unexplained variance (means over the rows)",
    )
    yield one(
        "icc_observation_unadjusted",
        None if at is None else at.between / at.total,
        "unexplained between groups, of the total variance",
    )
    if at is None:
        return
    for point in _points(inputs, lines):
        quantity = f"vpc_observation[{point.name}]"
        if point.centre is None:
            yield one(quantity, None, "between groups, at a value", point.note)
            continue
        total = np.sqrt(np.sum(point.variances, axis=0))[:, None]
        aux = one_trial(inputs.parameters, slice(None))
        found = split(family, point.centre[:, None], total, aux)
        is_mean = point.name == _MEANS
        where = "the means of the predictors" if is_mean else point.name.replace("=", " = ")
        yield one(
            quantity,
            found.share[:, 0],
            f"between groups, of the unexplained variance at {where}: correlation of two outcomes",
        )
        if len(point.variances) > 1 and is_mean:
            shared = _by_shared(inputs, point.centre, point.variances)
            yield from (one(*more) for more in shared)
    if family.counts:
        yield one(
            "dispersion_within",
            at.within / at.mean,
            "variance over mean of counts given the group effects: 1 of Poisson counts",
        )
        yield one(
            "dispersion_total",
            (at.between + at.within) / at.mean,
            "variance over mean of counts of new groups with equal predictors",
        )


def _by_shared(
    inputs: VarianceInputs, centre: Floats, variances: Sequence[Floats]
) -> Iterator[tuple[str, Floats, str]]:
    """Yield the correlation of outcomes of two rows by the factors whose groups they share."""
    design = inputs.design
    draws = spread_out(centre.size, 4000.0)
    draws = draws[:: max(1, draws.size // 400)]
    centre, variances = centre[draws], [one[draws] for one in variances]
    aux = one_trial(inputs.parameters, draws)
    total = np.sum(variances, axis=0)
    whole = split(design.family, centre[:, None], np.sqrt(total)[:, None], aux)
    variance = (whole.between + whole.within)[:, 0]
    for shared, named in shareable(design):
        same = np.sum([variances[place] for place in shared], axis=0)
        rest = np.sqrt(np.maximum(total - same, 0.0))
        found = shared_covariance(design.family, centre, np.sqrt(same), rest, aux) / variance
        label = " and ".join(design.factors[place] for place in named)
        others = [name for place, name in enumerate(design.factors) if place not in shared]
        differs = f", of different {' and '.join(others)}" if others else ""
        yield (
            f"icc_observation[same {label}]",
            found,
            f"correlation of two outcomes of the same {label}{differs}, at the means of the "
            "predictors",
        )


def _points(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[_Point]:
    """Yield the means of the predictors, then each value of each line, other predictors as are."""
    design, values = inputs.design, inputs.parameters
    offset = mean_offset(design)
    mean = inputs.moments.factors[0].x.mean
    Z = [one.z.mean[None] for one in inputs.moments.factors]
    yield _Point(
        name=_MEANS, centre=values.beta @ mean + offset, variances=_variances(inputs, Z, 0)
    )
    population: Population | None = None
    for line in lines:
        for k, value in enumerate(line.values):
            name = f"{line.effect}={rounded(value)}"
            try:
                population = population or read_population(design, inputs.request)
                moved = _moved(population, line.effect, float(value))
            except RowsNeededError as error:
                yield _Point(name=name, note=str(error))
                continue
            if moved is None:
                yield _Point(name=name, note=f"{line.effect} is no column of the data: see predict")
                continue
            centre = values.beta @ (mean + moved.weights) + offset + moved.shift
            yield _Point(name=name, centre=centre, variances=_variances(inputs, line.Z, k))


def _variances(inputs: VarianceInputs, Z: Sequence[Floats], k: int) -> list[Floats]:
    """Return the variance (S,) of the effects of each factor at row k of its columns."""
    return [
        np.asarray(np.einsum("a,sab,b->s", columns[k], one.cov_u, columns[k]))
        for columns, one in zip(Z, inputs.parameters.factors, strict=True)
    ]


def _moved(population: Population, name: str, value: float) -> Moved | None:
    """Return how the means of X and of the offset change where a column has a value."""
    if name not in population.table.columns or population.levels(name) is not None:
        return None
    return population.difference({name: np.full(population.table.n, value)}, {})


def ratios(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[Measure]:
    """Yield median ratios, interval ratios of group-level predictors, and percentiles of groups."""
    yield from _medians(inputs, lines)
    yield from _intervals(inputs)
    yield from _percentiles(inputs)


def _medians(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[Measure]:
    design, family = inputs.design, inputs.design.family
    if not family.ratio_name:
        yield Measure(
            question="ratios",
            quantity="median_odds_ratio",
            values=None,
            meaning="of two rows with equal predictors from two groups, the larger to the smaller",
            note=_NO_RATIO.format(family.link),
        )
        return
    several = len(design.factors) > 1
    for place, term in enumerate(design.group_terms):
        factor = design.factors[place] if several else ""
        of = f" of {factor}" if factor else ""
        meaning = (
            f"median {family.ratio_name} of two rows with equal predictors from two groups{of}, "
            "the larger to the smaller (Larsen & Merlo 2005)"
        )
        if term.effects == (INTERCEPT,):
            sd = np.sqrt(inputs.parameters.factors[place].cov_u[:, 0, 0])
            yield Measure(
                question="ratios",
                quantity=median_name(family, factor),
                values=derived.median_ratio(sd),
                meaning=meaning,
            )
            continue
        for line in lines:
            if line.effect not in term.effects:
                continue
            for k, value in enumerate(line.values):
                where = f"{line.effect}={rounded(value)}"
                sd = np.sqrt(_variances(inputs, line.Z, k)[place])
                yield Measure(
                    question="ratios",
                    quantity=median_name(family, f"{factor},{where}".lstrip(",")),
                    values=derived.median_ratio(sd),
                    meaning=f"{meaning}, at {where.replace('=', ' = ')}",
                )


def _intervals(inputs: VarianceInputs) -> Iterator[Measure]:
    """Yield the 80 % interval of ratios of two groups for a group-level predictor, one factor."""
    from scipy.special import ndtr

    design, family = inputs.design, inputs.design.family
    alone = [term.effects == (INTERCEPT,) for term in design.group_terms] == [True]
    if not family.ratio_name or not alone:
        return
    x = inputs.moments.factors[0].x
    spread = np.sqrt(2.0 * inputs.parameters.factors[0].cov_u[:, 0, 0])
    name = family.ratio_name.replace(" ", "_")
    within, total = np.diag(x.within), np.diag(x.total)
    for k, term in enumerate(design.terms):
        if term == INTERCEPT or within[k] > _NOTHING * total[k] or total[k] == 0:
            continue
        beta = inputs.parameters.beta[:, k]
        for end, sign in (("10", -1.0), ("90", 1.0)):
            yield Measure(
                question="ratios",
                quantity=f"interval_{name}_{end}[{term}]",
                values=np.exp(beta + sign * _Z * spread),
                meaning=f"{end}th percentile of the {family.ratio_name}s of two groups that differ "
                f"by 1 in {term} (Larsen & Merlo 2005: 80 % interval)",
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            opposed = np.where(spread > 0, ndtr(-np.abs(beta) / spread), 0.0)
        yield Measure(
            question="ratios",
            quantity=f"opposed[{term}]",
            values=opposed,
            meaning=f"proportion of such pairs of groups whose {family.ratio_name} has the "
            "opposite direction (Merlo et al. 2016)",
        )


def _percentiles(inputs: VarianceInputs) -> Iterator[Measure]:
    design, family = inputs.design, inputs.design.family
    binary = family.takes_trials or family.outcome == "two levels"
    what = "probability" if binary else f"expected {design.outcome}"
    if family.chances is not None:
        yield Measure(
            question="ratios",
            quantity="group_p50",
            values=None,
            meaning=f"{what} in the median group",
            note=_NO_CATEGORY,
        )
        return
    (point,) = _points(inputs, ())
    sd = np.sqrt(np.sum(point.variances, axis=0))
    aux = one_trial(inputs.parameters, slice(None))
    for name, z in (("10", -_Z), ("50", 0.0), ("90", _Z)):
        yield Measure(
            question="ratios",
            quantity=f"group_p{name}",
            values=family.expected(np.asarray(point.centre) + z * sd, aux),
            meaning=f"{name}th percentile over groups of the {what}, predictors at their means",
        )
