"""Criticism of a model: shifts without groups, spread within them, a page in words."""

import csv
import io
import sys

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import check, cli, fit, load_dataset, summarise
from bayes_mlm.criticism.groups import outlying
from bayes_mlm.criticism.spread import _h, _h_probability, spread_within
from bayes_mlm.criticism.standardised import standardised_effects
from bayes_mlm.data import Table, as_table, take
from bayes_mlm.errors import EngineError
from bayes_mlm.leave_out import shifts_without_groups

SLEEP, GROWTH = "reaction ~ days + (days | subject)", "distance ~ age + (1 | subject)"


def without(table, column, label):
    return take(table, table.columns[column] != label)


def refitted(own, formula, table):
    """Fit again, the priors those of the whole."""
    priors = {k: p.to_text() for k, p in own.priors.by_name(own.design).items()}
    return summarise(fit(formula, table, priors=priors, random_seed=1, draws=4000))


@pytest.mark.parametrize(
    ("formula", "data", "group", "labels"),
    [
        (SLEEP, "sleepstudy", "subject", [308, 332, 335, 372]),
        ("reaction ~ days + (1 | subject)", "sleepstudy", "subject", [309, 332]),
        ("reaction ~ days + (days || subject)", "sleepstudy", "subject", [308, 335]),
        ("mathach ~ ses + (1 | schoolid)", "hsb", "schoolid", [3427, 8367]),
        ("mathach ~ ses * sector + (ses | schoolid)", "hsb", "schoolid", [2277]),
    ],
)
def test_a_shift_is_what_fitting_without_the_group_gives(formula, data, group, labels):
    table = load_dataset(data)
    own = fit(formula, data, random_seed=1, draws=4000)
    found, whole = shifts_without_groups(own), summarise(own)
    places = own.design.labels.tolist()
    for label in labels:
        again = refitted(own, formula, without(table, group, label))
        j = places.index(label)
        assert found.reliable[j]
        for k, name in enumerate(found.quantities):
            expected = (again[name].estimate - whole[name].estimate) / whole[name].sd
            # Two fits of 16,000 draws: an error of 0.011 each; a tenth of large shifts for weights.
            assert found.shift[j, k] == pytest.approx(expected, abs=0.05 + 0.05 * abs(expected)), (
                name
            )


def test_a_shift_with_a_residual_structure_is_that_of_the_plain_model_where_it_says_nothing():
    """HSB by NUTS: sigma by sector moves little else, so shifts agree with the plain model's."""
    plain = fit("mathach ~ ses + (1 | schoolid)", "hsb", random_seed=1)
    own = fit(
        "mathach ~ ses + (1 | schoolid)",
        "hsb",
        residual={"sigma": "sector"},
        random_seed=1,
        draws=500,
        tune=500,
    )
    one, other = shifts_without_groups(plain), shifts_without_groups(own)
    k, m = (s.quantities.index("sigma_u") for s in (one, other))
    assert np.corrcoef(one.shift[:, k], other.shift[:, m])[0, 1] > 0.97


# --- spread ---------------------------------------------------------------------------------------


def test_the_spread_within_a_group_is_its_own_sd_over_the_models():
    own = fit(GROWTH, "orthodont", random_seed=1)
    found = spread_within(own, 1)
    design = own.design
    beta = own.draws["beta"].reshape(-1, 2).mean(axis=0)
    left = design.y - design.X @ beta
    sigma_e = own.draws["sigma_e"].mean()
    for j in (0, 9, 26):
        part = left[design.codes == j]
        ratio = part.std(ddof=1) / sigma_e
        assert found.ratio[j] == pytest.approx(ratio, rel=1e-9)
        chi2 = (part.size - 1) * ratio**2
        tail = min(stats.chi2(part.size - 1).cdf(chi2), stats.chi2(part.size - 1).sf(chi2))
        assert found.p[j] == pytest.approx(2 * tail, rel=1e-7)
    assert found.df.tolist() == [3] * 27
    # Raudenbush & Bryk (2002), p. 264, by hand: equal df, so the plain mean of the logs.
    logs = np.log(found.ratio**2)
    assert found.h == pytest.approx(np.square((logs - logs.mean()) * np.sqrt(1.5)).sum(), rel=1e-9)


