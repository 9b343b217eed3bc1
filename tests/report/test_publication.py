"""Tables for papers: the right numbers, rounded alike, with notes that say what they are."""

import json
import re

import pytest

from bayes_mlm.base.errors import EngineError
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report.publication import publication_table
from bayes_mlm.studies.ladder import analyse_ladder
from bayes_mlm.studies.record import load_record
from tests.helpers import REFERENCE

LME4 = json.loads((REFERENCE / "lme4.json").read_text(encoding="utf-8"))["cases"]


def settings_of(record):
    return make_settings(record, draws=100, random_seed=1)


@pytest.fixture(scope="module")
def ladder():
    """Both engines of a null model, a random intercept, a random slope and an OLS model."""
    names = ("hsb_null", "hsb_sector_ses", "hsb_random_slope", "hsb_pooled")
    return [
        one.analysis for one in analyse_ladder([load_record(name) for name in names], settings_of)
    ]


@pytest.fixture(scope="module")
def likelihood():
    names = ("hsb_null", "hsb_sector_ses", "hsb_random_slope", "hsb_pooled")
    return [
        one.analysis
        for one in analyse_ladder([load_record(name) for name in names], settings_of, engines=[])
    ]


@pytest.fixture(scope="module")
def table(ladder):
    return publication_table(ladder)


def row(table, label):
    return next(one for one in table.rows if one.label == label)


def cells(table, label):
    return [(cell.text, cell.below) for cell in row(table, label).cells]


# -- the numbers ---------------------------------------------------------------------------------


def test_reml_columns_are_lme4s(likelihood):
    """Against lme4 1.1 (reference/lme4.json): estimates, standard errors, icc, log-likelihood."""
    case = next(one for one in LME4 if one["formula"] == "mathach ~ ses * sector + (1|schoolid)")
    found = publication_table(likelihood)
    for label, term in {"Intercept": "(Intercept)", "ses:sector": "ses:sector"}.items():
        beta, error = case["reml"]["fixef"][term], case["reml"]["se"][term]
        text, below = cells(found, label)[1]
        decimals = len(text.partition(".")[2])
        assert text == f"{beta:.{decimals}f}".replace("-", "−")
        assert below == f"({error:.{decimals}f})"
    assert cells(found, "log-likelihood (REML)")[1][0] == f"−{-case['reml']['loglik']:.2f}"


def test_posterior_columns_stand_before_likelihood_ones(table, ladder):
    assert [(one.number, one.engine) for one in table.columns] == [
        (1, "direct"),
        (1, "REML"),
        (2, "direct"),
        (2, "REML"),
        (3, "direct"),
        (3, "REML"),
        (4, "direct"),
        (4, "OLS"),
    ]
    alone = publication_table(ladder, likelihood=False)
    assert [one.engine for one in alone.columns] == ["direct"] * 4
    drawn = next(one for one in ladder[1].summaries if one.engine == "direct")
    text, below = cells(alone, "ses:sector")[1]
    assert text == f"−{-drawn['beta[ses:sector]'].estimate:.2f}"
    assert below == f"({drawn['beta[ses:sector]'].sd:.2f})"


def test_one_sd_of_intercepts_whether_slopes_vary_or_not(table):
    labels = [one.label for one in table.rows if one.section == "Random part"]
    assert labels == [
        "σ_u (Intercept)",
        "σ_u (ses)",
        "ρ_u (Intercept, ses)",
        "σ_e",
        "ICC",
        "R² between",
        "R² within",
    ]
    assert all(cell.text for cell in row(table, "σ_u (Intercept)").cells[:6])
    assert [bool(cell.text) for cell in row(table, "σ_u (ses)").cells] == [False] * 4 + [
        True,
        True,
        False,
        False,
    ]
    # No one icc where slopes vary, none without groups.
    assert [bool(cell.text) for cell in row(table, "ICC").cells] == [True] * 4 + [False] * 4


def test_a_random_intercept_alone_needs_no_name(likelihood):
    found = publication_table(likelihood[:2])
    assert cells(found, "σ_u")[0][0] == "2.93"  # lme4: 2.9350 (reference/lme4.json, hsb null)


def test_sizes_and_likelihoods(table):
    assert {text for text, _ in cells(table, "rows")} == {"7,185"}  # the 2015 document, In [2]
    assert cells(table, "groups")[0][0] == "160"
    reml = [text for text, _ in cells(table, "log-likelihood (REML)")]
    ols = [text for text, _ in cells(table, "log-likelihood (OLS)")]
    # The document: -23558.3967 (In [358]) and -23549. (In [3]); each in one row only.
    assert reml[:2] == ["−23558.40"] * 2
    assert reml[6:] == ["", ""]
    assert ols == [""] * 6 + ["−23548.97"] * 2


def test_intervals_instead_of_errors(likelihood):
    found = publication_table(likelihood, interval=True)
    text, below = cells(found, "ses")[1]
    assert text == "2.951"
    assert below == "[2.676, 3.227]"  # lme4: 2.9512 ± 1.95996 × 0.14054
    assert cells(found, "σ_e")[3] == ("6.416", "")  # OLS gives no interval for it
    assert any("95% CI" in note for note in found.notes)
    assert not any("standard error" in note for note in found.notes)


def test_a_row_has_one_number_of_decimals(table):
    for one in table.rows:
        decimals = {
            len(number.partition(".")[2])
            for cell in one.cells
            for number in re.findall(r"\d+\.\d+", f"{cell.text} {cell.below}")
        }
        assert len(decimals) <= 1, one


def test_notes_say_what_a_reader_needs(table):
    notes = "\n".join(table.notes)
    for said in (
        "(2) hsb_sector_ses: mathach ~ ses * sector + (1 | schoolid) [partial pooling]",
        "(4) hsb_pooled: mathach ~ ses [pooled]",
        "direct: mean of independent draws",
        "REML: ",
        "OLS: ",
        "sd of the posterior; standard error of REML and OLS",
        "with random slopes",
        "variance of hsb_null",
        "not comparable",
        "4 × 100 draws of each posterior, seed 1",
    ):
        assert said in notes
    assert "NOT reliable" not in notes


def test_notes_say_nothing_of_what_is_not_there(likelihood):
    notes = "\n".join(publication_table(likelihood[3:]).notes)
    for absent in ("σ_u", "ICC:", "R²", "REML", "draws", "with random slopes", "comparable"):
        assert absent not in notes, absent


def test_a_verdict_that_is_not_clean_is_in_the_notes(monkeypatch, mock_fit):
    from bayes_mlm.base.verdict import Finding, Verdict
    from bayes_mlm.fitting import side_by_side as analysis

    bad = Verdict((Finding("R-hat", False, "largest R-hat 1.20: raise --draws"),))
    monkeypatch.setattr(analysis, "fit_design", lambda *_, **__: mock_fit("hsb_ses", verdict=bad))
    record = load_record("hsb_ses")
    found = publication_table([analyse(record, settings_of(record), engines=["nuts"])])
    assert found.columns[0].engine == "NUTS"
    assert any("(1) by nuts: NOT reliable: largest R-hat 1.20" in note for note in found.notes)


def test_a_formula_has_no_name_but_its_number():
    record = as_request("reaction ~ days + (1 | subject)", "sleepstudy")
    found = publication_table([analyse(record, None, engines=["reml"])])
    assert found.columns[0].model == ""
    assert found.notes[0].startswith("(1) reaction ~ days + (1 | subject)")
    assert "(1) " not in found.render("latex").splitlines()[7]


def test_nothing_to_lay_out():
    with pytest.raises(EngineError, match="needs a model"):
        publication_table([])
