"""Hold the records and the document's figures to the document itself.

The document is not part of the project; where a copy lies next to the checkout (`../shared/seed`),
its numbers are extracted anew and matched against ours, cell by cell. Without it those tests skip.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bayes_mlm.cli.reproduce import engines_of_study
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import build_design, design_of
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines import check_engine
from bayes_mlm.studies.hsb.study import load_study
from bayes_mlm.studies.published import check_published
from bayes_mlm.studies.record import WORKED_STUDY, Record, dump_record, load_record, records
from tests.helpers import ROOT

LADDER = [
    "hsb_pooled",
    "hsb_between",
    "hsb_no_pooling",
    "hsb_within",
    "hsb_mundlak",
    "hsb_mundlak_random",
    "hsb_null",
    "hsb_ses",
    "hsb_sector",
    "hsb_sector_ses",
    "hsb_random_slope",
    "hsb_slopes_as_outcomes",
]
SEED = ROOT.parent / "shared" / "seed"

# Printed figures of each record, counted by hand in the document: an OLS table has 30 (10 above, 12
# of two coefficients, 8 below); a MixedLM table 7 above, 6 a coefficient, 2 of the group variance;
# a block on residuals 8.
PRINTED = {
    "hsb_pooled": 2 * 30,  # In [3], and In [298], where model 2's table stands under its heading
    "hsb_between": 2 * 30,  # In [3], In [298]
    "hsb_no_pooling": 0,
    "hsb_within": 30 + 2,  # In [298], and the parameters in In [49]
    "hsb_mundlak": 3,  # In [49]
    "hsb_mundlak_random": 0,
    "hsb_null": (7 + 6 + 2) + 8,  # In [358]
    "hsb_ses": 3 * (7 + 12 + 2)
    + 8
    + 2
    + 3,  # In [289], In [298], In [357], In [359]; 3 in the text
    "hsb_sector": (7 + 18 + 2) + 8 + 2,  # In [360]
    "hsb_sector_ses": (7 + 24 + 2) + 8 + 2,  # In [361]
    "hsb_random_slope": 0,
    "hsb_slopes_as_outcomes": 0,
}
# 16 summaries, 8 counts, 2 schools with their means, 2 in a plot's title, 1 in the introduction.
PRINTED_OF_THE_TABLE = 16 + 8 + 4 + 2 + 1


def test_the_ladder_is_complete_and_in_order():
    assert [record.name for record in records(WORKED_STUDY)] == LADDER


@pytest.mark.parametrize("name", LADDER)
def test_every_record_makes_the_design_of_its_kind(name):
    record = load_record(name)
    design = for_kind(
        build_design(
            record.model.formula,
            load_dataset(record.source.data),
            group=record.model.group_column,
            missing=record.source.missing,
            group_level=record.model.group_level,
        ),
        record.model.kind,
    )
    # 7,185 students in 160 schools: shared/README.md and the document's In [289].
    assert design.n == (160 if record.model.kind == "between" else 7185)
    assert design.J == 160


@pytest.mark.parametrize("name", LADDER)
def test_every_record_says_what_it_is(name):
    record = load_record(name)
    assert record.title
    assert record.equation
    assert len(record.description.splitlines()) == 2


@pytest.mark.parametrize("name", LADDER)
def test_every_record_survives_being_written_and_read(name, tmp_path):
    record = load_record(name)
    copy = tmp_path / f"{name}.toml"
    copy.write_text(dump_record(record), encoding="utf-8")
    assert _without_source(load_record(copy)) == _without_source(record)


@pytest.mark.parametrize("name", LADDER)
def test_every_printed_figure_of_the_record_is_there(name):
    record = load_record(name)
    assert sum(len(figure.places) for figure in record.published) == PRINTED[name]


@pytest.mark.parametrize("name", LADDER)
def test_no_reason_is_left_unused(name):
    record = load_record(name)
    assert set(record.reasons) == {figure.reason for figure in record.published if figure.reason}


@pytest.mark.parametrize(
    ("name", "family", "sizes"),
    [
        # shared/README.md: 1,934 women in 60 districts; 59 patients in four periods.
        ("contraception", "Bernoulli", (1934, 60, 1)),
        ("contraception_slope", "Bernoulli", (1934, 60, 2)),
        ("epil", "Poisson", (236, 59, 1)),
    ],
)
def test_records_of_other_families_name_them(name, family, sizes):
    record = load_record(name)
    design = design_of(record.request)
    assert (design.family.label, (design.n, design.J, design.q)) == (family, sizes)
    assert record.title
    assert record.equation
    assert record.description


@pytest.mark.parametrize(("name", "figures"), [("contraception", 16), ("epil", 14)])
def test_what_glmer_prints_is_reproduced(name, figures):
    """`glmer` with 25 quadrature points, by the call in the record; its tolerance is its own."""
    rows = check_published(load_record(name))
    assert [row.status for row in rows] == ["reproduced"] * figures
    assert all("nAGQ = 25" in row.where for row in rows)


def test_every_printed_figure_of_the_table_is_there():
    study = load_study()
    assert sum(len(figure.places) for figure in study.published) == PRINTED_OF_THE_TABLE


def test_every_number_of_the_document_is_a_figure_or_excluded_with_a_reason():
    printed = _numbers_by_cell(_document())
    ours: defaultdict[str, Counter[str]] = defaultdict(Counter)
    study, ladder = load_study(), records(WORKED_STUDY)
    for figure in (*study.published, *(f for record in ladder for f in record.published)):
        for place in figure.places:
            ours[_cell_of(place)][figure.value] += 1
    for excluded in study.excluded:
        assert excluded.reason
        ours[excluded.where].update(excluded.tokens)
    assert sorted(ours) == sorted(printed)
    for cell, numbers in printed.items():
        assert ours[cell] == numbers, cell


def _document() -> str:
    found = sorted(SEED.glob("*.txt"))
    if not found:
        pytest.skip("the 2015 document is not part of the project; no copy lies next to it")
    return found[0].read_text(encoding="utf-8")


def _without_source(record: Record) -> Record:
    return replace(record, path=None)


def _cell_of(place: str) -> str:
    cell = re.match(r"In \[\d+\]", place)
    assert cell is not None, place
    return "before In [97]" if place.startswith("In [97], text above") else cell.group()


def _numbers_by_cell(document: str) -> dict[str, Counter[str]]:
    """Count the numbers of each cell: its output, the text up to the next cell, and plot titles."""
    document = document.replace("\N{NO-BREAK SPACE}", " ")
    parts = re.split(r"^(In \[\d+\]):$", document, flags=re.MULTILINE)
    found = {"before In [97]": Counter(_numbers(parts[0]))}
    for cell, body in zip(parts[1::2], parts[2::2], strict=True):
        # Two empty lines in a row part code from output; without them a cell has no output.
        code, parting, rest = body.rstrip().rpartition("\n\n\n")
        code, rest = (code, rest) if parting else (rest, "")
        titles = re.findall(r'^ *plt\.(?:sup)?title\("([^"]*)"', code, flags=re.MULTILINE)
        numbers = Counter(_numbers("\n".join([rest, *titles])))
        if numbers:
            found[cell] = found.get(cell, Counter()) + numbers
    return found


def _numbers(text: str) -> Iterator[str]:
    """Find the numbers of a text, formulas ($...$) aside; a time of day is one number."""
    text = re.sub(r"\${1,2}[^$]+\${1,2}", " ", text)
    # A point without decimals belongs to the number at the end of a table's line ("1075.") only.
    number = r"(?<![\w.\^{])-?\d+(?:\.\d+(?:e[-+]?\d+)?|\.(?=\s*$))?(?!\w)"
    yield from re.findall(rf"\d\d:\d\d:\d\d|{number}", text, flags=re.MULTILINE)


def test_every_engine_of_the_study_fits_every_model_of_it():
    engines = engines_of_study(quick=False)
    assert engines == ("direct", "nuts")
    assert engines_of_study(quick=True) == ("direct",)
    for record in records(WORKED_STUDY):
        for engine in engines:
            check_engine(engine, design_of(record.request))
