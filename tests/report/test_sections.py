"""Sections of the report: a registry, templates, and the choice of some."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bayes_mlm import cli
from bayes_mlm.base.errors import StorageError
from bayes_mlm.base.verdict import Finding, Verdict
from bayes_mlm.report import rendering
from bayes_mlm.report.methods import methods
from bayes_mlm.report.page import Origin
from bayes_mlm.report.references import REFERENCES
from bayes_mlm.report.rendering import render_report
from bayes_mlm.report.sections import SECTIONS, choose_sections
from tests.helpers.report_page import Page, by_nuts, check_page, fitted, simulated

TEMPLATES = Path(rendering.__file__).parent / "templates" / "sections"


@pytest.fixture(scope="module")
def by_reml():
    return fitted("y ~ x + (1 | g)", simulated(6, 10), engine="reml")


def anchors(source):
    page = Page(source)
    main = page.all("main")[0]
    return [one["attributes"]["id"] for one in page.all("section") if one["inside"][-1] is main]


def test_each_section_has_a_template_and_each_template_a_section():
    assert {path.name.removesuffix(".html.j2") for path in TEMPLATES.iterdir()} == set(SECTIONS)


def test_the_page_has_the_sections_that_apply_in_their_order(by_reml, undrawn):
    source = render_report([by_reml], Origin(title="t"))
    shown = anchors(source)
    assert shown == [one for one in SECTIONS if one in shown]
    assert set(SECTIONS) - set(shown) == {"refit", "corrections", "survey"}
    page = Page(source)
    nav = page.all("nav")[0]
    links = [one["attributes"]["href"] for one in page.all("a") if nav in one["inside"]]
    assert links == [f"#{one}" for one in shown]


@pytest.mark.parametrize(
    "names", [["answer"], ["methods", "answer", "methods"], ["models", "data"]]
)
def test_chosen_sections_alone_are_on_the_page(by_reml, undrawn, names):
    source = render_report([by_reml], Origin(title="t"), sections=names)
    check_page(source)  # no link leads to a section that is not there
    assert anchors(source) == [one for one in SECTIONS if one in names]
    numbers = re.findall(r'id="figure-(\d+)"', source)
    assert numbers == [str(k) for k in range(1, len(numbers) + 1)]
    assert bool(numbers) == ("data" in names)


def test_an_unknown_section_is_refused_with_all_names(by_reml):
    with pytest.raises(StorageError, match="unknown section of the report 'anwser'") as refused:
        render_report([by_reml], Origin(title="t"), sections=["anwser"])
    assert all(name in str(refused.value) for name in ("answer", "methods", "provenance"))
    with pytest.raises(StorageError, match="no section of the report is chosen; there are answer,"):
        choose_sections([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sections", "answer,nothing", "--out", "out"], "unknown section of the report"),
        (["--sections", "answer"], "add --out FOLDER"),
    ],
)
def test_the_command_line_refuses_before_it_fits(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bayes-mlm", "fit", "hsb_ses", *options])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code
    shown = capsys.readouterr()
    assert message in " ".join((shown.out + shown.err).split())
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []


def test_methods_name_the_model_the_estimator_and_what_they_cite(by_reml, mock_fit):
    found = methods([by_reml])
    assert "y ~ x + (1 | g)" in found.text
    assert "60 rows in 6 groups of g" in found.text
    assert "Restricted maximum likelihood" in found.text
    assert "Priors" not in found.text
    nuts = methods([by_nuts(mock_fit)])
    assert "No-U-Turn" in nuts.text
    assert "sigma_u ~ HalfStudentT" in nuts.text
    for one in (found, nuts):  # each work that is cited is listed, and none other
        for work in REFERENCES.values():
            assert (work.cited in one.text) == (work in one.references), work.key
            assert (f"{{{work.key}," in one.bibtex) == (work in one.references)


def test_methods_say_that_diagnostics_failed(mock_fit):
    analysis = by_nuts(mock_fit)
    bad = Verdict((Finding("R-hat", False, "largest R-hat 1.400 (sigma_u)"),))
    spoiled = (replace(analysis.summaries[0], verdict=bad), *analysis.summaries[1:])
    found = methods([replace(analysis, summaries=spoiled)])
    assert "did NOT all pass: largest R-hat 1.400 (sigma_u) (Vehtari et al., 2021)" in found.text


def test_bibtex_is_balanced_and_ascii_safe():
    for work in REFERENCES.values():
        entry = work.bibtex
        assert entry.count("{") == entry.count("}")
        assert not re.search(r"(?<!\\)&", entry), work.key
