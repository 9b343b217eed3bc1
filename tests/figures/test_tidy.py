"""Every figure as a tidy table: as many rows as there are things drawn, and the same numbers."""

import io

import numpy as np
import pandas as pd
import pytest

from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.figures.caterpillar import caterpillar
from bayes_mlm.figures.coefficients import ladder_coefficients, plot_coefficients
from bayes_mlm.figures.residuals import group_residuals, row_residuals
from bayes_mlm.figures.shrinkage import plot_group_shrinkage, shrinkage
from bayes_mlm.figures.tidy import tidy
from bayes_mlm.figures.traces import traces
from bayes_mlm.figures.variance_parts import plot_variance_parts, variance_parts


def test_every_figure_has_a_table(pictures):
    for name, picture in pictures.items():
        table = tidy(picture)
        assert len(table) > 0, name
        frame = table.to_frame()
        assert len(frame) == len(table)
        assert not frame.columns.duplicated().any()
        assert not frame.isna().all(axis=1).any(), name
        read = pd.read_csv(io.StringIO(table.to_csv()))
        assert read.shape == frame.shape, name
        for column in read.select_dtypes("number"):
            np.testing.assert_array_equal(read[column], pd.to_numeric(frame[column]))


def test_groups_in_order_have_a_row_each(hsb):
    picture = caterpillar(hsb["hsb_sector_ses"])
    frame = tidy(picture).to_frame()
    assert len(frame) == 160
    assert frame.groupby("subgroup").size().to_dict() == {"sector = 0": 90, "sector = 1": 70}
    effect = picture.panels[0].effect
    by_group = frame.set_index("group").loc[picture.labels]
    np.testing.assert_array_equal(by_group["estimate"], effect.mean)
    np.testing.assert_array_equal(by_group["upper"], effect.upper)


def test_rows_are_as_many_as_the_points_drawn(hsb):
    picture = shrinkage(hsb["hsb_sector_ses"])
    (ax,) = plot_group_shrinkage(picture).axes
    drawn = sum(line.get_xdata().size for line in ax.lines if line.get_marker() in ("o", "^"))
    assert drawn == 2 * len(tidy(picture))  # an unpooled and a pooled point each
    picture = variance_parts(hsb["hsb_sector_ses"])
    left, _ = plot_variance_parts(picture).axes
    assert len(left.patches) == len(tidy(picture))
    heights = [bar.get_height() for bar in left.patches]  # of the place and the top of a bar
    np.testing.assert_allclose(heights, tidy(picture).columns["share"], rtol=1e-12)
    picture = ladder_coefficients(list(hsb.values()))
    panels = plot_coefficients(picture).axes
    points = sum(len(line.get_xdata()) == 1 for ax in panels for line in ax.lines)
    frame = tidy(picture).to_frame()
    assert points == (frame["source"] != "published").sum()


def test_rows_and_their_means_are_told_apart(hsb):
    picture = row_residuals(hsb["hsb_ses"])
    parts = tidy(picture).to_frame().groupby("part").size()
    assert parts["rows"] == picture.residual.size
    assert parts["means"] == picture.at.size
    assert parts["normal quantiles"] == picture.qq.found.size


def test_labels_are_those_of_the_quantiles(hsb):
    analysis = hsb["hsb_ses"]
    frame = tidy(group_residuals(analysis)).to_frame()
    effect = caterpillar(analysis).panels[0].effect.standardised
    z = pd.Series(effect, index=analysis.design.labels).loc[frame["group"]].to_numpy()
    expected = (z - effect.mean()) / effect.std(ddof=1)
    np.testing.assert_allclose(frame["standardised"], expected, atol=0.02)
    assert np.argsort(z).tolist() == list(range(z.size))


def test_draws_have_a_row_each(nuts):
    picture = traces(nuts)
    many = sum(values.size for values in picture.values.values())
    assert len(tidy(picture)) == many


def test_data_without_a_table_are_refused():
    with pytest.raises(UnsupportedModelError, match="a figure of int has no table"):
        tidy(3)
