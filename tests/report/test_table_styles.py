"""Styles of tables for papers, and documents of Word: what a journal asks for is there."""

import io
import re
import sys
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import docx
import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn

from bayes_mlm.base import Emphasised, EngineError, StorageError, View, render, to_word
from bayes_mlm.cli.table import TableStyles
from bayes_mlm.fitting import analyse
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.report.publication import STYLES, publication_table
from bayes_mlm.studies.record import load_record


@pytest.fixture(scope="module")
def two():
    """A null model and one with coefficients, by REML."""
    names = ("hsb_null", "hsb_sector_ses")
    return [analyse(load_record(name).request, None, engines=["reml"]) for name in names]


def row_of(view, label):
    return next(row for row in view.cells if row[0] == label)


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("form", ["console", "markdown", "latex", "html", "page"])
def test_each_style_in_each_format(two, style, form):
    text = publication_table(two, style=style).render(form)
    assert "2.95" in text
    assert "7,185" in text


def test_apa_has_errors_and_intervals_in_columns_and_bare_points(two):
    view = publication_table(two, style="apa").view()
    assert view.headings == ("", *("Estimate", "SE", "95% CI") * 2)
    # lme4: 2.9512, 0.14054 and Wald's interval (reference/lme4.json)
    assert row_of(view, "ses")[4:] == ("2.95", "0.14", "[2.68, 3.23]")
    assert row_of(view, "ICC")[1:4] == (".180", ".019", "[.147, .221]")
    assert row_of(view, "σ_e")[1].startswith("6.2")  # a zero that is not bounded stays
    assert row_of(view, "N")[1] == "7,185"
    note = view.legend[0]
    assert note.startswith("Note. (1) hsb_null")
    assert "In brackets: 95% CI" in note
    assert "In parentheses" not in note


def test_apa_puts_the_errors_of_many_models_below(two):
    view = publication_table([*two, two[1]], style="apa", interval=True).view()
    place = [row[0] for row in view.cells].index("ICC")
    assert view.cells[place][1] == ".180"
    assert view.below[place][1] == "[.147, .221]"
    assert len(view.headings) == 4


def test_apa_omits_the_errors_where_intervals_are_wanted(two):
    view = publication_table(two, style="apa", interval=True).view()
    assert view.headings == ("", *("Estimate", "95% CI") * 2)


def test_symbols_are_in_italics(two):
    table = publication_table(two, style="apa", stars=True)
    assert "<em>SE</em>" in table.render("html")
    assert "<em>N</em>" in table.render("html")
    assert "<em>p</em> &lt; .05" in table.render("html")
    assert r"\emph{N}" in table.render("latex")
    assert "*Note.* (1)" in table.render("markdown")


def test_italics_take_any_text():
    view = View(headings=("", "x"), cells=((Emphasised(("a_*b",), " <c> ", ("",)), "1"),))
    assert "<em>a_*b</em> &lt;c&gt;" in render(view, "html")
    assert r"*a\_\*b* &lt;c&gt;" in render(view, "markdown")
    assert r"\emph{a\_*b} \textless{}c\textgreater{}" in render(view, "latex")
    assert "a_*b <c>" in render(view)


def test_econometrics_has_the_outcome_above_and_the_size_at_the_foot(two):
    view = publication_table(two, style="econometrics").view()
    assert [(span.text, span.columns) for span in view.spans] == [("", 1), ("mathach", 2)]
    assert view.headings == ("", "(1)", "(2)")
    labels = [row[0] for row in view.cells]
    assert labels[-4:] == ["Estimator", "Observations", "Groups", "Log-likelihood (REML)"]
    assert view.rules == {labels.index("σ_u"), labels.index("Estimator")}
    assert view.below[labels.index("ses")] == ("", "", "(0.14)")
    body = publication_table(two, style="econometrics").render("latex")
    assert body.count(r"\midrule") == 3


@pytest.mark.parametrize("style", list(STYLES))
def test_stars_only_where_they_are_wanted(two, style):
    assert not any(
        "*" in "".join(row[1:]) for row in publication_table(two, style=style).view().cells
    )
    view = publication_table(two, style=style, stars=True).view()
    column = 2 if len(view.headings) == 3 else 4
    assert row_of(view, "ses")[column] in ("2.95***", "2.951***")  # z = 2.95 / 0.14
    assert "*" not in row_of(view, "σ_e")[1]
    assert all(first > second for first, second in pairwise(STYLES[style].levels))


