"""Other priors on sigma_u: against fits and integrals, the grids of priors, and what is refused."""

import csv
import io
import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import build_design, fit, load_dataset, prior_sensitivity, summarise
from bayes_mlm.assess.sensitivity import fits, has_sigma_u
from bayes_mlm.assess.sensitivity.grid import choose_priors
from bayes_mlm.assess.sensitivity.reweighting import (
    equal_weights,
)
from bayes_mlm.base.errors import BayesMLMError, EngineError, PriorError, SpecError
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.figures.sensitivity import plot_sensitivity
from bayes_mlm.figures.style import model_styles
from bayes_mlm.fitting.request import as_request
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.model.priors import parse_prior
from bayes_mlm.studies.record import WORKED_STUDY, load_record, records
from tests.helpers.few_groups import small

LADDER = [record.name for record in records(WORKED_STUDY) if has_sigma_u(record.model)]


@pytest.fixture(scope="module")
def ladder():
    """The whole ladder under the default grid: 56 posteriors."""
    return prior_sensitivity(random_seed=1982)


# --- against fits and integrals -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["hsb_sector_ses", "hsb_random_slope"])
def test_the_own_prior_gives_the_ordinary_fit_to_the_digit(ladder, name):
    summary = summarise(fit(name, random_seed=1982))
    for row in ladder.of(name):
        if row.baseline:
            known = summary[row.quantity]
            # The same draws: only the order of summation differs.
            for field in ("estimate", "sd", "lower", "upper"):
                assert getattr(row, field) == pytest.approx(getattr(known, field), rel=1e-9)
            assert row.shift == 0.0


@pytest.mark.parametrize("name", ["hsb_sector_ses", "hsb_slopes_as_outcomes"])
def test_reweighted_rows_agree_with_separate_fits(ladder, name):
    rows = [row for row in ladder.of(name) if row.method == "reweighted"]
    assert len({row.label for row in rows}) == 7
    design = build_design(load_record(name).model.formula, load_dataset("hsb"))
    for choice in choose_priors(design, model_priors(design))[1:]:
        names = ["sigma_u"] if design.has_icc else [f"sigma_u[{e}]" for e in design.effects]
        priors = dict(zip(names, choice.sigma_u, strict=True))
        summary = summarise(fit(name, priors=priors, random_seed=7))
        for row in rows:
            if row.label != choice.label:
                continue
            known = summary[row.quantity]
            error = math.hypot(row.mcse_mean, known.mcse_mean)
            # Independent draws; of importance sampling the standard error leaves out that of the
            # proposals, which adds a third. About 70 comparisons: 4.5 of these are not seen.
            assert abs(row.estimate - known.estimate) < 4.5 * 1.2 * error, row
            # The sd of an sd from 2,000 draws is 1.6 %; skewed quantities have somewhat more.
            assert row.sd == pytest.approx(known.sd, rel=0.1), row


def exact_moments(data, prior, s_y):
    """Integrate icc and sigma_u over their posterior in a balanced one-way layout.

    The group means are N(mu, sigma_u^2 + sigma_e^2 / m) and the squares within groups are
    sigma_e^2 chi^2, so that with a flat mu the likelihood is in closed form (Box & Tiao 1973,
    ch. 5). No code of ours is used. Halving the steps moves the results by less than 1e-5.
    """
    y = data["y"].reshape(-1, 5)
    groups, m = y.shape
    means = y.mean(axis=1)
    within = ((y - means[:, None]) ** 2).sum()
    between = ((means - means.mean()) ** 2).sum()
    u = ((np.arange(8_000) + 0.5) * (40.0 / 8_000))[:, None]
    e = 0.3 + (np.arange(300) + 0.5) * (3.7 / 300)
    v = u**2 + e**2 / m
    log = -groups * (m - 1) * np.log(e) - 0.5 * within / e**2
    log = log - 0.5 * (groups - 1) * np.log(v) - 0.5 * between / v
    density = np.exp(log - log.max()) * prior(u) * stats.t.pdf(e / s_y, 3)
    density /= density.sum()
    return (density * u**2 / (u**2 + e**2)).sum(), (density * u).sum()


