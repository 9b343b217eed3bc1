"""Two crossed intercepts whose cells are too many to sum: from Parquet, the same as from rows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import (
    build_design,
    fit,
    merge_sums,
    predict,
    save_fit,
    save_sums,
    sum_more_rows,
    variance_by_level,
)
from bayes_mlm.base import DataError, DesignError, EngineError, RowsNeededError, StorageError
from bayes_mlm.data import Labelled, as_scan, open_data, read_batches
from bayes_mlm.design import sum_rows
from bayes_mlm.design.aggregated import lists
from bayes_mlm.engines.crossed import route

FORMULA = "y ~ log(x) + C(kind) + (1 | film) + (1 | user)"


def film_names(film):
    return np.char.add("f", film.astype(str))


def ratings(n=20_000, seed=1):
    rng = np.random.default_rng(seed)
    user, film = rng.integers(0, 600, n), rng.integers(0, 150, n) ** 2 // 150
    x, kind = rng.lognormal(size=n), rng.choice(["a", "b", "c"], n)
    y = 1000.0 + 0.3 * np.log(x) + 0.2 * (kind == "b") + rng.normal(size=n)
    y += 0.5 * rng.normal(size=600)[user] + 0.7 * rng.normal(size=150)[film]
    return {
        "y": y,
        "x": x,
        "kind": kind,
        "user": user + 7,
        "film": film_names(film),
    }


@pytest.fixture
def dear(monkeypatch):
    for module in (lists, route):
        monkeypatch.setattr(module, "MAX_COST", 0.0)
    monkeypatch.setattr(route, "_is_sparse", lambda _: False)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("crossed") / "ratings.parquet"
    pq.write_table(pa.table(ratings()), found, row_group_size=3000)
    return found


def test_lists_are_those_of_the_rows(dear, path):
    summed = sum_rows(FORMULA, open_data(path))
    rows = build_design(FORMULA, ratings())
    assert not summed.has_rows
    assert summed.n == rows.n
    given, found = route.crossed_table_of(rows), route.crossed_table_of(summed)
    assert found is summed.crossed
    for a, b in zip(rows.group_terms, summed.group_terms, strict=True):
        assert a.labels.tolist() == b.labels.tolist()
        np.testing.assert_array_equal(a.sizes, b.sizes)
    assert given.terms == found.terms
    np.testing.assert_allclose(given.transform, found.transform, rtol=1e-7, atol=1e-9)
    for a, b in zip(given.margins, found.margins, strict=True):
        np.testing.assert_array_equal(a.in_data_order(a.counts), b.in_data_order(b.counts))
        np.testing.assert_allclose(a.in_data_order(a.right), b.in_data_order(b.right), atol=1e-7)
    # The cells, whatever the order of the levels inside.
    one, other = given.margins[0], given.margins[1]
    weights = np.random.default_rng(1).normal(size=other.m)
    two = found.margins[0].sums(weights[found.margins[1].places])
    sums = one.in_data_order(one.sums(weights[other.places]))
    np.testing.assert_allclose(sums, found.margins[0].in_data_order(two), atol=1e-9)


def test_fits_of_a_file_are_those_of_its_rows(dear, path):
    of_file = fit(FORMULA, path, engine="reml", rows="sum")
    of_rows = fit(FORMULA, ratings(), engine="reml")
    for a, b in zip(of_rows.summary().rows, of_file.summary().rows, strict=True):
        # Random signs go to the levels in the order in which these are stored.
        assert a.quantity == b.quantity
        if a.quantity != "loglik":
            assert b.estimate == pytest.approx(a.estimate, abs=0.03 * a.sd), a.quantity
    u = of_rows.group_effects(0.95, "film"), of_file.group_effects(0.95, "film")
    np.testing.assert_allclose(u[0].mean, u[1].mean, atol=2e-3)
    draws = fit(FORMULA, path, engine="direct", rows="sum", draws=200, chains=2, random_seed=1)
    assert draws.report.method == "gibbs"
    rows = {row.quantity: row for row in draws.summary().rows}
    for row in of_file.summary().rows:
        if row.quantity.startswith(("beta", "sigma")):
            assert rows[row.quantity].estimate == pytest.approx(row.estimate, abs=0.5 * row.sd)


def test_predictors_of_the_intercept_prior_are_at_their_means(dear, path):
    from bayes_mlm.likelihood import model_priors

    of_file, of_rows = sum_rows(FORMULA, open_data(path)), build_design(FORMULA, ratings())
    for a, b in zip(model_priors(of_file).beta, model_priors(of_rows).beta, strict=True):
        assert a["sigma"] == pytest.approx(b["sigma"], rel=1e-6)
        assert a["mu"] == pytest.approx(b["mu"], rel=1e-6)


def test_what_needs_moments_by_group_is_refused(dear, path):
    design = sum_rows(FORMULA, open_data(path))
    with pytest.raises(EngineError, match="no moments by group"):
        design.of_factor(0).moments()
    with pytest.raises(EngineError, match="without a factorisation"):
        design.cross_products()
    with pytest.raises(RowsNeededError):
        _ = design.y


def test_other_models_are_summed_by_cell(dear, path):
    slopes = sum_rows("y ~ x + (x | film) + (1 | user)", open_data(path))
    assert slopes.crossed is None
    assert slopes.aggregated.cells.J > 1


def test_missing_values_are_refused_or_dropped(dear, tmp_path):
    data = ratings()
    data["y"][3] = np.nan
    where = tmp_path / "missing.parquet"
    pq.write_table(pa.table(data | {"y": pa.array(data["y"], from_pandas=True)}), where)
    with pytest.raises(DataError, match="missing"):
        sum_rows(FORMULA, open_data(where))
    dropped = sum_rows(FORMULA, open_data(where), missing="drop")
    assert dropped.n == dropped.crossed.n == 19_999


def test_variance_is_partitioned_as_from_rows(dear, path):
    of_file = variance_by_level(fit(FORMULA, path, engine="reml", rows="sum"))
    of_rows = variance_by_level(fit(FORMULA, ratings(), engine="reml"))
    a, b = (
        one.to_frame().query("quantity != 'r2_bayes'") for one in (of_rows, of_file)
    )  # which needs the rows
    assert list(a.quantity) == list(b.quantity)
    numbers = a.select_dtypes("number").columns
    np.testing.assert_allclose(a[numbers], b[numbers], rtol=0.02, atol=1e-3)


def test_pooled_moments_are_right_in_total(dear, path):
    summed, rows = sum_rows(FORMULA, open_data(path)), build_design(FORMULA, ratings())
    for place in (0, 1):
        given = rows.of_factor(place).moments()
        found = summed.crossed.pooled_moments(summed.factors[place])
        np.testing.assert_array_equal(given.counts, found.counts)
        np.testing.assert_allclose(
            given.means + given.centre, found.means + found.centre, rtol=1e-8, atol=1e-8
        )
        np.testing.assert_allclose(
            given.scatter.sum(axis=0), found.scatter.sum(axis=0), rtol=1e-6, atol=1e-5
        )


def test_predictions_by_reml_and_refusals_of_the_rest(dear, path, tmp_path):
    new = {"x": [1.0, 2.0], "kind": ["a", "b"], "user": [7, 8], "film": ["f1", "f2"]}
    of_rows = fit(FORMULA, ratings(), engine="reml")
    of_file = fit(FORMULA, path, engine="reml", rows="sum")
    given, found = (predict(one, new).to_frame() for one in (of_rows, of_file))
    np.testing.assert_allclose(given["mean"], found["mean"], atol=0.01)
    np.testing.assert_allclose(given["sd"], found["sd"], rtol=0.02)
    drawn = fit(of_file.design, engine="direct", draws=20, chains=2, random_seed=1)
    assert predict(drawn, new).to_frame()["mean"].to_numpy() == pytest.approx(
        found["mean"].to_numpy(), abs=0.3
    )
    with pytest.raises(StorageError, match="too many combinations"):
        save_fit(drawn, tmp_path / "fit.nc")
    with pytest.raises(StorageError, match="too many combinations"):
        save_sums(of_file.design, tmp_path / "a.sums")
    with pytest.raises(DesignError, match="too many combinations"):
        sum_more_rows(of_file.design, open_data(path))
    with pytest.raises(DesignError, match="too many combinations"):
        merge_sums(of_file.design, of_file.design)


@pytest.mark.parametrize("kind", ["int32", "uint16", "float64", "bool", "string", "decimal"])
def test_labels_of_any_type_are_read(kind, tmp_path):
    values = np.array([3, 1, 1, 0, 1, 3] * 50)
    column = pa.array(values != 1) if kind == "bool" else pa.array(values)
    types = {"decimal": pa.decimal128(20, 0), "string": pa.string()}
    column = column.cast(types.get(kind, kind if kind != "bool" else pa.bool_()))
    table = pa.table({"g": column})
    pq.write_table(table, tmp_path / "labels.parquet")
    for data in (open_data(tmp_path / "labels.parquet"), table):
        scan = as_scan(data)
        found = []
        for batch in read_batches(scan, {"g": scan.col("g")}, rows=64):
            one = batch["g"]
            found += (
                np.array(one.levels)[one.places].tolist()
                if isinstance(one, Labelled)
                else one.tolist()
            )
        assert sorted(str(one) for one in found) == sorted(str(one) for one in column.to_pylist())
