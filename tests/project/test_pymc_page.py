"""The page on PyMC: its example runs, and its families are those of the registry."""

import re

from bayes_mlm.model import DIRECT_FAMILIES
from bayes_mlm.model.prior_families import PRIOR_FAMILIES, is_family
from tests.helpers import ROOT
from tests.helpers.examples import block, run_as_file

PAGE = (ROOT / "docs" / "pymc.md").read_text("utf-8")


def row(label, separator=", "):
    found = re.search(rf"^\| {label}[^|]*\| ([^|]*) \|$", PAGE, re.M)
    assert found, label
    return found[1].split(separator)


def test_the_families_of_the_page_are_those_there_are():
    coefficients, sds = row("the direct engine, coefficients"), row("the direct engine, sds")
    assert tuple(coefficients) == DIRECT_FAMILIES["fixed effect"]
    assert tuple(sds) == DIRECT_FAMILIES["group sd"]
    listed = {*coefficients, *sds, *row("NUTS, besides"), "LKJ"}
    assert listed == set(PRIOR_FAMILIES)
    _, uncut = row("NUTS, cut to a range", " but ")
    uncut = uncut.replace(" and ", ", ").split(", ")
    assert {*uncut, "LKJ"} == {one for one in listed if not is_family(f"Truncated{one}")}


def test_the_example_is_of_priors_that_are_read(tmp_path):
    """Read, not fitted: tests/likelihood/test_any_prior.py fits such a model."""
    from bayes_mlm import build_design, load_dataset
    from bayes_mlm.likelihood import model_priors

    names = run_as_file(block(PAGE, "example: priors").partition("fitted =")[0], tmp_path)
    design = build_design("reaction ~ days + (1 | subject)", load_dataset("sleepstudy"))
    priors = model_priors(design, names["priors"]).by_name(design)
    assert str(priors["sigma_e"]) == "TruncatedStudentT(nu=3, mu=0, sigma=60, lower=0)"
    assert str(priors["beta[days]"]) == "Laplace(mu=0, b=20)"
