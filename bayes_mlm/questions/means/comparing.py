"""Contrasts of marginal means by every result, adjusted by family."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Flags, Verdict
from bayes_mlm.fitting import summarise_draws
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.scale import Comparison, Measure, read_measure
from bayes_mlm.questions.means.adjustments import (
    ADJUSTMENTS,
    Adjusted,
    Comparisons,
    adjusted,
)
from bayes_mlm.questions.means.contrasts import ContrastSet, read_contrasts
from bayes_mlm.questions.means.grid import ReferenceGrid
from bayes_mlm.questions.means.result import ContrastTable, MeanContrast, mean_name
from bayes_mlm.questions.means.values import MeanValues


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedMeans:
    """Marginal means as their contrasts need them.

    Parameters
    ----------
    found : tuple of tuple of MeanValues
        By result, of each expected outcome.
    grid, measure, prob, notes, cautions, verdict
        As of `MarginalMeans`.
    """

    found: tuple[tuple[MeanValues, ...], ...]
    grid: ReferenceGrid
    measure: Measure
    prob: float
    notes: tuple[str, ...]
    cautions: tuple[str, ...]
    verdict: Verdict


def contrast_table(
    means: ComparedMeans,
    how: str | Mapping[str, Sequence[float] | Mapping[str, float]],
    *,
    adjust: str | None,
    comparison: Comparison,
    random_seed: int,
) -> ContrastTable:
    """Compare marginal means within each family; as `MarginalMeans.contrasts`."""
    if not _is_seed(random_seed):
        raise EngineError(f"random_seed must be a whole number of 0 or more, found {random_seed!r}")
    grid = means.grid
    design = grid.population.design
    linear = means.measure.is_linear(design)
    question = None if linear else means.measure.question
    measure = read_measure(design, means.measure.scale, comparison, question)
    within = [by for _, by in grid.means]
    families = {by: [k for k, one in enumerate(within) if one == by] for by in within}
    first = [grid.means[k][0] for k in next(iter(families.values()))]
    chosen = read_contrasts(how, [mean_name(of, grid.population) for of in first], first)
    named = chosen.adjust if adjust is None else adjust
    ADJUSTMENTS[named]  # an error before anything is computed
    rows: list[MeanContrast] = []
    texts: dict[str, None] = {}
    for by, places in families.items():
        full = np.zeros((len(chosen.weights), len(within)))
        full[:, places] = chosen.weights
        for of_target in zip(*means.found, strict=True):
            of_family = []
            for values in of_target:
                made = (values if linear else values.transformed(comparison)).combined(full)
                found = None
                if made.draws is None:
                    found = adjusted(
                        named, _family(made, chosen, len(places), means.prob, random_seed)
                    )
                    texts[found.text] = None
                of_family.append(
                    _of_draws(made, chosen, by, means.prob, comparison)
                    if found is None
                    else _of_estimate(made, found, chosen, by, comparison)
                )
            rows += [row for one in zip(*of_family, strict=True) for row in one]
    notes = [measure.text(design, slope=False) or "differences of means"]
    if texts:
        notes.append(f"p-values and intervals of the estimate: {'; '.join(texts)}")
    names = ", ".join(one.name for one in next(iter(families)))
    if texts and names:
        notes.append(f"each family of comparisons is of the means within one value of {names}")
    if texts and len(means.found) > 1:
        notes.append("intervals of the posterior are each contrast's own")
    return ContrastTable(
        rows=tuple(rows),
        prob=means.prob,
        adjust=named,
        comparison=comparison,
        weights=chosen.weights,
        notes=(*notes, *means.notes),
        cautions=(*_not_differences(chosen, comparison), *means.cautions),
        verdict=means.verdict,
    )


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _family(
    made: MeanValues, chosen: ContrastSet, means: int, prob: float, random_seed: int
) -> Comparisons:
    """Return the comparisons of one family that are estimable and have an error."""
    known = _tested(made)
    sd = made.sd[known]
    return Comparisons(
        t=made.estimate[known] / sd,
        df=made.df[known],
        correlation=made.covariance[np.ix_(known, known)] / np.outer(sd, sd),
        means=means,
        pairwise=chosen.pairwise,
        prob=prob,
        random_seed=random_seed,
    )


def _tested(made: MeanValues) -> Flags:
    return made.estimable & (made.sd > 0.0)


def _of_draws(
    made: MeanValues,
    chosen: ContrastSet,
    by: tuple[At, ...],
    prob: float,
    comparison: Comparison,
) -> list[MeanContrast]:
    """Return the contrasts of one family by a posterior."""
    assert made.draws is not None
    ratio = comparison != "difference"
    draws = np.exp(made.draws) if ratio else made.draws
    summary, null = summarise_draws(draws, prob), 1.0 if ratio else 0.0
    direction = np.maximum((draws > null).mean(axis=0), (draws < null).mean(axis=0))
    numbers = np.stack([summary.mean, summary.sd, summary.lower, summary.upper, direction], axis=1)
    numbers[~made.estimable] = math.nan
    return [
        MeanContrast(
            model=made.result.title,
            engine=made.result.engine,
            contrast=contrast,
            by=by,
            outcome=made.target,
            estimate=estimate,
            sd=sd,
            lower=lower,
            upper=upper,
            df=None,
            direction=None if math.isnan(share) else share,
        )
        for contrast, (estimate, sd, lower, upper, share) in zip(
            chosen.names, numbers.tolist(), strict=True
        )
    ]


def _of_estimate(
    made: MeanValues,
    found: Adjusted,
    chosen: ContrastSet,
    by: tuple[At, ...],
    comparison: Comparison,
) -> list[MeanContrast]:
    """Return the contrasts of one family by an estimate, with their adjusted tests."""
    tested, c = _tested(made), len(chosen.names)
    t, p, reach = np.full((3, c), math.nan)
    sd = made.sd
    t[tested], p[tested], reach[tested] = made.estimate[tested] / sd[tested], found.p, found.reach
    half = np.where(tested, reach, 0.0) * sd
    numbers = np.stack([made.estimate, sd, made.estimate - half, made.estimate + half], axis=1)
    if comparison != "difference":
        numbers = np.exp(numbers)
        numbers[:, 1] = sd * numbers[:, 0]
    numbers[~made.estimable] = math.nan
    return [
        MeanContrast(
            model=made.result.title,
            engine=made.result.engine,
            contrast=contrast,
            by=by,
            outcome=made.target,
            estimate=row[0],
            sd=row[1],
            lower=row[2],
            upper=row[3],
            df=float(made.df[k]),
            t=float(t[k]) if tested[k] else None,
            p=float(p[k]) if tested[k] else None,
        )
        for k, (contrast, row) in enumerate(zip(chosen.names, numbers.tolist(), strict=True))
    ]


def _not_differences(chosen: ContrastSet, comparison: Comparison) -> tuple[str, ...]:
    found = chosen.averages
    if not found:
        return ()
    what = "sums or averages" if comparison == "difference" else "products"
    return (f"the weights of {', '.join(found)} do not sum to zero: {what} of means",)
