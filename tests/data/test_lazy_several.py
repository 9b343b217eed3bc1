"""Sums of several grouping factors as queries: those of the rows, whatever reads them."""

import itertools

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm import (
    build_design,
    fit,
    for_kind,
    load_fit,
    load_sums,
    merge_sums,
    open_data,
    predict,
    save_fit,
    save_sums,
    sum_rows,
)
from bayes_mlm.base.errors import (
    DataError,
    DesignError,
    EngineError,
    SeveralFactorsError,
    StorageError,
)
from bayes_mlm.design import small_groups, sum_more_rows
from bayes_mlm.design.aggregated import checking
from bayes_mlm.engines import fit_several
from bayes_mlm.engines.crossed.route import crossed_table_of
from bayes_mlm.likelihood.sparse.factor import evaluate
from bayes_mlm.likelihood.sparse.plan import make_plan
from tests.helpers.lazy import ENGINES, difference as difference_by_group, rows_and_sums

FIXED = ("1", "x", "x * w", "x + colour", "center(x):colour", "0 + x + w", "x + between(x, g)")
BARS = (
    "(1 | g/h)",
    "(1 | g) + (1 | h:g)",
    "(x | g) + (1 | h:g)",
    "(1 | g) + (1 | k)",
    "(x || g) + (w | k)",
    "(1 | g:k) + (1 | h)",
    "(1 | g) + (0 + x | g) + (1 | k) + (1 | h:g)",
    "(colour | g) + (1 | k)",
)


def random_table(seed, *, offset=0.0, n=300):
    """Return classes h in schools g crossed with raters k: unbalanced, with empty cells."""
    rng = np.random.default_rng(seed)
    g = np.minimum(rng.geometric(0.25, n), 9)
    g[:9] = np.arange(1, 10)
    h = rng.integers(0, 1 + g % 4 + 1, n)
    k = rng.choice(["ann", "bob", "cy: d", "É"], n, p=[0.5, 0.3, 0.15, 0.05])
    return pd.DataFrame(
        {
            "g": g,
            "h": h,
            "k": k,
            "x": offset + rng.normal(size=n) + rng.normal(size=10)[g],
            "w": rng.normal(size=10)[g] if seed % 2 else rng.normal(size=n),
            "colour": rng.choice(["red", "blue", "green"], n),
            "y": 3.0 * offset + rng.normal(size=n) + rng.normal(size=10)[g],
        }
    )


def difference(rows, sums):
    """Return the largest difference of two designs' cross-products, relative to their sizes."""
    a, b = rows.cross_products(), sums.cross_products()
    assert (a.n, a.terms, a.places) == (b.n, b.terms, b.places)
    assert [one.factor for one in a.factors] == [one.factor for one in b.factors]
    found = [np.abs(a.total - b.total).max() / a.n]
    for one, other in zip(a.factors, b.factors, strict=True):
        assert np.array_equal(one.counts, other.counts)
        assert np.array_equal(one.free, other.free)
        assert one.effects == other.effects
        size = one.counts.max()
        found += [np.abs(one.own - other.own).max() / size]
        found += [np.abs(one.right - other.right).max() / size]
        found += [np.abs(one.transform - other.transform).max() / np.abs(one.transform).max()]
    for pair, one in a.cells.items():
        other = b.cells[pair]
        assert np.array_equal(one.rows, other.rows)
        assert np.array_equal(one.columns, other.columns)
        found += [np.abs(one.products - other.products).max() / np.abs(one.products).max()]
    found += [np.abs(a.transform - b.transform).max() / np.abs(a.transform).max()]
    return max(found)


def same_terms(rows, sums):
    for one, other in zip(rows.group_terms, sums.group_terms, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        assert one.labels.dtype.kind == other.labels.dtype.kind
        assert (one.factor, one.effects, one.correlated) == (
            other.factor, other.effects, other.correlated,
        )  # fmt: skip
        assert np.array_equal(one.sizes, other.sizes)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, -1e3]),
    fixed=st.sampled_from(FIXED),
    bars=st.sampled_from(BARS),
    engine=st.sampled_from(sorted(ENGINES)),
)
def test_any_design_gives_the_sums_that_its_rows_have(seed, offset, fixed, bars, engine):
    table = random_table(seed, offset=offset)
    formula = f"y ~ {fixed} + {bars}"
    designs = rows_and_sums(formula, table, engine)
    if designs is None:
        return
    rows, sums = designs
    assert not sums.has_rows
    assert difference(rows, sums) < 1e-9
    same_terms(rows, sums)
    assert set(rows.notes) <= set(sums.notes)  # labels that look reused, groups that are few


