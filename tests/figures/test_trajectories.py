"""The lines of individuals as a figure: who is in it, what it shows, how it is drawn."""

from functools import cache

import pytest

from bayes_mlm import load_record
from bayes_mlm.figures.trajectories import (
    MOST_LINES,
    N_PANELS,
    Trajectories,
    plot_trajectories,
    seen,
    trajectories,
)
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.studies import FIGURES


@cache
def analysed(model, data=None):
    record = as_request(model, data) if data else load_record(model)
    return analyse(record, make_settings(record, random_seed=1), engines=["direct"])


def test_trajectories_of_one_population():
    picture = trajectories(analysed("sleepstudy_growth"))
    assert len(picture.individuals) == picture.n_groups == 18
    (curve,) = picture.population
    assert (curve.x[0], curve.x[-1]) == (0.0, 9.0)
    changes = [one.curve.change for one in picture.individuals]
    assert changes == sorted(changes)
    assert picture.panels[0] == 0
    assert picture.panels[-1] == 17
    # REML: 251.4 on day 0 and 10.47 a day after it (lme4, Bates et al. 2015, sec. 5.2.1).
    assert curve.reml[0] == pytest.approx(251.405, abs=1e-3)
    assert curve.reml[-1] == pytest.approx(251.405 + 9 * 10.467, abs=5e-3)
    assert f"({picture.individuals[-1].curve.name})" in picture.text.caption
    assert "days = 0 and 9" in picture.text.caption


def test_trajectories_by_side():
    picture = trajectories(analysed("orthodont_growth"))
    assert [curve.name for curve in picture.population] == ["sex = Female", "sex = Male"]
    assert picture.along == "age"
    for one in picture.individuals:
        assert one.subgroup == one.curve.name.startswith("M")
        assert one.x.tolist() == [8, 10, 12, 14]


def test_trajectories_of_many_groups_and_short_ranges():
    picture = trajectories(analysed("hsb_random_slope"))
    assert (len(picture.individuals), len(picture.panels)) == (MOST_LINES, N_PANELS)
    assert "60 of 160 groups" in picture.text.alt
    step = picture.population[0].x[1] - picture.population[0].x[0]
    for one in picture.individuals:
        line = seen(one)
        assert line.x[0] <= one.x.min() <= line.x[0] + step + 1e-9
        assert line.x[-1] - step - 1e-9 <= one.x.max() <= line.x[-1] + 1e-9


def test_there_are_no_trajectories_without_varying_slopes_or_draws():
    assert trajectories(analysed("hsb_ses")) is None
    record = load_record("sleepstudy_growth")
    assert trajectories(analyse(record, None, engines=["reml"])) is None
    assert trajectories(analysed("hsb_pooled")) is None


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("sleepstudy_growth", None),
        ("orthodont_growth", None),
        ("hsb_random_slope", None),
        ("reaction ~ days + I(days**2) + (days || subject)", "sleepstudy"),
    ],
)
def test_the_figure_shows_every_line_and_fits_the_page(model, data, tmp_path):
    picture = trajectories(analysed(model, data))
    figure = plot_trajectories(picture)
    first, *panels = figure.axes
    sides = len(picture.population)
    assert len(first.lines) == len(picture.individuals) + 2 * sides
    assert len(panels) == len(picture.panels)
    assert figure.get_figwidth() == pytest.approx(6.3)
    for ax, place in zip(panels, picture.panels, strict=True):
        one = picture.individuals[place]
        assert ax.get_title(loc="left").endswith(one.curve.name)
        drawn = {len(line.get_xdata()) for line in ax.lines}
        assert one.x.size in drawn
    sizes = [text.get_fontsize() for ax in figure.axes for text in ax.get_xticklabels()]
    assert min(sizes) >= 8
    figure.savefig(tmp_path / "lines.png")
    assert (tmp_path / "lines.png").stat().st_size > 10_000


def test_the_figure_is_in_the_catalogue():
    (entry,) = [entry for entry in FIGURES.values() if entry.name == "trajectories"]
    found = entry.find(analysed("sleepstudy_growth"))
    assert isinstance(found, Trajectories)
    assert len(entry.draw(found).axes) == 1 + N_PANELS
