"""`bayes-mlm sensitivity` as a stranger would use it."""

import csv
from functools import partial

import pytest

from bayes_mlm.assess.sensitivity import fits

F = "math ~ ses + (1 | school)"
ROWS = "school,ses,math,sector\n" + "".join(
    f"{k // 3},{(k * 7 % 5) / 2 - 1},{10 + k // 3 + (k * 11 % 7) / 3},{k // 3 % 2}\n"
    for k in range(24)
)
FLAT = f"""title = "two schools"
data = "two.csv"
formula = "{F}"
kind = "partial_pooling"
[priors]
Intercept = "Flat"
"""


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in a folder of small files; give exit code, output and error text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(ROWS)
    (tmp_path / "two.csv").write_text("\n".join(ROWS.splitlines()[:7]) + "\n")
    (tmp_path / "missing.csv").write_text(ROWS.replace("1,-1.0,", "1,,", 1))
    (tmp_path / "flat.toml").write_text(FLAT)
    return partial(run_command, "sensitivity")


WRONG = [
    ([F], 1, "a formula needs data"),
    ([F, "--data", "student.csv"], 1, "students.csv"),
    ([F, "--data", "missing.csv"], 1, "--missing drop"),
    (["math ~ ses", "--data", "students.csv"], 1, "no group effects"),
    (["hsb_pooled"], 1, "add (1 | group)"),
    (["hsb_sess"], 1, "hsb_ses"),
    (["hsb_ses", "hsb_ses"], 1, "twice"),
    (["nothing.toml"], 1, "nothing.toml"),
    (["hsb_ses", "--prior", "HalfNorml(1)"], 1, "HalfNormal(sigma)"),
    (["hsb_ses", "--prior", "HalfNormal(-1)"], 1, "above 0"),
    (["hsb_ses", "--prior", "Flat", "--prior", "flat"], 1, "twice"),
    (["hsb_ses", "--prior", "sigma_e=HalfNormal(1)"], 1, "'sigma_e' cannot be varied"),
    (["hsb_ses", "--prior", "sigma_u[ses]=Flat"], 1, "'sigma_u'"),
    (["hsb_ses", "--term", "sess"], 1, "'ses'"),
    (["hsb_ses", "--prob", "94"], 1, "probability"),
    (["hsb_ses", "--random-seed", "-1"], 1, "random_seed"),
    (["hsb_ses", "--out", "students.csv"], 1, "is a file"),
    (["hsb_ses", "--missing", "impute"], 2, "impute"),
    (["hsb_ses", "--priors", "Flat"], 2, "--prior"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), WRONG, ids=lambda v: str(v)[:60])
def test_wrong_input(run, refused, monkeypatch, arguments, code, says):
    def refuse(*_, **__):
        raise AssertionError("a wrong input reached the engine")

    monkeypatch.setattr(fits, "sample_direct", refuse)
    refused(run, arguments, code, says)


def test_the_whole_ladder_is_the_default(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    for name in ("hsb_null", "hsb_sector_ses", "hsb_slopes_as_outcomes"):
        assert f"{name}: means" in out
    assert "hsb_pooled" not in out
    assert "HalfCauchy(beta=6.878)" in out
    assert "56 posteriors in" in out
    # Every table fits a pipe's width: no prior is broken over two lines.
    assert "HalfStudentT(nu=3, sigma=6.878)*" in out.split("hsb_slopes_as_outcomes: means")[1]


def test_files_are_written_and_the_seed_is_fixed(run, tmp_path):
    arguments = [F, "--data", "students.csv", "--prior", "HalfNormal(2)", "--prior", "Flat"]
    for folder in ("o", "p"):
        code, out, _ = run(*arguments, "--out", folder, "--quiet")
        assert code == 0
        assert "posteriors in" not in out
    names = ["sensitivity.csv", "sensitivity.png"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == names
    assert (tmp_path / "o" / names[1]).read_bytes().startswith(b"\x89PNG")
    one, two = ((tmp_path / folder / names[0]).read_text() for folder in ("o", "p"))
    assert one == two
    rows = list(csv.DictReader(one.splitlines()))
    assert {row["prior"] for row in rows} >= {"HalfNormal(sigma=2.0)", "Flat()"}
    assert {row["quantity"] for row in rows} == {"sigma_u", "icc"}
    assert run(*arguments, "--out", "q", "--random-seed", "7")[0] == 0
    assert (tmp_path / "q" / names[0]).read_text() != one


def test_options_are_in_force(run):
    code, out, _ = run(
        *["math ~ ses + sector + (ses | school)", "--data", "students.csv"],
        *["--prior", "sigma_u[ses]=HalfNormal(sigma=0.5)", "--term", "ses", "--prob", "0.8"],
    )
    assert code in (0, 3)
    assert "sigma_u[ses]=HalfNormal(sigma=0.5)" in " ".join(out.split())
    assert "The 80% HDI" in out
    assert "for beta[ses]" in " ".join(out.split())


def test_missing_rows_may_be_dropped(run):
    assert run(F, "--data", "missing.csv", "--missing", "drop", "--prior", "Flat")[0] == 0


def test_a_prior_without_a_posterior_is_told_and_is_exit_code_3(run, tmp_path):
    code, out, _ = run("flat.toml", "--out", "o")
    assert code == 3
    assert "refused NOT OK" in out
    assert "NOT OK flat, Flat(): the posterior is improper" in " ".join(out.split())
    rows = list(csv.DictReader((tmp_path / "o" / "sensitivity.csv").read_text().splitlines()))
    refused = [row for row in rows if row["method"] == "refused"]
    assert [row["estimate"] for row in refused] == ["", ""]
