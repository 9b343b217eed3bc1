"""Sums that are kept: saved, merged with those of further rows, refitted without the old."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import (
    build_design,
    fit,
    fit_reml,
    load_hsb,
    load_sums,
    merge_sums,
    save_sums,
    small_groups,
    sum_more_rows,
    sum_rows,
    write_group_effects,
)
from bayes_mlm.base.errors import BayesMLMError, DesignError, EngineError, StorageError
from bayes_mlm.engines.recovery import recover_effects

HSB = load_hsb()
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"
TEXT = "mathach ~ ses * kind + (ses | schoolid)"
SECTORS = HSB.assign(kind=np.where(HSB.sector == 1, "Catholic", "Public"))


def same(one, other, rel=1e-10):
    a, b = one.moments(), other.moments()
    assert (a.terms, a.effects, a.group) == (b.terms, b.effects, b.group)
    assert a.labels.tolist() == b.labels.tolist()
    assert np.array_equal(a.counts, b.counts)
    np.testing.assert_allclose(a.means + a.centre, b.means + b.centre, rtol=rel, atol=1e-12)
    np.testing.assert_allclose(a.scatter, b.scatter, rtol=rel, atol=1e-9)


@pytest.mark.parametrize("formula", [FORMULA, TEXT, "mathach ~ ses", "mathach ~ scale(ses) * kind"])
def test_what_is_saved_comes_back(formula, tmp_path):
    design = sum_rows(formula, SECTORS)
    again = load_sums(save_sums(design, tmp_path / "d.sums"))
    same(design, again, rel=0)
    assert str(again.formula) == str(design.formula)
    assert again.encoding == design.encoding
    assert fit(again, random_seed=1).verdict.ok


def test_text_labels_come_back(tmp_path):
    named = HSB.assign(schoolid="school " + HSB.schoolid.astype(str))
    design = sum_rows(FORMULA, named)
    again = load_sums(save_sums(design, tmp_path / "d.sums"))
    assert again.labels.tolist() == design.labels.tolist()


@pytest.mark.parametrize("split", ["rows", "schools"])
@pytest.mark.parametrize("formula", [FORMULA, TEXT, "mathach ~ center(ses) + (1 | schoolid)"])
def test_batches_add_up_to_the_whole(split, formula, tmp_path):
    first = SECTORS.schoolid < 4000 if split == "schools" else np.arange(len(HSB)) % 3 > 0
    if "center" in formula:  # the first batch gives the constant, whatever comes later
        year1 = sum_rows(formula, SECTORS[first])
        both = merge_sums(year1, sum_more_rows(year1, SECTORS[~first]))
        whole = sum_more_rows(year1, SECTORS)
    else:
        year1 = load_sums(save_sums(sum_rows(formula, SECTORS[first]), tmp_path / "1.sums"))
        both = merge_sums(year1, sum_more_rows(year1, SECTORS[~first]))
        whole = sum_rows(formula, SECTORS)
    same(both, whole)
    found, wanted = fit(both, random_seed=1), fit(whole, random_seed=1)
    np.testing.assert_allclose(found.draws["beta"], wanted.draws["beta"], rtol=1e-8, atol=1e-8)


def test_sites_pool_without_a_row_between_them(tmp_path):
    parts = [
        load_sums(save_sums(sum_rows(FORMULA, part), tmp_path / f"{k}.sums"))
        for k, (_, part) in enumerate(HSB.groupby(HSB.schoolid % 5))
        if part.sector.nunique() > 1
    ]
    assert len(parts) == 5
    pooled = parts[0]
    for part in parts[1:]:
        pooled = merge_sums(pooled, part)
    assert fit_reml(pooled).loglik == pytest.approx(fit_reml(sum_rows(FORMULA, HSB)).loglik)


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (FORMULA, "mathach ~ ses + (1 | schoolid)", "different formulas"),
        ("mathach ~ ses + (1 | schoolid)", "mathach ~ ses + (1 | size)", "different formulas"),
        ("mathach ~ ses * kind + (1 | schoolid)", None, "categories of 'kind'"),
        ("mathach ~ center(ses) + (1 | schoolid)", "", "different means"),
        ("mathach ~ within(ses) + (1 | schoolid)", "", "group means"),
    ],
)
def test_what_is_of_another_model_is_refused(one, other, says):
    first = sum_rows(one, SECTORS[::2])
    odd = SECTORS[1::2]
    if other is None:
        odd = odd.assign(kind=odd.kind.replace("Public", "State"))
    second = sum_rows(other or one, odd)
    with pytest.raises(DesignError, match=says):
        merge_sums(first, second)


def test_rows_are_not_added_twice(tmp_path):
    year1, year2 = sum_rows(FORMULA, HSB[:3500]), sum_rows(FORMULA, HSB[3500:])
    both = merge_sums(load_sums(save_sums(year1, tmp_path / "1.sums")), year2)
    again = load_sums(save_sums(both, tmp_path / "both.sums"))
    shuffled = HSB[3500:].sample(frac=1.0, random_state=1)  # the order of the rows is no matter
    for more in (year1, sum_more_rows(year1, HSB[:3500]), sum_rows(FORMULA, shuffled), again):
        with pytest.raises(
            DesignError, match=r"[12] of [12] sets of rows in the second sums are in the first"
        ):
            merge_sums(again, more)
    other = HSB[3500:].assign(mathach=HSB.mathach.iloc[3500:] + 0.001)
    assert merge_sums(again, sum_rows(FORMULA, other)).n == 7185 + 3685


def wave(seed, **changed):
    rng = np.random.default_rng(seed)
    columns = {"g": np.arange(40) % 4, "x": rng.normal(size=40), "y": rng.normal(size=40)}
    return pd.DataFrame(columns).assign(**changed)


@pytest.mark.parametrize(
    ("formula", "one", "other"),
    [  # each pair agrees in its numbers of rows, labels, and more
        ("y ~ x + (1 | g)", wave(1), wave(1, y=wave(1).y.to_numpy()[::-1])),
        ("y ~ x", wave(1), wave(1, y=wave(1).y.to_numpy()[::-1])),
        ("y ~ 1 + (1 | g)", wave(1, y=wave(1).y + 1e8), wave(2, y=3 * wave(2).y + 1e8)),
        ("y ~ x + (1 | g)", wave(1), wave(1, g=(np.arange(40) % 4)[::-1])),
    ],
)
def test_different_rows_are_not_taken_for_the_same(formula, one, other):
    def scaled(table):  # as z-scores within each site are, whose means and sds say nothing
        return table.assign(x=(table.x - table.x.mean()) / table.x.std())

    found = merge_sums(sum_rows(formula, scaled(one)), sum_rows(formula, scaled(other)))
    assert found.n == 80
    again = sum_rows(formula, scaled(other).sample(frac=1.0, random_state=3))
    with pytest.raises(DesignError, match="are in the first already"):
        merge_sums(found, again)
    assert merge_sums(found, again, allow_repeats=True).n == 120


def test_sites_of_one_school_and_one_sector_pool_by_a_plan(tmp_path):
    sites = [one for _, one in SECTORS[SECTORS.schoolid < 2000].groupby("schoolid")]
    rng = np.random.default_rng(1)
    made_up = SECTORS.sample(50, random_state=2).assign(schoolid=rng.integers(1, 9, 50))
    plan = load_sums(save_sums(sum_rows(TEXT, made_up), tmp_path / "plan.sums"))
    parts = [
        load_sums(save_sums(sum_more_rows(plan, site), tmp_path / f"{k}.sums"))
        for k, site in enumerate(sites)
    ]
    with pytest.raises(DesignError, match="one group .* merge"):
        fit(parts[0])
    pooled = parts[0]
    for part in parts[1:]:
        pooled = merge_sums(pooled, part)
    same(pooled, sum_rows(TEXT, SECTORS[SECTORS.schoolid < 2000]))


def test_sums_are_named_as_sums(tmp_path):
    with pytest.raises(StorageError, match=r"must end in \.sums.* d\.sums"):
        save_sums(sum_rows(FORMULA, HSB), tmp_path / "d.csv")
    HSB.to_csv(tmp_path / "rows.csv")
    with pytest.raises(StorageError, match="contains no sums"):
        load_sums(tmp_path / "rows.csv")


def test_a_category_that_the_first_batch_never_saw_is_named():
    first = sum_rows(TEXT, SECTORS)
    odd = SECTORS[:50].assign(kind="Charter")
    with pytest.raises(BayesMLMError, match="Charter"):
        sum_more_rows(first, odd)


def test_a_design_with_rows_is_no_sums(tmp_path):
    """Its residuals may have a structure, which sums do not."""
    with pytest.raises(StorageError, match="has rows; aggregate them"):
        save_sums(build_design(FORMULA, HSB), tmp_path / "d.sums")


def test_small_groups_are_counted_and_can_be_refused(tmp_path):
    few = pd.concat([HSB[HSB.schoolid != 1224], HSB[HSB.schoolid == 1224][:2]])
    design = sum_rows(FORMULA, few)
    assert small_groups(design, 5) == 1
    with pytest.raises(StorageError, match="1 of 160 groups"):
        save_sums(design, tmp_path / "d.sums", least_rows=5)
    assert not list(tmp_path.iterdir())


def test_no_row_is_in_the_file(tmp_path):
    path = save_sums(sum_rows(FORMULA, HSB), tmp_path / "d.sums")
    table = pq.read_table(path)
    assert table.num_rows == 160
    # As many numbers a school as a mean and a triangle need, whatever its number of students.
    assert table.num_columns == 2 + 4 + 10


def damaged(path, how):
    if how == "half":
        path.write_bytes(path.read_bytes()[:800])
    elif how == "other":
        pq.write_table(pa.table({"a": [1]}), path)
    elif how == "unsealed":
        pq.write_table(pq.read_table(path), path)
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("half", "cannot be read"),
        ("other", "contains no sums"),
        ("unsealed", "no checksum.*earlier version; copy it again, or sum the data anew"),
        ("gone", "there is no file"),
    ],
)
def test_a_file_that_is_not_whole_says_so(how, says, tmp_path):
    path = save_sums(sum_rows(FORMULA, HSB), tmp_path / "d.sums")
    damaged(path, how)
    with pytest.raises(StorageError, match=says):
        load_sums(path)
    with pytest.raises(StorageError, match=says):
        fit(path)


def test_saved_sums_are_a_model_and_data_of_their_own_formula_only(tmp_path):
    path = save_sums(sum_rows(FORMULA, HSB), tmp_path / "d.sums")
    wanted = fit(FORMULA, HSB, random_seed=1).draws["beta"]
    np.testing.assert_allclose(fit(path, random_seed=1).draws["beta"], wanted, rtol=1e-8, atol=1e-8)
    named = fit(FORMULA, path, random_seed=1)
    np.testing.assert_allclose(named.draws["beta"], wanted, rtol=1e-8, atol=1e-8)
    assert fit(path, kind="mundlak", random_seed=1).design.kind == "mundlak"
    with pytest.raises(BayesMLMError, match="sums of 'mathach"):
        fit("mathach ~ ses + (1 | schoolid)", path)
    with pytest.raises(BayesMLMError, match="fitted without data"):
        fit(path, HSB)
    with pytest.raises(BayesMLMError, match="need the rows"):
        fit(FORMULA, path, family="student_t")


# --- effects of many groups -------------------------------------------------------------------


@pytest.mark.parametrize("formula", [FORMULA, "mathach ~ ses + (ses | schoolid)"])
def test_the_table_of_effects_agrees_with_draws_of_them(formula, tmp_path):
    fitted = fit(formula, HSB, rows="sum", random_seed=1)
    table = pq.read_table(write_group_effects(fitted, tmp_path / "u.parquet")).to_pandas()
    assert len(table) == 160 * fitted.design.q
    u = recover_effects(fitted.design, fitted.draws, 2)
    for k, effect in enumerate(fitted.design.effects):
        own = table[table.effect == effect]
        assert own.group.tolist() == fitted.design.labels.tolist()
        assert own.n.tolist() == fitted.design.group_sizes.tolist()
        draws = u["u"][..., k].reshape(-1, 160)
        # 4,000 draws: five Monte Carlo standard errors of a mean, and of an sd.
        assert np.abs(own["mean"] - draws.mean(0)).max() < 5 * draws.std(0).max() / np.sqrt(4000)
        np.testing.assert_allclose(own.sd, draws.std(0), rtol=5 / np.sqrt(8000))
        inside = ((draws >= own.lower.to_numpy()) & (draws <= own.upper.to_numpy())).mean()
        assert inside == pytest.approx(0.95, abs=0.01)


def test_a_hundred_thousand_groups_are_written_a_part_at_a_time(tmp_path, monkeypatch):
    from bayes_mlm.engines import recovery

    rng = np.random.default_rng(1)
    n_groups = 100_000
    g = np.repeat(np.arange(n_groups), 3)
    u = rng.normal(size=n_groups)
    table = pa.table({"g": g, "x": rng.normal(size=g.size), "y": u[g] + rng.normal(size=g.size)})
    sizes = []
    before = recovery.summarise_effects

    def watched(part, kernel, given):
        sizes.append(len(part.of_group))
        return before(part, kernel, given)

    monkeypatch.setattr(recovery, "summarise_effects", watched)
    fitted = fit("y ~ x + (1 | g)", table, rows="sum", random_seed=1)
    assert "u" not in fitted.draws.posterior  # 400 million numbers
    found = pq.read_table(write_group_effects(fitted, tmp_path / "u.parquet")).to_pandas()
    assert len(found) == n_groups
    assert max(sizes) <= 50_000
    inside = (found.lower <= u) & (u <= found.upper)
    assert inside.mean() == pytest.approx(0.95, abs=0.005)


def test_a_model_without_group_effects_writes_none(tmp_path):
    with pytest.raises(EngineError, match="no random effects"):
        write_group_effects(fit("mathach ~ ses", HSB, random_seed=1), tmp_path / "u.parquet")
    assert not list(tmp_path.iterdir())
