"""The narrative of a report has the numbers of its fits, and equations follow the design."""

import re

import numpy as np
import pytest

from bayes_mlm.design.build import design_of
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report.equations import coefficient, equations
from bayes_mlm.report.narrative import answer
from bayes_mlm.report.tables import explained_checks, verdict_table
from bayes_mlm.studies.record import load_record, records
from tests.helpers.report_page import fitted, simulated


def test_the_answer_has_the_numbers_of_the_fits(ladder):
    found = {one.topic: one.text for one in answer(ladder).conclusions}
    null, mundlak, main = (one.summaries[0] for one in ladder)
    share = null["icc"]
    assert (
        f"{100 * share.estimate:.0f} % ({100 * share.lower:.0f} % to"
        in found["Within and between groups"]
    )
    gap = main["beta[ses:sector]"]
    text = found["Slopes by subgroup"]
    assert f"−{abs(gap.estimate):.2f} (−{abs(gap.lower):.2f} to" in text
    assert f"{main['beta[ses]'].estimate:.2f}" in text
    between = mundlak["beta[ses]"].estimate + mundlak["beta[between(ses)]"].estimate
    assert f"{between:.2f}" in found["Slopes within and between groups"]
    explained = main["r2_between"].estimate
    assert f"{100 * explained:.0f} %" in found["Explained variance"]


def test_the_sign_is_called_open_where_the_interval_holds_zero():
    analysis = fitted("distance ~ sex + (1 | subject)", "orthodont")
    clear = answer([analysis]).conclusions[-1].text
    assert "excludes zero" in clear
    rng = np.random.default_rng(3)
    table = simulated(20, 10) | {"y": rng.normal(size=200)}
    text = {
        one.topic: one.text for one in answer([fitted("y ~ side + (1 | g)", table)]).conclusions
    }["The difference by side"]
    assert "its sign is uncertain" in text


def letters(mathml):
    return re.sub(r"\s+", "", re.sub("<[^>]+>", "", mathml))


def test_equations_follow_the_design():
    shown = {
        record.name: [letters(one.mathml) for one in equations(design_of(record))]
        for record in records("hsb")
    }
    assert shown["hsb_pooled"][0] == "mathachij=β0+β1sesij+eij"
    assert shown["hsb_between"][0] == "mean(mathach)j=β0+β1mean(ses)j+ej"
    assert shown["hsb_within"][0] == "mathachij=β0+β1(sesij−mean(ses)j)+eij"
    assert shown["hsb_sector_ses"] == [
        "mathachij=b0j+b1jsesij+eij",
        "b0j=β0+β2sectorj+uj",
        "b1j=β1+β3sectorj",
        "uj~N(0,σu2)",
        "eij~N(0,σe2)",
    ]
    assert shown["hsb_random_slope"][2] == "b1j=β1+u1j"
    assert shown["hsb_random_slope"][3] == "(u0j,u1j)~N(0,Σu)"
    assert shown["hsb_slopes_as_outcomes"][2] == "b1j=β2+β4between(ses)j+β5sectorj+u1j"
    assert coefficient(design_of(load_record("hsb_sector_ses")), "ses:sector") == "β₃"


def test_diagnostics_say_what_draws_are_worth():
    request = as_request("reaction ~ days + (days | subject)", "sleepstudy")
    settings = make_settings(request, draws=100, random_seed=1)
    main = analyse(request, settings, engines=["direct"])
    report = main.fits[0].report
    rows = [row for row in verdict_table([main]).view.cells if row[2] == "Pareto k"]
    assert len(rows) == 1
    assert f"{report.n_draws} draws are worth {report.ess:.0f} independent ones" in rows[0][4]
    assert "certificate says whether the optimum was found" in explained_checks([main])


def test_predictors_in_products_are_described_where_the_others_are_zero():
    """exp(beta) of the model, by hand; no name of a parameter is in the paragraph."""
    request = load_record("epil").request
    found = analyse(request, make_settings(request, random_seed=1), engines=["ml"])
    text = answer([found]).paragraph
    beta = dict(zip(found.design.terms, found.estimate.solution.beta, strict=True))
    for term, where in (("trt[progabide]", "lbase = 0"), ("lbase", "trt = placebo")):
        shown = re.search(rf"{re.escape(term)} ([\d.]+) \([\d.]+ to [\d.]+\) where {where}", text)
        assert float(shown[1]) == pytest.approx(np.exp(beta[term]), abs=0.006)
    slopes = as_request("mathach ~ ses + (1 + ses | schoolid)", "hsb")
    found = analyse(slopes, make_settings(slopes, random_seed=1), engines=["reml"])
    text = answer([found]).paragraph
    assert "of intercepts and" in text
    assert "of slopes of ses; that of residuals is" in text
    assert "sigma_" not in text