@pytest.mark.parametrize("bars", ["(1 | g/h)", "(x | g) + (1 | k)"])
def test_an_offset_of_a_billion_costs_the_likelihood_nothing(bars):
    """Rounding of y at 1e9 is 1e-7 of its sd; both read the same rounded values."""
    table = random_table(5).assign(y=lambda t: t.y + 1e9, x=lambda t: t.x + 1e6)
    formula = f"y ~ x + {bars}"
    rows, sums = build_design(formula, table), sum_rows(formula, duckdb.from_df(table))
    points = np.random.default_rng(1).normal(size=(5, sum(t.q**2 for t in rows.group_terms)))
    found = []
    for design in (rows, sums):
        products = design.cross_products()
        logdet, root = evaluate(make_plan(products), points)
        found.append((logdet, root[:, -1, -1] * products.y_scale))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-9)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-7)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_fit_to_files_is_that_to_rows(tmp_path, suffix):
    table = random_table(11)
    path = tmp_path / f"data.{suffix}"
    getattr(table, f"to_{suffix}")(path, index=False)
    formula = "y ~ x * colour + (x | g) + (1 | h:g) + (1 | k)"
    rows = fit_several(build_design(formula, table))
    found = fit(formula, open_data(path), engine="reml")
    assert not found.design.has_rows
    sums = found.solution
    assert sums.certificate.ok
    assert sums.loglik == pytest.approx(rows.loglik, abs=1e-8)
    np.testing.assert_allclose(sums.beta, rows.beta, rtol=1e-6, atol=1e-8)
    for one, other in zip(sums.factors, rows.factors, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        np.testing.assert_allclose(one.sigma_u, other.sigma_u, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.u, other.u, atol=1e-5)


def test_nested_sums_have_one_cell_a_class():
    table = random_table(2)
    design = sum_rows("y ~ x + (1 | g/h)", table)
    cells = design.aggregated.cells
    assert cells.J == len(table.groupby(["g", "h"])) == design.group_terms[1].J
    assert "(x | g)" not in str(design)
    assert design.n == len(table)


@pytest.mark.parametrize("bars", BARS[:4])
def test_parts_merge_to_the_whole_in_any_order(tmp_path, bars):
    table = random_table(8, n=500).sort_values(["k", "g"])  # parts have different levels
    formula = f"y ~ x + colour + {bars}"
    whole = sum_rows(formula, table)
    edges = [0, 60, 200, 370, 500]
    parts = []
    for k, (start, end) in enumerate(itertools.pairwise(edges)):
        part = sum_more_rows(whole, table.iloc[start:end])
        parts.append(load_sums(save_sums(part, tmp_path / f"{k}.sums")))
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        merged = parts[order[0]]
        for k in order[1:]:
            merged = merge_sums(merged, parts[k])
        assert difference(whole, merged) < 1e-9
        same_terms(whole, merged)
        assert len(merged.batches) == 4
    paired = merge_sums(merge_sums(parts[3], parts[0]), merge_sums(parts[1], parts[2]))
    assert difference(whole, paired) < 1e-9
    assert fit_several(paired).loglik == pytest.approx(fit_several(whole).loglik, abs=1e-8)
    with pytest.raises(DesignError, match="are in the first already"):
        merge_sums(merged, parts[2])


def test_a_file_has_what_was_summed(tmp_path):
    table = random_table(9)
    design = sum_rows("y ~ x + (x || g) + (1 | k)", table)
    again = load_sums(save_sums(design, tmp_path / "a.sums"))
    assert again.factors == ("g", "k")
    assert again.formula == design.formula
    assert difference(design, again) == 0.0
    same_terms(design, again)
    assert again.notes == design.notes
    assert fit(tmp_path / "a.sums", engine="reml").solution.loglik == pytest.approx(
        fit_several(design).loglik, abs=1e-12
    )
    few = small_groups(design, 3)
    assert few == (table.groupby(["g", "k"]).size() < 3).sum() > 0
    with pytest.raises(StorageError, match=f"{few} of .* combinations of levels have fewer than 3"):
        save_sums(design, tmp_path / "b.sums", least_rows=3)


def test_sums_of_one_site_are_completed_by_others(tmp_path):
    """One school's classes do not determine the variance of schools; those of several do."""
    table = random_table(3)
    whole = sum_rows("y ~ x + (1 | g/h)", table)
    parts = [sum_more_rows(whole, table[table.g == g]) for g in sorted(set(table.g))]
    with pytest.raises(DesignError, match="one group of 'g'"):
        fit(parts[0], engine="reml")
    merged = parts[0]
    for part in parts[1:]:
        merged = merge_sums(merged, part)
    assert difference(whole, merged) < 1e-9
    assert fit(merged, engine="reml").verdict.ok


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        ("(1 | g) + (1 | g2)", "divide the rows into the same"),
        ("(1 | g) + (1 | row)", "every group of 'row' has one row"),
        ("(1 | g) + (1 | pair)", "the variance of the residuals"),
        ("(1 | g) + (1 | one)", "one"),
        ("(1 | g/k) + (1 | gap)", "column 'gap' has 1 missing value"),
        ("(1 | g) + (1 | nowhere)", "nowhere"),
    ],
)
def test_a_structure_that_rows_refuse_is_refused_in_sums(bars, message):
    table = random_table(4).assign(
        g2=lambda t: 7 * t.g + 1, row=range(300), one=1, gap=lambda t: t.h.where(t.index != 5)
    )
    pair = np.arange(300)
    table["pair"] = pair
    formula = f"y ~ x + {bars}"
    if "pair" in bars:  # the interaction of two factors has one row a level
        table["pair"] = np.arange(300) % 150
        table["half"] = np.arange(300) // 150
        formula = "y ~ x + (1 | g) + (1 | pair:half)"
        message = "every group of 'pair:half' has one row"
    for made in (build_design, sum_rows):
        with pytest.raises((DataError, DesignError)) as error:
            made(formula, table)
        assert message in str(error.value) or made is build_design