def test_the_reference_of_h_is_right_for_few_rows():
    rng = np.random.default_rng(5)
    df = np.array([2, 3, 4, 6, 9] * 8)
    drawn = [
        _h_probability(
            float(_h(np.log(stats.chi2(df).rvs(random_state=rng) / df)[None], df)[0]), df, 3
        )
        for _ in range(200)
    ]
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    # With so few rows the textbook's chi-squared would cry wolf.
    h = [_h(np.log(stats.chi2(df).rvs(random_state=rng) / df)[None], df)[0] for _ in range(400)]
    assert (stats.chi2(df.size - 1).sf(h) < 0.05).mean() > 0.2


def test_with_many_rows_h_is_chi_squared():
    df = np.full(30, 200)
    assert _h_probability(45.0, df, 1) == pytest.approx(stats.chi2(29).sf(45.0), abs=0.02)


# --- the page -------------------------------------------------------------------------------------


def simulated(rng, *, groups=40, n=15, u=None, scale=None, heavy=False):
    """Data that are as the model says, but for what is asked."""
    code = np.repeat(np.arange(groups), n)
    x = rng.normal(size=code.size)
    effects = rng.normal(0, 1.0, groups) if u is None else u
    noise = rng.standard_t(2.5, code.size) if heavy else rng.normal(size=code.size)
    spread = np.ones(groups) if scale is None else scale
    y = 10 + 0.5 * x + effects[code] + 2 * noise * spread[code]
    return as_table({"y": y, "x": x, "g": code})


def judged(table):
    return check(fit("y ~ x + (1 | g)", table, random_seed=1))


def test_what_is_fine_is_called_fine():
    found = judged(simulated(np.random.default_rng(4)))
    assert found.fine, str(found)
    assert {one.topic for one in found.judgements} == {
        "Computation",
        "Normal group effects",
        "Outlying groups",
        "Influential groups",
        "Equal spread within groups",
        "Distribution of residuals",
        "Ends and skewness of the outcome",
    }
    assert "LOOK" not in str(found)


def test_an_outlying_group_is_named():
    rng = np.random.default_rng(4)
    u = rng.normal(0, 1.0, 40)
    u[17] = 9.0
    found = judged(simulated(rng, u=u))
    assert found["Outlying groups"].fine is False
    assert "17 (" in found["Outlying groups"].found
    assert found["Influential groups"].fine is False
    assert found["Normal group effects"].fine is False
    row = max(found.groups, key=lambda row: row.effect)
    assert (row.group, row.moved in ("sigma_u", "icc")) == (17, True)
    assert row.effect_p * 40 < 0.01


def test_unequal_spread_and_heavy_tails_are_told_apart():
    rng = np.random.default_rng(6)
    spread = judged(simulated(rng, scale=np.exp(rng.normal(0, 0.5, 40))))
    assert spread["Equal spread within groups"].fine is False
    assert "--sigma" in spread["Equal spread within groups"].remedy
    heavy = judged(simulated(rng, heavy=True))
    assert heavy["Distribution of residuals"].fine is False
    assert "student_t" in heavy["Distribution of residuals"].remedy


def test_a_bounded_outcome_shows_in_the_replicates():
    found = check(fit("hsb_ses", random_seed=1))
    ends = found["Ends and skewness of the outcome"]
    assert ends.fine is False
    assert "bounded scale" in ends.remedy
    assert "log(" not in ends.remedy  # it leans to the left, and some outcomes are below zero
    assert found["Influential groups"].fine
    assert found["Equal spread within groups"].fine is False


