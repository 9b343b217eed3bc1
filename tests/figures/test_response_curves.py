"""Figures of groups in probabilities, rates and means: against the draws and integrals by hand."""

import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from bayes_mlm import build_design, fit, predict
from bayes_mlm.engines import samples
from bayes_mlm.figures.catalogue import FIGURES
from bayes_mlm.figures.group_means import group_means, plot_group_means
from bayes_mlm.figures.response_curves import plot_response_curves, response_curves
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import RowSets, outcome_rows
from tests.helpers.figures import run, simulate

J, EACH = 12, 10
RNG = np.random.default_rng(4)
DATA = simulate(J, EACH) | {"h": np.tile(np.arange(EACH), J)}
DATA["score"] = np.digitize(DATA["y"], [0.0, 1.5]) + 1
DATA["n"] = RNG.integers(1, 9, size=J * EACH)
DATA["s"] = RNG.binomial(DATA["n"], expit(DATA["y"] - 1.0))
DATA["k"] = RNG.poisson(DATA["n"] * np.exp(0.4 * DATA["y"] - 1.0))
DATA["y"] = (DATA["y"] > 1.0).astype(int)


@cache
def passed() -> Analysis:
    return run("y ~ x + w + (1 | g)", DATA, draws=100, family="bernoulli")


def by_ml(formula, family):
    """Return the analysis of an estimate alone."""
    found = fit(formula, DATA, family=family, engine="ml")
    return Analysis(
        request=found.request,
        design=found.design,
        fits=(),
        estimates=(found,),
        summaries=(),
        prob=0.95,
    )


def test_group_means_are_those_of_the_draws():
    analysis = passed()
    found = group_means(analysis)
    (drawn,) = analysis.fits
    eta = (
        samples(drawn.draws, "beta") @ drawn.design.X.T + samples(drawn.draws, "u")[:, DATA["g"], 0]
    )
    means = expit(eta).reshape(-1, J, EACH).mean(axis=2)
    order = [int(label) for label in found.labels]
    np.testing.assert_allclose(found.estimate, means.mean(axis=0)[order], rtol=1e-10)
    np.testing.assert_allclose(found.lower, np.quantile(means[:, order], 0.025, axis=0), rtol=1e-10)
    observed = DATA["y"].reshape(J, EACH).mean(axis=1)
    assert found.observed.tolist() == observed[order].tolist()
    assert found.sizes.tolist() == [EACH] * J
    # Shrunk towards what the predictors tell, and not past it.
    assert 0.0 < found.kept < 1.0
    assert found.outcome == "probability of y = 1"


def test_a_new_group_is_integrated_and_known_ones_are_given_their_outcomes():
    """By ML, each average an integral by quad."""
    analysis = by_ml("y ~ x + w + (1 | g)", "bernoulli")
    found, solution = group_means(analysis), analysis.estimate.solution
    sd, X = float(solution.sigma_u[0]), analysis.design.X
    for place in (0, 5, J - 1):
        own = np.flatnonzero(DATA["g"] == int(found.labels[place]))
        fixed, signs = X[own] @ solution.beta, 2 * DATA["y"][own] - 1

        def mean(power, known, fixed=fixed, signs=signs):
            def value(u):
                weight = np.exp(known * np.log(expit(signs * (fixed + u))).sum())
                return expit(fixed + u).mean() ** power * weight * norm.pdf(u / sd)

            return quad(value, -9 * sd, 9 * sd)[0]

        assert found.expected[place] == pytest.approx(mean(1, 0) / mean(0, 0), rel=1e-6)
        assert found.estimate[place] == pytest.approx(mean(1, 1) / mean(0, 1), rel=1e-5)
    assert not found.drawn
    assert "ML estimate" in found.text.caption
    assert "interval" not in found.text.caption


def test_curves_are_averages_over_rows_of_predictions():
    """Population-averaged, at effects of zero and of one group: those of `predict`, averaged."""
    analysis = by_ml("y ~ x + w + (1 | g)", "bernoulli")
    data = response_curves(analysis)
    (fitted,) = analysis.estimates
    assert [one.name for one in data.averaged] == ["w = 0", "w = 1"]
    moved = DATA | {"x": np.full(J * EACH, data.averaged[1].x[7]), "w": np.ones(J * EACH)}
    for curves, question in ((data.averaged, "new_group"), (data.zero, "population")):
        mean = predict(fitted, moved, question=question).mean.mean()
        assert curves[1].centre[7] == pytest.approx(mean, rel=1e-6)
    one = data.groups[-1]
    own = DATA["g"] == int(one.curve.name)
    moved = {name: values[own] for name, values in DATA.items()}
    moved["x"] = np.full(EACH, one.curve.x[3])
    assert one.curve.centre[3] == pytest.approx(predict(fitted, moved).mean.mean(), rel=1e-6)
    assert (one.curve.x[0], one.curve.x[-1]) == (DATA["x"][own].min(), DATA["x"][own].max())
    levels = [group.curve.centre.mean() for group in data.groups]
    assert levels == sorted(levels)
    # What is observed is all of it, once.
    assert sum(int(part.rows.sum()) for part in data.observed) == J * EACH
    total = sum(float(part.rows @ part.y) for part in data.observed)
    assert total == pytest.approx(DATA["y"].sum())