def test_a_tiny_case_agrees_with_numerical_integration():
    data = small(6)
    cases = {
        "HalfNormal(0.2)": lambda u: np.exp(-0.5 * (u / 0.2) ** 2),
        "Exponential(1)": lambda u: np.exp(-u),
        "Gamma(2, 1)": lambda u: u * np.exp(-u),
    }
    model = as_request("y ~ 1 + (1 | g)", data, priors={"Intercept": "Flat"})
    found = prior_sensitivity(model, data, priors=list(cases), draws=5000, random_seed=1)
    methods = set()
    for text, prior in cases.items():
        full = parse_prior("sigma_u", text).to_text()
        rows = {row.quantity: row for row in found if row.prior == full}
        methods.add(rows["icc"].method)
        icc, sigma_u = exact_moments(data, prior, float(np.std(data["y"])))
        # Four Monte Carlo errors, which are about 0.002 for the icc.
        assert abs(rows["icc"].estimate - icc) < 4.0 * rows["icc"].mcse_mean, text
        assert abs(rows["sigma_u"].estimate - sigma_u) < 4.0 * rows["sigma_u"].mcse_mean, text
        assert rows["icc"].mcse_mean < 0.004
    assert methods == {"refitted", "reweighted"}


# --- what moves ---------------------------------------------------------------------------------


def test_a_tight_prior_at_zero_takes_the_icc_there():
    found = prior_sensitivity("hsb_ses", priors=["HalfNormal(0.01)"], random_seed=1)
    own, tight = found.of("hsb_ses", "icc")
    assert own.estimate > 0.1
    # Under it sigma_u is 0.01 or some hundredths, where sigma_e is 6: an icc below 1e-4.
    assert tight.estimate < 1e-3
    assert tight.method == "refitted"  # no draw under the baseline prior is anywhere near
    assert found.conclusions[0].depends == "yes"


def test_the_ladder_is_whole_and_clean(ladder):
    assert list(ladder.models) == LADDER
    assert ladder.n_fits == 56
    assert ladder.ok
    assert ladder.interval == "95% HDI"
    sector = [row for row in ladder if row.quantity == "beta[sector]"]
    assert {row.model for row in sector} == {
        "hsb_sector",
        "hsb_sector_ses",
        "hsb_slopes_as_outcomes",
    }
    # 160 schools: what is said of the sectors does not hang on the prior of sigma_u.
    assert all(abs(row.shift) < 0.1 and row.lower > 0 for row in sector)
    # The sd of slopes that hardly vary does: the boundary-avoiding prior keeps it from zero.
    by_model = {conclusion.model: conclusion for conclusion in ladder.conclusions}
    slopes = by_model["hsb_slopes_as_outcomes"]
    assert (slopes.depends, slopes.quantity) == ("yes", "sigma_u[within(ses)]")
    assert slopes.label.startswith("Gamma")
    assert by_model["hsb_sector_ses"].depends == "no"
    assert "excludes 0 under every prior for beta[sector]" in by_model["hsb_sector_ses"].text


def test_shifts_are_in_posterior_sds_of_the_own_prior(ladder):
    for model in LADDER:
        for quantity in {row.quantity for row in ladder.of(model)}:
            own, *others = ladder.of(model, quantity)
            assert own.baseline
            for row in others:
                assert row.shift == pytest.approx((row.estimate - own.estimate) / own.sd)


# --- grids of priors ----------------------------------------------------------------------------


def test_the_grid_scales_with_the_outcome_and_the_slope():
    data = small(6)
    design = build_design("y ~ x + (x | g)", data)
    own = model_priors(design)
    choices = choose_priors(design, own)
    s_y, s_x = np.std(data["y"]), np.std(data["x"])
    assert len(choices) == 8
    assert [choice.baseline for choice in choices] == [True] + [False] * 7
    assert choices[0].sigma_u == own.sigma_u
    tight = choices[1].sigma_u
    assert tight[0]["sigma"] == pytest.approx(s_y / 4)
    assert tight[1]["sigma"] == pytest.approx(s_y / s_x / 4)
    assert choices[1].label == str(tight[0])
    assert choices[1].text == (
        f"sigma_u[Intercept]={tight[0].to_text()}; sigma_u[x]={tight[1].to_text()}"
    )


def test_priors_as_text_read_back_to_the_same_priors(ladder):
    """A prior in the table is one a record can hold."""
    for row in ladder.of("hsb_sector_ses", "icc")[:3]:
        again = prior_sensitivity("hsb_sector_ses", priors=[row.prior], random_seed=1982)
        same = [found for found in again.of("hsb_sector_ses", "icc") if found.prior == row.prior]
        assert [found.estimate for found in same] == [row.estimate]


