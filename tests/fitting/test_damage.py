"""A damaged file of ours is refused with one error that names it, or nothing in it has changed.

Oracles: the file as it was written, and what no rows can have (a group of one row has no scatter).
"""

import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

from bayes_mlm import fit, load_fit, load_hsb, load_sums, save_fit, save_sums, sum_rows
from bayes_mlm.base.checksum import BLANK, sealed
from bayes_mlm.base.errors import StorageError
from bayes_mlm.engines.draws import Variable
from bayes_mlm.fitting.netcdf import KEPT, Group, read_netcdf, write_netcdf

FORMULA = "mathach ~ ses * sector + (ses | schoolid)"


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    rows = load_hsb()
    few = rows[rows.schoolid < 2000].groupby("schoolid").head(9)
    one = few.schoolid.min()  # of this school one row is left
    kept = few[(few.schoolid != one) | ~few.duplicated("schoolid")]
    return save_sums(sum_rows(FORMULA, kept), tmp_path_factory.mktemp("sums") / "d.sums")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    made = fit("reaction ~ days + (1 | subject)", "sleepstudy", draws=4, chains=2, random_seed=1)
    return save_fit(made, tmp_path_factory.mktemp("fit") / "f.nc")


def damages(whole, n, seed):
    """Change a file in each of the ways that disks and copies do."""
    rng = random.Random(seed)
    for k in range(n):
        c, at = bytearray(whole), rng.randrange(len(whole) - 128)
        how = ("bit", "bit", "bit", "cut", "zeros", "swap", "more")[k % 7]
        if how == "bit":
            c[at] ^= 1 << rng.randrange(8)
        elif how == "cut":
            del c[at:]
        elif how == "zeros":
            c[at : at + 64] = bytes(64)
        elif how == "swap":
            c[at : at + 64], c[at + 64 : at + 128] = c[at + 64 : at + 128], c[at : at + 64]
        else:
            c += bytes([rng.randrange(256)])
        if c != whole:
            yield how, bytes(c)


def test_no_change_of_sums_is_read(sums, tmp_path):
    path = tmp_path / "d.sums"
    for how, content in damages(sums.read_bytes(), 350, 1):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"d\.sums") as caught:
            load_sums(path)
        assert "\n" not in str(caught.value), how


def test_no_change_of_a_fit_is_read(saved, tmp_path, capfd):
    for k, (_, content) in enumerate(damages(saved.read_bytes(), 140, 2)):
        path = tmp_path / f"{k}.nc"  # HDF5 knows a file again by its inode
        path.write_bytes(content)
        with pytest.raises(StorageError, match=rf"{k}\.nc") as caught:
            load_fit(path)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_group_may_be_added_by_xarray_and_no_draw_changed(saved, tmp_path):
    tree = xr.open_datatree(saved).load()
    tree["mine"] = xr.DataTree(xr.Dataset({"z": ("k", [1.0, 2.0])}))
    tree.to_netcdf(tmp_path / "more.nc", engine="h5netcdf")
    assert load_fit(tmp_path / "more.nc").verdict == load_fit(saved).verdict
    tree["posterior"]["sigma_e"][0, 0] += 1e-9
    tree.to_netcdf(tmp_path / "changed.nc", engine="h5netcdf")
    with pytest.raises(StorageError, match=r"changed\.nc.*not what was saved.*into a new group"):
        load_fit(tmp_path / "changed.nc")


def test_a_file_of_an_earlier_version_says_so(saved, tmp_path):
    tree = xr.open_datatree(saved).load()
    del tree.attrs["bayes_mlm_sha256"]
    tree.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with pytest.raises(StorageError, match="no checksum: it is of an earlier version"):
        load_fit(tmp_path / "old.nc")


# --- what a file says, under a checksum that is right -----------------------------------------


def forge_sums(path, to, table=None, **said):
    kept = pq.read_table(path)
    document = json.loads(kept.schema.metadata[b"bayes_mlm_sums"])
    document |= {key: change(document[key]) for key, change in said.items()}
    frame = kept.to_pandas()
    made = pa.Table.from_pandas(frame if table is None else table(frame), preserve_index=False)
    made = made.replace_schema_metadata({b"bayes_mlm_sums": json.dumps(document).encode()})
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, made.schema) as writer:
        writer.write_table(made)
        writer.add_key_value_metadata({b"bayes_mlm_seal": BLANK})
    to.write_bytes(sealed(out.getvalue().to_pybytes()))
    return to


def put(column, value, row=3):
    def change(frame):
        frame[column] = frame[column].astype(type(value))
        frame.loc[row, column] = value
        return frame

    return change


def swapped(names):
    return [names[1], names[0], *names[2:]]


def with_effects(factors):
    return [factors[0] | {"effects": swapped(factors[0]["effects"])}]


