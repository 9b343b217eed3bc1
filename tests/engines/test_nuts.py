"""One real fit a kind: NUTS recovers what the data were made from, again and again the same."""

import json
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from bayes_mlm.base.errors import EngineError
from bayes_mlm.data.table import as_table
from bayes_mlm.design.build import design_of
from bayes_mlm.engines.diagnostics import diagnose
from bayes_mlm.engines.draws import quantities
from bayes_mlm.fitting import Estimate, estimate_design
from bayes_mlm.fitting.entry import fit, fit_design
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.fitting.storage import load_fit, save_fit
from bayes_mlm.fitting.summary import summarise
from bayes_mlm.likelihood.pymc.models import FACTORIES
from bayes_mlm.model.spec import KINDS
from bayes_mlm.studies.record import load_record
from tests.helpers import REFERENCE
from tests.helpers.interpreted import compiling

LADDER = ("hsb_null", "hsb_ses", "hsb_sector", "hsb_sector_ses")
NUTS = REFERENCE / "nuts_ladder.json"
# What the simulated groups are made from; x has a group part, so the kinds differ in what they see.
TRUTH = {"within": 2.0, "between": 5.0, "sigma_u": 1.5, "sigma_e": 3.0, "mean": 10.0}


def simulated(n_groups=60, size=15, seed=11):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_groups), size)
    part = rng.normal(0, 0.7, n_groups)
    inside = rng.normal(0, 1, codes.size)
    inside -= (np.bincount(codes, inside) / size)[codes]
    u = rng.normal(0, TRUTH["sigma_u"], n_groups)
    y = (
        TRUTH["mean"]
        + TRUTH["within"] * inside
        + (TRUTH["between"] * part + u)[codes]
        + rng.normal(0, TRUTH["sigma_e"], codes.size)
    )
    return as_table({"y": y, "x": inside + part[codes], "g": np.array([f"g{c:02}" for c in codes])})


# The marginal model is compiled once a machine; nutpie compiles the others for two minutes each.
QUICK = ("mundlak",)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Compile as for users, all that this file samples."""
    with compiling():
        yield


@pytest.fixture(scope="module")
def fits():
    """Fit a kind once, to the same simulated table."""

    @cache
    def fitted(kind):
        bar = " + (1 | g)" if kind in ("mundlak", "partial_pooling") else ""
        return fit(
            f"y ~ x{bar}",
            simulated(),
            kind=kind,
            group=None if bar else "g",
            engine="nuts",
            draws=1000,
            tune=500,
            chains=4,
            random_seed=5,
        )

    return fitted


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in KINDS],
)
def test_a_fit_agrees_with_reml_or_ols(fits, kind):
    result = fits(kind)
    classical = Estimate(
        solution=estimate_design(result.design).solution, design=result.design
    ).summary()
    for row in summarise(result):
        if row.quantity in classical and row.quantity.startswith("beta"):
            # Weak priors: means differ by Monte Carlo error (ESS > 400: 0.05 sd), little else.
            distance = abs(row.estimate - classical[row.quantity].estimate) / row.sd
            assert distance < 0.25, row.quantity
    assert result.verdict.ok, str(result.verdict)
    assert result.draws.n_draws == 1000
    assert result.settings.random_seed == 5


@pytest.mark.slow
def test_each_kind_recovers_its_own_slope(fits):
    """The slope that each kind estimates, within four posterior sds of the truth."""
    truth = {
        "between": ("beta[x]", TRUTH["between"]),
        "no_pooling": ("beta[x]", TRUTH["within"]),
        "within": ("beta[within(x)]", TRUTH["within"]),
        "mundlak": ("beta[x]", TRUTH["within"]),
    }
    for kind, (quantity, value) in truth.items():
        row = summarise(fits(kind))[quantity]
        assert abs(row.estimate - value) < 4 * row.sd, kind
    # One slope for two: the pooled slope lies between them, and so does the partially pooled.
    for kind in ("pooled", "partial_pooling"):
        assert TRUTH["within"] < summarise(fits(kind))["beta[x]"].estimate < TRUTH["between"]


def test_variances_and_group_effects_are_recovered(fits):
    summary = summarise(fits("mundlak"))
    for name in ("sigma_u", "sigma_e"):
        assert abs(summary[name].estimate - TRUTH[name]) < 4 * summary[name].sd
    contextual = summary["beta[between(x)]"]
    assert abs(contextual.estimate - (TRUTH["between"] - TRUTH["within"])) < 4 * contextual.sd
    result = fits("mundlak")
    blups = estimate_design(result.design).solution
    u = result.draws["u"]
    # Posterior means of the group effects are the BLUPs, the variances' uncertainty aside.
    assert np.abs(u.mean(axis=(0, 1)) - blups.u).max() < 0.25 * blups.u_sd.max()
    assert np.allclose(u.std(axis=(0, 1)), blups.u_sd, rtol=0.3)


FIRST_AND_SECOND_RUN = """
import sys
from bayes_mlm import fit
found = fit("reaction ~ days + (days | subject)", "sleepstudy", engine="nuts", random_seed=1,
            draws=100, tune=100, chains=2)
