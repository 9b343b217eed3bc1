"""`bayes-mlm effects` and `bayes-mlm predict` as a stranger would use them: right and wrong."""

import csv
import io

import numpy as np
import pytest

STUDENTS = """school,ses,math,sector,wealth
1,0.5,12.1,0,1.5
1,-0.2,10.4,0,0.7
1,0.1,11.0,0,1.1
2,1.0,15.2,1,2.7
2,0.7,14.1,1,2.0
2,-0.4,13.0,1,0.6
3,0.0,9.5,0,1.0
3,0.3,10.1,0,1.3
3,-1.1,8.2,0,0.3
4,0.9,16.0,1,2.4
4,0.2,13.9,1,1.2
4,-0.6,12.2,1,0.5
"""
NEW = "school,ses,sector,name\n1,0,0,ann\n4,1,1,bob\n"
FORMULA = "math ~ ses * sector + (1 | school)"


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in a folder with two files; give its exit code, output and error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(STUDENTS)
    (tmp_path / "new.csv").write_text(NEW)
    return run_command


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_effects_of_the_study(run, tmp_path):
    code, out, err = run(
        *("effects", "hsb_sector_ses", "--contrast", "sector", "--at", "ses=-1,0,1"),
        *("--slope", "ses", "--at", "sector=0,1", "--crossing", "ses", "--rope", "-1,1"),
        *("--prob", "0.95", "--out", "found"),
    )
    assert (code, err) == (0, "")
    rows = read(tmp_path / "found" / "effects.csv")
    reml = [float(row["estimate"]) for row in rows if row["engine"] == "reml"]
    # lme4, as in test_effects: three differences, two slopes.
    assert reml == pytest.approx([3.45102, 2.13817, 0.82532, 2.95117, 1.63833], abs=1e-5)
    assert [row["sector"] for row in rows if row["kind"] == "slope"] == ["0.0"] * 2 + ["1.0"] * 2
    assert {row["decision"] for row in rows} == {"different", "undecided", ""}
    crossing = read(tmp_path / "found" / "crossing.csv")
    (ratio,) = [r for r in crossing if (r["engine"], r["what"]) == ("reml", "crossing")]
    assert float(ratio["estimate"]) == pytest.approx(1.62865, abs=1e-5)
    assert "1.02 to 2.60 (Fieller)" in out
    assert "practical equivalence: -1 to 1" in out


def test_the_same_command_gives_the_same_file(run, tmp_path):
    for folder in ("one", "two"):
        run("effects", FORMULA, "--data", "students.csv", "--contrast", "ses=sd", "--out", folder)
    assert (tmp_path / "one" / "effects.csv").read_bytes() == (
        tmp_path / "two" / "effects.csv"
    ).read_bytes()


def test_effects_by_reml_alone(run):
    code, out, _ = run(
        *("effects", "hsb_sector_ses", "--engine", "reml", "--contrast", "sector=0,1"),
        *("--at", "ses=mean", "--crossing", "ses"),
    )
    assert code == 0
    assert "direct" not in out  # neither the engine nor its probability of direction
    assert " 2.14 " in out


def test_transformed_predictors_are_read_again(run):
    for data in ("--data", "students.csv"), ("--data=students.csv",):
        code, out, err = run(
            "effects", "math ~ log(wealth) + (1 | school)", *data, "--slope", "wealth"
        )
        assert "wealth: slope" in out, err
        assert code in (0, 3)  # four groups: the verdict may well warn


def test_wrong_engine_for_a_design(run, no_sampling):
    code, _, err = run("effects", "hsb_pooled", "--engine", "reml", "--slope", "ses")
    assert code == 1
    assert "use --engine ols" in err
    code, out, _ = run("effects", "hsb_pooled", "--engine", "ols", "--slope", "ses")
    assert code == 0
    assert "3.184" in out  # the study's pooled slope


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --contrast NAME or --slope NAME, of the predictors ses, "),
        (["--contrast", "sector", "--at", "ses"], "must be NAME=VALUE"),
        (["--contrast", "sector", "--at", "ses=1,"], "must be NAME=VALUE"),
        (["--contrast", "sector", "--at", "ses=1", "--at", "ses=2"], "given twice"),
        (["--contrast", "sector=,1"], "empty value"),
        (["--contrast", "sector", "--rope", "1"], "must be LOW,HIGH"),
        (["--contrast", "sector", "--rope", "a,b"], "must be LOW,HIGH"),
        (["--contrast", "sector", "--out", "students.csv"], "is a file"),
    ],
)
def test_wrong_commands_stop_before_the_sampler(run, no_sampling, arguments, message):
    code, out, err = run("effects", FORMULA, "--data", "students.csv", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contrast", "sectr"], "did you mean 'sector'"),
        (["--contrast", "sector", "--rope", "1,-1"], "lower, upper"),
        (["--contrast", "sector", "--at", "ses=big"], "mean±sd"),
        (["--contrast", "sector", "--at", "school=1"], "is a grouping factor"),
        (["--contrast", "sector", "--crossing", "wealth"], "no predictor 'wealth'"),
        (["--slope", "ses", "--crossing", "ses"], "add their product to the formula (I(ses**2))"),
        (["--crossing", "ses"], "of the predictors ses, sector"),
    ],
)
def test_wrong_questions_are_one_line(run, no_sampling, arguments, message):
    code, _, err = run("effects", FORMULA, "--data", "students.csv", *arguments)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1


