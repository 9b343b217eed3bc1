"""Every figure on a page and in a column of print: text inside, and none on another."""

import pytest

from bayes_mlm.figures import tidy
from bayes_mlm.figures.parts import legend_above, legend_key
from bayes_mlm.figures.style import new_figure
from bayes_mlm.studies import FIGURES
from tests.helpers.pages import collisions, laid_out, shown_texts


@pytest.mark.parametrize("width", [pytest.param(6.5, marks=pytest.mark.slow), 3.3])
def test_text_is_inside_and_apart(pictures, width):
    for name, picture in pictures.items():
        figure = laid_out(FIGURES[name].draw(picture, figsize=width))
        page = figure.bbox
        for text in shown_texts(figure):
            box = text.get_window_extent()
            edges = (box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1)
            assert min(edges) >= -1, (name, text.get_text())
            assert text.get_fontsize() >= 8, (name, text.get_text())
        # Names of single points have leaders, which may cross in so little room.
        ticks = [pair for pair in collisions(figure) if not all(map(str.isdigit, pair))]
        assert ticks == [], name
        assert len(tidy(picture)) > 0


def test_legends_have_the_columns_that_fit():
    for width, columns in ((8.0, 4), (4.5, 2)):
        ax = new_figure(width=width).add_subplot()
        names = ("observed", "estimated", "95 % interval", "new district")
        legend_above(ax, [legend_key(label=name) for name in names], columns=4)
        laid_out(ax.figure)
        assert ax.get_legend()._ncols == columns
        assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1


def test_long_names_of_axes_are_broken_once_more_from_the_whole():
    figure = new_figure(width=3.3)
    ax = figure.add_subplot()
    whole = "socioeconomic status of the household of the pupil, in standard deviations"
    ax.set_xlabel(whole)
    laid_out(figure)
    assert ax.get_xlabel().replace("\n", " ") == whole
    assert ax.get_xlabel().count("\n") == 1
    figure.set_size_inches(1.9, 3.0)
    laid_out(figure)
    assert ax.get_xlabel().replace("\n", " ") == whole
    assert ax.get_xlabel().count("\n") > 1


def test_a_name_of_an_axis_is_clear_of_the_power_of_ten_of_its_ticks():
    figure = new_figure(width=2.0)
    ax = figure.add_subplot()
    ax.plot([0.0, 3e-7], [0.0, 1.0])
    ax.set_xlabel("score, at the means\nHalfStudentT(3, 1.261e-06)")
    laid_out(figure)
    assert ax.xaxis.get_offset_text().get_text() == "1e−7"
    assert collisions(figure) == []
