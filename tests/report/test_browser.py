"""The report in a real browser: nothing goes wrong, nothing is fetched, everything works."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report.images import drawing_pool
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report
from bayes_mlm.studies.record import load_record
from bayes_mlm.studies.result import analyse_record
from tests.helpers.browser import PROGRAM, WHY, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY)


LABELS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "Our Lady of the Perpetual and Never Ending Help Secondary School for All (North Campus)",
    "x" * 150,
    "École Élémentaire",
    "학교 {{ 7 * 7 }}",
    "10",
    "9",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of eight groups with odd names, its figures drawn, and printed figures corrected."""
    rng = np.random.default_rng(7)
    code = np.repeat(np.arange(len(LABELS)), 12)
    side, x = np.arange(len(LABELS)) % 2, rng.normal(size=code.size)
    y = 10 + 2 * x + side[code] + rng.normal(size=len(LABELS))[code] + rng.normal(size=code.size)
    labels = np.array(LABELS, dtype=object)[code]
    table = {"y": y, "x": x, "side": side[code], "group": labels}
    record = as_request("y ~ x * side + (1 | group)", table)
    analysis = analyse(
        record, make_settings(record, draws=100, random_seed=1), data=table, engines=["direct"]
    )
    null = analyse_record(load_record("hsb_null"), None, engines=["reml"])
    origin = Origin(title="<b>Eight</b> groups", published=null.published)
    path = tmp_path_factory.mktemp("report") / "report.html"
    with drawing_pool() as pool:
        path.write_text(render_report([analysis], origin, pool=pool), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def test_nothing_goes_wrong_and_nothing_is_fetched(browser, report):
    browser.open(report)
    assert browser.complaints == []
    assert browser.requests == [report.as_uri()]
    assert not any("Dialog" in event.get("method", "") for event in browser.events)
    assert browser.evaluate("document.scripts.length") == 1


def test_what_goes_wrong_would_be_seen(browser, report, tmp_path):
    """The two tests above and below can fail: the same page, spoiled in three ways."""
    source = report.read_text(encoding="utf-8")
    spoiled = tmp_path / "spoiled.html"
    added = (
        "<img src='http://127.0.0.1:9/a.png'><script>alert(1)</script><p style='color:red'>a</p>"
    )
    spoiled.write_text(source.replace("</main>", f"{added}</main>"), encoding="utf-8")
    with pytest.raises(AssertionError):  # the image is never there
        browser.open(spoiled)
    said = " ".join(browser.complaints)
    for directive in ("img-src", "script-src", "style-src"):
        assert directive in said


def test_every_figure_is_painted(browser, report):
    browser.open(report)
    count = browser.evaluate("document.images.length")
    assert count == report.read_text(encoding="utf-8").count("<img ") > 5
    assert browser.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    for k in range(count):
        box = browser.evaluate(
            f"document.images[{k}].scrollIntoView({{behavior: 'instant'}});"
            f"(({{x, y, width, height}}) => ({{x: x + scrollX, y: y + scrollY, width, height}}))"
            f"(document.images[{k}].getBoundingClientRect())"
        )
        shot = browser.screenshot(clip=box | {"scale": 1})
        pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("L"))
        assert pixels.std() > 3.0, f"figure {k + 1} is blank"  # an empty card has no spread


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920])
def test_no_width_scrolls_the_page_sideways(browser, report, width):
    browser.open(report, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("innerWidth") == width  # a phone would zoom out instead


def test_figures_are_as_wide_as_a_phone_and_a_tap_enlarges_one(browser, report):
    browser.open(report, width=390)
    fits = "(card) => card.scrollWidth <= card.clientWidth"
    assert browser.evaluate(f"[...document.querySelectorAll('.card')].every({fits})")
    browser.evaluate("document.querySelector('.card').focus({preventScroll: true})")
    assert not browser.evaluate(f"({fits})(document.querySelector('.card'))")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("getComputedStyle(document.querySelector('.hint')).display") == "inline"
    browser.open(report)
    assert browser.evaluate("getComputedStyle(document.querySelector('.hint')).display") == "none"


def rows_shown(browser):
    return browser.evaluate(
        "[...document.querySelectorAll('#groups-table tbody tr')].filter((row) => !row.hidden)"
        ".map((row) => row.cells[0].textContent.trim())"
    )


def status(browser):
    return browser.evaluate(
        "document.querySelector('#groups-table').closest('[data-tools]')"
        ".querySelector('[role=status]').textContent"
    )


def search(browser, text):
    browser.evaluate(
        "document.querySelector('#groups-table-search').focus();"
        "document.querySelector('#groups-table-search').select()"
    )
    if text:
        browser.call("Input.insertText", text=text)
    else:
        browser.press("Delete", 46)


def test_groups_are_searched(browser, report):
    browser.open(report)
    assert sorted(rows_shown(browser)) == sorted(LABELS)
    assert status(browser) == "8 groups"
    search(browser, "ecole")  # neither case nor accents matter
    assert rows_shown(browser) == ["École Élémentaire"]
    assert status(browser) == "1 of 8 groups"
    search(browser, "help our")  # all words, in any order
    assert rows_shown(browser) == [LABELS[2]]
    search(browser, "<script>")
    assert rows_shown(browser) == [LABELS[0]]
    search(browser, "nowhere")
    assert rows_shown(browser) == []
    assert status(browser) == "0 of 8 groups"
    search(browser, "")
    assert status(browser) == "8 groups"
    assert browser.complaints == []


def test_groups_are_sorted_by_mouse_and_by_keyboard(browser, report):
    browser.open(report)
    heads = "[...document.querySelectorAll('#groups-table thead th')]"
    names = browser.evaluate(f"{heads}.map((head) => head.textContent)")
    assert names[:4] == ["group", "side", "rows", "mean of y"]
    sorts = f"{heads}.map((head) => head.getAttribute('aria-sort'))"
    assert browser.evaluate(sorts)[4] == "descending"
    mean = names.index("mean of y")
    value = (
        "[...document.querySelectorAll('#groups-table tbody tr')]"
        f".map((row) => Number(row.cells[{mean}].dataset.value))"
    )
    browser.evaluate(f"{heads}[{mean}].querySelector('button').click()")
    found = browser.evaluate(value)
    assert found == sorted(found, reverse=True)
    assert browser.evaluate(sorts)[mean] == "descending"
    assert [one for one in browser.evaluate(sorts) if one] == ["descending"]
    browser.evaluate(f"{heads}[{mean}].querySelector('button').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.evaluate(value) == sorted(found)
    assert browser.evaluate(sorts)[mean] == "ascending"
    browser.evaluate(f"{heads}[0].querySelector('button').click()")
    first = rows_shown(browser)
    assert first.index("9") < first.index("10")  # numbers in names as numbers


# The contrast of each text with what is behind it (WCAG 2.1, 1.4.3): for each scheme at least 4.5.
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([element.tagName, element.className, ratio]);
  }
  return low;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_can_be_read_in_either_scheme(browser, report, dark):
    browser.open(report, dark=dark)
    assert browser.evaluate(CONTRAST) == []
    page, card = (
        browser.evaluate(f"getComputedStyle(document.querySelector('{one}')).backgroundColor")
        for one in ("body", ".card")
    )
    assert card == "rgb(255, 255, 255)"  # figures are drawn for paper
    assert (page == card) != dark


def test_a_low_contrast_would_be_seen(browser, report):
    browser.open(report)
    browser.evaluate("document.querySelector('h1').style.color = '#999'")  # 2.8 on white
    assert [found[0] for found in browser.evaluate(CONTRAST)] == ["H1"]


def test_the_keyboard_gets_everywhere(browser, report):
    browser.open(report)
    browser.press("Tab", 9)
    assert browser.evaluate("document.activeElement.className") == "skip"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Enter", 13, "\r")
    assert browser.evaluate("document.activeElement.id") == "content"
    # Whatever scrolls by itself can be reached, and has a name.
    assert browser.evaluate(
        "[...document.querySelectorAll('*')].filter((one) => one.scrollWidth > one.clientWidth + 1"
        " && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX))"
        ".every((one) => one.tabIndex === 0)"
    )


def test_a_screen_reader_finds_names(browser, report):
    browser.open(report)
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    browser.call("Accessibility.disable")
    named = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("image", "table", "button", "navigation", "region", "searchbox", "columnheader"):
        assert named.get(role), role
        assert all(named[role]), f"a {role} has no name"
    assert len(named["main"]) == len(named["banner"]) == 1


def test_it_prints(browser, report):
    browser.open(report)
    folded = "document.querySelectorAll('details:not([open])').length"
    assert browser.evaluate(folded) == 2  # printed figures that are wrong; references as BibTeX
    browser.evaluate(
        "window.open_on_paper = 0;"
        "window.addEventListener('beforeprint', () => {"
        " window.open_on_paper = document.querySelectorAll('details[open]').length; })"
    )
    paper = browser.print()
    assert paper.startswith(b"%PDF")
    assert 3 < len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) < 40
    assert browser.evaluate("window.open_on_paper") == 2
    assert browser.evaluate(folded) == 2
    browser.call("Emulation.setEmulatedMedia", media="print")
    hidden = "getComputedStyle(document.querySelector('nav')).display"
    assert browser.evaluate(hidden) == "none"
    browser.call("Emulation.setEmulatedMedia", media="")
