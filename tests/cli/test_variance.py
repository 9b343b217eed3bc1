"""`bayes-mlm variance` and `bayes-mlm contextual` as a stranger would use them."""

import csv

import pytest

from tests.helpers import ROOT

F = "math ~ ses + (1 | school)"
ROWS = "school,ses,math,sector\n" + "".join(
    f"{k // 4},{(k * 7 % 5) / 2 - 1 + k // 16},{10 + k // 4 + (k * 11 % 7) / 3},{k // 4 % 2}\n"
    for k in range(48)
)


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in a folder of small files; give exit code, output and error text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(ROWS)
    (tmp_path / "missing.csv").write_text(ROWS.replace("1,-1.0,", "1,,", 1))
    return run_command


def test_variance_prints_every_question_and_writes_rows(run, tmp_path):
    code, out, _ = run("variance", F, "--data", "students.csv", "--out", "found", "--draws", "200")
    assert code == 0, out
    for words in ("How much of the variance", "null", "Rights & Sterba", "icc_unadjusted", "reml"):
        assert words in out
    assert "between groups, of the outcome" in out  # the line of explanation
    with (tmp_path / "found" / "variance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["engine"] for row in rows} == {"direct", "reml"}
    assert all(row["meaning"] for row in rows)
    shares = [row for row in rows if row["quantity"].startswith("part_total")]
    assert sum(float(row["estimate"]) for row in shares) == pytest.approx(2.0)  # of two engines


def test_variance_of_the_study_against_its_null_model(run):
    code, out, _ = run("variance", "hsb_sector_ses", "--null", "hsb_null", "--engine", "reml")
    assert code == 0
    # R: reference/variance_r.json.
    assert "0.571" in _line(out, "r2_between")
    assert "0.520" in _line(out, "r2_level2")
    assert "sd" not in _line(out, "measure").split()


def _line(out, start):
    return next(line for line in out.splitlines() if line.strip().startswith(start))


def test_variance_along_a_slope(run):
    model = "reaction ~ days + (days | subject)"
    code, out, _ = run(
        "variance", model, "--data", "sleepstudy", "--engine", "reml", "--at", "days=0,9"
    )
    assert code == 0
    assert "vpc[days=9]" in out
    assert "random slopes" in out


def test_variance_without_rows_that_miss_a_value(run):
    # The null model must have the same rows, though it does not use ses.
    code, out, _ = run(
        "variance", F, "--data", "missing.csv", "--missing", "drop", "--engine", "reml"
    )
    assert code == 0, out
    assert "r2_between" in out


def test_contextual_lays_out_a_mundlak_model(run, tmp_path):
    code, out, _ = run("contextual", F, "--data", "students.csv", "--out", "c", "--draws", "200")
    assert code == 0, out
    for words in (
        "[mundlak]",
        "between(ses)",
        "contextual",
        "Hausman",
        "chi²",
        "contextual effect of",
    ):
        assert words in out
    with (tmp_path / "c" / "contextual.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == ["within", "between", "contextual"] * 2
    assert rows[0]["above"]


def test_contextual_says_which_mean(run):
    code, out, _ = run(
        "contextual",
        "mathach ~ ses + meanses + (1 | schoolid)",
        "--data",
        "hsb",
        "--engine",
        "reml",
    )
    assert code == 0
    assert "not between(ses)" in out
    # R: reference/variance_r.json.
    assert "63.14" in out
    assert "94.69" in out


WRONG = [
    (["variance", F], 1, "a formula needs data"),
    (["variance", F, "--data", "student.csv"], 1, "students.csv"),
    (["variance", F, "--data", "missing.csv"], 1, "--missing drop"),
    (["variance", F, "--data", "students.csv", "--at", "ses=0"], 1, "predictors with one: none"),
    (["variance", F, "--data", "students.csv", "--at", "ses"], 1, "NAME=NUMBER"),
    (["variance", "hsb_random_slope", "--at", "ses=0", "--at", "ses=1"], 1, "twice"),
    (["variance", "hsb_ses", "--null", "hsb_sector"], 1, "no predictors"),
    (["variance", "hsb_ses", "--null", "hsb_nul"], 1, "hsb_null"),
    (["variance", "hsb_ses", "--prob", "94"], 1, "probability"),
    (["variance", "hsb_ses", "--engine", "lme4"], 2, "lme4"),
    (["contextual", "sleepstudy_growth"], 1, "whose group means differ"),
    (["contextual", "hsb_null"], 1, "both within and between"),
    (["contextual", "mathach ~ ses", "--data", "hsb"], 1, "mundlak"),
    (["contextual", "hsb_ses", "--mean", "ses"], 1, "PREDICTOR=COLUMN"),
    (["contextual", "hsb_ses", "--mean", "ses=meanses"], 1, "no term of the model"),
    (["contextual", "hsb_ses", "--mean", "ses=a", "--mean", "ses=b"], 1, "twice"),
    (["contextual", F, "--data", "students.csv", "--out", "students.csv"], 1, "is a file"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG)
def test_a_mistake_is_one_line(run, arguments, code, message):
    found, out, err = run(*arguments)
    assert found == code, out + err
    assert message in err.replace("\n", " ")
    if code == 1:
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1


CONTRACEPTION = str(ROOT / "tests" / "cases" / "contraception.csv")
USE = "use ~ age + urban + (1 | district)"


def test_variance_of_a_binary_outcome_against_its_null_model(run):
    binary = ("--data", CONTRACEPTION, "--family", "bernoulli", "--engine", "ml")
    code, out, _ = run("variance", USE, *binary, "--at", "age=0,10")
    assert code == 0, out
    for words in (
        "How far apart are groups",
        "vpc_observation[age=10]",
        "3.29, of the latent outcome with the link logit",
        "proportional change in variance",
    ):
        assert words in out
    # As performance::r2_nakagawa and icc: tests/questions/test_variance_families.py.
    assert "0.0558" in _line(out, "icc_adjusted")
    assert "0.0262" in _line(out, "r2_marginal")
    assert "1.52" in _line(out, "median_odds_ratio")


def test_ratios_are_printed_or_refused_before_anything_is_fitted(run):
    binary = ("--data", CONTRACEPTION, "--engine", "ml", "--exponentiate")
    code, out, _ = run("fit", USE, *binary, "--family", "bernoulli", "--quiet")
    assert code == 0
    assert _line(out, "odds_ratio[urban[Y]]").split()[1] == "1.92"
    code, out, _ = run("table", USE, *binary, "--family", "bernoulli")
    assert code == 0
    assert "(odds ratio)" in out
    for command in ("fit", "table"):
        code, out, err = run(command, USE, *binary, "--family", "bernoulli", "--link", "probit")
        assert (code, out) == (1, "")
        assert "are no ratios; use exponentiate with a logit" in err