def test_reused_labels_are_noticed_in_merged_sums():
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(8), 40)
    table = pd.DataFrame({"school": school, "class": np.tile(np.arange(4), 80)})
    table["y"] = rng.normal(size=320) + rng.normal(size=8)[school]
    formula = "y ~ 1 + (1 | school) + (1 | class)"
    whole = sum_rows(formula, table)
    assert any("did you mean school/class (32 groups instead of 4)?" in n for n in whole.notes)
    parts = [sum_more_rows(whole, table.iloc[k::2]) for k in range(2)]
    merged = merge_sums(*parts)
    assert sum("did you mean school/class" in note for note in merged.notes) == 1


def test_rows_with_a_missing_label_are_dropped_when_asked():
    table = random_table(6)
    table["h"] = table.h.astype(float).where(table.g != 3)
    formula = "y ~ x + (1 | g) + (1 | h:g)"
    rows = build_design(formula, table, missing="drop")
    sums = sum_rows(formula, table, missing="drop")
    assert sums.n_dropped == rows.n_dropped > 0
    assert any("groups (g) had a missing value" in note for note in sums.notes)
    assert difference(rows, sums) < 1e-9
    same_terms(rows, sums)


def test_a_column_of_groups_is_constant_within_those_of_some_factor():
    table = random_table(7).assign(size=lambda t: t.groupby("k").x.transform("mean"))
    formula = "y ~ x + size + (1 | g/h) + (1 | k)"
    sum_rows(formula, table, group_level=["size"])
    with pytest.raises(DataError, match="'x' was declared constant within 'g' but varies"):
        sum_rows(formula, table, group_level=["x"])


