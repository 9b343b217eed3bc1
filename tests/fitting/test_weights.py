"""Survey weights from a formula to results: what is fitted, what is refused, and wrong weights."""

import numpy as np
import pytest

import bayes_mlm as bm
from bayes_mlm.base import BayesMLMError, DataError, SpecError, UnsupportedModelError
from bayes_mlm.fitting import estimate_of

SES = "mathach ~ ses + (1 | schoolid)"
WEIGHTS = {"level1": "w1", "schoolid": "w2"}


@pytest.fixture(scope="module")
def students():
    found = bm.load_hsb()
    found = found[found["schoolid"].isin(found["schoolid"].unique()[:60])].copy()
    place = found.groupby("schoolid").cumcount() + 1
    found["w1"] = 1.0 + (place % 4) / 2 + 0.5 * found["female"]
    found["w2"] = 1.0 + (found["schoolid"] % 7) / 3 + found["sector"]
    return found


@pytest.fixture(scope="module")
def estimate(students):
    return bm.fit("mathach ~ ses * sector + (1 | schoolid)", students, weights=WEIGHTS,
                  engine="pml")  # fmt: skip


@pytest.fixture(scope="module")
def posterior(students):
    return bm.fit(SES, students, weights=WEIGHTS, random_seed=1)


def test_the_draws_have_the_covariance_of_the_sandwich(posterior):
    compared = estimate_of(posterior).solution
    assert posterior.engine == "pseudo"
    beta = posterior.draws["beta"].reshape(-1, 2)
    assert np.cov(beta.T) == pytest.approx(compared.beta_cov, rel=0.15, abs=2e-3)
    assert beta.mean(axis=0) == pytest.approx(compared.beta, abs=0.1)
    assert "adjusted to the covariance of the sandwich" in str(posterior.verdict)


def test_a_slope_is_adjusted_too(students):
    found = bm.fit("mathach ~ ses + (1 + ses | schoolid)", students, weights=WEIGHTS, random_seed=2)
    solution = estimate_of(found).solution
    drawn = np.log(found.draws["sigma_e"].ravel()).std()
    assert drawn == pytest.approx(solution.errors.sigma_e / solution.sigma_e, rel=0.1)
    assert np.abs(found.draws["rho_u"]).max() < 1.0
    assert found.draws["u"].shape == (4, 1000, 60, 2)


def test_at_the_boundary_it_says_that_nothing_is_adjusted(students):
    by_school = students.groupby("schoolid")["mathach"]
    flat = students.assign(y=students["mathach"] - by_school.transform("mean"), one=1.0)
    found = bm.fit("y ~ 1 + (1 | schoolid)", flat, weights={"level1": "one"}, random_seed=1)
    assert not found.verdict.ok
    assert "but for sigma_u: the pseudo-likelihood hardly tells it" in str(found.verdict)


def test_a_saved_fit_keeps_its_weights(posterior, tmp_path):
    again = bm.load_fit(bm.save_fit(posterior, tmp_path / "fit.nc"))
    assert again.design.weights.spec == posterior.design.weights.spec
    for name in ("rows", "total", "square", "level2", "of_rows"):
        assert np.array_equal(
            getattr(again.design.weights, name), getattr(posterior.design.weights, name)
        )
    assert estimate_of(again).solution.loglik == estimate_of(posterior).solution.loglik
    with pytest.raises(UnsupportedModelError):
        bm.leave_one_group_out(again)


def test_averages_are_over_the_population(students):
    found = bm.fit(SES, students, weights=WEIGHTS, engine="pml").design
    whole = students["w1"] * students["w2"]
    assert found.response.weights == pytest.approx((whole / whole.mean()).to_numpy())
    assert found.n == len(students)


def test_questions_take_a_weighted_result(estimate, posterior):
    tests = bm.coefficient_tests(estimate)
    assert {row.df for row in tests} == {58.0}
    row = bm.marginal_means(estimate, "sector").rows[0]
    assert row.df == 58.0
    assert bm.slopes(estimate, "ses").rows
    assert bm.variance_by_level(posterior).rows
    assert bm.predict(posterior, {"ses": [0.5], "schoolid": [1224]}).rows


