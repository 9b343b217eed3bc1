"""Hold the reading of records: what is accepted, and the one message for what is not."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import SpecError
from bayes_mlm.data.source import DataSource
from bayes_mlm.model.request import SamplerSettings
from bayes_mlm.model.spec import KINDS, ModelSpec
from bayes_mlm.studies import record as records_module
from bayes_mlm.studies.printed import Published
from bayes_mlm.studies.record import (
    Record,
    baseline,
    dump_record,
    load_record,
    records,
    related_record,
)

MINIMAL = """
title = "Ses"
data = "hsb"
formula = "mathach ~ ses + (1 | schoolid)"
kind = "partial_pooling"
"""


def read(folder: Path, text: str, name: str = "mine.toml") -> Record:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_record(path)


def change(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def test_a_minimal_record_takes_its_name_from_the_file(tmp_path):
    record = read(tmp_path, MINIMAL)
    assert (record.name, record.model.kind, record.model.group_column) == (
        "mine",
        "partial_pooling",
        "schoolid",
    )
    assert record.source.location == "hsb"
    assert record.settings == SamplerSettings()


def test_a_data_file_lies_relative_to_the_record(tmp_path):
    record = read(tmp_path, change('"hsb"', '"tables/scores.csv"'))
    assert record.source.location == tmp_path / "tables" / "scores.csv"


def test_priors_stay_as_written(tmp_path):
    record = read(
        tmp_path,
        MINIMAL
        + '[priors]\nbeta = "Normal(0, 10)"\nsigma_e = {family = "HalfNormal", sigma = 5}\n',
    )
    assert record.model.priors == {
        "beta": "Normal(0, 10)",
        "sigma_e": {"family": "HalfNormal", "sigma": 5},
    }


def test_a_record_cannot_be_changed(tmp_path):
    record = read(tmp_path, MINIMAL)
    with pytest.raises(AttributeError):
        record.model.kind = "pooled"


@pytest.mark.parametrize("name", ["hsb_null", Path("models/hsb_null.toml")])
def test_a_record_loads_by_name_and_by_path(name, monkeypatch):
    monkeypatch.chdir(records_module.models_directory().parent)
    assert load_record(name).model.formula == "mathach ~ 1 + (1 | schoolid)"


def test_the_records_are_found_inside_an_installed_package_first(tmp_path, monkeypatch):
    (tmp_path / "bayes_mlm" / "_models").mkdir(parents=True)
    monkeypatch.setattr(records_module, "_PACKAGE", tmp_path / "bayes_mlm")
    assert records_module.models_directory() == tmp_path / "bayes_mlm" / "_models"
    assert records() == ()


def test_a_baseline_beside_the_record_comes_before_a_bundled_one(tmp_path):
    read(tmp_path, MINIMAL + 'description = "mine"\n', "hsb_null.toml")
    record = read(tmp_path, MINIMAL + 'null = "hsb_null"\n')
    found = baseline(record)
    assert found is not None
    assert found.description == "mine"
    assert related_record(record, "hsb_ses").name == "hsb_ses"
    assert baseline(found) is None


# Each wrong record with what its message must name: the key or line, what was found, what to do.
WRONG = {
    "unknown key": (MINIMAL + 'formla = "x"', ["unknown key 'formla'", "'formula'", "allowed:"]),
    "name is the file's": (MINIMAL + 'name = "x"', ["unknown key 'name'"]),
    "unknown setting": (
        MINIMAL + "[settings]\ndraw = 5",
        ["'settings.draw'", "did you mean 'draws'?"],
    ),
    "unknown key of a figure": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwere = "x"',
        ["'published[0].were'", "did you mean 'where'?"],
    ),
    "missing key": ('title = "x"', ["required key is missing", "data"]),
    "empty file": ("", ["required key is missing"]),
    "not TOML": (MINIMAL + "x = = 3", ["not valid TOML", "line 6"]),
    "not closed": (MINIMAL + "x = [1,", ["not valid TOML", "line 6"]),
    "key twice": (MINIMAL + 'kind = "pooled"', ["not valid TOML", "line 6"]),
    "wrong type": (change('title = "Ses"', "title = 3"), ["title", "expected text", "found"]),
    "list for text": (change('data = "hsb"', 'data = ["hsb"]'), ["data", "expected text"]),
    "text for list": (
        MINIMAL + 'group_level = "sector"',
        ["group_level", "expected a list", "found text"],
    ),
    "prior of a wrong type": (MINIMAL + "[priors]\nbeta = 3", ["priors", "text or a table"]),
    "figure as a number": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = 0.180\nwhere = "x"',
        ["published[0].value", "expected text", "in quotes"],
    ),
    "unknown kind": (change("partial_pooling", "partial_poling"), ["'partial_poling'", *KINDS]),
    "unknown missing": (MINIMAL + 'missing = "omit"', ["'omit'", "error, drop"]),
    "unknown data": (change('"hsb"', '"hbs"'), ["'hbs'", "did you mean 'hsb'?", ".csv"]),
    "no data": (change('"hsb"', '""'), ["data is empty"]),
    "address": (change('"hsb"', '"https://x.org/hsb.csv"'), ["address", "download"]),
    "file address": (change('"hsb"', '"file:/etc/hsb.csv"'), ["address"]),
    "formula": (change("ses +", "ses + + * "), ["formula"]),
    "code for a formula": (change("ses +", "__import__('os').getcwd() +"), ["formula"]),
    "no bar": (change(" + (1 | schoolid)", ""), ["'partial_pooling' needs group effects", "(1 | "]),
    "pooled with a bar": (
        change("partial_pooling", "pooled"),
        ["'pooled' has no group effects", "group = 'schoolid'"],
    ),
    "within without a group": (
        change("partial_pooling", "within").replace(" + (1 | schoolid)", ""),
        ["'within' needs the groups", "group ="],
    ),
    "two groups": (MINIMAL + 'group = "sector"', ["'sector'", "'schoolid'", "one of them"]),
    "group_level without a group": (
        change("partial_pooling", "pooled").replace(" + (1 | schoolid)", "")
        + 'group_level = ["sector"]',
        ["group_level", "no group"],
    ),
    "itself as null": (MINIMAL + 'null = "mine"', ["names the record itself"]),
    "no such baseline": (MINIMAL + 'null = "hsb_nul"', ["null", "did you mean 'hsb_null'?"]),
    "no draws": (MINIMAL + "[settings]\ndraws = 0", ["settings.draws = 0", "1 or more"]),
    "figure that is none": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "n/a"\nwhere = "x"',
        ["published[0] (icc)", "'n/a'", "not a number"],
    ),
    "figure that is nan": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "nan"\nwhere = "x"',
        ["not a number"],
    ),
    "figure without a place": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = []',
        ["`where` is empty"],
    ),
    "figure twice": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = ["x", "x"]',
        ["given twice", "'x'"],
    ),
    "tolerance of zero": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = "x"\ntolerance = 0.0',
        ["tolerance", "above zero"],
    ),
    "correction without a reason": (
        MINIMAL + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = "x"\ncorrects = "icc"',
        ["`corrects` needs", "reason"],
    ),
    "reason that is no key": (
        MINIMAL
        + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = "x"\nreason = "early_stp"\n'
        + '[reasons]\nearly_stop = "it stopped"',
        ["'early_stp'", "did you mean 'early_stop'?"],
    ),
    "cannot and reason": (
        MINIMAL
        + '[[published]]\nquantity = "icc"\nvalue = "0.1"\nwhere = "x"\ncannot = "no data"\n'
        + 'reason = "it is wrong"',
        ["`cannot`"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_record_is_refused_with_a_message_that_helps(case, tmp_path):
    text, needles = WRONG[case]
    with pytest.raises(SpecError) as refused:
        read(tmp_path, text)
    message = str(refused.value)
    assert str(tmp_path / "mine.toml") in message
    for needle in needles:
        assert needle in message
    assert "`str`" not in message  # msgspec's vocabulary is not the user's
    assert "`array`" not in message


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'hsb_sector_ses'"):
        load_record("hsb_sector_se")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.toml", "does not exist; check the name"),
        ("folder.toml", "is a directory; give the path of one file"),
        ("null\0.toml", "has a null character in its name"),
    ],
)
def test_a_path_that_cannot_be_read_says_so(name, reason, tmp_path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SpecError, match=reason):
        load_record(tmp_path / name)


def test_a_file_that_is_no_text_says_so(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"title = '\xff\xfe'")
    with pytest.raises(SpecError, match="UTF-8"):
        load_record(tmp_path / "mine.toml")


# Half a unit of the last digit, worked out by hand.
@pytest.mark.parametrize(
    ("value", "half"),
    [
        ("12.657", 0.0005),
        ("12.600", 0.0005),
        ("7185", 0.5),
        ("1075.", 0.5),
        ("-23549.", 0.5),
        ("4.710e+04", 5.0),
        ("8.71e-220", 5e-223),
        ("18.316999", 5e-7),
    ],
)
def test_half_a_printed_digit(value, half):
    figure = Published(quantity="x", value=value, where="y")
    assert figure.half_digit == half
    assert figure.allowed == half


def test_a_tolerance_that_is_given_is_in_force():
    assert Published(quantity="x", value="1.0", where="y", tolerance=0.2).allowed == 0.2


text = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
figures = st.builds(
    Published,
    quantity=text,
    value=(st.floats(1e-300, 1e300) | st.floats(-1e300, -1e-300)).map(repr),
    where=st.one_of(text, st.lists(text, min_size=2, max_size=3, unique=True).map(tuple)),
    tolerance=st.none() | st.floats(1e-9, 1.0),
)


@given(
    title=text,
    description=st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    order=st.integers(-(2**62), 2**62),
    missing=st.sampled_from(["error", "drop"]),
    priors=st.dictionaries(
        text,
        text | st.dictionaries(text, text | st.floats(allow_nan=False, allow_infinity=False)),
        max_size=3,
    ),
    settings=st.builds(
        SamplerSettings,
        draws=st.none() | st.integers(1, 9999),
        random_seed=st.none() | st.integers(0, 9999),
    ),
    published=st.lists(figures, max_size=3, unique_by=lambda figure: figure.quantity).map(tuple),
)
def test_what_is_written_reads_back_equal(tmp_path_factory, **fields):
    model = ModelSpec(
        name="mine",
        formula="mathach ~ ses + (1 | schoolid)",
        kind="partial_pooling",
        priors=fields.pop("priors"),
    )
    source = DataSource(data="hsb", missing=fields.pop("missing"))
    record = Record(model=model, source=source, **fields)
    path = tmp_path_factory.mktemp("record") / "mine.toml"
    path.write_text(dump_record(record), encoding="utf-8", newline="")
    assert load_record(path) == replace(record, path=str(path))
