"""The numbers of the figures of the 2015 document as tidy tables."""

from collections.abc import Iterator
from typing import Any

from bayes_mlm.figures import Cloud, Line, tabulates
from bayes_mlm.studies.hsb.figures.by_group import GroupSpread
from bayes_mlm.studies.hsb.figures.extremes import Extremes
from bayes_mlm.studies.hsb.figures.pooled_between import PooledBetween
from bayes_mlm.studies.hsb.figures.prototypes import Prototypes
from bayes_mlm.studies.hsb.figures.slopes import FourSlopes
from bayes_mlm.studies.hsb.figures.subgroup_means import SubgroupMeans
from bayes_mlm.studies.hsb.figures.within_line import WithinLine


def _line(line: Line, **known: Any) -> dict[str, Any]:
    return {
        "part": "line",
        **known,
        "name": line.name,
        "x": line.x,
        "estimate": line.centre,
        "lower": line.lower,
        "upper": line.upper,
        line.likelihood_engine.lower(): line.likelihood,
    }


def _rows(cloud: Cloud) -> dict[str, Any]:
    return {"part": "rows", "name": cloud.term.labels[cloud.term.codes], "x": cloud.x, "y": cloud.y}


def _groups(cloud: Cloud) -> dict[str, Any]:
    means = {"x": cloud.group_x, "y": cloud.group_y}
    return {"part": "group means", "name": cloud.term.labels, **means}


@tabulates(GroupSpread)
def _group_spread(data: GroupSpread) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {
        "group": data.labels,
        "rows": data.sizes,
        "mean": data.mean,
        "median": data.median,
        "lower_quartile": data.lower_quartile,
        "upper_quartile": data.upper_quartile,
    }
    if data.fitted is not None:
        ends = {"lower": data.fitted_lower, "upper": data.fitted_upper}
        found |= {"fitted": data.fitted, **ends}
    yield found


@tabulates(Extremes)
def _extremes(data: Extremes) -> Iterator[dict[str, Any]]:
    yield _rows(data.cloud)
    yield from map(_line, data.lines)


@tabulates(PooledBetween)
def _pooled_between(data: PooledBetween) -> Iterator[dict[str, Any]]:
    yield _rows(data.cloud)
    yield _groups(data.cloud)
    yield from map(_line, (data.pooled, data.between))


@tabulates(WithinLine)
def _within_line(data: WithinLine) -> Iterator[dict[str, Any]]:
    yield {**_rows(data.cloud), "x": data.deviation}
    yield _line(data.line)


@tabulates(FourSlopes)
def _four_slopes(data: FourSlopes) -> Iterator[dict[str, Any]]:
    yield _rows(data.cloud)
    for line in data.lines:
        yield _line(line, model=line.model)


@tabulates(Prototypes)
def _prototypes(data: Prototypes) -> Iterator[dict[str, Any]]:
    for one in data.groups:
        yield {"part": "rows", "name": one.label, "x": one.x, "y": one.y}
        found = _line(one.line, subgroup=one.subgroup)
        yield found if one.unpooled is None else {**found, "unpooled": one.unpooled}


@tabulates(SubgroupMeans)
def _subgroup_means(data: SubgroupMeans) -> Iterator[dict[str, Any]]:
    yield _groups(data.cloud)
    for one in data.subgroups:
        found = _line(one.line, subgroup=one.name)
        yield found if one.unpooled is None else {**found, "unpooled": one.unpooled}
