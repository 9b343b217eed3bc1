"""Result tables: raw values in every form, rounding only in the view."""

from dataclasses import dataclass

import pytest

from bayes_mlm.base import (
    RENDERERS,
    Column,
    EngineError,
    Finding,
    ResultTable,
    Verdict,
    tables_csv,
)


@dataclass(frozen=True, kw_only=True)
class Quantity:
    name: str
    estimate: float | None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Quantities(ResultTable[Quantity]):
    row_type = Quantity

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column(name="name"),
            Column(name="estimate", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading="95% CI", kind="interval"),
        )


TABLE = Quantities(
    rows=(
        Quantity(name="beta[a|b]", estimate=2.95123, sd=0.1406, lower=2.67, upper=3.22),
        Quantity(name="<icc>", estimate=None),
    ),
    notes=("in units of y",),
    cautions=("few groups",),
    verdict=Verdict((Finding("R-hat", False, "R-hat is 1.20; draw more"),)),
)


def test_numbers_of_a_row_are_rounded_together_and_notes_precede_the_verdict():
    lines = str(TABLE).splitlines()
    assert lines[1].split() == ["beta[a|b]", "2.95", "0.14", "[2.67,", "3.22]"]
    assert lines[3:] == ["in units of y", "caution: few groups", "NOT OK: R-hat is 1.20; draw more"]


def test_files_have_full_precision():
    assert TABLE.to_csv().splitlines()[1] == "beta[a|b],2.95123,0.1406,2.67,3.22"
    assert TABLE.to_frame()["estimate"].isna().tolist() == [False, True]
    assert tables_csv([TABLE, TABLE]).count("2.95123") == 2


def test_rows_are_found_by_key_place_and_value():
    assert TABLE["<icc>"] is TABLE[1] is TABLE.where(estimate=None)[0]
    assert "beta[a|b]" in TABLE
    assert TABLE.get("x") is None
    assert len(TABLE) == 2
    with pytest.raises(KeyError, match=r"no name 'x'; there are beta\[a\|b\], <icc>"):
        TABLE["x"]


def test_every_renderer_writes_every_number_and_escapes_names():
    for form in RENDERERS:
        text = TABLE.render(form)
        assert "2.95" in text
        assert "[2.67, 3.22]" in text.replace("\\[", "[").replace("\\]", "]")
    assert "&lt;icc&gt;" in TABLE._repr_html_()
    assert "<icc>" not in TABLE._repr_html_()
    assert r"a\|b" in TABLE.render("markdown")
    with pytest.raises(EngineError, match="unknown format 'pdf'"):
        TABLE.render("pdf")


def test_a_table_without_rows_keeps_its_columns():
    assert Quantities(rows=()).to_csv() == "name,estimate,sd,lower,upper\n"
