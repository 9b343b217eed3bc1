"""Interactions as grouping factors, and what several factors cannot be distinguished by.

The data of a case: classes numbered 1 to 4 in most of 12 schools, one school with classes 1, 11, 12
and 21 (`cases/40-reused-class-labels/data.csv`, simulated).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit, fit_reml, load_fit, predict, save_fit
from bayes_mlm.base.errors import BayesMLMError, DataError, DesignError, FormulaError
from bayes_mlm.data import as_table
from bayes_mlm.design import merge_sums, replay, sum_rows
from bayes_mlm.design.group_columns import columns_of_cells, columns_of_rows
from bayes_mlm.design.group_structure import check_group_terms
from bayes_mlm.design.terms import GroupTerm
from bayes_mlm.formula import parse_formula
from bayes_mlm.moments import CellFactor, by_cell, from_rows
from tests.helpers.lazy import difference

SCHOOLS = Path(__file__).parents[1] / "cases" / "40-reused-class-labels" / "data.csv"


@pytest.fixture(scope="module")
def schools():
    return pd.read_csv(SCHOOLS)


@pytest.mark.parametrize(
    ("bar", "written"),
    [
        ("(1 | school/class)", "(1 | school) + (1 | class:school)"),
        ("(1 | a/b/c)", "(1 | a) + (1 | b:a) + (1 | c:b:a)"),
        ("(x || a/b)", "(1 + x || a) + (1 + x || b:a)"),
        ("(1 | a:b/c)", "(1 | a:b) + (1 | c:a:b)"),
        ("(x | a) + (1 | `a class`:a)", "(1 + x | a) + (1 | `a class`:a)"),
        ("(1 | g) + (0 + x | g)", "(1 + x || g)"),
        ("(0 + x | g) + (1 | h) + (1 | g)", "(1 + x || g) + (1 | h)"),
    ],
)
def test_nested_and_repeated_factors_are_written_out(bar, written):
    """As lme4's expandSlash; the names are those that lme4 prints for two levels."""
    formula = parse_formula(f"y ~ x + {bar}")
    assert str(formula) == f"y ~ 1 + x + {written}"
    assert parse_formula(str(formula)) == formula
    assert formula.columns[:2] == ("y", "x")
    assert not any(":" in name for name in formula.columns)


@pytest.mark.parametrize(
    ("bar", "message"),
    [
        ("(1 | g) + (x | g)", "'g' has a group term already, and the intercept of its groups"),
        ("(1 | a:b) + (1 | b:a)", "'a:b' has a group term already"),
        ("(1 | a) + (1 | a/b)", "'a' has a group term already"),
        ("(1 + x | g) + (0 + z | g)", "'g' has a group term already: put all"),
        ("(1 | a/a)", "nested in itself"),
        ("(1 | a/log(b))", "the group is one column"),
        ("(1 | a*b)", r"write \(1 \| school/class\)"),
        ("(1 | y:b)", "is also the group"),
    ],
)
def test_factors_that_are_refused(bar, message):
    with pytest.raises(FormulaError, match=message):
        parse_formula(f"y ~ x + {bar}")


def test_levels_are_the_pairs(schools):
    """Levels and rows by pandas; lme4 1.1-31 has 12 and 48. Labels glued without a mark are 45."""
    design = build_design("y ~ ses + csize + (1 | school/class)", schools)
    school, inner = design.group_terms
    sizes = schools.groupby(["class", "school"]).size()
    assert (school.J, inner.J, len(sizes)) == (12, 48, 48)
    assert design.factors == ("school", "class:school")
    found = dict(zip(inner.labels.tolist(), inner.sizes.tolist(), strict=True))
    assert found == {f"{a}:{b}": n for (a, b), n in sizes.items()}
    pairs = [f"{a}:{b}" for a, b in zip(schools["class"], schools["school"], strict=True)]
    assert inner.row_labels.tolist() == pairs
    assert not design.notes


def test_one_interaction_is_fitted_by_reml(schools):
    """lme4 1.1-31: lmer(y ~ ses + csize + (1 | class:school), d)."""
    found = fit_reml(build_design("y ~ ses + csize + (1 | class:school)", schools))
    assert found.loglik == pytest.approx(-442.433229, abs=1e-5)
    column = schools.assign(unit=schools["class"].astype(str) + "/" + schools["school"].astype(str))
    other = fit_reml(build_design("y ~ ses + csize + (1 | unit)", column))
    assert found.loglik == pytest.approx(other.loglik, abs=1e-9)


