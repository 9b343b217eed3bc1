"""What every test shares: an environment that does not depend on who runs it."""

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from bayes_mlm.base.verdict import Finding, Verdict
from bayes_mlm.design.build import design_of
from bayes_mlm.engines import has_random_effects
from bayes_mlm.engines.draws import Draws, Variable
from bayes_mlm.fitting import estimate_design
from bayes_mlm.fitting.derived import icc
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.fitting.result import Fit
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.studies.record import load_record
from tests.helpers import interpreted

# Before anything imports them: no window, no colour codes, one width of terminal.
os.environ["MPLBACKEND"] = "Agg"
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"
os.environ.pop("FORCE_COLOR", None)

# No deadline: the first example pays for a cold import. Derandomised: a run can be repeated.
settings.register_profile("bayes_mlm", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("bayes_mlm")


def pytest_configure(config):
    """Evaluate graphs as they stand in the quick run; the slow one compiles, as for users."""
    if config.option.markexpr == "not slow":
        flags = [os.environ.get("PYTENSOR_FLAGS"), interpreted.FLAGS]
        os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, flags))


@pytest.fixture(scope="session", autouse=True)
def _interpreted(pytestconfig):
    """Let NUTS draw from models of rows without compiling them, in the quick run."""
    if pytestconfig.option.markexpr == "not slow":
        interpreted.interpret()


# Files that take longest, by measure, begin first: a process that is left alone with one of them at
# the end makes the whole run wait. The rest follows by the number of tests, as xdist has it. The
# first compiles what is kept on disk, once, while the others are busy with what needs none of it.
LONGEST = (
    "project/test_contract.py",
    "engines/test_nuts.py",
    "project/test_notebooks.py",
    "engines/test_generalised.py",
    "project/test_site.py",
    "project/test_own_family.py",
    "engines/test_pymc_use.py",
    "fitting/test_arviz.py",
    "fitting/test_several_factors.py",
    "data/test_lazy_spark.py",
    "report/test_browser.py",
)


def pytest_collection_modifyitems(items):
    """Put the tests into the order in which processes take the files (`make test`)."""
    places = {Path(__file__).parent / name: k for k, name in enumerate(LONGEST)}
    assert all(path.exists() for path in places), "a file of LONGEST has another name now"
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (places.get(item.path, len(places)), -counts[item.path]))


@pytest.fixture(scope="session")
def mock_fit():
    """Make a `Fit` without sampling: independent draws about the REML or OLS estimate.

    Right for tests of structure and arithmetic; what the samplers give is tested elsewhere.
    """

    def make(name="hsb_ses", *, draws=250, seed=1, **changes):
        request = (load_record(name) if isinstance(name, str) else name).request
        design = design_of(request)
        settings = make_settings(request, draws=draws, tune=1, chains=4, random_seed=seed)
        values = {
            "request": request,
            "design": design,
            "priors": model_priors(design, request.model.priors),
            "draws": _independent_draws(design, draws, seed),
            "engine": "nuts",
            "reason": "requested",
            "report": None,
            "settings": settings,
            "versions": {"bayes-mlm": "test"},
            "verdict": Verdict((Finding("mock", True, "made for a test"),)),
            "seconds": 0.1,
        }
        return Fit(**(values | changes))

    return make


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Run a command line, `run_command("fit", "hsb_ses")`: its exit code, output and error text."""

    def call(*arguments):
        from bayes_mlm import cli

        monkeypatch.setattr(sys, "argv", ["bayes-mlm", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def undrawn(monkeypatch):
    """Prepare every figure of a report, but draw none: drawing is held apart, and takes time."""
    from bayes_mlm.report.images import Image

    def draw_none(drawings, _, *, on_done):
        made = [Image(source="data:image/png;base64,", width=600, height=400) for _ in drawings]
        on_done(len(made), len(made))
        return tuple(made)

    monkeypatch.setattr("bayes_mlm.report.rendering.draw_all", draw_none)


def _independent_draws(design, draws, seed):
    rng = np.random.default_rng(seed)
    fit = estimate_design(design).solution
    shape = (4, draws)
    root = np.linalg.cholesky(fit.beta_cov)
    beta = fit.beta + rng.normal(size=(*shape, design.p)) @ root.T
    sigma_e = fit.sigma_e * np.exp(0.01 * rng.normal(size=shape))
    posterior = {
        "beta": Variable(("chain", "draw", "term"), beta),
        "sigma_e": Variable(("chain", "draw"), sigma_e),
    }
    coords = {"term": np.array(design.terms)}
    if has_random_effects(design):
        sd = fit.sigma_u * np.exp(0.07 * rng.normal(size=(*shape, design.q)))
        dims = ("chain", "draw", "effect")
        posterior["sigma_u"] = (
            Variable(dims[:2], sd[..., 0]) if design.has_icc else Variable(dims, sd)
        )
        if design.has_icc:
            posterior["icc"] = Variable(dims[:2], icc(sd[..., 0], sigma_e))
        noise = rng.normal(size=(*shape, design.J, design.q))
        u = fit.u + noise * fit.u_sd
        posterior["u"] = Variable((*dims[:2], str(design.group), "effect"), u)
        coords |= {str(design.group): design.labels, "effect": np.array(design.effects)}
    if design.residual is not None:
        posterior |= _residual_draws(design, fit, rng, shape)
        if design.residual.strata:
            coords["stratum"] = np.array(design.residual.strata, dtype=object)
    stats = {
        "diverging": Variable(("chain", "draw"), np.zeros(shape, dtype=bool)),
        "energy": Variable(("chain", "draw"), rng.normal(size=shape)),
    }
    return Draws(posterior=posterior, sample_stats=stats, coords=coords)


def _residual_draws(design, fit, rng, shape):
    rows, found = design.residual, {}
    if rows.strata:
        sds = fit.residual.sigma_e * np.exp(0.05 * rng.normal(size=(*shape, rows.n_sds)))
        found["sigma_e_by"] = Variable(("chain", "draw", "stratum"), sds)
        found["sigma_e"] = Variable(("chain", "draw"), np.sqrt(sds**2 @ rows.share))
    if rows.spec.ar is not None:
        rho = np.clip(fit.residual.rho_e + 0.1 * rng.normal(size=shape), -0.95, 0.95)
        found["rho_e"] = Variable(("chain", "draw"), rho)
    if design.family.name == "student_t":
        found["nu"] = Variable(("chain", "draw"), 4.0 + rng.gamma(2.0, size=shape))
    return found
