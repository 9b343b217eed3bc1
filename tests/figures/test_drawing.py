"""How posterior figures and diagnostics are drawn: what is in them, and that nothing collides.

Structure, never pixels: artists, their data and their boxes on the page.
"""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures import model_figures
from bayes_mlm.figures.accuracy import Accuracy, Check, plot_accuracy
from bayes_mlm.figures.caterpillar import caterpillar, plot_caterpillar
from bayes_mlm.figures.coefficients import ladder_coefficients, plot_coefficients
from bayes_mlm.figures.densities import plot_densities, variance_densities
from bayes_mlm.figures.divergences import divergences, plot_divergences
from bayes_mlm.figures.energy import energy, plot_energy
from bayes_mlm.figures.explained import explained_by_level, plot_explained
from bayes_mlm.figures.predictive import plot_predictive, predictive_checks
from bayes_mlm.figures.residuals import group_residuals, plot_group_residuals
from bayes_mlm.figures.shrinkage import plot_group_shrinkage, shrinkage
from bayes_mlm.figures.subgroup_difference import plot_subgroup_difference, subgroup_difference
from bayes_mlm.figures.traces import plot_traces, traces
from bayes_mlm.studies import FIGURES
from tests.helpers.figures import awkward_ladders, awkward_rows, run, study as of_record
from tests.helpers.pages import check_page, collisions, laid_out, shown_texts

# Of a direct fit; the others need NUTS.
MINE = {
    "densities",
    "explained",
    "coefficients",
    "caterpillar",
    "shrinkage",
    "trajectories",
    "variance-parts",
    "group-influence",
    "subgroup-difference",
    "within-between",
    "prior-posterior",
    "prior-sensitivity",
    "accuracy",
    "loo-groups",
    "predictive",
    "row-residuals",
    "group-residuals",
}
STUDY = ("hsb_sector_ses", "hsb_ses", "hsb_mundlak_random")


def simulated(*shape, **names):
    data, (y, x, w, g) = awkward_rows(*shape, **names)
    return [
        run(f"{y} ~ {x} * {w} + (1 | {g})", data, name="partial", draws=100),
        run(f"{y} ~ {x} + (1 | {g})", data, name="two slopes", kind="mundlak", draws=100),
    ]


@pytest.fixture(scope="module")
def study():
    null = of_record("hsb_null", draws=100)
    found = {name: of_record(name, null, draws=100) for name in STUDY} | {"hsb_null": null}
    return {name: one.analysis for name, one in found.items()}


@pytest.fixture(scope="module")
def ladders(study):
    growth = run("reaction ~ days + (days | subject)", "sleepstudy", name="sleep", draws=100)
    return {"hsb": list(study.values()), "growth": [growth], **awkward_ladders(simulated, 30)}


@pytest.fixture
def nuts(mock_fit, study):
    """An analysis whose fit is by NUTS: drawn about the REML estimate, two diverging."""
    fit = mock_fit("hsb_ses", draws=200)
    diverging = np.zeros((4, 200), dtype=bool)
    diverging[0, :2] = True
    stats = dict(fit.draws.sample_stats) | {"diverging": Variable(("chain", "draw"), diverging)}
    fit = replace(fit, draws=replace(fit.draws, sample_stats=stats))
    return replace(study["hsb_ses"], fits=(fit,))


def drawn(ladder):
    """Draw every figure of this module's once, of the first model that it applies to."""
    for entry in FIGURES.values():
        if entry.name not in MINE:
            continue
        sources = [ladder] if entry.of == "ladder" else ladder
        pictures = (entry.prepare(source) for source in sources)
        picture = next((one for one in pictures if one is not None), None)
        if picture is not None:
            yield entry, picture, entry.draw(picture)


# --- all figures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "which",
    ["hsb", "three groups", "2,000 groups", "odd names", "singular", "growth", "two sexes"],
)
def test_text_fits_and_never_overlaps(ladders, which):
    seen = set()
    for entry, picture, figure in drawn(ladders[which]):
        seen.add(entry.name)
        check_page(figure, (which, entry.name))
        for text in (picture.text.title, picture.text.caption, picture.text.alt):
            assert text == text.strip()
            assert len(text) > 10
            assert "nan" not in text.split()
            assert "  " not in text, text
        assert picture.text.caption.endswith("."), picture.text.caption
    if which == "hsb":
        assert seen == MINE - {"trajectories"}
    if which == "growth":  # whose slopes vary
        assert "trajectories" in seen
    if which == "odd names":  # quoted in the formula, and crossed there
        assert "subgroup-difference" in seen


def test_nuts_figures_fit_the_page_too(nuts):
    seen = set()
    for entry in FIGURES.values():
        if entry.name in ("traces", "ranks", "energy", "convergence", "divergences"):
            check_page(entry.draw(entry.prepare(nuts)), entry.name)
            seen.add(entry.name)
    assert seen == {"traces", "ranks", "energy", "convergence", "divergences"}


