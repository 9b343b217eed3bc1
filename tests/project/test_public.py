"""Every public name: what it refuses, and how its results are printed."""

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayes_mlm
from bayes_mlm.base import errors
from bayes_mlm.fitting.request import RequestOptions

# What nobody means: of a wrong type, empty, or of the type that another argument takes.
WRONG = {
    "None": None,
    "3": 3,
    "empty text": "",
    "empty list": [],
    "text": "nonsense",
    "frame": pd.DataFrame({"a": [1.0, 2.0]}),
    "array": np.zeros(3),
    "function": len,
}
# Valid after all.
_FINE = {
    ("as_table", 0, "frame"),
    ("code_time", 0, "array"),
    ("describe", 0, "frame"),
    ("describe_variables", 0, "frame"),
    ("plan_from_pilot", 3, "3"),
    ("plan_study", 1, "3"),
    ("plan_study", 2, "array"),
    ("plan_study", 3, "3"),
    ("plan_study", 3, "array"),
    ("prior_sensitivity", 0, "None"),
    ("save_fit", 1, "text"),
    ("write_group_effects", 1, "text"),
}
GROWTH = "reaction ~ days + (days | subject)"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return valid values of the arguments that each public function needs."""
    hsb = bayes_mlm.load_hsb()
    sleep = bayes_mlm.load_sleepstudy()
    design = bayes_mlm.build_design(GROWTH, sleep)
    fitted = bayes_mlm.fit(GROWTH, sleep, random_seed=1, draws=100)
    null = bayes_mlm.fit("reaction ~ 1 + (1 | subject)", sleep, random_seed=1, draws=100)
    mean = bayes_mlm.fit("reaction ~ days + (1 | subject)", sleep, random_seed=1, draws=100)
    mundlak = bayes_mlm.fit("mathach ~ ses", hsb, group="schoolid", kind="mundlak", random_seed=1)
    plain = bayes_mlm.for_kind(bayes_mlm.build_design(GROWTH, sleep), "pooled")
    summed = bayes_mlm.sum_rows(GROWTH, sleep)
    whole = bayes_mlm.fit(GROWTH, sleep, rows="sum", random_seed=1, draws=100)
    folder = tmp_path_factory.mktemp("public")
    sleep.to_csv(folder / "sleep.csv", index=False)
    bayes_mlm.save_fit(fitted, folder / "fit.nc")
    bayes_mlm.save_sums(summed, folder / "one.sums")
    record = bayes_mlm.load_record("hsb_ses")
    estimate = bayes_mlm.fit(GROWTH, sleep, engine="ml")
    return {
        "as_table": [sleep],
        "between": [bayes_mlm.for_kind(_of_hsb(hsb), "between")],
        "bootstrap": [fitted],
        "build_design": [GROWTH, sleep],
        "calibrate": [bayes_mlm.fit(GROWTH, sleep, engine="reml"), 100],
        "check": [fitted],
        "check_published": [record],
        "code_time": [[0.0, 1.0, 3.0]],
        "loo_compare": [[fitted, mean]],
        "plan_from_pilot": [mean, "days", 20, 10],
        "plan_study": [20, 10, 0.1, 0.3],
        "coefficient_tests": [fitted],
        "comparisons": [fitted, "days"],
        "contextual_effects": [mundlak],
        "crossing": [_product(hsb), {"sector": (0, 1)}, "ses"],
        "crosstab": [hsb, "sector", ["female"]],
        "describe": [hsb],
        "describe_variables": [hsb],
        "fit": [GROWTH, sleep],
        "fit_reml": [design],
        "for_kind": [_of_hsb(hsb), "within"],
        "group_lines": [fitted],
        "hausman": [_of_hsb(hsb)],
        "group_influence": [fitted],
        "impute": [GROWTH, sleep],
        "information_criteria": [estimate, estimate],
        "latent_contextual_effects": [_both_slopes(hsb)],
        "leave_one_group_out": [fitted],
        "leave_one_row_out": [fitted],
        "load_contraception": [],
        "load_dataset": ["sleepstudy"],
        "load_dyestuff2": [],
        "load_epil": [],
        "load_fit": [folder / "fit.nc"],
        "load_hsb": [],
        "load_orthodont": [],
        "load_record": ["hsb_ses"],
        "load_pastes": [],
        "load_penicillin": [],
        "load_sleepstudy": [],
        "load_sums": [folder / "one.sums"],
        "log_marginal_likelihood": [null],
        "merge_sums": [summed, _other_year(sleep)],
        "model_priors": [design],
        "joint_tests": [fitted],
        "marginal_means": [_product(hsb), "sector"],
        "multiverse": ["reaction ~ days + (1 | subject)", sleep, ["I(days ** 2)"]],
        "mundlak": [mundlak.design],
        "no_pooling": [bayes_mlm.for_kind(_of_hsb(hsb), "no_pooling")],
        "open_data": [folder / "sleep.csv"],
        "partial_pooling": [design],
        "pooled": [plain],
        "population_line": [fitted, "days"],
        "predict": [fitted, {"days": [1.0], "subject": [308]}],
        "prior_sensitivity": [[record]],
        "read_table": [folder / "sleep.csv"],
        "records": [],
        "replay": [design, {"days": [1.0], "subject": [308]}],
        "sample_groups": [whole, sleep],
        "save_fit": [fitted, folder / "again.nc"],
        "save_sums": [summed, folder / "again.sums"],
        "slopes": [fitted, "days"],
        "small_groups": [summed],
        "sum_more_rows": [summed, _next_year(sleep)],
        "sum_rows": [GROWTH, sleep],
        "simulation_based_calibration": [mean, 50],
        "summarise": [fitted],
        "survey_weighting": [_weighted(hsb)],
        "variance_by_level": [fitted],
        "variance_tests": [fitted],
        "within": [bayes_mlm.for_kind(_of_hsb(hsb), "within")],
        "write_group_effects": [fitted, folder / "effects.parquet"],
    }


def _of_hsb(hsb: pd.DataFrame) -> Any:
    return bayes_mlm.build_design("mathach ~ ses", hsb, group="schoolid")


def _product(hsb: pd.DataFrame) -> Any:
    return bayes_mlm.fit("mathach ~ ses * sector + (1 | schoolid)", hsb, random_seed=1, draws=100)


def _both_slopes(hsb: pd.DataFrame) -> Any:
    formula = "mathach ~ ses + between(ses) + (1 | schoolid)"
    return bayes_mlm.fit(formula, hsb, engine="reml")


def _weighted(hsb: pd.DataFrame) -> Any:
    weights = {"level1": "w"}
    table = hsb.assign(w=1.0 + hsb["female"])
    return bayes_mlm.fit("mathach ~ ses + (1 | schoolid)", table, weights=weights, engine="pml")


def _next_year(sleep: pd.DataFrame) -> pd.DataFrame:
    return sleep.assign(subject=sleep["subject"] + 1000, reaction=sleep["reaction"] + 1.5)


def _other_year(sleep: pd.DataFrame) -> Any:
    return bayes_mlm.sum_rows(GROWTH, _next_year(sleep))


def _functions() -> list[str]:
    public = (name for name in bayes_mlm.__all__ if not name.startswith("__"))
    return [name for name in public if not inspect.isclass(getattr(bayes_mlm, name))]


def test_every_public_function_is_tried(valid: dict[str, list[Any]]) -> None:
    assert sorted(valid) == sorted(_functions())


@pytest.mark.parametrize("name", _functions())
def test_wrong_arguments_are_refused_in_one_line(
    name: str, valid: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    function = getattr(bayes_mlm, name)
    good = valid[name]
    for place in range(len(good)):
        for what, wrong in WRONG.items():
            arguments = [wrong if k == place else value for k, value in enumerate(good)]
            if (name, place, what) in _FINE:
                continue
            found = _refusal(function, arguments)
            assert isinstance(found, errors.BayesMLMError), (name, place, what, found)
            assert str(found), (name, place, what)
            # A formula is shown again, with a mark where it is wrong.
            one_line = "\n" not in str(found) or isinstance(found, errors.FormulaError)
            assert one_line, (name, place, what)


def _refusal(function: Any, arguments: list[Any]) -> Exception | None:
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  (its class is what is tested)
        return error
    return None


# These return models of another library.
_OTHERS = ("between", "mundlak", "no_pooling", "partial_pooling", "pooled", "within")


@pytest.mark.parametrize("name", [name for name in _functions() if name not in _OTHERS])
def test_results_are_printed_in_a_screen(
    name: str, valid: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """An object is one line of a notebook or a prompt; printed, it is a table and no array."""
    monkeypatch.chdir(tmp_path)
    found = getattr(bayes_mlm, name)(*valid[name])
    shown = str(found)
    assert "array(" not in shown
    if type(found).__module__.startswith("bayes_mlm"):
        assert "array(" not in repr(found)
        assert len(repr(found)) <= 500
        assert "\n" not in repr(found)
    assert len(shown) <= 4500
    assert shown.count("\n") <= 80


def test_fits_are_printed_with_their_estimates() -> None:
    """lme4 on sleepstudy: intercept 251.405 (6.825), days 10.467 (1.546); sds 24.740 and 5.922."""
    design = bayes_mlm.build_design(GROWTH, bayes_mlm.load_sleepstudy())
    lines = str(bayes_mlm.fit_reml(design)).splitlines()
    assert lines[0] == "RemlFit (REML), n = 180, 18 groups (subject), loglik = -871.81"
    rows = {line.split()[0]: line.split()[1:3] for line in lines[2:]}
    assert rows["beta[Intercept]"] == ["251.4", "6.8"]
    assert rows["beta[days]"] == ["10.5", "1.5"]
    assert rows["sigma_u[Intercept]"][0] == "24.7"
    assert rows["sigma_u[days]"][0] == "5.9"
    pooled = str(bayes_mlm.fit(bayes_mlm.for_kind(design, "pooled"), engine="ols"))
    assert (
        ["beta[days]", "10.5", "1.2"]
        in [  # R's lm: 10.467 (1.238)
            line.split()[:3] for line in pooled.splitlines()
        ]
    )


def test_optional_arguments_of_wrong_types_are_refused_in_one_line() -> None:
    sleep = bayes_mlm.load_sleepstudy()
    design = bayes_mlm.build_design(GROWTH, sleep)
    wrong: list[Any] = [3, "Normal(0, 10)", ["beta"]]
    for priors in wrong:
        with pytest.raises(errors.PriorError, match="^priors are a dict .*found [^\n]*$"):
            bayes_mlm.partial_pooling(design, priors)
        with pytest.raises(errors.PriorError, match="^priors are a dict by parameter"):
            bayes_mlm.fit(design, priors=priors)
    columns: Any = 3
    with pytest.raises(errors.DataError, match=r"^describe takes a list of names .*int \(3\)$"):
        bayes_mlm.describe(sleep, columns)


def test_arguments_of_a_model_are_in_the_signature_of_fit_and_no_others_are_taken() -> None:
    parameters = inspect.signature(bayes_mlm.fit).parameters
    assert set(RequestOptions.__annotations__) < set(parameters)
    wrong: Any = {"famly": "gaussian"}
    with pytest.raises(errors.EngineError, match="unknown argument 'famly'; .* family, "):
        bayes_mlm.fit(GROWTH, "sleepstudy", **wrong)


@pytest.mark.parametrize("name", _OTHERS)
def test_factories_name_themselves_in_refusals(name: str) -> None:
    with pytest.raises(errors.BayesMLMError, match=f"^{name} expects the result of build_design"):
        getattr(bayes_mlm, name)(3)
