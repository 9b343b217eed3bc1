"""How the document's figures are drawn: what is in them, how it is labelled, that nothing collides.

Structure, never pixels: artists, their data and their boxes on the page.
"""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

import bayes_mlm.figures
from bayes_mlm.base.text import estimate
from bayes_mlm.figures import ladder_figures, model_figures
from bayes_mlm.figures.style import engine_style, model_styles
from bayes_mlm.studies import FIGURES
from bayes_mlm.studies.hsb.figures.by_group import plot_group_spread, spread_by_group
from bayes_mlm.studies.hsb.figures.extremes import extreme_groups, plot_extremes
from bayes_mlm.studies.hsb.figures.pooled_between import plot_pooled_between, pooled_and_between
from bayes_mlm.studies.hsb.figures.prototypes import plot_prototypes, prototypes
from bayes_mlm.studies.hsb.figures.slopes import four_slopes, plot_four_slopes
from bayes_mlm.studies.hsb.figures.subgroup_means import plot_subgroup_means, subgroup_means
from bayes_mlm.studies.hsb.figures.within_line import plot_within_line, within_line
from bayes_mlm.studies.record import WORKED_STUDY, records
from tests.helpers.figures import awkward_ladders, awkward_rows, run, study as of_record
from tests.helpers.pages import check_page

MINE = {
    "group-spread",
    "pooled-between",
    "within-line",
    "extreme-groups",
    "four-slopes",
    "prototypes",
    "subgroup-means",
}
STUDY = (
    "hsb_pooled",
    "hsb_between",
    "hsb_no_pooling",
    "hsb_within",
    "hsb_null",
    "hsb_ses",
    "hsb_sector_ses",
)


def simulated(*shape, g="g", **names):
    """Fit the kinds of model that the document compares to rows of no study."""
    data, (y, x, w, bar) = awkward_rows(*shape, g=g, **names)
    line = f"{y} ~ {x}"
    return [
        run(line, data, name="total", kind="pooled", group=g, draws=100),
        run(line, data, name="means", kind="between", group=g, draws=100),
        run(line, data, name="unpooled", kind="no_pooling", group=g, draws=100),
        run(line, data, name="deviations", kind="within", group=g, draws=100),
        run(f"{line} * {w} + (1 | {bar})", data, name="partial", draws=100),
    ]


@pytest.fixture(scope="module")
def study():
    return {name: of_record(name, draws=100).analysis for name in STUDY}


@pytest.fixture(scope="module")
def ladders(study):
    sleep = "reaction ~ days"
    growth = [
        run(f"{sleep} + (days | subject)", "sleepstudy", name="sleep", draws=100),
        run(sleep, "sleepstudy", name="total", kind="pooled", group="subject", draws=100),
        run(sleep, "sleepstudy", name="within", kind="within", group="subject", draws=100),
    ]
    return {"hsb": list(study.values()), "growth": growth, **awkward_ladders(simulated, 12)}


def drawn(ladder):
    """Draw every figure of this module's that applies to a ladder, by name."""
    found = [*ladder_figures(ladder)]
    found += [pair for analysis in ladder for pair in model_figures(analysis)]
    for entry, picture in found:
        if entry.name in MINE:
            yield entry, picture, entry.draw(picture)


def labels_of(axes: Axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# --- all figures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "which",
    ["hsb", "three groups", "2,000 groups", "odd names", "singular", "growth", "two sexes"],
)
def test_text_fits_and_never_overlaps(ladders, which):
    seen = set()
    for entry, _, figure in drawn(ladders[which]):
        seen.add(entry.name)
        check_page(figure, (which, entry.name), narrowest=0.25)
    assert "group-spread" in seen
    if which in ("hsb", "three groups", "2,000 groups", "odd names"):
        assert seen == MINE


def test_the_catalogue_lists_every_figure_once():
    names = [entry.name for entry in FIGURES.values()]
    assert len(names) == len(set(names))
    assert set(names) >= MINE
    for entry in FIGURES.values():
        assert entry.of in ("model", "ladder")
        assert entry.title
        assert entry.shows
        assert entry.applies


def test_what_does_not_apply_is_left_out(ladders):
    assert [entry.name for entry, _, _ in drawn(ladders["singular"])] == ["group-spread"]
    names = [entry.name for entry, _, _ in drawn(ladders["two sexes"])]
    assert names == ["group-spread", "prototypes"]


def test_public_names_are_there():
    for name in bayes_mlm.figures.__all__:
        assert getattr(bayes_mlm.figures, name) is not None


def test_figures_go_into_axes_that_are_given(study):
    for draw, picture in (
        (plot_pooled_between, pooled_and_between(list(study.values()))),
        (plot_within_line, within_line(study["hsb_within"])),
        (plot_extremes, extreme_groups(study["hsb_no_pooling"])),
        (plot_subgroup_means, subgroup_means(study["hsb_sector_ses"])),
    ):
        figure = Figure()
        axes = figure.add_subplot()
        assert draw(picture, ax=axes) is axes
        assert figure.axes == [axes]
        assert axes.has_data()


def test_settings_of_matplotlib_are_left_alone(study):
    from matplotlib import rcParams

    before = dict(rcParams)
    plot_within_line(within_line(study["hsb_within"]))
    assert dict(rcParams) == before


# --- one by one -----------------------------------------------------------------------------------