def test_with_draws_bands_hold_the_curve_and_ml_is_next_to_it():
    data = response_curves(passed())
    for curve in (*data.averaged, *data.zero, *(one.curve for one in data.groups)):
        assert (curve.lower < curve.centre).all()
        assert (curve.centre < curve.upper).all()
        assert ((curve.lower > 0) & (curve.upper < 1)).all()
    for averaged, zero in zip(data.averaged, data.zero, strict=True):
        # Averaging over groups draws a probability towards a half.
        assert (np.abs(averaged.centre - 0.5) <= np.abs(zero.centre - 0.5) + 0.02).all()
        assert np.abs(averaged.likelihood - averaged.centre).max() < 0.1
    assert "population-averaged" in data.text.caption
    assert "with effects of zero" in data.text.caption


def test_counts_with_an_exposure_are_rates():
    """Twice the exposure and twice the count is the same rate; the level is by hand."""
    analysis = by_ml("k ~ 1 + offset(log(n)) + (1 | g)", "poisson")
    found, solution = group_means(analysis), analysis.estimate.solution
    assert found.outcome == "rate of k"
    totals = [np.bincount(DATA["g"], weights=DATA[name]) for name in ("k", "n")]
    order = [int(label) for label in found.labels]
    np.testing.assert_allclose(found.observed, (totals[0] / totals[1])[order])
    level = np.exp(solution.beta[0] + 0.5 * solution.sigma_u[0] ** 2)
    np.testing.assert_allclose(found.expected, level, rtol=1e-6)


def test_trials_are_weights():
    analysis = by_ml("s | trials(n) ~ x + (1 | g)", "binomial")
    found = group_means(analysis)
    totals = [np.bincount(DATA["g"], weights=DATA[name]) for name in ("s", "n")]
    order = [int(label) for label in found.labels]
    np.testing.assert_allclose(found.observed, (totals[0] / totals[1])[order])
    means = predict(analysis.estimate, DATA).mean  # of successes among the trials of a row
    expected = np.bincount(DATA["g"], weights=means) / totals[1]
    np.testing.assert_allclose(found.estimate, expected[order], rtol=1e-6)


def test_ordered_categories_have_their_expected_score():
    analysis = by_ml("score ~ x + (1 | g)", "cumulative")
    found, curves = group_means(analysis), response_curves(analysis)
    order = [int(label) for label in found.labels]
    np.testing.assert_allclose(found.observed, DATA["score"].reshape(J, EACH).mean(axis=1)[order])
    expected = predict(analysis.estimate, DATA).mean.reshape(J, EACH).mean(axis=1)
    np.testing.assert_allclose(found.estimate, expected[order], rtol=1e-6)
    assert found.outcome == curves.outcome == "expected score of score"
    assert ((curves.zero[0].centre > 1) & (curves.zero[0].centre < 3)).all()


def test_groups_of_one_of_several_factors():
    analysis = by_ml("y ~ x + (1 | g) + (1 | h)", "bernoulli")
    expected = predict(analysis.estimate, DATA).mean
    for factor, size in (("g", EACH), ("h", J)):
        found = FIGURES["shrinkage"].find(analysis, factor=factor)
        means = np.bincount(DATA[factor], weights=expected) / size
        order = [int(label) for label in found.labels]
        np.testing.assert_allclose(found.estimate, means[order], rtol=1e-6)
    assert response_curves(analysis).group == "g"


def test_along_a_predictor_of_groups_every_group_is_a_point():
    level = np.round(np.random.default_rng(2).normal(size=J), 1)
    found = fit(
        "y ~ level + (1 | g)", DATA | {"level": level[DATA["g"]]}, family="bernoulli", engine="ml"
    )
    data = response_curves(replace(by_ml("y ~ x + (1 | g)", "bernoulli"), design=found.design,
                                   request=found.request, estimates=(found,)))  # fmt: skip
    assert (data.along, data.groups) == ("level", ())
    assert data.observed[0].rows.tolist() == [EACH] * J
    np.testing.assert_allclose(data.observed[0].x, level)
    assert len(plot_response_curves(data).axes) == 1


def test_there_is_no_curve_without_a_number_to_draw_along():
    assert response_curves(by_ml("y ~ w + (1 | g)", "bernoulli")) is None
    assert FIGURES["shrinkage"].find(run("y ~ x", DATA, draws=50, family="bernoulli")) is None


def test_the_figures_show_what_the_data_hold():
    data = response_curves(passed())
    first, *panels = plot_response_curves(data).axes
    # Groups; for each subgroup the averaged curve, that at zero, and ML's.
    assert len(first.lines) == J + 2 * 3
    assert len(panels) == len(data.panels) == 6
    for ax, place in zip(panels, data.panels, strict=True):
        assert ax.get_title(loc="left").endswith(data.groups[place].curve.name)
    assert first.get_ylabel() == "probability of y = 1"
    (axes,) = plot_group_means(group_means(passed())).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [J] * 3


@pytest.mark.parametrize("name", ["trajectories", "shrinkage"])
def test_another_process_can_draw_them(name):
    entry = FIGURES[name]
    again = pickle.loads(pickle.dumps(entry.draw))  # noqa: S301  (made here)
    assert len(again(entry.find(passed())).axes) >= 1


def test_rows_of_a_design_are_outcomes_over_weights():
    design = build_design("score ~ x + (1 | g)", DATA, family="cumulative")
    rows = outcome_rows(design)
    assert rows.total.tolist() == DATA["score"].tolist()
    assert not rows.is_rate
    sets = RowSets(rows=rows.rows, places=DATA["g"], weights=rows.weights)
    np.testing.assert_allclose(sets.average(rows.total), DATA["score"].reshape(J, -1).mean(axis=1))