REFUSED = {
    "leave_one_row_out": lambda e, p: bm.leave_one_row_out(p),
    "leave_one_group_out": lambda e, p: bm.leave_one_group_out(p),
    "loo_compare": lambda e, p: bm.loo_compare([p, p]),
    "log_marginal_likelihood": lambda e, p: bm.log_marginal_likelihood(p),
    "information_criteria": lambda e, p: bm.information_criteria(e, e),
    "bootstrap": lambda e, p: bm.bootstrap(e),
    "calibrate": lambda e, p: bm.calibrate(e),
    "simulation_based": lambda e, p: bm.simulation_based_calibration(p),
    "variance_tests": lambda e, p: bm.variance_tests(e),
    "group_influence": lambda e, p: bm.group_influence(e),
    "check": lambda e, p: bm.check(p),
    "hausman": lambda e, p: bm.hausman(e.design),
    "kenward-roger": lambda e, p: bm.coefficient_tests(e, df="kenward-roger"),
    "cr2": lambda e, p: bm.joint_tests(e, df="cr2"),
    "reml": lambda e, p: bm.fit_reml(e.design),
    "pymc": lambda e, p: bm.partial_pooling(p.design),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_without_a_likelihood_there_is_none_of_these(name, estimate, posterior):
    with pytest.raises(UnsupportedModelError, match="needs a likelihood, and the model has survey"):
        REFUSED[name](estimate, posterior)


@pytest.mark.parametrize("engine", ["reml", "ml", "direct", "nuts"])
def test_other_engines_refuse_weights(students, engine):
    with pytest.raises(UnsupportedModelError, match="survey weights"):
        bm.fit(SES, students, weights=WEIGHTS, engine=engine)


@pytest.mark.parametrize("engine", ["pml", "pseudo"])
def test_without_weights_the_others_are_used(students, engine):
    with pytest.raises(UnsupportedModelError, match="it is of survey weights"):
        bm.fit(SES, students, engine=engine)


def spoilt(table, column, value, place=3):
    found = table.copy()
    found[column] = found[column].astype(object if isinstance(value, str) else float)
    found.loc[found.index[place], column] = value
    return found


WRONG = {
    "zero": (lambda t: spoilt(t, "w1", 0.0), WEIGHTS, {}, "1 of the weights 'w1' are zero"),
    "negative": (lambda t: spoilt(t, "w1", -1.0), WEIGHTS, {}, "zero or negative"),
    "missing": (lambda t: spoilt(t, "w1", np.nan), WEIGHTS, {}, "'w1'"),
    "infinite": (lambda t: spoilt(t, "w1", np.inf), WEIGHTS, {}, "infinite"),
    "text": (lambda t: t.assign(w1="a"), WEIGHTS, {}, "not numbers"),
    "within": (lambda t: spoilt(t, "w2", 9.0), WEIGHTS, {}, "vary within 1 of 60 groups"),
    "no column": (lambda t: t, {"level1": "weight"}, {}, "no column 'weight'"),
    "two kinds": (lambda t: t, {"level1": "w1", "overall": "w1"}, {}, "give one of the two"),
    "overall alone": (lambda t: t, {"overall": "w1"}, {}, "are not given; add schoolid=COLUMN"),
    "factor": (lambda t: t, {"school": "w2"}, {}, "the grouping factor is 'schoolid'"),
    "levels": (lambda t: t, {"schoolid": "w2", "region": "w1"}, {}, "several levels of groups"),
    "no level": (lambda t: t, "w1", {}, "names no level; write level1=w1"),
    "twice": (lambda t: t, "level1=w1,level1=w2", {}, "twice"),
    "not text": (lambda t: t, {"level1": 3}, {}, "must be the name of a column"),
    "a list": (lambda t: t, ["w1"], {}, "columns by level"),
    "scaling": (
        lambda t: t,
        WEIGHTS,
        {"scaling": "sizes"},
        "unknown scaling .*allowed: size, effective, none",
    ),
    "errors": (
        lambda t: t,
        WEIGHTS,
        {"standard_errors": "robust"},
        "unknown standard_errors .*allowed: sandwich",
    ),
    "scaling alone": (lambda t: t, None, {"scaling": "size"}, "no weights are given"),
    "family": (lambda t: t, WEIGHTS, {"family": "student_t"}, "Gaussian outcomes"),
    "residual": (lambda t: t, WEIGHTS, {"residual": {"sigma": "sector"}}, "residuals that"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_weights_are_one_clear_error(students, name):
    spoil, weights, options, message = WRONG[name]
    with pytest.raises((DataError, SpecError), match=message):
        bm.fit(SES, spoil(students), weights=weights, **options)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("mathach ~ ses", "weights need group effects"),
        ("mathach ~ ses + (1 | schoolid) + (1 | sector)", "one grouping factor"),
    ],
)
def test_models_without_a_weighted_form_are_refused(students, formula, message):
    with pytest.raises(SpecError, match=message):
        bm.fit(formula, students, weights={"level1": "w1"})


def test_rows_with_missing_weights_are_dropped_on_request(students):
    some = spoilt(students, "w1", np.nan)
    found = bm.fit(SES, some, weights=WEIGHTS, engine="pml", missing="drop")
    assert found.design.n == len(students) - 1
    assert found.design.n_dropped == 1


def test_a_record_has_weights(students, tmp_path):
    students.to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "m.toml").write_text(
        f'title = "T"\ndata = "s.csv"\nformula = "{SES}"\nkind = "partial_pooling"\n'
        '[weights]\nlevel1 = "w1"\nlevel2 = "w2"\nscaling = "effective"\n'
    )
    found = bm.fit(tmp_path / "m.toml", engine="pml")
    expected = bm.fit(SES, students, weights=WEIGHTS, scaling="effective", engine="pml")
    assert found.solution.loglik == pytest.approx(expected.solution.loglik, rel=1e-12)
    with pytest.raises(BayesMLMError, match="a record states its"):
        bm.fit(tmp_path / "m.toml", weights=WEIGHTS)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('overall = "w1"', "give one of the two"),
        ('standard_errors = "sandwich"\n[weights.replicates]\ncolumns = ["w1", "w2"]', "omit one"),
        ('[weights.replicates]\ncolumns = ["w1", "w2"]\nfay = 1.0', "below 1"),
        ('[weights.replicates]\ncolumns = ["w1", "w2"]\nmethod = "jkn"', "multiplier of each"),
        ('scaling = "sizes"', "scaling"),
    ],
)
def test_a_record_with_wrong_weights_is_one_clear_error(students, tmp_path, more, message):
    students.to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "m.toml").write_text(
        f'title = "T"\ndata = "s.csv"\nformula = "{SES}"\nkind = "partial_pooling"\n'
        f'[weights]\nlevel1 = "w1"\nlevel2 = "w2"\n{more}\n'
    )
    with pytest.raises(SpecError, match=message):
        bm.fit(tmp_path / "m.toml", engine="pml")


