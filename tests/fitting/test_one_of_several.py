"""A fit with the effects of one of its factors refuses what needs those of all."""

import numpy as np
import pytest

from bayes_mlm import (
    check,
    fit,
    leave_one_group_out,
    leave_one_row_out,
    log_marginal_likelihood,
    loo_compare,
    predict,
    save_fit,
    variance_by_level,
)
from bayes_mlm.base.errors import SeveralFactorsError
from bayes_mlm.fitting import estimate_design
from bayes_mlm.fitting.linear_predictor import linear_predictors

FORMULA = "diameter ~ 1 + (1 | plate) + (1 | sample)"
ROWS = {"plate": ["a"], "sample": ["A"]}
MISSING = "needs the effects of every grouping factor, and found are those of plate without sample"


@pytest.fixture(scope="module")
def fitted():
    return fit(FORMULA, "penicillin", engine="direct", random_seed=1, draws=100)


QUESTIONS = {
    "check": check,
    "groups": leave_one_group_out,
    "rows": leave_one_row_out,
    "marginal": log_marginal_likelihood,
    "variance": variance_by_level,
    "ranking": lambda one: loo_compare([one, one]),
    "prediction": lambda one: predict(one, ROWS),
    "tree": lambda one: one.data,
    "tree by group": lambda one: one.tree(by="group"),
    "comparison": lambda one: one.compare("reml"),
    "predictor": lambda one: linear_predictors(one, np.arange(2)),
    "estimate": lambda one: estimate_design(one.design),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_questions_on_rows_and_the_model_need_all_factors(fitted, question):
    with pytest.raises(SeveralFactorsError, match=MISSING):
        question(fitted.of_factor("plate"))


def test_an_estimate_refuses_them_too():
    found = fit(FORMULA, "penicillin", engine="reml").of_factor("plate")
    for question in (variance_by_level, lambda one: predict(one, ROWS), lambda one: one.compare()):
        with pytest.raises(SeveralFactorsError, match=MISSING):
            question(found)


def test_it_is_not_saved(fitted, tmp_path):
    with pytest.raises(SeveralFactorsError, match=MISSING):
        save_fit(fitted.of_factor("plate"), tmp_path / "fit.nc")
    assert not list(tmp_path.iterdir())


def test_what_is_of_its_groups_and_parameters_is_answered(fitted):
    one = fitted.of_factor("plate")
    found, expected = one.group_effects(0.9), fitted.group_effects(0.9, "plate")
    np.testing.assert_array_equal(found.mean, expected.mean)
    whole = fitted.summary()
    assert one.summary()["sigma_u"].estimate == whole["sigma_u[plate]"].estimate
    assert one.summary()["sigma_e"].estimate == whole["sigma_e"].estimate