@pytest.mark.parametrize(
    ("table", "said", "says"),
    [
        (lambda frame: put("label", int(frame.label[0]))(frame), {}, "twice"),
        (put("n", 7.5), {}, "not whole"),
        (put("n", 0), {}, "counts 0 rows"),
        (put("n", -4), {}, "counts -4 rows"),
        (put("n", 1), {}, "1 rows, and scatter in"),
        (put("scatter_1_1", 4.0, row=0), {}, "1 rows, and scatter in"),
        (put("scatter_1_1", -5.0), {}, "not positive"),
        (put("scatter_3_1", 1e4), {}, "not positive"),
        (put("scatter_1_1", np.nan), {}, "scatter is not finite"),
        (put("mean_1", np.inf), {}, "means is not finite"),
        (lambda frame: frame[1:], {}, "rows, and .* were summed"),
        (lambda frame: frame[:0], {}, "no groups"),
        (lambda frame: frame.drop(columns="mean_1"), {}, "mean_1"),
        (None, {"terms": swapped}, "those of the formula"),
        (None, {"factors": with_effects}, "those of the formula"),
        (None, {"terms": lambda names: names[1:]}, "do not agree"),
        (None, {"outcome": lambda _: "ses"}, "its outcome"),
        (None, {"factors": lambda old: [old[0] | {"name": "sector"}]}, "its group"),
        (None, {"factors": lambda old: [*old, old[0]]}, "label_0"),
        (None, {"factors": lambda old: old[0]}, "factors"),
        (None, {"formula": lambda _: "mathach ~ ses"}, "its encoding"),
        (None, {"n_dropped": lambda _: -1}, "n_dropped"),
        (None, {"n_dropped": lambda _: "3"}, "n_dropped"),
        (None, {"notes": lambda _: "abc"}, "notes"),
        (None, {"kind": lambda _: "within"}, "kind"),
        (None, {"centre": lambda old: old[1:]}, "do not agree"),
        (None, {"place": lambda old: [*old[:-1], 1]}, "columns of one name"),
        (None, {"encoding": lambda _: {}}, "encoding"),
        (None, {"format": lambda _: 99}, "format 99"),
    ],
)
def test_sums_that_no_rows_have_are_refused(table, said, says, sums, tmp_path):
    assert load_sums(forge_sums(sums, tmp_path / "same.sums")).n == load_sums(sums).n
    path = forge_sums(sums, tmp_path / "d.sums", table, **said)
    for read in (load_sums, fit):
        with pytest.raises(StorageError, match=rf"d\.sums' cannot be read as saved sums: .*{says}"):
            read(path)


def test_sums_of_the_version_before_are_read(sums, tmp_path):
    """It had a group and its effects in place of factors."""
    kept = pq.read_table(sums)
    document = json.loads(kept.schema.metadata[b"bayes_mlm_sums"])
    (factor,) = document.pop("factors")
    document |= {"format": 1, "group": factor["name"], "effects": factor["effects"]}
    made = kept.replace_schema_metadata({b"bayes_mlm_sums": json.dumps(document).encode()})
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, made.schema) as writer:
        writer.write_table(made)
        writer.add_key_value_metadata({b"bayes_mlm_seal": BLANK})
    path = tmp_path / "before.sums"
    path.write_bytes(sealed(out.getvalue().to_pybytes()))
    assert fit(path, engine="reml").solution.loglik == fit(sums, engine="reml").solution.loglik


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (lambda frame: pd.concat([frame, frame[:1]]), "combination of levels is in it twice"),
        (put("n", 0), "counts 0 rows"),
        (lambda frame: frame[1:], "rows, and .* were summed"),
        (lambda frame: frame.assign(label_1=None), "a label of sex is missing"),
        (lambda frame: frame.drop(columns="label_1"), "label_1"),
    ],
)
def test_sums_by_several_factors_that_no_rows_have_are_refused(table, says, tmp_path):
    rows = load_hsb()
    rows = rows.assign(sex=rows.female.map({0: "male", 1: "female"}))
    made = sum_rows("mathach ~ ses + (1 | schoolid) + (1 | sex)", rows)
    path = save_sums(made, tmp_path / "several.sums")
    assert load_sums(forge_sums(path, tmp_path / "same.sums")).n == 7185
    with pytest.raises(StorageError, match=rf"d\.sums' cannot be read as saved sums: .*{says}"):
        load_sums(forge_sums(path, tmp_path / "d.sums", table))


@pytest.mark.parametrize(
    ("group", "name", "change", "says"),
    [
        ("posterior", "sigma_e", lambda v: -v, "sigma_e is not above 0"),
        ("posterior", "beta", lambda v: v * np.nan, "beta is not finite"),
        ("posterior", "beta", lambda v: v[:, :2], "its draws of beta"),
        ("posterior", "term", lambda v: v[::-1], "labels of beta"),
        ("posterior", "subject", lambda v: v + 1, "labels of u"),
        ("constant_data", "subject", lambda v: v * 0, "twice"),
        ("constant_data", "codes", lambda v: v + 1, "rows are not those"),
        ("constant_data", "codes", lambda v: v * 0.5, "rows are not those of its"),
        ("constant_data", "X", lambda v: v[1:], "same rows"),
        ("observed_data", "reaction", lambda v: v / 0.0, "its y is not finite"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(group, name, change, says, saved, tmp_path):
    text, groups = read_netcdf(saved)
    assert set(groups) == set(KEPT)
    own = groups[group]
    coords, variables = dict(own.coords), dict(own.variables)
    with np.errstate(all="ignore"):
        if name in coords:
            coords[name] = change(coords[name])
        else:
            dims, values = variables[name].dims, variables[name].values
            new = change(values)
            sizes = zip(dims, new.shape, values.shape, strict=True)
            dims = tuple(dim if n == size else f"{dim}_" for dim, n, size in sizes)
            variables[name] = Variable(dims, new)
    groups |= {group: Group(variables, coords)}
    write_netcdf(tmp_path / "f.nc", text, groups)
    with pytest.raises(StorageError, match=rf"f\.nc' cannot be read as a saved fit: .*{says}"):
        load_fit(tmp_path / "f.nc")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("verdict", [{"check": "R-hat"}], "verdict"),
        ("seconds", "long", "seconds"),
        ("format", 99, "format 99"),
        ("settings", {"draws": 4}, "settings"),
        ("engine", "guess", "engine"),
    ],
)
def test_what_is_said_of_a_fit_has_its_type(key, value, says, saved, tmp_path):
    text, groups = read_netcdf(saved)
    write_netcdf(tmp_path / "f.nc", json.dumps(json.loads(text) | {key: value}), groups)
    with pytest.raises(StorageError, match=says):
        load_fit(tmp_path / "f.nc")
