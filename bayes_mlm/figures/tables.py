"""The columns of the tidy table of each kind of figure."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bayes_mlm.figures.accuracy import Accuracy
from bayes_mlm.figures.calibration import CalibrationPicture
from bayes_mlm.figures.caterpillar import Caterpillar
from bayes_mlm.figures.cells import CrossedCells
from bayes_mlm.figures.coefficients import Coefficients
from bayes_mlm.figures.comparison import QuantityEstimates
from bayes_mlm.figures.contextual import Contextual
from bayes_mlm.figures.densities import Densities
from bayes_mlm.figures.divergences import Divergences
from bayes_mlm.figures.explained import Explained
from bayes_mlm.figures.group_means import GroupMeans
from bayes_mlm.figures.influence import GroupInfluence
from bayes_mlm.figures.loo import LooGroups
from bayes_mlm.figures.mean_curves import MeanCurve, Observed
from bayes_mlm.figures.predictive import Predictive
from bayes_mlm.figures.prior_posterior import PriorPosterior
from bayes_mlm.figures.prior_sensitivity import PriorSensitivity
from bayes_mlm.figures.residuals import GroupResiduals, RowResiduals
from bayes_mlm.figures.response_curves import ResponseCurves
from bayes_mlm.figures.sampler import SamplerFigure
from bayes_mlm.figures.shrinkage import Shrinkage
from bayes_mlm.figures.subgroup_difference import SubgroupDifference
from bayes_mlm.figures.tidy import Block, tabulates
from bayes_mlm.figures.trajectories import Curve, Trajectories
from bayes_mlm.figures.variance_parts import VarianceParts


def quantity_blocks(item: QuantityEstimates, **known: Any) -> Iterator[Block]:
    """Yield the estimates of a quantity, a row a source, and the curves of its densities."""
    known = {**known, "quantity": item.quantity, "unit": item.unit}
    for one in item.posteriors:
        ends = {"lower": one.lower, "upper": one.upper}
        yield {"part": "estimate", **known, "source": one.engine, "estimate": one.mean, **ends}
    if item.likelihood is not None:
        found = item.likelihood
        yield {
            "part": "estimate",
            **known,
            "source": found.engine,
            "estimate": found.estimate,
            "lower": found.lower,
            "upper": found.upper,
        }
    for printed in item.published:
        yield {"part": "estimate", **known, "source": "published", "estimate": printed.value}
    for one in item.posteriors:
        if one.density is not None:
            curve = {"x": one.density.x, "density": one.density.y}
            yield {"part": "density", **known, "source": one.engine, **curve}


@tabulates(Densities)
def _densities(data: Densities) -> Iterator[Block]:
    for item in data.items:
        yield from quantity_blocks(item)


@tabulates(Explained)
def _explained(data: Explained) -> Iterator[Block]:
    for level, items in (("between", data.between), ("within", data.within)):
        for model, item in zip(data.models, items, strict=True):
            yield from quantity_blocks(item, model=model, level=level)


@tabulates(Coefficients)
def _coefficients(data: Coefficients) -> Iterator[Block]:
    for row in data.terms:
        for model, item in zip(row.models, row.items, strict=True):
            yield from quantity_blocks(item, term=row.term, model=model)


@tabulates(Contextual)
def _contextual(data: Contextual) -> Iterator[Block]:
    for one in data.predictors:
        for level in ("within", "between", "difference"):
            yield from quantity_blocks(getattr(one, level), predictor=one.predictor, level=level)


@tabulates(Caterpillar)
def _caterpillar(data: Caterpillar) -> Iterator[Block]:
    for panel in data.panels:
        effect = panel.effect
        for block in panel.blocks:
            order = block.order
            yield {
                "effect": effect.name,
                "subgroup": block.name or None,
                "group": data.labels[order],
                "estimate": effect.mean[order],
                "lower": effect.lower[order],
                "upper": effect.upper[order],
                "outlying": np.isin(order, panel.outlying),
            }


@tabulates(Shrinkage)
def _shrinkage(data: Shrinkage) -> Iterator[Block]:
    subgroup: Any = None
    if data.subgroup is not None:
        subgroup = np.array(data.subgroup_labels)[data.subgroup]
    for effect in data.effects:
        yield {
            "effect": effect.name,
            "subgroup": subgroup,
            "group": data.labels,
            "rows": data.sizes,
            "unpooled": effect.unpooled,
            "partial": effect.partial,
        }


@tabulates(GroupMeans)
def _group_means(data: GroupMeans) -> Iterator[Block]:
    yield {
        "group": data.labels,
        "rows": data.sizes,
        "observed": data.observed,
        "estimate": data.estimate,
        "lower": data.lower,
        "upper": data.upper,
        "expected": data.expected,
    }


@tabulates(ResponseCurves)
def _response_curves(data: ResponseCurves) -> Iterator[Block]:
    for part, curves in (("average", data.averaged), ("effects of zero", data.zero)):
        for curve in curves:
            yield _mean_curve(part, curve)
    for observed in data.observed:
        yield _observed("observed", None, observed)
    for one in data.groups:
        yield _mean_curve("group", one.curve)
        yield _observed("observed of group", one.curve.name, one.observed)


def _mean_curve(part: str, curve: MeanCurve) -> dict[str, Any]:
    found: dict[str, Any] = {"part": part, "name": curve.name, "x": curve.x}
    found |= {"estimate": curve.centre, "lower": curve.lower, "upper": curve.upper}
    return found if curve.likelihood is None else {**found, "likelihood": curve.likelihood}


def _observed(part: str, name: str | None, one: Observed) -> dict[str, Any]:
    found: dict[str, Any] = {"part": part, "name": name, "x": one.x, "y": one.y}
    return {**found, "expected": one.expected, "rows": one.rows}


@tabulates(VarianceParts)
def _variance_parts(data: VarianceParts) -> Iterator[Block]:
    for column in data.columns:
        for one in column.shares:
            yield {
                "variance": column.measure,
                "part": one.part,
                "share": one.mean,
                "lower": one.lower,
                "upper": one.upper,
                data.likelihood.lower(): one.likelihood,
            }


@tabulates(Trajectories)
def _trajectories(data: Trajectories) -> Iterator[Block]:
    for one in data.individuals:
        yield {"part": "rows", "name": one.curve.name, "x": one.x, "y": one.y}
        yield from _curve("group", one.curve)
    for curve in data.population:
        yield from _curve("population", curve)


def _curve(part: str, curve: Curve) -> Iterator[Block]:
    found: dict[str, Any] = {"part": part, "name": curve.name, "x": curve.x}
    found |= {"estimate": curve.centre, "lower": curve.lower, "upper": curve.upper}
    yield found if curve.reml is None else {**found, "reml": curve.reml}


@tabulates(SubgroupDifference)
def _subgroup_difference(data: SubgroupDifference) -> Iterator[Block]:
    yield {
        "part": "difference",
        "x": data.x,
        "estimate": data.centre,
        "lower": data.lower,
        "upper": data.upper,
        "positive": data.positive,
        data.likelihood_engine.lower(): data.likelihood,
    }
    for name, rows in zip(data.subgroups, data.rows, strict=True):
        ends = {"from": data.bins[:-1], "to": data.bins[1:]}
        yield {"part": "rows", "subgroup": name, **ends, "rows": rows}


@tabulates(PriorPosterior)
def _prior_posterior(data: PriorPosterior) -> Iterator[Block]:
    for one in data.panels:
        known = {"quantity": one.name, "unit": one.unit, "prior": one.prior}
        curve = {"x": one.posterior.x, "density": one.posterior.y}
        yield {"part": "posterior", **known, **curve}
        yield {"part": "prior", **known, "x": one.x, "density": one.density}


@tabulates(PriorSensitivity)
def _prior_sensitivity(data: PriorSensitivity) -> Iterator[Block]:
    for k, model in enumerate(data.models):
        shifts = {"shift_sd": data.sds[k], "shift_coefficient": data.coefficients[k]}
        yield {"model": model, "prior": data.labels, **shifts}


@tabulates(SamplerFigure)
def _sampler(data: SamplerFigure) -> Iterator[Block]:
    for name, values in data.values.items():
        for index in np.ndindex(*values.shape[2:]):
            of = f"{name}[{','.join(map(str, index))}]" if index else name
            for chain, draws in enumerate(values[(slice(None), slice(None), *index)]):
                places = {"chain": chain, "draw": np.arange(draws.size)}
                yield {"parameter": of, **places, "value": draws}


@tabulates(Divergences)
def _divergences(data: Divergences) -> Iterator[Block]:
    for one in data.panels:
        names = {"x_name": one.x_name, "y_name": one.y_name}
        yield {**names, "x": one.x, "y": one.y, "diverging": data.diverging}


@tabulates(Accuracy)
def _accuracy(data: Accuracy) -> Iterator[Block]:
    for one in data.checks:
        yield {"check": one.name, "value": one.value, "limit": one.limit}


@tabulates(LooGroups)
def _loo(data: LooGroups) -> Iterator[Block]:
    yield {
        "group": data.labels,
        "rows": data.sizes,
        "elpd_per_row": data.per_row,
        "k_hat": data.k_hat,
        "refitted": data.refitted,
    }


@tabulates(GroupInfluence)
def _influence(data: GroupInfluence) -> Iterator[Block]:
    yield {
        "group": data.labels,
        "effect": data.effect,
        "shift": data.shift,
        "moved": data.moved,
        "reliable": data.reliable,
        "df": data.df,
        "ratio": data.ratio,
    }


@tabulates(Predictive)
def _predictive(data: Predictive) -> Iterator[Block]:
    band = {"observed": data.observed, "replicated": data.centre}
    ends = {"lower": data.lower, "upper": data.upper}
    edges = {"from": data.edges[:-1], "to": data.edges[1:]}
    yield {"part": "share of rows", **edges, **band, **ends}
    for part, found in (("group mean", data.means), ("group sd", data.sds)):
        if found is not None:
            band = {"observed": found.observed, "replicated": found.centre}
            place = {"place": np.arange(1, found.observed.size + 1)}
            yield {"part": part, **place, **band, "lower": found.lower, "upper": found.upper}
    tail = (1.0 - data.prob) / 2.0
    for one in data.statistics:
        lower, upper = np.quantile(one.replicated, [tail, 1.0 - tail]).tolist()
        median = float(np.median(one.replicated))
        known = {"part": one.name, "observed": one.observed, "replicated": median}
        yield {**known, "lower": lower, "upper": upper}


@tabulates(CalibrationPicture)
def _calibration(data: CalibrationPicture) -> Iterator[Block]:
    found = data.found
    means = {"expected": found.expected, "observed": found.observed}
    yield {**means, "lower": found.lower, "upper": found.upper, "rows": found.rows}


@tabulates(RowResiduals)
def _row_residuals(data: RowResiduals) -> Iterator[Block]:
    yield {"part": "rows", "fitted": data.fitted, "residual": data.residual}
    band = {"lower": data.low, "upper": data.high}
    yield {"part": "means", "fitted": data.at, "residual": data.mean, **band}
    if data.qq is not None:
        yield {
            "part": "normal quantiles",
            "expected": data.qq.expected,
            "residual": data.qq.found,
            "lower": data.qq.lower,
            "upper": data.qq.upper,
        }


@tabulates(GroupResiduals)
def _group_residuals(data: GroupResiduals) -> Iterator[Block]:
    for name, curve, places in zip(data.effects, data.curves, data.places, strict=True):
        yield {
            "effect": name,
            "group": data.labels[places],
            "expected": curve.expected,
            "standardised": curve.found,
            "lower": curve.lower,
            "upper": curve.upper,
        }


@tabulates(CrossedCells)
def _cells(data: CrossedCells) -> Iterator[Block]:
    first, second = data.factors
    for k, level in enumerate(data.labels[0]):
        block = {first: level, second: data.labels[1], "rows": data.counts[k]}
        yield block if data.residual is None else {**block, "residual": data.residual[k]}
