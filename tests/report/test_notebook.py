"""What notebooks are shown: figures with a text for the blind, tables, sentences."""

import re

import pytest

from bayes_mlm.base.errors import EngineError, SpecError
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report import notebook
from bayes_mlm.studies.record import load_record


@pytest.fixture(scope="module")
def within():
    record = load_record("hsb_within")
    return analyse(record, make_settings(record, draws=50, random_seed=1))


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed."""
    import IPython.display

    objects = []
    monkeypatch.setattr(IPython.display, "display", objects.append)
    return objects


def test_a_figure_comes_with_its_caption_and_its_text_for_the_blind(within, shown):
    notebook.show("within-line", within)
    image, caption = shown
    assert image.data.startswith(b"\x89PNG")
    assert len(image.alt) > 20
    assert re.search(r"2\.19", caption.data)  # the document, In [49]: 2.191172
    assert caption.data.startswith("*")


def test_a_wrong_name_is_one_line_with_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'four-slopes'"):
        notebook.show("four-slope", [])


def test_a_figure_that_does_not_apply_says_when_it_would(within):
    with pytest.raises(
        EngineError, match=r"'prototypes' does not apply: it requires that the model has"
    ):
        notebook.show("prototypes", within)


def test_one_model_is_a_ladder_but_a_ladder_is_not_one_model(within, shown):
    notebook.show("coefficients", within)
    assert len(shown) == 2
    with pytest.raises(EngineError, match="figure of one model"):
        notebook.show("within-line", [within])


def test_rows_are_rounded_alike_and_text_is_as_it_is(shown):
    notebook.show_rows(["a_b", "x"], iter([["<b>", -1.23456], ["c|d", None], ["e", 1e-9]]))
    text = shown[0].data
    lines = text.splitlines()
    assert lines[0].split() == ["|", r"a\_b", "|", "x", "|"]
    assert r"&lt;b&gt;" in lines[2]
    assert "−1.235" in lines[2]
    assert r"c\|d" in lines[3]
    assert "1×10⁻⁹" in lines[4]
    assert lines[1].endswith("-:|")  # numbers to the right


def test_models_side_by_side(within, shown):
    notebook.show_table([within])
    text = shown[0]._repr_html_()
    assert text.startswith("<style>")
    assert ">within(ses)</th>" in text


def test_a_sentence_is_markdown(shown):
    notebook.show_text("**-1.5** (-2 to 1): 1980-82, k-hat, --draws")
    assert shown[0].data == "**−1.5** (−2 to 1): 1980-82, k-hat, --draws"