def test_few_replicates_raise_no_alarm_of_their_own(monkeypatch):
    monkeypatch.setattr("bayes_mlm.criticism.replicates._NUMBERS", 0)  # 40, as for many rows
    tables = [simulated(np.random.default_rng(100 + k)) for k in range(60)]
    fine = [judged(table)["Ends and skewness of the outcome"].fine for table in tables]
    assert fine.count(False) <= 2  # each has a chance of 1 in 100


def with_y(table, y):
    return Table(columns={**table.columns, "y": y}, n=table.n, source="simulated")


def test_a_skew_to_the_right_and_outliers_are_told_apart():
    table = simulated(np.random.default_rng(8))
    skewed = judged(with_y(table, np.exp(0.4 * table.columns["y"])))
    assert "log(y) may help" in skewed["Ends and skewness of the outcome"].remedy
    y = table.columns["y"].copy()
    y[7] = y.mean() - 12.0 * y.std()
    far = judged(with_y(table, y))["Ends and skewness of the outcome"]
    assert "look for errors" in far.remedy
    assert "log(" not in far.remedy


def test_a_skew_is_not_taken_for_unequal_spread():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 15)
    y = rng.normal(0, 0.6, 40)[g] + rng.exponential(size=g.size)
    found = judged(as_table({"y": y, "x": rng.normal(size=g.size), "g": g}))
    assert found["Equal spread within groups"].fine
    residuals = found["Distribution of residuals"]
    assert residuals.fine is False
    assert "transformation" in residuals.remedy
    assert "--family" not in residuals.remedy + found["Ends and skewness of the outcome"].remedy


def test_few_groups_are_not_called_influential_for_being_few():
    tables = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        g = np.repeat(np.arange(12), 20)
        x, u = rng.normal(size=g.size), rng.normal(0, 0.6, 12)
        tables.append(as_table({"y": x + u[g] + rng.normal(size=g.size), "x": x, "g": g}))
    fine = [judged(table)["Influential groups"].fine for table in tables]
    assert fine.count(False) <= 3  # a shift of one sd is passed in 8 of these


def test_every_kind_has_a_page():
    for model in ("hsb_pooled", "hsb_no_pooling", "hsb_between", "hsb_mundlak"):
        found = check(fit(model, random_seed=1, draws=250))
        assert found["Computation"].fine
        assert len(found.groups) == 160
        assert found["Influential groups"].fine is not None
    plain = check(fit("mathach ~ ses", "hsb", random_seed=1, draws=250))
    assert plain.groups == ()
    with pytest.raises(KeyError, match="there are Computation"):
        plain["Influential groups"]


def test_several_effects_are_judged_together():
    z = outlying(np.array([[3.0, 4.0], [0.0, np.nan]]))
    assert z.effect[0] == 5.0
    assert z.p[0] == pytest.approx(stats.chi2(2).sf(25.0))
    assert np.isnan(z.p[1])
    own = fit(SLEEP, "sleepstudy", random_seed=1)
    rows = check(own).groups
    assert rows[0].effect == pytest.approx(np.linalg.norm(standardised_effects(own)[0]))


def test_a_fit_is_wanted():
    with pytest.raises(EngineError, match="what fit gives"):
        check("hsb_ses")


def test_the_command_writes_a_row_a_group(capsys, tmp_path, monkeypatch):
    out = tmp_path / "groups.csv"
    monkeypatch.setattr(sys, "argv", ["bayes-mlm", "check", "sleepstudy_growth", "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "LOOK  Influential groups" in shown
    assert "subject 332 moves" in shown
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 18
    assert set(rows[0]) >= {"group", "effect", "spread", "shift", "moved", "reliable"}
    found = check(fit("sleepstudy_growth", random_seed=1982))
    assert found.to_frame().shape == (18, 9)
    monkeypatch.setattr(sys, "argv", ["bayes-mlm", "check", "sleepstudy_growth", "--out", "/"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