def test_different_pairs_have_different_labels():
    """Texts with colons and backslashes, long ids, and decimals: as many labels as pairs."""
    rng = np.random.default_rng(5)
    texts = ["a", "a:b", "b", "b:c", "c", "a\\", "\\:b", ":", "::"]
    a, b = rng.choice(texts, 400), rng.choice(texts, 400)
    ids = 123_456_789_012_340 + rng.integers(0, 3, 400)
    frame = pd.DataFrame({"y": rng.normal(size=400), "a": a, "b": b, "id": ids, "d": ids % 2 + 0.5})
    for columns in (["a", "b"], ["b", "a", "d"], ["id", "a"]):
        term = build_design(f"y ~ 1 + (1 | {':'.join(columns)})", frame).group_terms[0]
        codes = frame.groupby(columns).ngroup().to_numpy()
        assert np.unique(codes).size == term.J
        assert np.unique(np.column_stack([codes, term.codes]), axis=0).shape[0] == term.J


def test_missing_parts_are_missing(schools):
    frame = schools.astype({"class": float})
    frame.loc[[0, 7], "class"] = np.nan
    with pytest.raises(DataError, match="'class' has 2 missing"):
        build_design("y ~ ses + (1 | school/class)", frame)
    design = build_design("y ~ ses + (1 | school/class)", frame, missing="drop")
    assert (design.n, design.n_dropped) == (238, 2)
    assert "1:1" in design.group_terms[1].labels.tolist()


def test_a_column_of_the_name_is_not_taken_for_it(schools):
    frame = schools.assign(**{"class:school": 1})
    with pytest.raises(DataError, match="has a column 'class:school'"):
        build_design("y ~ ses + (1 | class:school)", frame)
    frame["class:school"] = schools["school"]
    assert build_design("y ~ ses + (1 | `class:school`)", frame).J == 12


def test_new_rows_find_their_pair(schools):
    design = build_design("y ~ ses + (1 | school/class)", schools)
    rows = replay(design, as_table({"ses": [0.0] * 3, "school": [1, 11, 2], "class": [11, 1, 9]}))
    names = [
        term.labels[one.codes] for term, one in zip(design.group_terms, rows.groups, strict=True)
    ]
    assert names[0].tolist() == [1, 11, 2]
    assert names[1][:2].tolist() == ["11:1", "1:11"]
    assert rows.groups[1].codes[2] == -1
    alone = replay(design, as_table({"ses": [0.0], "school": [1]}))
    assert [one.codes[0] for one in alone.groups] == [0, -1]


def test_a_nested_fit_is_saved_and_predicts(schools, tmp_path):
    made = fit("y ~ ses + (1 | school/class)", schools, draws=50, chains=2, random_seed=3)
    save_fit(made, tmp_path / "fit.nc")
    again = load_fit(tmp_path / "fit.nc")
    assert again.design.factors == ("school", "class:school")
    assert again.design.formula == made.design.formula
    new = {"ses": [0.0, 0.0], "school": [1, 11], "class": [11, 1]}
    found = predict(again, new, kind="mean")
    beta, u, v = (made.draws[name] for name in ("beta", "u_school", "u_class:school"))
    schools_, pairs = (term.labels.tolist() for term in made.design.group_terms)
    for k, (school, pair) in enumerate([(1, "11:1"), (11, "1:11")]):
        effect = u[..., schools_.index(school), 0] + v[..., pairs.index(pair), 0]
        wanted = float((beta[..., 0] + effect).mean())
        assert found.mean[k] == pytest.approx(wanted, rel=1e-10)
    with pytest.raises(DataError, match="no class:school 9:1 "):
        predict(again, {"ses": [0.0], "school": [1], "class": [9]}, kind="mean")
    with pytest.raises(BayesMLMError, match="class"):
        predict(again, {"ses": [0.0], "school": [1]}, kind="mean")


def test_sums_by_an_interaction_are_those_of_its_rows(schools):
    rows = build_design("y ~ between(ses) + ses + (1 | class:school)", schools)
    sums = sum_rows("y ~ between(ses) + ses + (1 | class:school)", schools)
    assert sums.labels.tolist() == rows.labels.tolist()
    assert difference(rows, sums) < 1e-12


