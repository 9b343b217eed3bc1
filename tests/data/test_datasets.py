"""The embedded studies are those of the project, to the byte."""

import hashlib
import json
import sys
from importlib.resources import files
from pathlib import Path
from subprocess import run

import numpy as np
import pytest

from bayes_mlm.base.errors import DataError
from bayes_mlm.data import datasets
from bayes_mlm.data.datasets import (
    DATASETS,
    load_contraception,
    load_dataset,
    load_dyestuff2,
    load_epil,
    load_hsb,
    load_orthodont,
    load_pastes,
    load_penicillin,
    load_sleepstudy,
)
from bayes_mlm.data.groups import find_groups, varies_within

LOADERS = {
    "hsb": load_hsb,
    "orthodont": load_orthodont,
    "sleepstudy": load_sleepstudy,
    "dyestuff2": load_dyestuff2,
    "pastes": load_pastes,
    "penicillin": load_penicillin,
    "contraception": load_contraception,
    "epil": load_epil,
}

# Written here a second time, so that a file and its entry in sources.toml cannot change together
# unnoticed: sha256sum of the files as they came with the study.
SHA256 = {
    "hsb": "6eca49d46bee833efb41c066d5d1a857a33dd341f534e941e255e7c74a3c79ff",
    "orthodont": "0908374a37ffd54ba878c9ab1ec0eae6d08a8945791d3234c4e75bcd889214d5",
    "sleepstudy": "43f05bb7dfaa8833f0652ffd7f33f40dd9dbfbf059ae8513e93aa404992e8fe6",
    "dyestuff2": "cbb76a0ef63799a595f784bc5393f30d6a6827db51500e7cc27e2c734226e3a9",
    "pastes": "1ccc038f2636384688511818410a6e5b4a3d61d2f23cda657e43b2596ffd1331",
    "penicillin": "9a26c574d34d1b6d5a6fcb31d296ffa65fe0339eea4b77f502d90b7f2b4eca24",
    "contraception": "6e454b61e51a0df29550d81c44fdd1bd4145573f6232b6f4d065361ad69813a5",
    "epil": "c40f453b8989f6fcd92e93f1b236247666c58020582b2eec38b98db820ba68c3",
}


def test_the_data_sets_are_those_of_the_study() -> None:
    assert set(DATASETS) == set(LOADERS) == set(SHA256)


@pytest.mark.parametrize("name", list(LOADERS))
def test_file_is_the_original_and_its_source_is_told(name: str) -> None:
    source = DATASETS[name]
    content = (files("bayes_mlm.data") / "embedded" / source.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[name] == source.sha256
    table = load_dataset(name)
    assert table.source == source.name == name
    assert table.n == source.rows
    assert table.names == tuple(source.columns)
    for group, number in source.groups.items():
        assert find_groups(table, group).sizes.size == number
    for text in (source.title, source.source, source.reference, source.licence):
        assert len(text) > 20
    assert str(source.year) in source.source + source.reference


@pytest.mark.parametrize("name", list(LOADERS))
def test_frame_equals_table_and_every_column_is_documented(name: str) -> None:
    frame, table = LOADERS[name](), load_dataset(name)
    assert tuple(frame.columns) == table.names
    for column, values in table.columns.items():
        np.testing.assert_array_equal(frame[column].to_numpy(), values)
        assert f"``{column}``" in (LOADERS[name].__doc__ or ""), column
    frame.iloc[0, 0] = frame.iloc[1, 0]  # a copy, which the caller may change


def test_types_of_the_labels() -> None:
    assert load_dataset("hsb").columns["schoolid"].dtype == np.int64
    assert load_dataset("sleepstudy").columns["subject"].dtype == np.int64
    assert load_dataset("orthodont").columns["subject"][0] == "M01"
    assert sorted(set(load_dataset("dyestuff2").columns["batch"])) == list("ABCDEF")


def test_hsb_columns_are_on_the_level_said() -> None:
    table = load_dataset("hsb")
    inside = varies_within(table, "schoolid", table.names)
    assert inside == ("minority", "female", "ses", "mathach")
    groups = find_groups(table, "schoolid")
    sector = table.columns["sector"][np.unique(groups.codes, return_index=True)[1]]
    # 70 Catholic and 90 public schools: Raudenbush & Bryk (2002), ch. 4.
    assert np.bincount(sector).tolist() == [90, 70]


def test_the_two_versions_of_mean_ses_differ_as_documented() -> None:
    table = load_dataset("hsb")
    groups = find_groups(table, "schoolid")
    means = np.bincount(groups.codes, weights=table.columns["ses"]) / groups.sizes
    published = table.columns["meanses"][np.unique(groups.codes, return_index=True)[1]]
    # Published to three decimals: half a printed digit, and 1e-9 for the binary representation.
    assert np.abs(published - means - 0.006).max() <= 0.0005 + 1e-9
    assert np.abs(published - means).min() > 0.005


def test_unknown_name() -> None:
    with pytest.raises(DataError, match=r"no data set 'hbs'; .* hsb, orthodont, sleepstudy"):
        load_dataset("hbs")


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = (files("bayes_mlm.data") / "embedded" / "dyestuff2.csv").read_text()
    (tmp_path / "dyestuff2.csv").write_text(original.replace("7.298", "7.299"))
    monkeypatch.setattr(datasets, "_FOLDER", tmp_path)
    with pytest.raises(DataError, match=r"dyestuff2.csv was altered .* install bayes_mlm again"):
        load_dataset("dyestuff2")


def test_a_table_is_loaded_without_pandas() -> None:
    code = (
        "import json, sys; from bayes_mlm.data.datasets import load_dataset; load_dataset('hsb'); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "scipy", "xarray"} & set(json.loads(done.stdout))