def test_standard_errors_are_of_replicates_or_of_another_kind(students):
    with pytest.raises(SpecError, match="omit one of the two"):
        bm.fit(SES, students, weights="pisa", standard_errors="sandwich")


@pytest.mark.parametrize(
    "weights", [WEIGHTS, {"overall": "both", "schoolid": "w2"}, {"schoolid": "w2"}]
)
@pytest.mark.parametrize("scaling", ["size", "effective", "none"])
def test_sums_where_rows_lie_are_those_of_rows(students, tmp_path, weights, scaling):
    table = students.assign(both=students["w1"] * students["w2"]).sample(frac=1.0, random_state=2)
    table.to_parquet(tmp_path / "s.parquet")
    options = {"weights": weights, "scaling": scaling, "engine": "pml"}
    kept = bm.fit(SES, table, **options)
    summed = bm.fit(SES, tmp_path / "s.parquet", rows="sum", **options)
    assert summed.design.n == kept.design.n == summed.solution.n
    assert summed.solution.beta == pytest.approx(kept.solution.beta, rel=1e-10)
    assert summed.solution.covariance == pytest.approx(kept.solution.covariance, rel=1e-7)
    path = bm.save_sums(summed.design, tmp_path / "s.sums")
    again = bm.fit(path, engine="pml")
    assert again.solution.covariance == pytest.approx(summed.solution.covariance, rel=1e-10)
    assert again.design.weights.spec == summed.design.weights.spec


def test_wrong_weights_of_sums_are_one_clear_error(students, tmp_path):
    for column, value, message in (
        ("w1", 0.0, "1 of the weights 'w1' are zero"),
        ("w1", np.nan, "'w1'"),
        ("w2", 9.0, "must not vary within its groups"),
    ):
        spoilt(students, column, value).to_parquet(tmp_path / "s.parquet")
        with pytest.raises(DataError, match=message):
            bm.fit(SES, tmp_path / "s.parquet", weights=WEIGHTS, rows="sum", engine="pml")
    students.assign(w1="a").to_parquet(tmp_path / "s.parquet")
    with pytest.raises(DataError, match="not numbers"):
        bm.fit(SES, tmp_path / "s.parquet", weights=WEIGHTS, rows="sum", engine="pml")
    students.assign(r1=students["w1"], r2=students["w1"]).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(DataError, match="replicate weights need the rows"):
        bm.fit(SES, tmp_path / "s.parquet", weights=WEIGHTS, rows="sum", engine="pml",
               replicates="brr(r1,r2)")  # fmt: skip