def test_reused_labels_are_noticed(schools):
    notes = build_design("y ~ ses + (1 | school) + (1 | class)", schools).notes
    assert any("class 1 occurs in 12 groups of school" in one for one in notes)
    assert any("did you mean school/class (48 groups instead of 7)?" in one for one in notes)


def test_crossed_factors_are_not_remarked_on():
    """Each rater scores each item once; or raters are drawn at random for each of many items."""
    rng = np.random.default_rng(8)
    rater, item = (one.ravel() for one in np.meshgrid(range(6), range(24)))
    full = pd.DataFrame({"y": rng.normal(size=144), "rater": rater, "item": item})
    part = pd.DataFrame(
        {"y": rng.normal(size=900), "rater": rng.integers(0, 60, 900), "item": np.arange(900) // 9}
    )
    for frame in (full, part):
        assert not build_design("y ~ 1 + (1 | rater) + (1 | item)", frame).notes


def _shops(seed=1, n_shops=20, n=8):
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(n_shops), n)
    x = rng.normal(size=shop.size)
    month = np.tile(np.arange(n), n_shops)
    frame = pd.DataFrame({"y": rng.normal(size=shop.size), "x": x, "id": shop * 7 + 3})
    frame["name"] = [f"s{k}" for k in shop]
    half = month // (n // 2)
    first = (month == 0).astype(int)
    return frame.assign(month=month, half=half, twice=2.0 * x, first=first, late=x * (1 - first))


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        ("(1 | id) + (1 | name)", "id and name divide the rows into the same 20 groups"),
        ("(x | id) + (0 + x | name)", "id and name divide the rows into the same 20 groups"),
        ("(1 | id) + (1 | id:name)", "id and id:name divide the rows into the same 20"),
        ("(1 | id/month)", "every group of 'month:id' has one row"),
        (
            "(x + twice | id) + (1 | half)",
            "twice by id cannot be distinguished from",
        ),
        ("(1 + late:first | id)", "late:first by id has no variance to estimate"),
        ("(1 + late:first || id) + (1 | month)", "late:first by id has no variance to estimate"),
    ],
)
def test_what_cannot_be_distinguished_is_refused(bars, message):
    with pytest.raises((DesignError, DataError), match=message):
        build_design(f"y ~ x + {bars}", _shops())


def test_sums_refuse_an_effect_that_is_zero_throughout():
    with pytest.raises(DesignError, match="late:first by id has no variance to estimate"):
        sum_rows("y ~ x + (1 + late:first | id)", _shops())


def test_one_partition_with_different_effects_is_one_term_of_independent_effects():
    """The model is that of (1 + x || id), which a formula can also write as two terms."""
    for bars in ("(1 | id) + (0 + x | name)", "(1 | id) + (0 + x | id)"):
        effects = [term.effects for term in build_design(f"y ~ x + {bars}", _shops()).group_terms]
        assert [name for one in effects for name in one] == ["Intercept", "x"]


def test_a_covariance_of_effects_that_no_group_has_both_of_hides_nothing():
    """Its matrix is zero, or 1e-15 by rounding, as the order of rows has it: it competes with none.

    The intercept of all shops has the two variances as its parts.
    """
    for seed in range(8):
        frame = _shops(seed=seed).sample(frac=0.8, random_state=seed)
        frame["public"] = np.where(frame["id"] % 2, "yes", "no")
        assert build_design("y ~ x + (0 + public | id) + (1 | month)", frame).group_terms[0].q == 2
        with pytest.raises(DesignError, match="of Intercept by name cannot be distinguished"):
            build_design("y ~ x + (0 + public | id) + (1 | name)", frame)


