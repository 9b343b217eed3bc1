"""Power of studies with groups: closed forms, rows, equivariance, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm import build_design, fit_reml, plan_study
from bayes_mlm.base import EngineError
from bayes_mlm.planning import best_allocation, scenario_of
from bayes_mlm.planning.closed_form import closed_power, standard_error

KINDS = {
    "groups": {"compared": "groups"},
    "rows": {"compared": "rows"},
    "rows, normal": {"compared": "rows", "predictor": "normal"},
    "slopes": {"compared": "slopes", "slope_sd": 0.5},
    "slopes, normal": {"compared": "slopes", "predictor": "normal", "slope_sd": 0.4},
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_where_variances_are_not_near_zero_it_is_the_closed_form(kind):
    plan = plan_study(groups=60, size=16, icc=0.2, effect=[0.0, 0.2, 0.5], n=1500, **KINDS[kind])
    for row in plan:
        assert abs(row.power - row.closed_form) < 4 * row.mcse + 0.005
        assert row.singular < 0.05
    null = plan[60, 16, 0.2, 0.0]
    assert null.closed_form == pytest.approx(0.05)


def test_the_smallest_effect_has_the_power_that_was_wanted():
    (row,) = plan_study(groups=30, size=10, icc=0.15, effect=0.3, n=2000)
    (again,) = plan_study(groups=30, size=10, icc=0.15, effect=row.smallest, n=2000)
    assert again.power == pytest.approx(0.8, abs=0.002)  # of the same studies
    assert again.direction > 0.99


@pytest.mark.parametrize("kind", ["groups", pytest.param("slopes, normal", marks=pytest.mark.slow)])
def test_estimates_are_those_of_rows(kind):
    """The sds of estimates and mean variances of studies that were drawn row by row."""
    one = scenario_of(groups=12, size=6, icc=0.3, **KINDS[kind])
    found = one.refits(4000, np.random.default_rng(1))
    rng, beta, sds = np.random.default_rng(2), [], []
    g = np.repeat(np.arange(12), 6)
    w = np.where(g % 2 == 0, 0.5, -0.5)
    formula = "y ~ w + (1 | g)" if kind == "groups" else "y ~ w * x + (x | g)"
    for _ in range(150):
        x = rng.normal(size=g.size)
        u = rng.normal(size=(12, 2)) * [one.sigma_u, one.sigma_slope]
        y = u[g, 0] + x * u[g, 1] + one.sigma_e * rng.normal(size=g.size)
        table = {"y": y, "w": w, "x": x, "g": g}
        fit = fit_reml(build_design(formula, table), profile=False)
        beta.append(fit.beta[-1])
        sds.append(fit.beta_se[-1])
    assert np.std(beta) == pytest.approx(found.beta[:, -1].std(), rel=0.2)
    assert np.mean(sds) == pytest.approx(np.sqrt(found.variance).mean(), rel=0.08)


def test_lost_rows_cost_power_and_groups_may_be_lost_whole():
    common = {"groups": 40, "size": 3, "icc": 0.1, "effect": 0.5, "n": 600}
    (whole,) = plan_study(**common)
    (some,) = plan_study(**common, missing=0.5)
    assert some.power < whole.power
    assert some.width > whole.width
    (both,) = plan_study(**common, missing=0.5, compared="slopes", slope_sd=0.2)
    assert 0.0 < both.power < 1.0


def test_a_seed_gives_the_same_numbers_whatever_else_is_asked():
    first = plan_study(groups=20, size=8, icc=0.1, effect=0.4, n=200, random_seed=4)
    second = plan_study(groups=[20, 30], size=8, icc=0.1, effect=[0.4, 0.6], n=200, random_seed=4)
    again = second[20, 8, 0.1, 0.4]
    assert repr(first.rows[0]) == repr(again)


def test_assurance_lies_below_a_power_above_a_half():
    (row,) = plan_study(groups=80, size=20, icc=0.1, effect=0.3, effect_sd=0.15, n=1000)
    assert 0.5 < row.assurance < row.power


def test_costs_and_what_a_budget_is_best_spent_on():
    (row,) = plan_study(groups=10, size=5, icc=0.1, effect=1, cost_group=100, cost_row=3, n=100)
    assert row.cost == 10 * (100 + 15)
    planned = scenario_of(groups=4, size=2, icc=0.1)
    found = best_allocation(planned, budget=50_000, cost_group=200, cost_row=10)
    assert found.cost <= 50_000
    for size in (found.size - 3, found.size + 3):  # a long way from it nothing is better
        groups = 2 * int(50_000 / (200 + 10 * size) / 2)
        assert standard_error(replace(planned, groups=groups, size=size))[0] > found.se * 0.999
    with pytest.raises(EngineError, match="does not pay for four groups"):
        best_allocation(planned, budget=100, cost_group=200, cost_row=10)


def test_the_closed_form_is_the_noncentral_t():
    from scipy import stats

    q = stats.t.ppf(0.975, 30)
    wanted = stats.nct.sf(q, 30, 2.0) + stats.nct.cdf(-q, 30, 2.0)
    assert closed_power(0.4, 0.2, 30, 0.05) == pytest.approx(wanted)
    assert closed_power(-0.4, 0.2, 30, 0.05) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": 3}, "groups must be a whole number of 4 or more, found 3"),
        ({"groups": []}, "found None"),
        ({"groups": 10.0}, "found 10.0"),
        ({"size": [5, 1]}, "size must be a whole number of 2 or more, found 1"),
        ({"icc": 1.0}, "icc must be numbers between 0 and 1, found 1.0"),
        ({"icc": -0.1}, "found -0.1"),
        ({"icc": "x"}, "found 'x'"),
        ({"effect": float("nan")}, "found nan"),
        ({"missing": 1.0}, "missing must be"),
        ({"alpha": 0.0}, "alpha must be"),
        ({"slope_sd": 0.1}, "compare 'rows' or 'slopes'"),
        ({"slope_sd": -0.1, "compared": "rows"}, "slope_sd must be numbers of 0 or more"),
        ({"compared": "schools"}, "allowed: groups, rows, slopes"),
        ({"predictor": "count"}, "allowed: binary, normal"),
        ({"n": 10}, "100 or more, found 10"),
        ({"cost_row": -1.0}, "cost_row must be"),
        ({"effect_sd": "wide"}, "effect_sd must be"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(change, words):
    with pytest.raises(EngineError, match=words) as caught:
        plan_study(**({"groups": 10, "size": 5, "icc": 0.1, "effect": 0.3, "n": 100} | change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("varied", "label", "lines"),
    [
        ({"groups": [10, 20, 30]}, "number of groups", 1),
        ({"groups": [10, 20], "size": [4, 8]}, "number of groups", 2),
        ({"effect": [0.2, 0.5]}, "effect (sds of the outcome)", 1),
        ({"size": [4, 8], "icc": [0.1, 0.2]}, "rows a group", 1),
        ({}, "number of groups", 1),
    ],
)
def test_a_figure_has_power_along_what_varies(varied, label, lines):
    from matplotlib import pyplot as plt

    from bayes_mlm.figures import plot_power

    plan = plan_study(**({"groups": 12, "size": 5, "icc": 0.1, "effect": 0.5, "n": 100} | varied))
    figure = plot_power(plan)
    panels = figure.axes
    assert len(panels) == len({row.icc for row in plan})
    assert panels[0].get_xlabel() == label
    assert len(panels[0].containers) == lines
    drawn = np.concatenate([one.lines[0].get_ydata() for one in panels[0].containers])
    assert sorted(drawn) == sorted(row.power for row in plan if row.icc == plan.rows[0].icc)
    plt.close(figure)
