"""The report: one page, whole, true to the numbers, harmless whatever the names are.

How it behaves in a browser is held in test_browser.
"""

import base64
import csv
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm import cli
from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.verdict import Finding, Verdict
from bayes_mlm.figures.style import new_figure
from bayes_mlm.report import rendering
from bayes_mlm.report.choosing import choose_figures
from bayes_mlm.report.group_table import MOST_GROUPS, group_table
from bayes_mlm.report.images import Drawing, draw_all, draw_image, drawing_pool
from bayes_mlm.report.narrative import answer, main_model
from bayes_mlm.report.outputs import write_run
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report
from bayes_mlm.report.sections import SECTIONS
from bayes_mlm.studies import FIGURES
from tests.helpers.report_page import ODD, Page, by_nuts, check_page, fitted, simulated

CASES = {
    "three groups": lambda _: [fitted("y ~ x + (1 | g)", simulated(3, 20))],
    "many groups": lambda _: [fitted("y ~ x * side + (1 | g)", simulated(2000, 4))],
    "odd names": lambda _: [fitted("y ~ x * side + (1 | g)", simulated(12, 12, ODD))],
    "singular": lambda _: [fitted("yield ~ 1 + (1 | batch)", "dyestuff2")],
    "slopes": lambda _: [fitted("reaction ~ days + (days | subject)", "sleepstudy")],
    "no groups": lambda _: [fitted("y ~ x", simulated(5, 20))],
    "reml alone": lambda _: [fitted("y ~ x + (1 | g)", simulated(6, 10), engine="reml")],
    "nuts": lambda mock_fit: [by_nuts(mock_fit)],
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_data_makes_a_sound_page(case, mock_fit, undrawn):
    analyses = CASES[case](mock_fit)
    source = render_report(analyses, Origin(title="A study"))
    check_page(source)
    page = Page(source)
    (analysis,) = analyses
    for row in analysis.rows:  # each estimate is there in full precision, to sort or copy
        values = [cell["attributes"].get("data-value") for cell in page.all("td")]
        assert str(row.estimate) in values, row.quantity
    shown = page.all("main")[0]["text"]
    for one in answer(analyses).conclusions:  # in the paragraph, and what that does not say
        assert one.in_paragraph in shown
        assert one.beyond_paragraph in shown
        assert one.in_paragraph == one.text or one.beyond_paragraph
        assert shown.count(one.text) == 1 or one.in_paragraph != one.text
    badge = [one for one in page.all("p") if "badge" in one["attributes"].get("class", "")]
    assert ("good" in badge[0]["attributes"]["class"]) == analysis.ok


def test_names_are_text(undrawn):
    page = Page(render_report([fitted("y ~ x * side + (1 | g)", simulated(12, 12, ODD))], ORIGIN))
    rows = page.table("groups-table")
    assert {row[0]["text"] for row in rows} == set(ODD)
    assert page.all("title")[0]["text"] == ORIGIN.title
    assert page.all("h1")[0]["text"] == ORIGIN.title


ORIGIN = Origin(title="<b>Schools</b> & {{ others }}")


def test_the_policy_allows_just_this_style_and_script(ladder, undrawn):
    source = render_report(ladder, Origin(title="t"))
    style = re.search("<style>(.*)</style>", source, re.S)[1]
    script = re.search("<script>(.*)</script>", source, re.S)[1]
    assert rendering.content_policy(style, script) in source.replace("&#39;", "'")
    assert rendering.content_policy(style, script + " ") not in source.replace("&#39;", "'")


def test_the_table_of_groups_has_the_numbers_of_the_fit(ladder, undrawn):
    page = Page(render_report(ladder, Origin(title="t")))
    rows = page.table("groups-table")
    fit = main_model(ladder).fits[0]
    assert fit.spec.name == "hsb_sector_ses"
    u = fit.draws["u"].mean(axis=(0, 1))[:, 0]
    place = {str(label): k for k, label in enumerate(fit.design.labels)}
    assert len(rows) == 160
    for row in rows:
        k = place[row[0]["text"]]
        assert float(row[4]["attributes"]["data-value"]) == pytest.approx(u[k])
        assert int(row[2]["text"]) == fit.design.group_sizes[k]
    shown = [float(row[4]["attributes"]["data-value"]) for row in rows]
    assert shown == sorted(shown, reverse=True)  # as its head says


def test_of_many_groups_the_most_telling_are_shown_and_it_says_so(undrawn):
    analysis = fitted("y ~ x * side + (1 | g)", simulated(2000, 4))
    source = render_report([analysis], Origin(title="t"))
    assert len(Page(source).table("groups-table")) == MOST_GROUPS
    assert "The table lists the 300 of 2,000 groups whose effects" in source
    found, everything = group_table(analysis), group_table(analysis, most=2000)
    sd = analysis.fits[0].draws["u"].std(axis=(0, 1), ddof=1)[:, 0]
    mean = analysis.fits[0].draws["u"].mean(axis=(0, 1))[:, 0]
    away = np.abs(mean - np.median(mean)) / sd
    assert everything.labels.size == 2000
    assert set(found.labels) == set(analysis.design.labels[np.argsort(-away)[:MOST_GROUPS]])


def test_each_figure_of_the_catalogue_comes_once(ladder):
    chosen = list(choose_figures(ladder))
    names = [one.entry.name for one in chosen]
    assert len(names) == len(set(names))
    drawn = {one.figures for one in SECTIONS.values()}
    assert {one.section for one in chosen} <= drawn
    assert {entry.section for entry in FIGURES.values()} <= drawn
    # Of the main model where it applies, else of another that it does apply to.
    models = {one.entry.name: one.model for one in chosen}
    assert models["prototypes"] == "hsb_sector_ses"
    assert models["explained"] is None
    assert models["within-between"] == "hsb_mundlak_random"


def test_printed_figures_are_corrected_with_reasons(ladder, undrawn):
    published = [row for one in ladder for row in one.printed]
    page = Page(render_report(ladder, Origin(title="t", published=tuple(published))))
    wrong = [row for row in published if row.status == "corrected"]
    rows = page.table("corrections-table")
    assert len(rows) == len(wrong)
    for shown, row in zip(rows, wrong, strict=True):
        assert shown[5]["text"] == row.reason
        assert shown[6]["text"] == row.cause
        assert shown[2]["text"].replace("−", "-") == row.printed
        if row.right is not None:
            assert float(shown[3]["attributes"]["data-value"]) == row.right
    # The document's null icc: printed 0.1603, right 0.1804 (lme4: 0.18035).
    assert ["0.1603", "0.1804"] in [[row[2]["text"], row[3]["text"]] for row in rows]
    counts = [int(row[1]["text"]) for row in page.table("reasons-table")]
    assert sum(counts) == len(wrong)


def test_a_verdict_that_is_not_clean_hedges_the_answer(mock_fit, undrawn):
    analysis = by_nuts(mock_fit)
    bad = Verdict((Finding("R-hat", False, "R-hat is 1.4; draw more"),))
    first = replace(analysis.summaries[0], verdict=bad)
    spoiled = replace(analysis, summaries=(first, analysis.summaries[1]))
    page = Page(render_report([spoiled], Origin(title="t")))
    said = page.all("section", id="answer")[0]["text"]
    assert "Provisional: hsb_sector_ses by nuts fails its diagnostic checks (R-hat is 1.4" in said
    assert "Some diagnostic checks failed" in page.all("header")[0]["text"]
    assert "FAILED" in page.table("checks-table")[0][3]["text"]  # first of all checks


def crowd(picture):
    figure = new_figure(3.0)
    ax = figure.add_subplot()
    ax.plot(*picture, "o")
    return figure


def simple(_):
    figure = new_figure(3.0)
    figure.add_subplot().plot([0, 1], [0, 1])
    return figure


def test_images_are_vectors_and_crowds_pixels():
    lines = draw_image(Drawing(draw=simple, picture=None))
    assert (lines.width, lines.height) == (605, 288)
    svg = base64.b64decode(lines.source.split(",")[1]).decode()
    assert "<svg" in svg
    assert "<image" not in svg
    many = draw_image(Drawing(draw=crowd, picture=np.random.default_rng(1).normal(size=(2, 5000))))
    content = base64.b64decode(many.source.split(",")[1])
    assert content[:4] == b"\x89PNG"
    assert len(content) < 50_000
    assert draw_image(Drawing(draw=simple, picture=None)) == lines  # byte for byte


def test_a_pool_draws_what_one_process_draws():
    asked = [Drawing(draw=new_figure, picture=height) for height in (1.0, 2.0, 3.0)]
    told = []
    with drawing_pool(2) as pool:
        drawn = draw_all(iter(asked), pool, on_done=lambda *done: told.append(done))
    assert drawn == draw_all(asked)
    assert told == [(1, 3), (2, 3), (3, 3)]
    with drawing_pool(1) as none:
        assert none is None


def test_the_report_is_written_with_the_rest_or_not_at_all(ladder, tmp_path):
    written = write_run(tmp_path / "out", ladder[:1], report="<!DOCTYPE html>")
    assert tmp_path / "out" / "report.html" in written
    assert (tmp_path / "out" / "report.html").read_text() == "<!DOCTYPE html>"
    assert "report.html" not in [path.name for path in write_run(tmp_path / "b", ladder[:1])]


def test_a_report_of_nothing_is_refused():
    with pytest.raises(EngineError, match="needs a model"):
        render_report([], Origin(title="t"))


def test_fit_writes_a_report(tmp_path, monkeypatch, capsys, undrawn):
    with (tmp_path / "schools.csv").open("w", newline="") as file:
        table = simulated(6, 10)
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    monkeypatch.chdir(tmp_path)
    data = str(tmp_path / "schools.csv")
    command = ["bayes-mlm", "fit", "y ~ x + (1 | g)", "--data", data, "--out", "out"]
    monkeypatch.setattr(sys, "argv", [*command, "--draws", "100"])
    monkeypatch.setattr("bayes_mlm.report.images._processors", lambda: 1)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    source = (tmp_path / "out" / "report.html").read_text()
    check_page(source)
    again = Page(source).all("section", id="provenance")[0]["text"]
    assert "bayes-mlm fit 'y ~ x + (1 | g)' --data schools.csv --draws 100" in again
    assert str(tmp_path) not in source
    assert "report.html" in capsys.readouterr().out
