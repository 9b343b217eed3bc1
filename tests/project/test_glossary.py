"""The glossary defines every quantity that a table can print, once."""

import re
from collections import Counter

import pytest

from bayes_mlm import fit
from bayes_mlm.assess.ranking import Criterion
from bayes_mlm.engines import quantities
from bayes_mlm.questions import variance_by_level
from bayes_mlm.questions.contextual.table import QUANTITIES
from tests.helpers import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
CASES = ROOT / "tests" / "cases"
DEFINED = Counter(re.findall(r"^\| `(\w+)` \|", GLOSSARY, re.M))


def plain(names):
    return {name.partition("[")[0] for name in names}


def test_every_quantity_is_defined_once():
    assert len(DEFINED) > 30
    assert set(DEFINED.values()) == {1}


def test_every_definition_has_its_formula_condition_exception_and_source():
    rows = [line for line in GLOSSARY.splitlines() if line.startswith("| `")]
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 5, row
        assert cells[1].strip(), row
        assert cells[4].strip(), row


@pytest.mark.parametrize(
    "formula",
    [
        "mathach ~ ses + (1 | schoolid)",
        "mathach ~ ses + (ses | schoolid)",
    ],
)
def test_quantities_of_estimates_and_of_the_variance_are_defined(formula):
    fitted = fit(formula, "hsb", random_seed=1)
    table = variance_by_level(fitted)
    assert plain(row.quantity for row in table.rows) <= set(DEFINED)
    assert plain(name for name, _ in quantities(fitted.draws)) <= set(DEFINED)


@pytest.mark.parametrize(
    ("formula", "data", "family"),
    [
        ("use ~ age + (1 | district)", "contraception", "bernoulli"),
        ("y ~ trt + (1 | subject)", "epil", "negative_binomial"),
    ],
)
def test_quantities_of_other_families_are_defined(formula, data, family):
    fitted = fit(formula, CASES / f"{data}.csv", family=family, engine="ml")
    printed = [*variance_by_level(fitted), *fitted.summary(), *fitted.summary(exponentiate=True)]
    names = plain(row.quantity.replace("rate_ratio_", "odds_ratio_") for row in printed)
    assert names - {"loglik", "shape", "odds", "rate"} <= set(DEFINED)


def test_parameters_of_residual_structures_are_defined():
    assert {"rho_e", "nu"} <= set(DEFINED)


def test_parts_of_contextual_effects_and_measures_of_comparison_are_defined():
    assert set(QUANTITIES) <= set(DEFINED)
    assert "marginal_likelihood" in str(Criterion.__value__)
    assert "marginal_likelihood" in DEFINED
