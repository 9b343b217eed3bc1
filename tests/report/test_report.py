"""The report: one page, whole, true to the numbers, harmless whatever the names are.

How it behaves in a browser is held in test_browser.
"""

import base64
import csv
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from bayes_mlm import cli
from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.verdict import Finding, Verdict
from bayes_mlm.design.build import design_of
from bayes_mlm.figures.style import new_figure
from bayes_mlm.fitting import estimate_design
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import Analysis, analyse
from bayes_mlm.fitting.summary import summarise
from bayes_mlm.report import rendering
from bayes_mlm.report.choosing import choose_figures
from bayes_mlm.report.equations import coefficient, equations
from bayes_mlm.report.group_table import MOST_GROUPS, group_table
from bayes_mlm.report.images import Drawing, draw_all, draw_image, drawing_pool
from bayes_mlm.report.narrative import answer, main_model
from bayes_mlm.report.outputs import write_run
from bayes_mlm.report.page import SECTIONS, Origin
from bayes_mlm.report.rendering import render_report
from bayes_mlm.studies import FIGURES
from bayes_mlm.studies.ladder import analyse_ladder
from bayes_mlm.studies.record import load_record, records

ODD = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</td></tr></table>",
    '" autofocus onfocus="alert(1)',
    "Our Lady of the Perpetual and Never Ending Help Secondary School for All (North Campus)",
    "x" * 150,
    "$x^2$",
    "{{ 7 * 7 }}",
    "&amp;",
    "学校",
    "مدرسة",
    "-1",
]


class Page(HTMLParser):
    """What a reader of the page's source finds: elements with their attributes and text."""

    VOID = frozenset({"meta", "input", "img", "br", "link"})

    def __init__(self, source):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(source)
        self.close()
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "attributes": dict(attributes), "text": "", "inside": self._open[:]}
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open[-1]["tag"] == tag, f"</{tag}> closes <{self._open[-1]['tag']}>"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [
            one
            for one in self.elements
            if one["tag"] == tag
            and all(one["attributes"].get(key) == value for key, value in attributes.items())
        ]

    def table(self, name):
        """Give the rows of a table's body: lists of its cells."""
        (table,) = self.all("table", id=name)
        rows = [one for one in self.all("tr") if table in one["inside"]]
        cells = [one for one in self.elements if one["tag"] in ("td", "th")]
        found = [[cell for cell in cells if row in cell["inside"]] for row in rows]
        return [row for row in found if row[0]["attributes"].get("scope") == "row"]


@pytest.fixture(scope="module")
def ladder():
    """A null model, both slopes, and a product of slope and split, by the direct engine."""
    names = ("hsb_null", "hsb_mundlak_random", "hsb_sector_ses")
    made = analyse_ladder(
        [load_record(name) for name in names],
        lambda record: make_settings(record, draws=100, random_seed=1),
        engines=["direct"],
    )
    return [one.analysis for one in made]


def simulated(groups, size, labels=None):
    rng = np.random.default_rng(7)
    code = np.repeat(np.arange(groups), size)
    side = np.arange(groups) % 2
    x = rng.normal(size=code.size) + 0.5 * rng.normal(size=groups)[code]
    u = rng.normal(size=groups)
    y = 10 + 2 * x + 1.5 * side[code] - 0.5 * x * side[code] + u[code]
    names = np.arange(groups) if labels is None else np.array(labels, dtype=object)
    y = y + 3 * rng.normal(size=code.size)
    return {"y": y, "x": x, "side": side[code], "g": names[code]}


def fitted(formula, data, *, engine="direct"):
    record = as_request(formula, data)
    settings = make_settings(record, draws=100, random_seed=1)
    return analyse(record, settings, data=data, engines=[engine])


def by_nuts(mock_fit):
    """An analysis with draws of NUTS, made without sampling (see conftest)."""
    fit = mock_fit("hsb_sector_ses", draws=50)
    design = fit.design
    estimate = estimate_design(design)
    summaries = (summarise(fit), estimate.summary())
    return Analysis(
        request=fit.request,
        design=design,
        fits=(fit,),
        estimates=(estimate,),
        summaries=summaries,
        prob=0.95,
    )


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
    for text in (one.text for one in answer(analyses).conclusions):
        assert text in page.all("main")[0]["text"]
    badge = [one for one in page.all("p") if "badge" in one["attributes"].get("class", "")]
    assert ("good" in badge[0]["attributes"]["class"]) == analysis.ok


def check_page(source):
    """Hold what every report must be."""
    page = Page(source)
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == 1
    assert page.all("html", lang="en")
    assert page.all("nav")[0]["attributes"]["aria-label"]
    levels = [int(one["tag"][1]) for one in page.elements if re.fullmatch("h[1-6]", one["tag"])]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = [one["attributes"]["id"] for one in page.elements if "id" in one["attributes"]]
    assert len(names) == len(set(names))
    for link in page.all("a"):
        assert link["attributes"]["href"].removeprefix("#") in names, "a link leads nowhere"
    for image in page.all("img"):
        assert image["attributes"]["alt"].strip()
        assert image["attributes"]["src"].startswith("data:image/")
    for table in page.all("table"):
        inside = [one for one in page.elements if table in one["inside"]]
        assert [one for one in inside if one["tag"] == "caption" and one["text"].strip()]
        heads = [one for one in inside if one["tag"] == "th"]
        assert heads
        assert all(one["attributes"].get("scope") for one in heads)
    check_harmless(source, page)
    assert len(source) < 5_000_000  # a few megabytes at most


def check_harmless(source, page):
    """Hold that nothing is fetched, and that no name became an element."""
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy, "no content security policy"
    content = policy[0]["attributes"]["content"]
    assert "default-src 'none'" in content
    assert "unsafe" not in content
    first = next(one["tag"] for one in page.elements if one["tag"] in ("style", "script"))
    assert source.index("Content-Security-Policy") < source.index(f"<{first}")
    assert {"link", "iframe", "object", "base", "form"}.isdisjoint(
        one["tag"] for one in page.elements
    )
    assert len(page.all("script")) == len(page.all("style")) == 1
    for one in page.elements:
        for key, value in one["attributes"].items():
            assert not key.startswith("on"), f"a handler: {key}"
            assert key != "style", "the policy allows no style in an element"
            if key in ("src", "href", "action", "data"):
                assert value.startswith(("data:", "#")), value
    assert "@import" not in source
    assert "url(" not in source


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
    assert {one.section for one in chosen} <= set(SECTIONS)
    assert {entry.section for entry in FIGURES.values()} <= set(SECTIONS)
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