def test_predict_writes_the_rows_with_their_predictions(run, tmp_path):
    code, out, err = run(
        *("predict", "hsb_sector_ses", "--new", "rows.csv", "--out", "predicted.csv"),
    )
    assert code == 1  # no such file yet
    assert "rows.csv" in err
    (tmp_path / "rows.csv").write_text("schoolid,ses,sector\n1224,0,0\n1308,0.5,1\n")
    code, out, err = run(
        *("predict", "hsb_sector_ses", "--new", "rows.csv", "--out", "predicted.csv"),
    )
    assert (code, err) == (0, "")
    rows = read(tmp_path / "predicted.csv")
    # lme4's predict, as in test_prediction
    assert [float(row["reml"]) for row in rows] == pytest.approx([11.13752, 15.72576], abs=1e-4)
    assert [row["schoolid"] for row in rows] == ["1224", "1308"]
    mean = np.array([float(row["mean"]) for row in rows])
    assert np.all(np.abs(mean - [11.13752, 15.72576]) < 0.1)
    assert "for a new member of a group of the data" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("new.csv", "predicted.csv", "rows.csv", "students.csv")
    ]


def test_predict_answers_the_question_asked(run):
    def sd_of(*arguments):
        _, out, err = run("predict", FORMULA, "--data", "students.csv", "--new", "new.csv",
                          *arguments)  # fmt: skip
        assert not err
        head, first = out.splitlines()[:2]
        return float(first.split()[head.split().index("sd")])

    population = sd_of("--question", "population")
    new_group = sd_of("--question", "new_group")
    one = sd_of("--question", "new_group", "--kind", "observation")
    assert population < new_group < one


@pytest.mark.parametrize(
    ("new", "arguments", "message"),
    [
        ("school,ses,sector\n9,0,0\n", [], "the data of the model have no school 9"),
        ("school,ses\n1,0\n", [], "has no column 'sector'"),
        ("school,ses,sector\n1,,0\n", [], "'ses' of new.csv has 1 missing value (row 1)"),
        ("school,ses,sector\n1,a,0\n", [], "is text where a number is needed"),
        (NEW, ["--out", "nowhere/found.csv"], "there is no folder"),
        (NEW, ["--out", "."], "is a folder"),
    ],
)
def test_wrong_rows_stop_before_the_sampler(run, no_sampling, tmp_path, new, arguments, message):
    (tmp_path / "new.csv").write_text(new)
    code, out, err = run(
        "predict", FORMULA, "--data", "students.csv", "--new", "new.csv", *arguments
    )
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_predict_refuses_what_the_kind_cannot_answer(run, no_sampling, tmp_path):
    (tmp_path / "rows.csv").write_text("schoolid,ses\n1224,0\n")
    code, _, err = run("predict", "hsb_pooled", "--new", "rows.csv", "--question", "existing_group")
    assert code == 1
    assert "question='population' only" in err


def test_setting_only_what_is_compared_is_refused(run):
    """No value is set for the predictor of a contrast, where it would be ignored in silence."""
    code, out, err = run("effects", "hsb_sector_ses", "--contrast", "sector", "--at", "sector=1")
    assert (code, out) == (1, "")
    assert "sets the predictor that is compared" in err