def test_a_p_value_between_two_levels_has_one_star(two):
    summary = two[1].summaries[0]
    rows = tuple(
        replace(row, estimate=2.2 * row.sd) if row.quantity == "beta[ses]" else row
        for row in summary.rows
    )
    weak = replace(two[1], summaries=(replace(summary, rows=rows),))
    # p = 0.028: below .05 but not .01; below .1 and .05 but not .01
    for style, count in (("apa", 1), ("econometrics", 2)):
        table = publication_table([weak], style=style, stars=True)
        assert next(row for row in table.rows if row.label == "ses").cells[0].stars == count


def test_posteriors_have_no_stars():
    record = load_record("hsb_ses")
    both = analyse(record, make_settings(record, draws=20, random_seed=1), engines=["direct"])
    with pytest.raises(EngineError, match="posterior, which has none"):
        publication_table([both], likelihood=False, stars=True)
    cells = next(
        row for row in publication_table([both], stars=True).rows if row.label == "ses"
    ).cells
    assert [cell.stars for cell in cells] == [0, 3]


def test_the_command_has_every_style():
    assert get_args(TableStyles) == tuple(STYLES)


def test_an_unknown_style_names_the_others(two):
    with pytest.raises(EngineError, match="did you mean 'apa'"):
        publication_table(two, style="apaa")


# -- Word ----------------------------------------------------------------------------------------


def lowered(text):
    """A text whose symbols have their index below the line, as a document of Word has it."""
    return re.sub("([σρ])_(?=[ue])", r"\1", text)


def opened(content):
    return docx.Document(io.BytesIO(content))


def test_a_document_of_word_holds_the_table(two):
    found = publication_table(two, style="apa")
    document = opened(found.to_word())
    view, (table,) = found.view(), document.tables
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    rows = [row for row in texts if row[0] != row[-1] or not row[0]][2:]
    assert rows == [list(map(lowered, row)) for row in view.cells]
    assert texts[0][1:4] == ["(1) hsb_null"] * 3  # merged
    assert document.paragraphs[0].text == found.title
    assert document.paragraphs[0].runs[0].italic
    assert document.paragraphs[-1].text == lowered(view.legend[-1])
    assert document.sections[0].orientation == WD_ORIENT.PORTRAIT
    sides = {border.tag for border in table._tbl.iter(qn("w:tcBorders")) for border in border}
    assert sides == {qn("w:top"), qn("w:bottom")}  # no vertical rule
    first = table.rows[0]._tr.trPr
    assert first.find(qn("w:tblHeader")) is not None


def test_indices_are_below_the_line_and_errors_below_the_estimates(two):
    document = opened(publication_table(two, style="econometrics").to_word())
    cells = {row.cells[0].text: row.cells for row in document.tables[0].rows}
    assert [run.text for run in cells["σ_u".replace("_", "")][0].paragraphs[0].runs] == ["σ", "u"]
    assert cells["σu"][0].paragraphs[0].runs[1].font.subscript
    assert cells["ses"][2].text == "2.95\n(0.14)"


def test_a_wide_table_has_its_page_on_the_side(two):
    wide = publication_table([*two, *two, *two, *two])
    assert opened(wide.to_word()).sections[0].orientation == WD_ORIENT.LANDSCAPE


def test_any_name_is_text_in_a_document_of_word():
    odd = "a\x00 <b>&|\u202e"
    view = View(headings=("", "x"), cells=((odd, "1"),), title=odd)
    table = opened(to_word(view)).tables[0]
    assert table.rows[1].cells[0].text == r"a\x00 <b>&|\u202e"


def test_without_python_docx_it_says_what_to_install(two, monkeypatch, run_command, tmp_path):
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(StorageError, match=r"pip install 'bayes-mlm\[word\]'"):
        publication_table(two).to_word()
    code, _, error = run_command("table", "hsb_null", "--out", tmp_path / "t.docx")
    assert code == 1
    assert "python-docx" in error
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_document_of_word(run_command, tmp_path):
    path = tmp_path / "t.docx"
    options = ("--engine", "reml", "--style", "apa", "--stars", "--quiet")
    assert run_command("table", "hsb_null", "--out", path, *options)[0] == 0
    assert len(opened(path.read_bytes()).tables) == 1
    assert "needs a file" in run_command("table", "hsb_null", "--format", "word")[2]
    assert (
        "a posterior has none" in run_command("table", "hsb_null", "--stars", "--engine", "nuts")[2]
    )
