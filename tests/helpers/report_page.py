"""Reports of small data, and what every page must be."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np

from bayes_mlm.fitting import estimate_design
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import Analysis, analyse
from bayes_mlm.fitting.summary import summarise

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
        """Return the rows of a table's body, each the list of its cells."""
        (table,) = self.all("table", id=name)
        rows = [one for one in self.all("tr") if table in one["inside"]]
        cells = [one for one in self.elements if one["tag"] in ("td", "th")]
        found = [[cell for cell in cells if row in cell["inside"]] for row in rows]
        return [row for row in found if row[0]["attributes"].get("scope") == "row"]


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


def check_page(source):
    """Check what every report must be."""
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
        for row in (one for one in inside if one["tag"] == "tr"):
            cells = [one for one in inside if row in one["inside"] and one["tag"] in ("td", "th")]
            assert sum(int(one["attributes"].get("colspan", 1)) for one in cells) <= 8
    check_harmless(source, page)
    assert len(source) < 5_000_000  # a few megabytes at most


def check_harmless(source, page):
    """Check that nothing is fetched, and that no name became an element."""
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
