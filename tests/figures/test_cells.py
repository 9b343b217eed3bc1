"""The map of crossed cells."""

import numpy as np
import pytest

from bayes_mlm import build_design, fit
from bayes_mlm.base import DesignError
from bayes_mlm.figures.cells import crossed_cells, plot_crossed_cells
from bayes_mlm.fitting import Analysis, summarise


def analysis_of(formula, data):
    one = fit(formula, data, random_seed=1, draws=200)
    return Analysis(
        request=one.request,
        design=one.design,
        fits=(one,),
        estimates=(),
        summaries=(summarise(one),),
        prob=0.95,
    )


def ratings(seed=1, raters=8, items=12):
    rng = np.random.default_rng(seed)
    g, h = (one.ravel() for one in np.meshgrid(np.arange(raters), np.arange(items)))
    kept = rng.random(g.size) < 0.8
    g, h = g[kept], h[kept]
    y = rng.normal(size=raters)[g] + rng.normal(size=items)[h] + 0.5 * rng.normal(size=g.size)
    return {"y": y, "rater": g, "item": h}


def test_cells_are_counted_and_an_odd_one_stands_out():
    data = ratings()
    odd = (data["rater"] == data["rater"][0]) & (data["item"] == data["item"][0])
    data["y"][odd] += 6.0
    found = crossed_cells(analysis_of("y ~ 1 + (1 | rater) + (1 | item)", data))
    assert found.counts.sum() == found.n == data["y"].size
    assert found.filled == np.count_nonzero(found.counts)
    row, column = np.unravel_index(np.nanargmax(np.abs(found.residual)), found.residual.shape)
    assert found.labels[0][row] == str(data["rater"][0])
    assert found.labels[1][column] == str(data["item"][0])
    assert "combinations" in found.text.caption
    figure = plot_crossed_cells(found)
    assert len(figure.axes) == 4  # two maps with their scales


def test_many_levels_share_places():
    found = crossed_cells(
        analysis_of("y ~ 1 + (1 | rater) + (1 | item)", ratings(raters=90, items=70))
    )
    assert found.counts.shape == (45, 35)
    assert found.labels == ((), ())
    assert "share a place" in found.text.caption


def test_there_is_none_of_nested_factors():
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(6), 12)
    data = {"y": rng.normal(size=72), "school": school, "room": np.tile(np.repeat([0, 1, 2], 4), 6)}
    assert crossed_cells(analysis_of("y ~ 1 + (1 | school/room)", data)) is None


def test_a_factor_called_residual_is_refused():
    data = ratings() | {"residual": ratings()["rater"]}
    with pytest.raises(DesignError, match="called 'residual'"):
        build_design("y ~ 1 + (1 | residual) + (1 | item)", data)