def test_names_are_broken_into_lines_in_a_column_of_print_not_cut(ladders):
    ladder = ladders["odd names"]
    names = ("coefficients", "densities", "caterpillar", "shrinkage", "accuracy")
    outcome = "score in the test of spring $2015$, out of 25"
    for name in names:
        entry = FIGURES[name]
        picture = entry.prepare(ladder if entry.of == "ladder" else ladder[0])
        figure = laid_out(entry.draw(picture, figsize=3.3, theme="grey"))
        texts = {one.get_text().replace("\n", " ") for one in shown_texts(figure)}
        assert name == "accuracy" or any(outcome in text for text in texts), name
        for text in shown_texts(figure):
            box = text.get_window_extent()
            edges = (box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
            assert min(edges) >= -1, (name, text.get_text())
            # A frame that is not drawn in colour is not drawn in grey.
            assert text.get_bbox_patch() is None or text.get_bbox_patch().get_edgecolor()[3] == 0.0
        assert collisions(figure) == [], name
        assert min(axes.get_window_extent().width for axes in figure.axes) > 0.25 * 330, name


def test_a_page_of_coefficients_has_two_columns_and_no_name_of_the_one_model():
    rng = np.random.default_rng(3)
    names = [f"x{k}" for k in range(14)]
    data = {name: rng.normal(size=60) for name in ("y", *names)}
    model = run("y ~ " + " + ".join(names), data, draws=100)
    figure = laid_out(plot_coefficients(ladder_coefficients([model])))
    assert figure.get_size_inches()[1] < 7.0
    lefts = {round(axes.get_window_extent().x0) for axes in figure.axes}
    assert len(lefts) == 2
    assert not any(label.get_text() for ax in figure.axes for label in ax.get_yticklabels())


def test_what_does_not_apply_is_left_out(study):
    def names(which):
        return {entry.name for entry, _ in model_figures(study[which])}

    nuts_only = {"traces", "ranks", "energy", "convergence", "divergences"}
    assert not names("hsb_ses") & {*nuts_only, "subgroup-difference", "within-between"}
    assert "subgroup-difference" in names("hsb_sector_ses")
    assert "within-between" in names("hsb_mundlak_random")
    reml_only = replace(study["hsb_ses"], fits=(), summaries=study["hsb_ses"].summaries[1:])
    mine = [e for e in FIGURES.values() if e.name in MINE | nuts_only]
    assert len(mine) == 22
    of_estimates = {"variance-parts", "caterpillar"}
    for entry in mine:
        found = entry.prepare([reml_only] if entry.of == "ladder" else reml_only)
        assert (found is None) is (entry.name not in of_estimates), entry.name


# --- one by one -----------------------------------------------------------------------------------


def segments(axes: Axes):
    bars = next(item for item in axes.collections if isinstance(item, LineCollection))
    return np.array([segment[:, 1] for segment in bars.get_segments()])


def points(axes: Axes):
    """Return the places of all single points."""
    return {float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}


def test_densities_have_every_estimate_below_them(study):
    picture = variance_densities(study["hsb_null"])
    figure = plot_densities(picture)
    for axes, item in zip(figure.axes, picture.items, strict=True):
        wanted = {item.posteriors[0].mean, item.likelihood.estimate}
        wanted |= {one.value for one in item.published}
        assert wanted == points(axes)
        assert axes.get_xlabel().startswith(f"{item.quantity}\n(")
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == "posterior mean, 95 % HDI (direct)"
    assert "REML, 95 % interval" in texts
    assert "published, and corrected here" in texts


def test_explained_has_a_row_a_model(study):
    picture = explained_by_level(list(study.values()))
    figure = plot_explained(picture)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == list(picture.models[::-1])
    assert {item.posteriors[0].mean for item in picture.within} <= points(right)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "REML" in texts  # without an interval, which it does not have


def test_coefficients_have_a_panel_a_term_and_a_row_a_model(study):
    picture = ladder_coefficients(list(study.values()))
    figure = plot_coefficients(picture)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"{row.term} (mathach)" for row in picture.terms
    ]
    for axes, row in zip(figure.axes, picture.terms, strict=True):
        assert [text.get_text() for text in axes.get_yticklabels()] == list(row.models)
        assert {item.posteriors[0].mean for item in row.items} <= points(axes)