def test_one_of_several_sds_may_be_varied_alone():
    data = small(12)
    found = prior_sensitivity(
        "y ~ x + (x | g)",
        data,
        priors=[{"sigma_u[x]": "HalfNormal(0.001)"}, "HalfNormal(2)"],
        random_seed=1,
    )
    own, one, both = found.of("model", "sigma_u[x]")
    assert one.estimate < 0.01 < own.estimate
    assert "sigma_u[Intercept]=HalfStudentT" in one.prior
    assert both.prior == "HalfNormal(sigma=2.0)"
    assert found.of("model", "icc") == ()


def test_a_prior_that_is_the_records_own_has_one_row(ladder):
    record = load_record("hsb_null")
    record.model.priors["sigma_u"] = "HalfNormal(3)"
    found = prior_sensitivity(record, priors=["Flat", "HalfNormal(3)"], random_seed=1)
    assert [(row.label, row.baseline) for row in found.of("hsb_null", "icc")] == [
        ("HalfNormal(sigma=3)", True),
        ("Flat()", False),
    ]


# --- refusals -----------------------------------------------------------------------------------


def test_a_flat_prior_with_two_groups_is_refused_in_its_row():
    data = small(2)
    model = as_request("y ~ x + (1 | g)", data, priors={"Intercept": "Flat"})
    found = prior_sensitivity(model, data, priors=["HalfNormal(1)", "Flat"], random_seed=1)
    flat = [row for row in found if row.label == "Flat()"]
    assert [row.quantity for row in flat] == ["sigma_u", "icc"]
    for row in flat:
        assert (row.method, row.ok, row.estimate, row.shift) == ("refused", False, None, None)
        assert "improper" in row.verdict
        assert "2 groups" in row.verdict
    assert not found.ok
    assert "Not counted: Flat()" in str(found)
    assert found.n_fits == 2


def test_an_improper_posterior_is_refused_whatever_its_weights_look_like(monkeypatch):
    monkeypatch.setattr(fits, "reweight", lambda draws, *_: equal_weights(len(draws)))
    data = small(2)
    model = as_request("y ~ x + (1 | g)", data, priors={"Intercept": "Flat"})
    found = prior_sensitivity(model, data, priors=["HalfNormal(2)", "Flat"], random_seed=1)
    assert [row.method for row in found.of("model", "icc")] == ["refitted", "reweighted", "refused"]


def test_a_flat_prior_without_a_mean_is_not_clean():
    # The intercept's normal prior makes two groups proper, but the tail of sigma_u is too heavy.
    found = prior_sensitivity("y ~ x + (1 | g)", small(2), priors=["Flat"], random_seed=1)
    own, flat = found.of("model", "sigma_u")
    assert own.ok
    assert not flat.ok
    assert "gives no posterior mean" in flat.verdict


def test_a_flat_prior_under_the_own_record_is_an_error():
    data = small(2)
    flat = {"Intercept": "Flat", "sigma_u": "Flat"}
    with pytest.raises(EngineError, match="improper"):
        prior_sensitivity(as_request("y ~ x + (1 | g)", data, priors=flat), data)


@pytest.mark.parametrize(
    ("models", "options", "error", "says"),
    [
        ("hsb_pooled", {}, SpecError, "no group effects"),
        (["hsb_null", "hsb_mundlak"], {}, SpecError, "hsb_mundlak"),
        (["hsb_null", "hsb_null"], {}, SpecError, "twice"),
        ([], {}, SpecError, "no model"),
        ("hsb_null", {"priors": "Flat"}, PriorError, "a list"),
        ("hsb_null", {"priors": []}, PriorError, "empty"),
        ("hsb_null", {"priors": ["Normal(0, 1)"]}, PriorError, "HalfNormal"),
        ("hsb_null", {"priors": ["Flat", "Flat"]}, PriorError, "twice"),
        ("hsb_null", {"priors": [{"sigma_e": "Flat"}]}, PriorError, "sigma_u"),
        ("hsb_null", {"priors": [{"sigma_u[ses]": "Flat"}]}, PriorError, "sigma_u"),
        ("hsb_null", {"terms": ["sector"]}, SpecError, "Intercept"),
        ("hsb_null", {"prob": 94}, EngineError, "between 0 and 1"),
        ("hsb_null", {"draws": 1}, EngineError, "draws"),
        ("y ~ x + (1 | g)", {}, BayesMLMError, "needs data"),
    ],
)
def test_mistakes_are_told(models, options, error, says):
    with pytest.raises(error, match=says):
        prior_sensitivity(models, **options)


