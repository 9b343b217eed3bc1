"""Tables for papers in Markdown, LaTeX and HTML: any name as it is, and what each format needs."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st
from markdown_it import MarkdownIt

from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.rendering import RENDERERS
from bayes_mlm.base.rendering.html import escape_html
from bayes_mlm.base.rendering.latex import escape_latex
from bayes_mlm.base.rendering.markdown import escape_markdown
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.report.publication import (
    Cell,
    ModelColumn,
    PublicationTable,
    Row,
    publication_table,
)
from bayes_mlm.studies.ladder import analyse_ladder
from bayes_mlm.studies.record import load_record

# Every character that means something in one of the formats, and none that two of them share.
ODD = r"a_b & 50% <b>|$x$|</b> #1 {c}^2 ~d \e *f* [g](h) `i` -- \"j\" @k"


@pytest.fixture(scope="module")
def table():
    """Both engines of a null model, a random intercept, a random slope and an OLS model."""
    names = ("hsb_null", "hsb_sector_ses", "hsb_random_slope", "hsb_pooled")
    return publication_table(
        [one.analysis for one in analyse_ladder([load_record(name) for name in names], settings_of)]
    )


@pytest.fixture(scope="module")
def narrow():
    names = ("hsb_null", "hsb_sector_ses")
    ladder = [load_record(name) for name in names]
    found = analyse_ladder(ladder, settings_of, engines=[])
    return publication_table([one.analysis for one in found])


def settings_of(record):
    return make_settings(record, draws=100, random_seed=1)


def odd_table():
    """Hold a table whose every text is odd."""
    return PublicationTable(
        title=ODD,
        columns=(ModelColumn(number=1, model=ODD, engine="direct"),),
        rows=(Row(section=ODD, label=ODD, cells=(Cell(text="−1.31"),)),),
        notes=(ODD,),
    )


# -- names, in every format ----------------------------------------------------------------------


class Reader(HTMLParser):
    """Read a page back: the texts of its elements, and every attribute."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag in ("th", "td", "li", "caption", "title"):
            self.texts.append((tag, ""))
        self.attributes += [(tag, *one) for one in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.texts and any(tag in ("th", "td", "li", "caption", "title") for tag in self.open):
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)


def read_html(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


def read_markdown(text):
    """Give the texts of cells and list items, as GitHub's dialect of Markdown has them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert not any(token.type == "html_block" for token in tokens)
    texts = []
    for token in tokens:
        if token.type == "inline":
            kinds = {child.type for child in token.children or ()}
            assert kinds <= {"text", "text_special", "strong_open", "strong_close"}, kinds
            texts.append("".join(child.content for child in token.children or ()))
    return texts


UNSET = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    "-{}-": "--",
    **{rf"\{one}": one for one in "&%$#_{}"},
}


def read_latex(text):
    """Undo what `escape_latex` does, and refuse what LaTeX would not show as it is written."""
    tokens = sorted(UNSET, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, tokens))})", text)
    plain = [one for k, one in enumerate(pieces) if k % 2 == 0]
    assert not re.search(r"[\\{}$&#^_~%<>|]", "".join(plain)), text
    return "".join(UNSET.get(one, one) for one in pieces)


def test_odd_names_in_html():
    reader = read_html(odd_table().render("page"))
    texts = [text for tag, text in reader.texts if text]
    assert texts.count(ODD) == 5  # title, caption, section, row, note
    assert f"(1) {ODD}" in texts


def test_odd_names_in_markdown():
    texts = read_markdown(odd_table().render("markdown"))
    assert texts.count(ODD) == 4  # title, section, row, note
    assert f"(1) {ODD}" in texts


def test_odd_names_in_latex():
    assert read_latex(escape_latex(ODD)) == ODD
    text = odd_table().render("latex")
    assert text.count(escape_latex(ODD)) >= 4


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" ")))
def test_any_name_comes_back(name):
    """Whatever a column is called, a reader of the page reads that (blanks run together)."""
    name = " ".join(name.split())
    if re.search("[σρν−×²³¹⁰⁴-⁹⁻]", name):
        return  # symbols, which each format sets its own way
    assert read_latex(escape_latex(name)) == name
    reader = read_html(f"<td>{escape_html(name)}</td>")
    assert "".join(text for _, text in reader.texts) == name
    # A cell needs something around it for Markdown's parser; the same in every case.
    texts = read_markdown(f"| a | b |\n|---|---|\n| x{escape_markdown(name)}x | y |\n")
    assert texts[2:] == [f"x{name}x", "y"]


def test_symbols():
    assert escape_latex("σ_u, ρ_u, R², −1.5×10⁻⁸") == (
        r"$\sigma_u$, $\rho_u$, R$^{2}$, $-$1.5$\times$10$^{-8}$"
    )
    assert escape_html("σ_e") == "σ<sub>e</sub>"
    assert escape_markdown("σ_e") == r"σ\_e"


def test_a_label_is_no_option_of_the_line_break_before_it():
    one = Row(section="s", label="[x]", cells=(Cell(text="1"),))
    two = Row(section="s", label="*y", cells=(Cell(text="2"),))
    table = PublicationTable(
        title="t",
        columns=(ModelColumn(number=1, model="m", engine="REML"),),
        rows=(one, two),
    )
    body = table.render("latex")
    assert re.search(r"\\\\\s*(\\midrule\s*)?[\[*]", body) is None
    assert "{}[x]" in body


# -- the formats ---------------------------------------------------------------------------------


def test_html_has_headers_for_a_screen_reader(table):
    text = table.render("page")
    reader = read_html(text)
    scopes = [value for tag, name, value in reader.attributes if name == "scope"]
    assert scopes.count("row") == len(table.rows)
    assert scopes.count("colgroup") == 4  # a model over its two engines
    assert scopes.count("col") == 9  # the engines, and their label
    assert text.startswith("<!DOCTYPE html>")
    assert 'charset="utf-8"' in text
    assert not re.search(r"<script|https?:|url\(|src=", text)


def test_markdown_is_one_whole_table(table):
    text = table.render("markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1  # padded, so that it reads as text too
    shown = read_markdown(text)
    assert "−1.31" in shown
    assert "σ_u (ses)" in shown


def test_latex_is_balanced_and_as_wide_as_it_says(table):
    text = table.render("latex")
    begun = re.findall(r"\\begin\{(\w+)\}", text)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    for line in body.splitlines():
        if line.endswith(r"\\"):
            spans = [int(one) for one in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            columns = len(re.findall(r"(?<!\\)&", line)) + 1
            assert columns - len(spans) + sum(spans) == 9, line
    assert text.startswith(r"% needs \usepackage{booktabs} \usepackage{graphicx}")
    assert r"\cmidrule(lr){8-9}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert rf"\{rule}" in text


def test_a_narrow_latex_table_names_its_models_and_is_not_scaled(narrow):
    text = narrow.render("latex")
    assert r"\multicolumn{1}{c}{(2) hsb\_sector\_ses}" in text
    assert "resizebox" not in text
    assert "graphicx" not in text


def test_every_format_ends_in_a_line_feed_and_an_unknown_one_is_refused(table):
    for name in set(RENDERERS) - {"console"}:
        assert table.render(name).endswith("\n")
        assert not table.render(name).endswith("\n\n")
    with pytest.raises(EngineError, match="did you mean 'latex'"):
        table.render("latx")
