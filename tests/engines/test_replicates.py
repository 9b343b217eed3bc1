"""Standard errors by replicate weights: each replicate is a fit by its own weights."""

import numpy as np
import pytest

import bayes_mlm as bm
from bayes_mlm import build_design, load_hsb
from bayes_mlm.base import DataError, SpecError
from bayes_mlm.engines.pseudo import fit_imputations, fit_pseudo
from bayes_mlm.model import SCALINGS, Replicates, as_replicates, as_weights

SES = "mathach ~ ses + (1 | schoolid)"
MODELS = [SES, "mathach ~ ses + (1 + ses | schoolid)", "mathach ~ ses + (0 + ses | schoolid)",
          "mathach ~ ses + (1 + ses || schoolid)"]  # fmt: skip
COLUMNS = tuple(f"r{k}" for k in range(1, 7))


@pytest.fixture(scope="module")
def students():
    found = load_hsb()
    found = found[found["schoolid"].isin(found["schoolid"].unique()[:40])].copy()
    rng = np.random.default_rng(3)
    place = found.groupby("schoolid").cumcount() + 1
    found["w2"] = 1.0 + (found["schoolid"] % 7) / 3
    found["w"] = found["w2"] * (1.0 + (place % 4) / 2)
    schools = found["schoolid"].unique()
    for name in COLUMNS:
        of_school = dict(zip(schools, rng.choice([0.5, 1.5], len(schools)), strict=True))
        noise = 1.0 + 0.05 * rng.standard_normal(len(found))
        found[name] = found["w"] * found["schoolid"].map(of_school) * noise
    order = {label: k for k, label in enumerate(schools)}
    place = found["schoolid"].map(order)
    found["zone"], found["unit"] = place // 2, place % 2
    return found


def weights_of(**options):
    return as_weights({"overall": "w", "schoolid": "w2"}, **options)


def by_hand(table, column, formula, scaling):
    """A fit by one replicate: groups without weight leave, and those of others follow it."""
    some = table[table[column] > 0.0]
    ratio = some.groupby("schoolid")[column].sum() / table.groupby("schoolid")["w"].sum()
    some = some.assign(w=some[column], w2=some["w2"] * some["schoolid"].map(ratio))
    found = fit_pseudo(build_design(formula, some, weights=weights_of(
        scaling=scaling, standard_errors="fixed")))  # fmt: skip
    return np.concatenate([found.sigma_u, [found.sigma_e], found.beta])


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("formula", MODELS)
def test_each_replicate_is_a_fit_by_its_weights(students, formula, scaling):
    made = Replicates(columns=COLUMNS, method="fay", fay=0.5)
    found = fit_pseudo(
        build_design(formula, students, weights=weights_of(scaling=scaling, replicates=made))
    )
    whole = np.concatenate([found.sigma_u, [found.sigma_e], found.beta])
    apart = np.array([by_hand(students, one, formula, scaling) - whole for one in COLUMNS])
    expected = np.square(apart).sum(axis=0) / (len(COLUMNS) * 0.25)
    errors = np.concatenate([found.errors.sigma_u, [found.errors.sigma_e], found.beta_se])
    assert errors == pytest.approx(np.sqrt(expected), rel=1e-5)
    assert found.tests.df(np.eye(2)) == pytest.approx([6.0, 6.0])


@pytest.mark.parametrize("method", ["jk2", "jk2-full"])
def test_zones_are_replicates_of_doubled_units(students, method):
    zones = weights_of(replicates=Replicates(zone="zone", unit="unit", method=method))
    found = fit_pseudo(build_design(SES, students, weights=zones))
    whole = np.concatenate([found.sigma_u, [found.sigma_e], found.beta])
    total, table = np.zeros(len(whole)), students.copy()
    for zone in students["zone"].unique():
        for unit in (0, 1) if method == "jk2-full" else (1,):
            inside = table["zone"] == zone
            doubled = np.where(table["unit"] == unit, 2.0, 0.0)
            table["one"] = table["w"] * np.where(inside, doubled, 1.0)
            total += (by_hand(table, "one", SES, "size") - whole) ** 2
    expected = np.sqrt(total * (0.5 if method == "jk2-full" else 1.0))
    errors = np.concatenate([found.errors.sigma_u, [found.errors.sigma_e], found.beta_se])
    assert errors == pytest.approx(expected, rel=1e-5)
    assert found.tests.df(np.eye(2)[:1]) == pytest.approx([20.0])


def test_several_outcomes_in_one_pass_are_each_alone(students):
    made = weights_of(replicates=Replicates(columns=COLUMNS))
    rng = np.random.default_rng(1)
    tables = [students.assign(mathach=students["mathach"] + rng.normal(size=len(students)))
              for _ in range(3)]  # fmt: skip
    designs = [build_design(SES, one, weights=made) for one in tables]
    several = fit_imputations(designs)
    for one, design in zip(several, designs, strict=True):
        alone = fit_pseudo(design)
        assert one.beta == pytest.approx(alone.beta, rel=1e-8)
        assert one.covariance == pytest.approx(alone.covariance, rel=1e-5, abs=1e-9)


