"""GroupMoments statistics: what they hold, that they merge, and what a reduction refuses."""

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import DesignError
from bayes_mlm.likelihood.gaussian import profiled_loglik
from bayes_mlm.moments.group_moments import GroupMoments, from_rows, merge
from bayes_mlm.moments.rotated import rotate_moments


def random_rows(seed, *, n=60, n_groups=7, q=2):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_groups, n)
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x, rng.normal(size=n_groups)[codes]])
    Z = X[:, :q]
    y = X @ [3.0, 2.0, -1.0] + rng.normal(size=n_groups)[codes] + rng.normal(size=n)
    return y, X, Z, codes, n_groups


def same(a: GroupMoments, b: GroupMoments, *, rtol=1e-12):
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.counts, b.counts)
    full = a.counts > 0
    np.testing.assert_allclose((a.means + a.centre)[full], (b.means + b.centre)[full], rtol=rtol)
    # Scatter of a column that is constant within groups is rounding of its square.
    np.testing.assert_allclose(a.scatter, b.scatter, rtol=rtol, atol=1e-11)


def test_statistics_are_counts_means_and_scatter():
    y, X, Z, codes, n_groups = random_rows(1)
    s = from_rows(y, X, Z, codes, n_groups)
    W = np.column_stack([X, Z, y])
    for j in range(n_groups):
        rows = W[codes == j]
        assert s.counts[j] == len(rows)
        np.testing.assert_allclose(s.means[j] + s.centre, rows.mean(axis=0), rtol=1e-13)
        d = rows - rows.mean(axis=0)
        # Sums of some ten products of order one: rounding of 1e-14.
        np.testing.assert_allclose(s.scatter[j], d.T @ d, atol=1e-13)


def test_both_ways_of_summing_agree():
    # Many columns take the product a group, few the weighted counts; here both see y and X.
    rng = np.random.default_rng(2)
    n, codes = 400, np.repeat(np.arange(4), 100)
    X, y = rng.normal(size=(n, 40)), rng.normal(size=n)
    wide = from_rows(y, X, np.ones((n, 1)), codes, 4)
    narrow = from_rows(y, X[:, :2], np.ones((n, 1)), codes, 4)
    pick = [0, 1, 40, 41]
    np.testing.assert_allclose(wide.means[:, pick], narrow.means, atol=1e-15)
    np.testing.assert_allclose(wide.scatter[:, pick][:, :, pick], narrow.scatter, atol=1e-12)


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 59))
def test_merged_parts_equal_one_pass(seed, cut):
    y, X, Z, codes, n_groups = random_rows(seed)
    parts = [
        from_rows(y[rows], X[rows], Z[rows], codes[rows], n_groups)
        for rows in (slice(None, cut), slice(cut, None))
    ]
    same(parts[0] + parts[1], from_rows(y, X, Z, codes, n_groups), rtol=1e-10)


def test_merge_matches_groups_by_label():
    y, X, Z, codes, n_groups = random_rows(3)
    labels = np.array(["g", "f", "e", "d", "c", "b", "a"])
    whole = from_rows(y, X, Z, codes, n_groups, labels=labels)
    first, second = codes < 4, codes >= 2
    half = np.arange(len(y)) % 2 == 0
    # Part one knows g f e d; part two e d c b a; the rows of e and d are split between them.
    one = first & ~(second & half)
    two = second & ~(first & ~half)
    a = from_rows(y[one], X[one], Z[one], codes[one], 4, labels=labels[:4])
    b = from_rows(y[two], X[two], Z[two], codes[two] - 2, 5, labels=labels[2:])
    merged = a + b
    back = np.argsort(labels)
    np.testing.assert_array_equal(merged.labels, labels[back])
    np.testing.assert_array_equal(merged.counts, whole.counts[back])
    np.testing.assert_allclose(merged.means + merged.centre, (whole.means + whole.centre)[back])
    np.testing.assert_allclose(merged.scatter, whole.scatter[back], atol=1e-12)


def test_merge_refuses_another_model():
    y, X, Z, codes, n_groups = random_rows(4)
    a = from_rows(y, X, Z, codes, n_groups)
    b = from_rows(y, X[:, :2], Z, codes, n_groups)
    with pytest.raises(DesignError, match="different models"):
        merge(a, b)