def test_caterpillar_holds_every_group_in_blocks_of_the_split(study):
    picture = caterpillar(study["hsb_sector_ses"])
    (axes,) = plot_caterpillar(picture).axes
    effect = picture.panels[0].effect
    first = picture.panels[0].blocks[0].order
    np.testing.assert_array_equal(segments(axes), np.c_[effect.lower[first], effect.upper[first]])
    texts = [text.get_text() for text in axes.texts]
    assert "sector = 0 (90 groups)" in texts
    assert "sector = 1 (70 groups)" in texts
    named_groups = {str(picture.labels[k]) for k in picture.panels[0].named}
    assert named_groups <= set(texts)


def test_caterpillar_of_2000_groups_is_a_band_without_names(ladders):
    picture = caterpillar(ladders["2,000 groups"][0])
    assert picture.panels[0].named.size == 0
    (axes,) = plot_caterpillar(picture).axes
    assert not [item for item in axes.collections if isinstance(item, LineCollection)]
    assert [text.get_text() for text in axes.texts] == [
        "w = 0 (1,000 groups)",
        "w = 1 (1,000 groups)",
    ]


def test_caterpillar_of_three_groups_names_each(ladders):
    (axes,) = plot_caterpillar(caterpillar(ladders["three groups"][1])).axes
    assert sorted(label.get_text() for label in axes.get_xticklabels()) == ["0", "1", "2"]


def test_shrinkage_goes_from_unpooled_to_partial(study):
    picture = shrinkage(study["hsb_ses"])
    (axes,) = plot_group_shrinkage(picture).axes
    unpooled, partial = segments(axes).T
    np.testing.assert_array_equal(unpooled, picture.effects[0].unpooled)
    np.testing.assert_array_equal(partial, picture.effects[0].partial)
    assert "160 groups, 7,185 rows" in axes.get_xlabel()


def test_subgroup_difference_shades_where_the_interval_excludes_zero(study):
    picture = subgroup_difference(study["hsb_sector_ses"])
    top, bottom = plot_subgroup_difference(picture).axes
    changes = np.count_nonzero(np.diff(picture.excludes_zero.astype(int)))
    assert changes > 0
    upright = [line for line in bottom.lines if len(set(line.get_xdata())) == 1]
    assert len(upright) == changes
    assert top.get_ylabel() == "difference in mathach"
    assert bottom.get_xlabel() == "ses"


def test_predictive_labels_what_lies_beyond_the_data(study):
    picture = predictive_checks(study["hsb_sector_ses"])
    figure = plot_predictive(picture)
    outcome, means, sds, statistics = figure.axes
    texts = " ".join(text.get_text() for text in outcome.texts)
    assert "above\n24.99" in texts
    assert "below\n−2.832" in texts
    names = [text.get_text() for text in statistics.get_yticklabels()]
    assert names == [item.name for item in picture.statistics]
    assert (means.get_ylabel(), sds.get_ylabel()) == ("mean of mathach", "sd of mathach")


def test_predictive_without_groups_has_two_panels():
    rng = np.random.default_rng(2)
    analysis = run("y ~ x", {"y": rng.normal(size=50), "x": rng.normal(size=50)}, draws=100)
    assert len(plot_predictive(predictive_checks(analysis)).axes) == 2


def test_group_residuals_name_whoever_is_outside():
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(60), 20)
    u = rng.normal(size=60)
    u[7] = 12.0
    data = {"y": u[codes] + rng.normal(size=codes.size), "g": codes}
    picture = group_residuals(run("y ~ 1 + (1 | g)", data, draws=100))
    (axes,) = plot_group_residuals(picture).axes
    assert "7" in [text.get_text() for text in axes.texts]


def test_traces_are_of_every_chain(nuts):
    picture = traces(nuts)
    figure = plot_traces(picture)
    for axes, (name, values) in zip(figure.axes, picture.values.items(), strict=True):
        assert len(axes.lines) >= values.shape[0]
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values[0])
        assert axes.get_title(loc="left") == name or axes.get_title() == name


def test_energy_and_divergences_of_nuts(nuts):
    picture = energy(nuts)
    assert len(plot_energy(picture).axes) == 2
    assert "smallest E-BFMI" in picture.text.caption
    picture = divergences(nuts)
    for axes, panel in zip(plot_divergences(picture).axes, picture.panels, strict=True):
        np.testing.assert_array_equal(axes.lines[1].get_xdata(), panel.x[picture.diverging])


def test_accuracy_marks_what_is_beyond_its_limit():
    checks = (
        Check(name="Pareto k-hat", value=0.9, limit=0.7, text="0.90"),
        Check(name="copies", value=0.0, limit=0.02, text="0 %"),
    )
    picture = Accuracy(
        model="m",
        method="importance",
        checks=checks,
        n_draws=4000,
        ess=90.0,
        n_evaluations=20_000,
        seconds=1.0,
    )
    assert "Beyond the limit: Pareto k-hat" in picture.text.caption
    (axes,) = laid_out(plot_accuracy(picture)).axes
    markers = [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1]
    assert markers == ["X", "o"]
