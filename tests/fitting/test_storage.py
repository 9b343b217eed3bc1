"""A saved fit comes back equal, opens in ArviZ's format, and is complete or not there."""

import dataclasses
import pathlib

import numpy as np
import pytest

from bayes_mlm.base.errors import StorageError
from bayes_mlm.fitting.storage import load_fit, save_fit


def assert_equal(one, two):
    for name in ("y", "X", "Z", "codes", "labels"):
        assert np.array_equal(getattr(one.design, name), getattr(two.design, name)), name
    for name in ("outcome", "terms", "effects", "group"):
        assert getattr(one.design, name) == getattr(two.design, name), name
    parts = {"response", "fixed", "group_terms", "base"}
    for field in dataclasses.fields(one.design):
        if field.name not in parts:
            assert getattr(one.design, field.name) == getattr(two.design, field.name), field.name
    for group in ("posterior", "sample_stats"):
        a, b = getattr(one.draws, group), getattr(two.draws, group)
        assert set(a) == set(b)
        for name in a:
            assert a[name].dims == b[name].dims
            assert np.array_equal(a[name].values, b[name].values), name
            assert a[name].values.dtype == b[name].values.dtype, name
    for name in ("request", "priors", "engine", "settings", "versions", "verdict", "seconds"):
        assert getattr(one, name) == getattr(two, name), name


@pytest.mark.parametrize("name", ["hsb_ses", "hsb_between", "hsb_pooled", "hsb_mundlak_random"])
def test_round_trip(mock_fit, tmp_path, name):
    fit = mock_fit(name, draws=20)
    again = load_fit(save_fit(fit, tmp_path / "fit.nc"))
    assert_equal(fit, again)
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_it_opens_as_a_data_tree(mock_fit, tmp_path):
    import xarray as xr

    fit = mock_fit("hsb_ses", draws=20)
    with xr.open_datatree(save_fit(fit, tmp_path / "fit.nc")) as tree:
        posterior = tree["posterior"]
        assert posterior["u"].dims == ("chain", "draw", "schoolid", "effect")
        assert posterior["u"].sel(schoolid=1224).shape == (4, 20, 1)
        assert list(posterior["term"].to_numpy()) == ["Intercept", "ses"]
        assert tree["observed_data"]["mathach"].size == 7185
    # And what a fit gives in memory is the same tree.
    assert fit.data["posterior"]["beta"].dims == ("chain", "draw", "term")
    assert float(fit.posterior["icc"].mean()) == pytest.approx(fit.draws["icc"].mean())


def test_nothing_is_half_written(mock_fit, tmp_path, monkeypatch):
    path = tmp_path / "fit.nc"
    path.write_text("an earlier result")

    def break_off(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", break_off)
    with pytest.raises(StorageError, match="No space left"):
        save_fit(mock_fit("hsb_pooled", draws=20), path)
    assert path.read_text() == "an earlier result"
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_what_cannot_be_read_says_so(mock_fit, tmp_path):
    with pytest.raises(StorageError, match="there is no file"):
        load_fit(tmp_path / "nothing.nc")
    broken = tmp_path / "broken.nc"
    broken.write_bytes(b"not netCDF")
    with pytest.raises(StorageError, match="cannot be read"):
        load_fit(broken)
    with pytest.raises(StorageError, match="make the folder"):
        save_fit(mock_fit("hsb_pooled", draws=20), tmp_path / "no" / "fit.nc")

    import h5netcdf

    foreign = tmp_path / "foreign.nc"
    with h5netcdf.File(foreign, "w") as file:
        file.attrs["title"] = "another program's"
    with pytest.raises(StorageError, match="not written by"):
        load_fit(foreign)


def test_a_damaged_file_is_an_error_and_not_a_traceback(mock_fit, tmp_path):
    path = save_fit(mock_fit("hsb_pooled", draws=20), tmp_path / "fit.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageError):
        load_fit(path)


def test_arviz_labels_every_group_effect_rightly(mock_fit):
    """ArviZ labels by the order of dimensions in the dataset, so u comes before sigma_u."""
    import arviz as az

    fit = mock_fit("hsb_random_slope", draws=20)
    table = az.summary(fit.data, kind="stats", round_to="none")
    for label, group, effect in (("u[1224, ses]", 0, 1), ("u[1288, Intercept]", 1, 0)):
        expected = fit.draws["u"][:, :, group, effect].mean()
        assert float(table.loc[label, "mean"]) == pytest.approx(expected), label


def test_a_repr_is_a_line(mock_fit):
    fit = mock_fit(draws=20)
    for shown in (repr(fit), repr(fit.design), repr(fit.draws)):
        assert len(shown) < 300
        assert "\n" not in shown