# --- what is looked at --------------------------------------------------------------------------


def test_terms_of_the_group_level_and_their_products_are_shown():
    data = small(10)
    found = prior_sensitivity("y ~ x * w + (1 | g)", data, priors=["Flat"], random_seed=1)
    names = [row.quantity for row in found if row.baseline]
    assert names == ["sigma_u", "icc", "beta[w]", "beta[x:w]"]
    found = prior_sensitivity(
        "y ~ x * w + (1 | g)", data, priors=["Flat"], terms=["x"], random_seed=1
    )
    assert [row.quantity for row in found if row.baseline] == ["sigma_u", "icc", "beta[x]"]


def test_several_formulas_go_by_their_own_names():
    formulas = ["y ~ 1 + (1 | g)", "y ~ x + (1 | g)"]
    found = prior_sensitivity(formulas, small(6), priors=["Flat"], random_seed=1)
    assert list(found.models) == formulas


def test_missing_values_are_dropped_when_asked():
    data = small(6)
    data["x"][3] = np.nan
    with pytest.raises(BayesMLMError, match="drop"):
        prior_sensitivity("y ~ x + (1 | g)", data)
    found = prior_sensitivity("y ~ x + (1 | g)", data, missing="drop", random_seed=1)
    assert found.n_fits == 8


def test_group_effects_are_left_out_and_nothing_else_changes():
    design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    priors = model_priors(design)
    with_u, without = (
        sample_direct(design, priors, draws=50, random_seed=1, effects=effects)
        for effects in (True, False)
    )
    assert "u" in with_u.draws.posterior
    assert not {"u", "u_mean", "u_sd"} & set(without.draws.posterior)
    assert without.report.effects == "none"
    for name in without.draws.posterior:
        np.testing.assert_array_equal(without.draws[name], with_u.draws[name])


# --- files and figures --------------------------------------------------------------------------


def test_csv_holds_every_row_in_full(ladder):
    rows = list(csv.DictReader(io.StringIO(ladder.to_csv())))
    assert tuple(rows[0]) == ladder.names
    assert len(rows) == len(ladder.rows)
    for text, row in zip(rows, ladder.rows, strict=True):
        assert float(text["estimate"]) == row.estimate
        assert text["prior"] == row.prior
    frame = ladder.to_frame()
    assert tuple(frame.columns) == ladder.names
    assert frame["shift"].notna().all()


def test_the_figure_names_everything(ladder):
    figure = plot_sensitivity(ladder)
    figure.canvas.draw()
    icc, sector = figure.axes
    assert icc.get_xlabel() == "icc (share of variance between groups)"
    assert sector.get_xlabel() == "beta[sector] (mathach)"
    ticks = [label.get_text() for label in icc.get_yticklabels()]
    assert ticks[0] == "HalfStudentT(nu=3, sigma=6.878)\n(baseline)"
    assert ticks[-1] == "Flat()"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    with_icc = {row.model for row in ladder if row.quantity == "icc"}
    assert with_icc <= set(legend)
    assert "posterior mean and 95% HDI" in legend
    # A point for each model and prior; those under the baseline prior are filled.
    points = [line for line in icc.lines if line.get_marker() not in ("", "None")]
    assert len(points) == len(with_icc) * 8
    filled = [line for line in points if line.get_markerfacecolor() != "white"]
    assert len(filled) == len(with_icc)
    known = {row.estimate for row in ladder if row.quantity == "icc"}
    assert {float(line.get_xdata()[0]) for line in points} == known


def test_the_figure_says_where_there_is_no_posterior():
    data = small(2)
    model = as_request("y ~ x + (1 | g)", data, priors={"Intercept": "Flat"})
    figure = plot_sensitivity(prior_sensitivity(model, data, random_seed=1))
    assert [text.get_text() for text in figure.axes[0].texts] == ["model: no posterior"]


def test_quantities_of_the_figure_may_be_chosen(ladder):
    figure = plot_sensitivity(ladder, quantities=["sigma_u[ses]"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["sigma_u[ses] (mathach)"]
    with pytest.raises(EngineError, match="sigma_u"):
        plot_sensitivity(ladder, quantities=["tau"])


def test_models_have_styles_of_their_own():
    names = [record.name for record in records(WORKED_STUDY)]
    mine = [f"mine_{k}" for k in range(30)]
    styles = model_styles([*names, *mine])
    assert len(set(styles.values())) == len(names) + 30
    assert {name: styles[name] for name in names} == model_styles(names)