print(found.draws["beta"].ravel().tolist())
"""


@pytest.mark.slow
def test_a_first_run_and_one_with_a_cache_give_the_same_draws(tmp_path):
    """Numba's fast mathematics would round differently in what was just compiled."""
    flags = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    command = [sys.executable, "-c", FIRST_AND_SECOND_RUN]
    first, second = (subprocess.check_output(command, env=flags, text=True) for _ in range(2))
    assert any(tmp_path.iterdir())
    assert first == second


@pytest.mark.parametrize("likelihood", ["conditional", "marginal"])
def test_nothing_is_compiled_with_fast_mathematics(likelihood, monkeypatch):
    import pytensor

    from bayes_mlm.engines import nuts

    seen = []

    def look(*_, **__):
        seen.append(pytensor.config.numba__fastmath)
        raise ValueError("seen")

    monkeypatch.setattr("pymc.sample", look)
    monkeypatch.setattr(nuts, "compile_log_density", look)
    design = design_of(load_record("hsb_null"))
    model = FACTORIES["partial_pooling"](design, likelihood=likelihood)
    with pytest.raises(EngineError, match="seen"):
        nuts.sample_nuts(model, make_settings(load_record("hsb_null"), random_seed=1))
    assert seen == [False]


def test_the_same_seed_gives_the_same_draws(fits):
    one = fits("mundlak")
    again = fit_design(one.request, one.design, one.settings, engine="nuts")
    for name, values in quantities(one.draws):
        assert np.array_equal(values, dict(quantities(again.draws))[name]), name


def test_a_real_fit_survives_storage(fits, tmp_path):
    one = fits("mundlak")
    again = load_fit(save_fit(one, tmp_path / "fit.nc"))
    assert diagnose(again.draws) == one.verdict
    assert summarise(again) == summarise(one)


@pytest.mark.slow  # PyMC's own sampler compiles for a minute; nutpie samples factories elsewhere
def test_the_factory_samples_by_itself():
    """As a PyMC user would: the model, pm.sample, and ArviZ's summary."""
    import arviz as az
    import pymc as pm

    record = load_record("hsb_between")
    with FACTORIES["between"](design_of(record)):
        tree = pm.sample(200, tune=300, chains=2, random_seed=1, progressbar=False)
    table = az.summary(tree, var_names=["beta"])
    assert list(table.index) == ["beta[Intercept]", "beta[ses]"]
    # The 2015 document, In [3], MODEL 2: 5.9093 with standard error 0.371.
    assert float(tree["posterior"]["beta"].sel(term="ses").mean()) == pytest.approx(5.9093, abs=0.1)


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, "direct") for name in LADDER]
    + [(LADDER[-1], "nuts")]
    + [pytest.param(name, "nuts", marks=pytest.mark.slow) for name in LADDER[:-1]],
)
def test_the_ladder_agrees_with_a_long_reference_run(name, engine):
    """Means within 0.1 posterior sd of 20,000 draws of the conditional model (the issue)."""
    stored = json.loads(NUTS.read_text())["records"][name]
    assert stored["ok"], stored["verdict"]
    record = load_record(name)
    settings = make_settings(record, random_seed=1982)
    result = fit_design(record, design_of(record), settings, engine=engine)
    assert result.engine == engine
    assert result.verdict.ok, str(result.verdict)
    for quantity, values in quantities(result.draws):
        long = stored["quantities"][quantity]
        assert abs(values.mean() - long["mean"]) < 0.1 * long["sd"], quantity
        assert values.std() == pytest.approx(long["sd"], rel=0.1), quantity
    u = result.draws["u"].mean(axis=(0, 1))
    # All 160 schools: the largest of 160 differences, hence a little more room.
    assert (np.abs(u - stored["u_mean"]) < 0.15 * np.array(stored["u_sd"])).all()


def test_auto_says_which_engine_and_why(monkeypatch, mock_fit):
    """What is sampled is tested above; here draws that were made stand for it."""
    exact = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    assert (exact.engine, exact.reason) == ("direct", "exact by quadrature")
    assert exact.report.log_marginal_likelihood is not None
    made = mock_fit("hsb_no_pooling").draws
    monkeypatch.setattr("bayes_mlm.engines.nuts.sample_model", lambda *_, **__: made)
    options = {"kind": "no_pooling", "group": "schoolid", "priors": {"u": "StudentT(3, 12, 10)"}}
    handed_over = fit("mathach ~ ses", "hsb", random_seed=1, **options)
    assert np.array_equal(handed_over.draws["beta"], made["beta"])
    assert handed_over.engine == "nuts"
    assert handed_over.reason.startswith(
        "not direct: the prior of a group-specific intercept is StudentT"
    )
    with pytest.raises(EngineError, match='use engine="nuts"'):
        fit_design(handed_over.request, handed_over.design, handed_over.settings, engine="direct")


def test_a_direct_fit_survives_storage(tmp_path):
    one = fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1)
    again = load_fit(save_fit(one, tmp_path / "fit.nc"))
    assert again.report == one.report
    assert summarise(again) == summarise(one)
