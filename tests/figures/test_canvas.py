"""Options of every figure: theme, size, axes and subfigures handed over."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from bayes_mlm.base import BayesMLMError, EngineError, SpecError
from bayes_mlm.figures import style
from bayes_mlm.figures.caterpillar import caterpillar, plot_caterpillar
from bayes_mlm.figures.greys import grey_of
from bayes_mlm.figures.shrinkage import plot_group_shrinkage, shrinkage
from bayes_mlm.figures.style import BLUE, GREEN, ORANGE, PINK, SKY
from bayes_mlm.figures.subgroup_difference import plot_subgroup_difference, subgroup_difference
from bayes_mlm.figures.variance_parts import plot_variance_parts, variance_parts
from bayes_mlm.studies import FIGURES


def test_every_figure_is_drawn_grey_in_a_size_and_in_a_subfigure(pictures):
    assert len(pictures) > 18
    before = dict(mpl.rcParams)
    page = Figure(figsize=(8.0, 5.0), layout="constrained")
    parts = page.subfigures(1, len(pictures))
    for part, (name, picture) in zip(parts, pictures.items(), strict=True):
        draw = FIGURES[name].draw
        assert draw(picture, ax=part) is part
        assert part.get_axes() or part.subfigs, name
        figure = draw(picture, theme="grey", figsize=(5.0, 4.0))
        assert figure.get_size_inches().tolist() == [5.0, 4.0]
        for line in figure.findobj(Line2D):
            assert len(set(to_rgb(line.get_color()))) == 1, name
    assert dict(mpl.rcParams) == before


# Of one axes where the model has one effect; those that are not here have several.
ONE_AXES = {
    "accuracy",
    "caterpillar",
    "group-residuals",
    "shrinkage",
    "loo-groups",
    "subgroup-means",
}


def test_axes_take_a_figure_of_one_axes(pictures):
    for name in ONE_AXES:
        ax = Figure(layout="constrained").add_subplot()
        assert FIGURES[name].draw(pictures[name], ax=ax) is ax
        assert ax.lines or ax.collections, name
        assert ax.figure.axes == [ax]


def test_long_names_are_broken_in_axes_that_were_handed_over(hsb):
    long = "score in the mathematics test of the spring term, in points of the national scale"
    picture = replace(caterpillar(hsb["hsb_ses"]), group=long, what=f"effect on {long}")
    page = Figure(figsize=(7.0, 3.0), layout="constrained")
    left, right = page.subplots(1, 2)
    plot_caterpillar(picture, ax=left)
    page.draw_without_rendering()
    for label in (left.xaxis.label, left.yaxis.label):
        box = label.get_window_extent()
        assert 0.0 <= box.x0 < box.x1 < right.get_tightbbox().x0
        assert 0.0 <= box.y0 < box.y1 <= page.bbox.height
    assert "\n" in left.yaxis.label.get_text()


def test_letters_come_from_installed_fonts_too(hsb, monkeypatch):
    monkeypatch.setattr(style, "more_letters", lambda: ("STIXGeneral",))
    label = plot_caterpillar(caterpillar(hsb["hsb_ses"])).axes[0].xaxis.label
    assert label.get_fontfamily() == [*mpl.rcParams["font.family"], "STIXGeneral"]


@pytest.mark.parametrize("width", [3.3, 6.3])
def test_a_power_of_ten_is_not_covered_by_the_legend(hsb, width):
    picture = subgroup_difference(hsb["hsb_sector_ses"])
    parts = ("centre", "lower", "upper", "likelihood")
    large = {name: 1e7 * getattr(picture, name) for name in parts}
    figure = plot_subgroup_difference(replace(picture, **large), figsize=width)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    power = ax.yaxis.get_offset_text()
    assert power.get_text() in {"1e7", "1e8"}
    legend = ax.get_legend().get_window_extent()
    assert Bbox.intersection(power.get_window_extent(), legend) is None


@pytest.mark.parametrize(
    "name", ["variance-parts", "predictive", "coefficients", "group-influence"]
)
def test_axes_are_refused_by_figures_of_several(pictures, name):
    with pytest.raises(EngineError, match=r"ax=figure.subfigures\(1, 2\)\[0\]"):
        FIGURES[name].draw(pictures[name], ax=Figure().add_subplot())


def test_the_greys_differ_from_each_other():
    levels = sorted(grey_of(colour)[0] for colour in (BLUE, ORANGE, GREEN, PINK, SKY))
    assert np.diff(levels).min() > 0.08


def test_a_theme_is_a_name_a_style_of_matplotlib_or_settings(hsb):
    picture = caterpillar(hsb["hsb_ses"])
    sizes = [
        plot_caterpillar(picture, theme=theme).axes[0].xaxis.label.get_size()
        for theme in ("default", "talk", "fivethirtyeight", {"axes.labelsize": 17.0})
    ]
    assert sizes[0] == 9.0
    assert sizes[1] == pytest.approx(11.7)
    assert sizes[2] != 9.0
    assert sizes[3] == 17.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"theme": "gray"}, "unknown theme 'gray'; did you mean 'grey'?"),
        ({"theme": {"axes.labelsiz": 3}}, "no settings of matplotlib: axes.labelsiz"),
        ({"figsize": (3.0, 0.0)}, "a width and a height, in inches"),
        ({"figsize": float("nan")}, "in inches"),
    ],
)
def test_wrong_options_are_refused_by_name(hsb, options, says):
    with pytest.raises(SpecError, match=says.replace("?", r"\?")):
        plot_group_shrinkage(shrinkage(hsb["hsb_ses"]), **options)


def test_axes_have_a_size_already(hsb):
    ax = Figure().add_subplot()
    with pytest.raises(BayesMLMError, match="omit figsize="):
        plot_variance_parts(variance_parts(hsb["hsb_ses"]), ax=ax, figsize=3.0)


def test_boxes_behind_numbers_and_hatches_are_grey(hsb):
    for picture, plot in (
        (variance_parts(hsb["hsb_ses"]), plot_variance_parts),
        (subgroup_difference(hsb["hsb_sector_ses"]), plot_subgroup_difference),
    ):
        figure = plot(picture, theme="grey")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
        assert np.ptp(pixels, axis=2).max() <= 2  # no pixel has a colour