def test_weighted_sums_are_not_added_up(students):
    one = bm.sum_rows(SES, students, weights=WEIGHTS)
    with pytest.raises(BayesMLMError, match="weighted sums"):
        bm.merge_sums(one, one)
    with pytest.raises(BayesMLMError, match="weighted sums"):
        bm.sum_more_rows(one, students)


def test_weights_are_compared_with_none(estimate, posterior, students):
    table = bm.survey_weighting(estimate)
    row = table["beta[ses]"]
    plain = bm.fit("mathach ~ ses * sector + (1 | schoolid)", students, engine="ml").solution
    assert row.unweighted == pytest.approx(plain.beta[1], rel=1e-10)
    assert row.moved == pytest.approx((row.estimate - row.unweighted) / row.se)
    effective = bm.fit("mathach ~ ses * sector + (1 | schoolid)", students, weights=WEIGHTS,
                       scaling="effective", engine="pml").solution  # fmt: skip
    assert row.other == pytest.approx(effective.beta[1], rel=1e-7)
    assert table["sigma_e"].other == pytest.approx(effective.sigma_e, rel=1e-7)
    assert bm.survey_weighting(posterior)["sigma_u"].estimate > 0.0
    with pytest.raises(UnsupportedModelError, match="no survey weights"):
        bm.survey_weighting(bm.fit(SES, students, engine="reml"))


def test_informative_weights_are_said_to_move_the_estimates(students):
    from bayes_mlm.questions import survey_facts

    informative = students.assign(w1=np.where(students["mathach"] > 13.0, 1.0, 4.0))
    found = bm.survey_weighting(bm.fit(SES, informative, weights={"level1": "w1"}, engine="pml"))
    assert found["beta[Intercept]"].moved < -5.0
    assert "hangs together with the outcome" in " ".join(found.notes)
    facts = dict(survey_facts(bm.fit(SES, students, weights=WEIGHTS, engine="pml").design))
    assert facts["Weights of rows"] == "w1, conditional on the group"


def test_the_methods_say_how_weights_were_taken_into_account(students):
    from bayes_mlm.fitting import analyse, make_settings
    from bayes_mlm.report.methods import methods
    from bayes_mlm.studies import as_record

    record = as_record(SES, students, weights="level1=w1,schoolid=w2")
    found = methods([analyse(record.request, make_settings(record.request), data=students)])
    assert "scaled to sum to each group's number of rows" in found.text
    assert "Standard errors are of the sandwich over all parameters" in found.text
    keys = {one.key for one in found.references}
    assert {"pfeffermann1998", "rabehesketh2006", "williams2021"} <= keys


def test_a_sample_of_summed_rows_has_their_weights(students, tmp_path):
    students.to_parquet(tmp_path / "s.parquet")
    summed = bm.fit(SES, tmp_path / "s.parquet", weights=WEIGHTS, rows="sum", random_seed=1)
    sample = bm.sample_groups(summed, tmp_path / "s.parquet", n_groups=8, random_seed=2)
    assert sample.design.J == 8
    assert sample.design.n == sample.design.weights.n == sample.design.y.size
    with pytest.raises(UnsupportedModelError, match="needs a likelihood"):
        bm.leave_one_row_out(sample)
    with pytest.raises(DataError, match="has other values"):
        bm.sample_groups(summed, students.assign(ses=students["ses"] + 1.0), n_groups=8)


def test_the_report_has_the_design_of_the_survey(students):
    from bayes_mlm.fitting import analyse, make_settings
    from bayes_mlm.report.data_facts import survey_part
    from bayes_mlm.studies import as_record

    record = as_record(SES, students, weights="level1=w1,schoolid=w2")
    settings = make_settings(record.request)
    part = survey_part(analyse(record.request, settings, data=students, engines=["pml"]))
    facts = dict(part.facts)
    assert facts["Weights of groups"].startswith("w2, from 1")
    assert "Sampling variance" not in facts  # which is a choice among plausible values
    assert "-" not in "".join(cell for row in part.table.view.cells for cell in row[1:])
    plain = as_record(SES, students)
    found = analyse(plain.request, settings, data=students, engines=["reml"])
    assert survey_part(found) is None
