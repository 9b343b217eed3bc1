"""Plausible values, weights and replicate weights together: each pooled result by hand."""

import numpy as np
import pytest

import bayes_mlm as bm
from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.data import as_table
from bayes_mlm.design.imputations import with_outcome

M, G = 4, 6
FORMULA = f"pv(PV1..PV{M}) ~ ses + (1 | schoolid)"


@pytest.fixture(scope="module")
def survey():
    """Forty schools of HSB with plausible values, and the columns of NAEP's names."""
    found = bm.load_hsb()
    found = found[found["schoolid"].isin(found["schoolid"].unique()[:40])].copy()
    rng = np.random.default_rng(5)
    found["w2"] = 1.0 + (found["schoolid"] % 7) / 3
    found["w"] = found["w2"] * (1.0 + (found.groupby("schoolid").cumcount() % 4) / 2)
    for k in range(1, M + 1):
        found[f"PV{k}"] = found["mathach"] + 2.0 * rng.standard_normal(len(found))
    schools = found["schoolid"].unique()
    for k in range(1, G + 1):
        side = dict(zip(schools, rng.choice([0.5, 1.5], len(schools)), strict=True))
        found[f"r{k}"] = found["w"] * found["schoolid"].map(side)
    return found


def options(within="mean"):
    replicates = {"columns": f"r1..r{G}", "method": "fay", "fay": 0.5, "within": within}
    return {"weights": {"overall": "w", "schoolid": "w2"}, "replicates": replicates}


@pytest.mark.parametrize("within", ["mean", "first"])
def test_pooled_by_hand(survey, within):
    """U from the replicates of each value, or of the first, B from the values (Rubin 1987)."""
    pooled = bm.fit(FORMULA, survey, engine="pml", **options(within)).solution
    estimates, sampling = [], []
    for k in range(1, M + 1):
        table = survey.assign(PV=survey[f"PV{k}"])
        each = []
        for column in ["w", *(f"r{g}" for g in range(1, G + 1))]:
            total = table.groupby("schoolid")[column].sum() / table.groupby("schoolid")["w"].sum()
            one = table.assign(w=table[column], w2=table["w2"] * table["schoolid"].map(total))
            weights = {"overall": "w", "schoolid": "w2"}
            fitted = bm.fit("PV ~ ses + (1 | schoolid)", one, weights=weights, engine="pml",
                            standard_errors="fixed")  # fmt: skip
            each.append(fitted.solution.beta)
        estimates.append(each[0])
        sampling.append(((np.array(each[1:]) - each[0]) ** 2).sum(axis=0) / (G * 0.25))
    u = np.mean(sampling, axis=0) if within == "mean" else sampling[0]
    b = np.var(estimates, axis=0, ddof=1)
    total = u + (1 + 1 / M) * b
    share = (1 + 1 / M) * b / total
    old, observed = (M - 1) / share**2, (G + 1) / (G + 3) * G * (1 - share)
    assert pooled.beta == pytest.approx(np.mean(estimates, axis=0), rel=1e-7)
    assert np.diagonal(pooled.beta_cov) == pytest.approx(total, rel=1e-5)
    assert pooled.tests.df(np.eye(2)) == pytest.approx(old * observed / (old + observed), rel=1e-4)


def test_the_posterior_has_the_pooled_variance(survey):
    """Draws of each value adjusted to its replicates, mixed: as by Rubin, but for 1/M of B."""
    drawn = bm.fit(FORMULA, survey, random_seed=3, **options())
    pooled = bm.fit(FORMULA, survey, engine="pml", **options()).solution
    beta = drawn.draws["beta"].reshape(-1, 2)
    assert beta.mean(axis=0) == pytest.approx(pooled.beta, abs=0.1)
    assert beta.std(axis=0) == pytest.approx(np.sqrt(np.diagonal(pooled.beta_cov)), rel=0.12)
    assert "with 6 degrees of freedom the intervals of pml" in str(drawn.verdict)
    with pytest.raises(UnsupportedModelError):
        bm.leave_one_group_out(drawn)


def test_the_sandwich_is_pooled_too(survey):
    weights = {"overall": "w", "schoolid": "w2"}
    found = bm.fit(FORMULA, survey, engine="pml", weights=weights)
    parts = [bm.fit(f"PV{k} ~ ses + (1 | schoolid)", survey, engine="pml", weights=weights).solution
             for k in range(1, M + 1)]  # fmt: skip
    u = np.mean([one.beta_cov for one in parts], axis=0)
    b = np.cov(np.array([one.beta for one in parts]).T)
    assert found.solution.beta_cov == pytest.approx(u + (1 + 1 / M) * b, rel=1e-8)
    assert found.solution.errors.sigma_e > 0.0


def test_a_design_is_shared_only_where_the_outcome_alone_differs(survey):
    first = as_table(survey.assign(PV=survey["PV1"]))
    design = bm.build_design("PV ~ ses + (1 | schoolid)", first)
    columns = dict(first.columns)
    other = type(first)(columns=columns | {"PV": survey["PV2"].to_numpy()}, n=first.n,
                        source=first.source)  # fmt: skip
    shared = with_outcome(design, other, first)
    assert shared is not None
    assert np.array_equal(shared.y, survey["PV2"])
    assert np.array_equal(shared.X, bm.build_design("PV2 ~ ses + (1 | schoolid)", survey).X)
    moved = type(first)(columns=columns | {"ses": survey["ses"].to_numpy() + 1.0}, n=first.n,
                        source=first.source)  # fmt: skip
    assert with_outcome(design, moved, first) is None
    missing = survey["PV2"].to_numpy().copy()
    missing[0] = np.nan
    spoilt = type(first)(columns=columns | {"PV": missing}, n=first.n, source=first.source)
    assert with_outcome(design, spoilt, first) is None


def test_pooled_estimates_are_compared_with_unweighted_ones(survey):
    weighted = bm.fit(FORMULA, survey, engine="pml", **options())
    row = bm.survey_weighting(weighted)["beta[ses]"]
    assert row.unweighted == pytest.approx(bm.fit(FORMULA, survey, engine="ml").solution.beta[1])
    assert row.estimate == weighted.solution.beta[1]
    effective = bm.fit(FORMULA, survey, engine="pml", scaling="effective", **options())
    assert row.other == pytest.approx(effective.solution.beta[1], rel=1e-6)
    other = bm.survey_weighting(weighted)["sigma_u"].other
    assert other == pytest.approx(effective.solution.sigma_u[0], rel=1e-6)