def test_group_spread_holds_every_group(study):
    picture = spread_by_group(list(study.values()))
    figure = plot_group_spread(picture)
    top, bottom = figure.axes
    bars = [item for item in top.collections if isinstance(item, LineCollection)]
    quartiles = np.array([segment[:, 1] for segment in bars[0].get_segments()])
    np.testing.assert_array_equal(quartiles.T, [picture.lower_quartile, picture.upper_quartile])
    posterior = np.array([segment[:, 1] for segment in bars[1].get_segments()])
    np.testing.assert_array_equal(posterior.T, [picture.fitted_lower, picture.fitted_upper])
    below = np.array([segment[:, 1] for segment in bottom.collections[0].get_segments()])
    np.testing.assert_allclose(below[:, 0], picture.lower_quartile - picture.mean)
    assert top.get_ylabel() == "mathach"
    assert "160 groups, 7,185 rows" in bottom.get_xlabel()
    # The schools with the lowest and the highest mean, of 160.
    names = [label.get_text() for label in bottom.get_xticklabels()]
    assert names == [str(picture.labels[0]), str(picture.labels[-1])]
    assert "expected mean, 95 % interval" in labels_of(top)


def test_few_groups_all_have_their_names(ladders):
    figure = plot_group_spread(spread_by_group(ladders["odd names"]))
    names = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert len(set(names)) == 12
    assert any(name.startswith("<script>") for name in names)
    assert any("$x_1$" in name for name in names)


def test_dollar_signs_are_text(ladders):
    figure = plot_group_spread(spread_by_group(ladders["odd names"]))
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())


def lines_in(axes: Axes, x):
    """Return the heights of the lines drawn along x."""
    return [line.get_ydata() for line in axes.lines if np.array_equal(line.get_xdata(), x)]


def test_lines_are_those_of_the_pictures(study):
    picture = pooled_and_between(list(study.values()))
    (axes,) = plot_pooled_between(picture).axes
    for line in (picture.pooled, picture.between):
        assert any(np.array_equal(y, line.centre) for y in lines_in(axes, line.x))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ses", "mathach")
    assert "160 group means" in labels_of(axes)
    assert "7,185 rows (darker: more)" in labels_of(axes)


def test_least_squares_is_drawn_over_the_posterior(study):
    picture = within_line(study["hsb_within"])
    (axes,) = plot_within_line(picture).axes
    centre, likelihood = lines_in(axes, picture.line.x)
    np.testing.assert_array_equal(centre, picture.line.centre)
    np.testing.assert_array_equal(likelihood, picture.line.likelihood)
    assert "OLS" in labels_of(axes)
    assert axes.get_xlabel() == "ses less its mean by schoolid"


def test_extreme_groups_are_named(study):
    picture = extreme_groups(study["hsb_no_pooling"])
    (axes,) = plot_extremes(picture).axes
    labels = " ".join(labels_of(axes))
    for which, place, line in zip(
        ("lowest", "highest"), picture.groups, picture.lines, strict=True
    ):
        size = picture.cloud.sizes[place]
        assert f"{which} mean ses: {line.name} ({size} rows)" in labels


def test_four_slopes_are_written_next_to_their_lines(study):
    picture = four_slopes(list(study.values()))
    left, right = plot_four_slopes(picture).axes
    written = " ".join(text.get_text() for text in right.texts)
    for line in picture.lines:
        shown = estimate(line.slope, line.slope_lower, line.slope_upper)
        assert f"{line.name}\n{shown}" in written
    points = {float(line.get_xdata()[0]) for line in right.lines if len(line.get_xdata()) == 1}
    assert {line.slope for line in picture.lines} <= points
    assert {line.likelihood_slope for line in picture.lines} <= points
    # In grey the lines differ by their dashes.
    dashes = {str(line.get_linestyle()) + str(line._dash_pattern) for line in left.lines}
    assert len(dashes) == len(picture.lines) == 4


def test_prototypes_have_a_panel_each(study):
    picture = prototypes(study["hsb_sector_ses"])
    figure = plot_prototypes(picture)
    assert len(figure.axes) == 2
    for axes, group in zip(figure.axes, picture.groups, strict=True):
        assert group.subgroup in axes.get_title(loc="left")
        assert group.label in axes.get_title(loc="left")
        members, *lines = axes.lines
        np.testing.assert_array_equal(members.get_xydata(), np.column_stack([group.x, group.y]))
        heights = [line.get_ydata() for line in lines]
        for expected in (group.line.centre, group.line.likelihood, group.unpooled):
            assert any(np.array_equal(expected, height) for height in heights)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[1:] == ["REML", "unpooled least-squares line"]


def test_subgroup_means_mark_the_subgroups_apart(study):
    picture = subgroup_means(study["hsb_sector_ses"])
    (axes,) = plot_subgroup_means(picture).axes
    labels = labels_of(axes)
    assert labels[:2] == ["sector = 0 (90 groups)", "sector = 1 (70 groups)"]
    points = [line for line in axes.lines if line.get_marker() in ("o", "^")]
    assert sorted(len(line.get_xdata()) for line in points) == [70, 90]
    colours = {line.get_markeredgecolor() for line in points}
    assert len(colours) == 2


def test_no_legend_of_what_is_not_drawn(ladders):
    picture = subgroup_means(ladders["three groups"][-1])
    (axes,) = plot_subgroup_means(picture).axes
    assert "least squares through the means" not in labels_of(axes)


# --- style ----------------------------------------------------------------------------------------


def test_a_model_looks_the_same_in_every_figure():
    names = [record.name for record in records(WORKED_STUDY)]
    together = model_styles(names)
    for name in names:
        assert model_styles([name])[name] == together[name]
        assert model_styles(["mine", name])[name] == together[name]
    assert len({(style.colour, style.marker) for style in together.values()}) == len(names)


def test_engines_are_distinct_without_colour():
    engines = ("direct", "nuts", "reml", "published")
    assert len({engine_style(name).marker for name in engines}) == len(engines)
    assert len({engine_style(name).line for name in engines}) == len(engines)