def test_many_indicators_are_summed_by_finer_cells():
    rng = np.random.default_rng(2)
    table = random_table(1, n=2000).assign(m=rng.choice(list("abcdefghijklmnopqrstuvwxy"), 2000))
    formula = "y ~ x + m + (x | g) + (1 | h:g)"
    assert difference(build_design(formula, table), sum_rows(formula, table)) < 1e-9


def test_crossed_cells_are_counted_before_they_take_memory(monkeypatch):
    table = random_table(1)
    cells = len(table.groupby(["g", "k"]))
    monkeypatch.setattr(checking, "free_memory", lambda: 1000.0)
    monkeypatch.setattr("bayes_mlm.base.memory.free_memory", lambda: 1000.0)
    monkeypatch.setattr("bayes_mlm.base.memory._SMALL", 0.0)
    with pytest.raises(EngineError, match=f"sums by g and k, whose levels have {cells:,} comb"):
        sum_rows("y ~ x + (1 | g) + (1 | k)", table)


def test_the_levels_of_each_factor_have_the_moments_of_their_rows():
    table, formula = random_table(10), "y ~ x + colour + (x | g) + (1 | h:g) + (1 | k)"
    rows, sums = build_design(formula, table), sum_rows(formula, duckdb.from_df(table))
    for place in range(3):
        assert difference_by_group(rows.of_factor(place), sums.of_factor(place)) < 1e-12


def test_draws_from_sums_are_those_from_rows_and_are_saved(tmp_path):
    table, formula = random_table(13), "y ~ x + (1 | g/h)"
    rows = fit(formula, table, engine="direct", random_seed=2)
    sums = fit(sum_rows(formula, table), engine="direct", random_seed=2)
    for name in ("beta", "sigma_u_g", "sigma_u_h:g", "sigma_e"):
        np.testing.assert_allclose(sums.draws[name], rows.draws[name], rtol=1e-7, atol=1e-8)
    again = load_fit(save_fit(sums, tmp_path / "fit.nc"))
    assert difference(sums.design, again.design) == 0.0
    same_terms(sums.design, again.design)
    new = {"x": [0.0, 1.0], "g": [1, 2], "h": [0, 0]}
    np.testing.assert_allclose(predict(again, new).mean, predict(rows, new).mean, rtol=1e-6)


@pytest.mark.parametrize("text", [False, True])
def test_classes_of_their_own_labels_in_schools_are_no_crossing(monkeypatch, text):
    """A nested factor is sparse whatever its rows: it is summed, not read as lists of levels."""
    monkeypatch.setattr("bayes_mlm.design.aggregated.lists.MAX_COST", 0.0)
    monkeypatch.setattr("bayes_mlm.design.aggregated.lists.is_dense", lambda *_: True)
    monkeypatch.setattr("bayes_mlm.engines.crossed.route.MAX_COST", 0.0)
    monkeypatch.setattr("bayes_mlm.engines.crossed.route.is_dense", lambda *_: True)
    table = random_table(1).assign(own=lambda t: 10 * t.g + t.h)
    if text:
        table = table.assign(g=table.g.map("school {}".format))
    for bars, crossed in (("(1 | g) + (1 | own)", False), ("(1 | g) + (1 | k)", True)):
        rows = build_design(f"y ~ x + {bars}", table)
        sums = sum_rows(f"y ~ x + {bars}", duckdb.from_df(table))
        assert (sums.crossed is not None) == crossed
        assert (crossed_table_of(rows) is not None) == crossed
        if not crossed:
            assert difference(rows, sums) < 1e-9


def test_group_effects_are_left_out_of_a_pooled_model():
    table, formula = random_table(1), "y ~ x + (1 | g) + (1 | k)"
    rows, sums = (for_kind(made(formula, table), "pooled") for made in (build_design, sum_rows))
    assert sums.factors == rows.factors == ("g", "k")
    assert not sums.has_group_effects
    np.testing.assert_allclose(
        sums.aggregated.cells.moments[0][:2], rows.X.mean(axis=0), rtol=1e-12
    )
    with pytest.raises(SeveralFactorsError, match="the mundlak model takes one grouping factor"):
        for_kind(sum_rows(formula, table), "mundlak")