@pytest.fixture
def bent(tmp_path):
    """Rows of a parabola in x that tilts with z, and its least-squares coefficients by name."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(3.0, 1.5, 60), rng.normal(size=60)
    y = 1.0 + 2.0 * x - 0.5 * x**2 + 0.3 * z + 0.4 * x * z + rng.normal(size=60)
    rows = "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in np.column_stack([x, z, y]).tolist())
    (tmp_path / "bent.csv").write_text(f"x,z,y\n{rows}")
    X = np.column_stack([np.ones(60), x, z, x**2, x * z])
    names = ("1", "x", "z", "xx", "xz")
    return dict(zip(names, np.linalg.lstsq(X, y)[0].tolist(), strict=True)), x, z


def _bent(run, *arguments):
    code, out, err = run(
        *("effects", "y ~ x * z + I(x**2)", "--data", "bent.csv", "--engine", "ols", "--quiet"),
        *(*arguments, "--out", "found"),
    )
    assert code == 0, err
    return out


def test_the_slope_of_a_parabola_at_values_of_its_own(run, tmp_path, bent):
    """The derivative b_x + 2 b_xx x + b_xz z, by calculus."""
    b, _, _ = bent
    _bent(run, "--slope", "x", "--at", "x=2,4", "--at", "z=0.5", "--contrast", "z=1")
    rows = read(tmp_path / "found" / "effects.csv")
    slopes = {float(r["x"]): float(r["estimate"]) for r in rows if r["contrast"] == "x: slope"}
    expected = {at: b["x"] + 2 * b["xx"] * at + 0.5 * b["xz"] for at in (2.0, 4.0)}
    assert slopes == pytest.approx(expected, rel=1e-6)
    # A step of z from 0.5, at each x.
    steps = [float(r["estimate"]) for r in rows if r["contrast"] == "z: +1"]
    assert steps == pytest.approx([b["z"] + at * b["xz"] for at in (2, 4)], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "zero"),
    [
        # At x = 2 the slope b_x + 4 b_xx + b_xz z is zero there:
        (["--crossing", "z", "--at", "x=2"], lambda b, x, z: -(b["x"] + 4 * b["xx"]) / b["xz"]),
        # averaged over the rows, at their mean x;
        (["--crossing", "z"], lambda b, x, z: -(b["x"] + 2 * b["xx"] * x.mean()) / b["xz"]),
        # and the turning point of the parabola at z = 1.
        (["--crossing", "x", "--at", "z=1"], lambda b, x, z: -(b["x"] + b["xz"]) / (2 * b["xx"])),
    ],
)
def test_where_a_slope_is_zero(run, tmp_path, bent, arguments, zero):
    _bent(run, "--slope", "x", *arguments)
    rows = read(tmp_path / "found" / "crossing.csv")
    (found,) = [float(r["estimate"]) for r in rows if r["what"] == "crossing"]
    assert found == pytest.approx(zero(*bent), rel=1e-6)


def test_effects_are_averaged_over_another_population(run, tmp_path, bent):
    b, _, _ = bent
    (tmp_path / "others.csv").write_text("x,z\n1,0\n2,3\n")
    _bent(run, "--slope", "x", "--over", "others.csv")
    (row,) = read(tmp_path / "found" / "effects.csv")
    # Mean x 1.5, mean z 1.5.
    assert float(row["estimate"]) == pytest.approx(b["x"] + 3 * b["xx"] + 1.5 * b["xz"], rel=1e-6)


def test_the_line_of_the_population(run, tmp_path):
    """At the values of `population_line`, whose numbers are tested in test_growth."""
    code, out, err = run(
        *("lines", "distance ~ age * sex + (age | subject)", "--data", "orthodont", "--quiet"),
        *("--population", "--at", "sex=Male", "--x", "8,14", "--out", "found"),
    )
    assert code == 0, err
    assert "the population at sex = Male" in out
    first, last = read(tmp_path / "found" / "population.csv")
    # lme4: fixef() of the same formula, 16.34 + 0.784 age of boys.
    assert float(first["reml"]) == pytest.approx(22.616, abs=5e-4)
    assert float(last["reml"]) == pytest.approx(27.322, abs=5e-4)
    code, _, err = run("lines", "hsb_random_slope", "--at", "ses=1")
    assert (code, "add --population" in err) == (1, True)


def test_effects_and_predictions_of_a_binary_outcome(run, tmp_path):
    rng = np.random.default_rng(4)
    lines = ["y,x,g"]
    for g in range(12):
        u = rng.normal()
        lines += [
            f"{int(rng.random() < 1 / (1 + np.exp(-x - u)))},{x},{g}"
            for x in rng.normal(size=10).round(2)
        ]
    (tmp_path / "binary.csv").write_text("\n".join(lines) + "\n")
    model = ("y ~ x + (1 | g)", "--data", "binary.csv", "--family", "bernoulli", "--engine", "ml")
    code, out, err = run(
        *("effects", *model, "--contrast", "x", "--comparison", "ratio"),
        *("--question", "population", "--out", "found"),
    )
    assert (code, err) == (0, "")
    assert "risk ratios" in out
    (row,) = read(tmp_path / "found" / "effects.csv")
    assert (row["scale"], row["comparison"], row["question"]) == ("response", "ratio", "population")
    code, out, err = run("effects", *model, "--slope", "x", "--scale", "link")
    assert (code, err) == (0, "")
    assert "log odds" in out
    for wrong, message in (
        (("--scale", "logit"), "allowed: response, link"),
        (("--comparison", "rate"), "allowed: difference, ratio, odds_ratio"),
        (("--question", "groups"), "allowed: existing_group, new_group, population"),
    ):
        code, _, err = run("effects", *model, "--contrast", "x", *wrong)
        assert code != 0
        assert message in err
        assert len(err.strip().splitlines()) == 1
    code, out, err = run("predict", *model, "--question", "new_group")
    assert (code, err) == (0, "")
    assert "integrated over the distribution of group effects" in out