def test_the_multipliers_of_methods():
    assert Replicates(columns=COLUMNS, method="brr").factors(6)[0] == pytest.approx(1 / 6)
    assert Replicates(columns=COLUMNS, method="fay", fay=0.5).factors(80)[0] == 1 / 20
    assert Replicates(columns=COLUMNS, method="jk1").factors(6)[0] == 5 / 6
    assert Replicates(columns=COLUMNS, method="bootstrap").factors(6)[0] == 1 / 6
    assert as_weights("pisa").replicates.factors(80)[0] == 1 / 20
    assert as_weights("timss").replicates.factors(150)[0] == 0.5
    assert as_weights({"survey": "naep", "school": "s"}).replicates.factors(62)[0] == 1.0


def test_surveys_name_their_columns(students):
    with pytest.raises(DataError, match="W_FSTUWT"):
        bm.fit(SES, students, weights="pisa")
    with pytest.raises(SpecError, match="add schoolid=COLUMN"):
        bm.fit(SES, students, weights="naep")
    renamed = students.rename(columns={"w": "TOTWGT", "w2": "SCHWGT", "zone": "JKZONE",
                                       "unit": "JKREP"})  # fmt: skip
    found = bm.fit(SES, renamed, weights="timss", engine="pml")
    assert "jackknife of pairs, a replicate for either unit" in str(found.summary())


WRONG = {
    "unknown method": ({"columns": "r1..r6", "method": "brrr"}, "brrr"),
    "no columns": ({"method": "brr"}, "give one of the two"),
    "one column": ({"columns": "r1"}, "two columns or more"),
    "twice": ({"columns": "r1,r1"}, "twice"),
    "range": ({"columns": "r6..r1"}, "no range of columns"),
    "names differ": ({"columns": "r1..s6"}, "no range of columns"),
    "fay": ({"columns": "r1..r6", "method": "fay", "fay": 1.0}, "below 1"),
    "jkn": ({"columns": "r1..r6", "method": "jkn"}, "need the multiplier of each"),
    "multipliers": ({"columns": "r1..r6", "multipliers": [1.0]}, "1 multipliers"),
    "zone alone": ({"zone": "zone", "method": "jk2"}, "zone and unit"),
    "zones by brr": ({"zone": "zone", "unit": "unit"}, "by jk2 or jk2-full"),
    "key": ({"columns": "r1..r6", "methods": "brr"}, "no key 'methods'"),
    "within": ({"columns": "r1..r6", "within": "all"}, "allowed: mean, first"),
    "fay of text": ({"columns": "r1..r6", "method": "fay", "fay": "a"}, "fay must be a number"),
    "df": ({"columns": "r1..r6", "df": -1}, "df = -1 must be above 0"),
    "df of text": ({"columns": "r1..r6", "df": "x"}, "df must be a number"),
    "columns": ({"columns": 3}, "columns must be a list, found int"),
    "column": ({"columns": ["r1", 3]}, "columns must be names of columns, found int"),
    "method": ({"columns": "r1..r6", "method": 3}, "must be a text, found int"),
    "zone": ({"zone": 3, "unit": "unit", "method": "jk2"}, "zone must be names of columns"),
    "list": ({"columns": "r1,r2", "multipliers": 3}, "multipliers must be a list"),
    "negative": ({"columns": "r1,r2", "multipliers": [-1.0, 1.0]}, "above 0, and finite"),
    "texts": ({"columns": "r1,r2", "multipliers": ["x", 1.0]}, "multipliers must be a number"),
    "text": ("r1..r6", "must be a method with its columns"),
    "number": (3, "are a mapping"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_replicates_are_one_clear_error(name):
    given, message = WRONG[name]
    with pytest.raises(SpecError, match=message):
        as_replicates(given)


def test_wrong_data_of_replicates(students):
    made = {"columns": "r1..r6", "method": "brr"}
    options = {"weights": {"overall": "w", "schoolid": "w2"}, "engine": "pml"}
    with pytest.raises(DataError, match="no column 'r7'"):
        bm.fit(SES, students, replicates={"columns": "r1..r7"}, **options)
    with pytest.raises(DataError, match="1 of the weights 'r2' are zero or negative"):
        bm.fit(SES, students.assign(r2=np.r_[-1.0, students["r2"][1:]]), replicates=made, **options)
    alone, zones = students.assign(unit=0), {"zone": "zone", "unit": "unit", "method": "jk2"}
    with pytest.raises(DataError, match="has 1 units"):
        bm.fit(SES, alone, replicates=zones, **options)
    with pytest.raises(SpecError, match="no weights are given"):
        bm.fit(SES, students, replicates=made)