def _random_terms(rng):
    """Two or three terms over 4 to 12 rows: nested, crossed and unbalanced; one effect or two."""
    n = int(rng.integers(4, 13))
    pairs, terms = np.arange(n) // 2, []
    for place in range(int(rng.integers(2, 4))):
        size = int(rng.integers(2, n))
        previous = terms[-1].codes if terms else rng.permutation(pairs)
        codes = [
            pairs,
            rng.permutation(pairs),
            rng.integers(0, size, n),
            np.arange(n) % size,
            previous // 2,
            previous * 2 + rng.integers(0, 2, n),
        ][rng.integers(6)]
        labels, codes = np.unique(codes, return_inverse=True)
        slopes = [
            rng.integers(0, 2, n),
            rng.integers(-1, 2, n),
            rng.normal(size=n),
            np.where(np.arange(n) % 2, 1.0, -0.5),  # the same two values in every pair of rows
        ]
        slope = np.asarray(slopes[rng.integers(4)], dtype=float)
        even = codes % 2 == 0
        Z = [
            np.ones((n, 1)),
            slope[:, None],
            np.column_stack([np.ones(n), slope]),
            np.column_stack([even, ~even]).astype(float),  # no group has both
        ][rng.integers(4)]
        Z = Z[:, Z.any(axis=0)]
        if Z.size and np.linalg.matrix_rank(Z) == Z.shape[1]:
            effects = tuple(f"effect {place} {k}" for k in range(Z.shape[1]))
            correlated = Z.shape[1] == 1 or bool(rng.integers(2))
            terms.append(
                GroupTerm(
                    factor=f"factor {place}",
                    labels=labels,
                    codes=codes,
                    Z=Z,
                    effects=effects,
                    correlated=correlated,
                )
            )
    return terms


def _are_dependent(terms, *, residual):
    """Return whether the matrices of rows by rows that variances multiply are, by their rank."""
    n = len(terms[0].Z)
    matrices = [np.eye(n)] if residual else []
    for term in terms:
        same = term.codes[:, None] == term.codes
        outer = same[:, :, None, None] * term.Z[:, None, :, None] * term.Z[None, :, None, :]
        matrices += [outer[..., k, k] for k in range(term.q)]
        matrices += [outer[..., k, m] + outer[..., m, k] for k, m in term.pairs]
    units = np.array([m.ravel() / np.linalg.norm(m) for m in matrices if m.any()])
    # Its least singular value is below 1e-15, or above 3e-5.
    return np.linalg.matrix_rank(units, tol=1e-8) < len(units)


def _columns_of_sums(terms):
    """Return the columns of group terms from the moments of their cells."""
    keys, codes = np.unique(
        np.column_stack([term.codes for term in terms]), axis=0, return_inverse=True
    )
    n = len(codes)
    cells = from_rows(
        np.arange(n) * 1.0,
        np.empty((n, 0)),
        np.hstack([term.Z for term in terms]),
        codes,
        len(keys),
    )
    moments = by_cell(
        cells,
        [
            CellFactor(
                factor=term.factor, labels=term.labels, codes=keys[:, k], effects=term.effects
            )
            for k, term in enumerate(terms)
        ],
    )
    return columns_of_cells(terms, moments)


def test_variances_are_refused_where_the_covariances_are_dependent():
    found = {True: 0, False: 0}
    for seed in range(600):
        rng = np.random.default_rng(seed)
        terms, residual = _random_terms(rng), bool(seed % 4)
        if len(terms) < 2:
            continue
        dependent = _are_dependent(terms, residual=residual)
        found[dependent] += 1
        if dependent:
            for columns in (columns_of_rows(terms), _columns_of_sums(terms)):
                with pytest.raises(DesignError, match="cannot be distinguished from"):
                    check_group_terms(columns, residual=residual)
        else:
            for columns in (columns_of_rows(terms), _columns_of_sums(terms)):
                check_group_terms(columns, residual=residual)
    assert min(found.values()) > 80


def test_predictors_far_from_zero_are_not_refused():
    """A year as it is: within 0.2 % of a constant, and the same model as a centred one."""
    frame = _shops(n=9).assign(h=np.arange(180) * 7 % 11)
    frame["year"] = 2000 + frame["month"]
    for bars in ("(year | id) + (1 | h)", "(year || id) + (1 | h)", "(year | id) + (year | h)"):
        assert len(build_design(f"y ~ year + {bars}", frame).group_terms) == 2


def test_few_groups_are_a_caution():
    frame = _shops(n_shops=2, n=10)
    notes = build_design("y ~ x + (x | id)", frame).notes
    assert any("id has 2 groups for 3 sds and correlations" in one for one in notes)
    sites = [sum_rows("y ~ x + (x | id)", rows) for rows in (frame, frame.assign(id=frame.id + 1))]
    assert all(set(notes) <= set(site.notes) for site in sites)
    assert not any("id has" in one for one in merge_sums(*sites).notes)
    assert not build_design("y ~ x + (x | id)", _shops()).notes
