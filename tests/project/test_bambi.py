"""A bambi user's path: its examples run, its names are those of both, and the posteriors agree."""

import re

import numpy as np
import pytest

import bayes_mlm
from bayes_mlm import fit
from tests.helpers import ROOT
from tests.helpers.examples import block, run_as_file

PAGE = (ROOT / "docs" / "bambi.md").read_text("utf-8")


def table_under(heading):
    """Return the cells of each line of the table, with the code in them."""
    text = re.search(rf"## {heading}\n(.*?)(?=\n## |\Z)", PAGE, re.S)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines]
    return [[cell.replace(r"\|", "|").strip() for cell in row] for row in cells]


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return run_as_file(block(PAGE, "example: here"), tmp_path_factory.mktemp("here"))


def test_the_names_here_are_those_of_the_page():
    fitted = fit("reaction ~ days + (days || subject)", "sleepstudy", random_seed=1)
    posterior = fitted.data["posterior"]
    for _, name, place in table_under("Names"):
        variable, *labels = codes(place)
        if name == "`reaction`":
            assert all("reaction" in fitted.data[group] for group in codes(place))
            continue
        values = posterior[variable]
        dimension = re.search(r"(term|effect) `", place)
        if dimension:
            values = values.sel({dimension[1]: labels[0]})
        assert set(values.dims) <= {"chain", "draw", "subject", "obs"}, name
        assert codes(name)[0].split("[")[0] == variable
    assert posterior["u"].dims[2:] == ("subject", "effect")


def test_what_the_page_names_exists():
    for line in table_under("Differences"):
        for name in re.findall(r"[a-z_]{6,}(?=\()|^[a-z_]+$", "\n".join(codes(line[2])), re.M):
            assert hasattr(bayes_mlm, name), name


def test_the_example_here_is_of_the_priors_that_it_gives(here):
    """The prior of the intercept holds at the mean of days, as bambi's does."""
    assert here["fitted"].engine == "direct"
    named = here["fitted"].spec.priors
    assert named["beta[days]"] == "Normal(mu=0.0, sigma=20.0)"
    assert set(here["tree"].children) >= {"posterior", "observed_data"}


# bambi and PyMC warn of what they do inside; not what is tested.
@pytest.mark.filterwarnings("ignore")
def test_bambi_has_the_same_posterior(here, tmp_path):
    """Two programs, one model: means within 5 Monte Carlo errors, sds within 10 %."""
    bambi = pytest.importorskip("bambi")
    import arviz as az

    theirs = run_as_file(block(PAGE, "example: bambi"), tmp_path)
    ours, tree = here["tree"]["posterior"], theirs["tree"]["posterior"]
    pairs = {
        "days": ours["beta"].sel(term="days"),
        "sigma": ours["sigma_e"],
        "1|subject_sigma": ours["sigma_u"],
        "Intercept": ours["beta"].sel(term="Intercept"),
    }
    for name, own in pairs.items():
        found = tree[name]
        error = np.hypot(float(az.mcse(found).item()), float(az.mcse(own).item()))
        assert abs(float(found.mean() - own.mean())) < 5 * error, name
        assert float(found.std()) == pytest.approx(float(own.std()), rel=0.1), name
    model = bambi.Model("reaction ~ days + (days | subject)", theirs["data"])
    model.build()
    for cell, *_ in table_under("Names"):
        assert codes(cell)[0] in model.backend.model.named_vars