@given(seed=st.integers(0, 1000))
def test_row_order_does_not_matter(seed):
    y, X, Z, codes, n_groups = random_rows(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    a = from_rows(y, X, Z, codes, n_groups)
    b = from_rows(y[order], X[order], Z[order], codes[order], n_groups)
    same(a, b, rtol=1e-12)


def test_groups_of_equal_design_share_a_class():
    rng = np.random.default_rng(5)
    n_groups, days = 30, np.arange(10.0)
    X = np.tile(np.column_stack([np.ones(10), days]), (n_groups, 1))
    y, codes = rng.normal(size=10 * n_groups), np.repeat(np.arange(n_groups), 10)
    reduced = rotate_moments(from_rows(y, X, X, codes, n_groups))
    assert len(reduced.size) == 1
    assert reduced.size[0] == n_groups
    # A random intercept is sorted by group size alone, whatever the predictors.
    counts = rng.integers(2, 6, 500)
    codes = np.repeat(np.arange(500), counts)
    x = rng.normal(size=len(codes))
    one = np.ones((len(codes), 1))
    reduced = rotate_moments(from_rows(x, np.column_stack([one[:, 0], x**2]), one, codes, 500))
    assert len(reduced.size) == len(np.unique(counts))
    np.testing.assert_allclose(np.sort(reduced.r[:, 0, 0] ** 2), np.unique(counts), rtol=1e-14)


def test_a_group_without_rows_changes_nothing():
    y, X, Z, codes, n_groups = random_rows(6)
    s = np.array([[[0.5, 0.1], [0.1, 0.3]]])
    with_empty = rotate_moments(from_rows(y, X, Z, codes, n_groups + 1))
    without = rotate_moments(from_rows(y, X, Z, codes, n_groups))
    np.testing.assert_allclose(
        profiled_loglik(with_empty, s, "REML"), profiled_loglik(without, s, "REML"), rtol=1e-14
    )


@pytest.mark.parametrize(
    ("columns", "terms", "alias"),
    [
        (lambda x, s: [1 + 0 * x, x, 2 * x - 3], ("Intercept", "a", "b"), "'b'|'a'"),
        (lambda x, s: [1 + 0 * x, x, 0 * x + 4], ("Intercept", "a", "c"), "'c' does not vary"),
        (lambda x, s: [x, 0 * x], ("a", "zero"), "'zero' is zero in every row"),
        (lambda x, s: [1 + 0 * x, s, 1 - s], ("Intercept", "public", "catholic"), "'catholic'"),
        (lambda x, s: [s, 1 - s, x, x + s], ("public", "catholic", "x", "w"), "'w'|'x'"),
    ],
)
def test_an_aliased_column_is_named(columns, terms, alias):
    rng = np.random.default_rng(7)
    n = 50
    x, s = rng.normal(size=n), (np.arange(n) % 2).astype(float)
    X = np.column_stack(columns(x, s))
    with pytest.raises(DesignError, match=alias):
        rotate_moments(from_rows(x**2, X, np.ones((n, 1)), np.arange(n) % 5, 5, terms=terms))


def test_a_predictor_confounded_with_the_dummies_is_named():
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(6), 5)
    sector = (codes % 2).astype(float)
    dummies = (codes[:, None] == np.arange(6)).astype(float)
    X = np.column_stack([sector, rng.normal(size=30), dummies])
    terms = ["sector", "ses", *(f"schoolid[{j}]" for j in range(6))]
    with pytest.raises(DesignError, match="column 'sector' is a linear combination of 'schoolid"):
        rotate_moments(from_rows(rng.normal(size=30), X, np.empty((30, 0)), codes, 6, terms=terms))


def test_a_nearly_collinear_pair_is_not_refused():
    # 1e-4 is the closeness that issue 3 asks for; it leaves half of the sixteen digits.
    rng = np.random.default_rng(9)
    x = rng.normal(size=100)
    X = np.column_stack([np.ones(100), x, x + 1e-4 * rng.normal(size=100)])
    assert rotate_moments(from_rows(x, X, np.ones((100, 1)), np.arange(100) % 9, 9)).p == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, X, Z, c: (y[:-1], X, Z, c, 7), "disagree"),
        (lambda y, X, Z, c: (y, X, Z, c, 3), "group codes run from 0 to 6"),
        (lambda y, X, Z, c: (y, X, Z, c - 1, 7), "group codes run from -1"),
        (lambda y, X, Z, c: (np.where(y > 3, np.nan, y), X, Z, c, 7), "y holds .* missing"),
        (lambda y, X, Z, c: (y, np.where(X > 1, np.inf, X), Z, c, 7), "X holds .* infinite"),
        (lambda y, X, Z, c: (y[:0], X[:0], Z[:0], c[:0], 7), "at least one row"),
    ],
)
def test_bad_rows_are_refused(change, message):
    y, X, Z, codes, _ = random_rows(10)
    with pytest.raises(DesignError, match=message):
        from_rows(*change(y, X, Z, codes))


def test_fewer_rows_than_columns_are_refused():
    X = np.random.default_rng(0).normal(size=(3, 3))
    with pytest.raises(DesignError, match="3 rows cannot estimate 3 coefficients"):
        rotate_moments(from_rows(X[:, 0], X, np.ones((3, 1)), np.array([0, 1, 1]), 2))


@pytest.mark.slow
def test_a_million_rows_take_a_moment():
    rng = np.random.default_rng(11)
    n, n_groups = 1_000_000, 10_000
    codes = rng.integers(0, n_groups, n)
    x, w = rng.normal(size=n), rng.normal(size=n_groups)[codes]
    X = np.column_stack([np.ones(n), x, w, x * w])
    y = x + w + rng.normal(size=n)
    began = time.process_time()
    from_rows(y, X, X[:, :1], codes, n_groups)
    # 0.35 s of CPU when written; four times that leaves room for a busy machine.
    assert time.process_time() - began < 1.5
