"""The command line as a stranger would use it."""

import csv
import subprocess
import sys

from bayes_mlm.cli.options import read_pairs
from bayes_mlm.studies.record import load_record
from tests.helpers.students import STUDENTS, F


def test_an_interrupted_command_says_so(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayes_mlm.design.build.build_design", interrupted)
    code, out, err = run("fit", "hsb_null")
    assert (code, out, err) == (130, "", "interrupted; nothing is half-written\n")


def read_rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_fit_by_reml_from_a_file(run, tmp_path):
    code, out, err = run("fit", F, "--data", "students.csv", "--engine", "reml", "--out", "o")
    assert (code, err) == (0, "")
    assert "ok     reml" in out
    rows = read_rows(tmp_path / "o" / "estimates.csv")
    assert [row["quantity"] for row in rows][:4] == [
        "beta[Intercept]",
        "beta[ses]",
        "sigma_u",
        "sigma_e",
    ]
    # The record that was written fits again, from anywhere, to the same numbers.
    again = run("fit", str(tmp_path / "o" / "model.toml"), "--engine", "reml", "--out", "p")
    assert again[0] == 0
    assert (tmp_path / "p" / "estimates.csv").read_text() == (
        tmp_path / "o" / "estimates.csv"
    ).read_text()


def test_an_earlier_run_is_replaced_and_other_files_stay(run, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").write_text("keep")
    for _ in range(2):
        assert run("fit", F, "--data", "students.csv", "--engine", "reml", "--out", "o")[0] == 0
    assert (tmp_path / "o" / "mine.txt").read_text() == "keep"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "students.csv"]


def test_a_stale_posterior_is_removed_with_its_estimates(run, tmp_path):
    assert run("fit", F, "--data", "students.csv", "--out", "o")[0] in (0, 3)
    assert (tmp_path / "o" / "model.nc").exists()
    assert run("fit", F, "--data", "students.csv", "--engine", "reml", "--out", "o")[0] == 0
    assert not (tmp_path / "o" / "model.nc").exists()


def test_the_command_in_a_record_gives_the_same_numbers(run, tmp_path):
    first = run("fit", F, "--data", "students.csv", "--prob", "0.8", "--draws", "150", "--out", "o")
    head = (tmp_path / "o" / "model.toml").read_text().splitlines()[0]
    assert head.startswith("# bayes-mlm fit model.toml --engine direct --prob 0.8")
    words = head.removeprefix("# bayes-mlm fit model.toml ").split()
    again = run("fit", str(tmp_path / "o" / "model.toml"), *words, "--out", "p")
    assert again[0] == first[0]
    one, two = ((tmp_path / d / "estimates.csv").read_text() for d in ("o", "p"))
    assert one == two
    rows = read_rows(tmp_path / "o" / "verdicts.csv")
    assert {row["interval"] for row in rows} >= {"80% HDI", "80% CI"}


def test_a_seed_in_a_record_is_in_force_unless_another_is_given(run, tmp_path):
    text = f'title = "t"\ndata = "students.csv"\nformula = "{F}"\nkind = "partial_pooling"\n'
    (tmp_path / "own.toml").write_text(text + "[settings]\nrandom_seed = 7\n")
    for given, seed in (([], 7), (["--random-seed", "9"], 9)):
        run("fit", "own.toml", *given, "--out", "o")
        assert load_record(tmp_path / "o" / "own.toml").settings.random_seed == seed
    # A file of the user's own that merely looks alike stays.
    (tmp_path / "o" / "own.backup.nc").write_text("keep")
    run("fit", "own.toml", "--engine", "reml", "--out", "o")
    assert (tmp_path / "o" / "own.backup.nc").read_text() == "keep"
    assert not (tmp_path / "o" / "own.nc").exists()


def test_dropped_rows_are_counted(run, tmp_path):
    (tmp_path / "missing.csv").write_text(STUDENTS.replace("0.7,14.1", ",14.1"))
    code, out, _ = run("fit", F, "--data", "missing.csv", "--missing", "drop", "--engine", "reml")
    assert code == 0
    assert "1 row dropped" in out


def test_ols_and_a_kind_without_a_bar(run):
    code, out, _ = run(
        "fit",
        "math ~ ses",
        "--data",
        "students.csv",
        "--kind",
        "within",
        "--group",
        "school",
        "--engine",
        "ols",
    )
    assert code == 0
    assert "beta[within(ses)]" in out


def test_describe_prints_the_documents_first_page(run):
    code, out, _ = run("describe")
    assert code == 0
    # The 2015 document, In [2]: mean and sd of mathach; the crosstab's first row.
    assert "12.747853" in out
    assert "6.878246" in out
    assert "1315 415 1406 506" in " ".join(out.split())


def test_models_lists_and_prints_records(run, tmp_path):
    code, out, _ = run("models")
    assert code == 0
    for name in ("hsb_pooled", "hsb_slopes_as_outcomes"):
        assert name in out
    code, out, _ = run("models", "hsb_null")
    assert code == 0
    # A starter: it fits another table after three words are changed, without the study's figures.
    text = out.replace("schoolid", "school").replace("mathach", "math")
    (tmp_path / "mine.toml").write_text(text.replace('"hsb"', '"students.csv"'))
    code, out, _ = run("fit", "mine.toml", "--engine", "reml")
    assert code == 0
    assert "printed" not in out


def test_an_unclean_verdict_is_exit_code_3(run, monkeypatch, mock_fit):
    from bayes_mlm.base.verdict import Finding, Verdict
    from bayes_mlm.fitting import side_by_side as analysis

    bad = Verdict((Finding("R-hat", False, "largest R-hat 1.20 (sigma_u): raise --draws"),))
    monkeypatch.setattr(analysis, "fit_design", lambda *_, **__: mock_fit("hsb_ses", verdict=bad))
    code, out, _ = run("fit", "hsb_ses")
    assert code == 3
    assert "NOT OK" in out
    assert "raise --draws" in out


def test_a_result_of_a_mocked_posterior_is_complete(run, monkeypatch, mock_fit, tmp_path):
    from bayes_mlm.fitting import side_by_side as analysis

    monkeypatch.setattr(analysis, "fit_design", lambda record, *_, **__: mock_fit(record.name))
    code, out, _ = run("fit", "hsb_ses", "--out", "o")
    assert code == 0
    assert "HalfStudentT" in out  # the priors, in outcome units
    assert "95% HDI" in out
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "estimates.csv",
        "hsb_ses.nc",
        "hsb_ses.toml",
        "published.csv",
        "report.html",
        "verdicts.csv",
    ]
    rows = read_rows(tmp_path / "o" / "estimates.csv")
    assert {row["engine"] for row in rows} == {"nuts", "reml"}
    written = load_record(tmp_path / "o" / "hsb_ses.toml")
    assert written.settings.random_seed == 1
    assert "sigma_u" in written.model.priors


def test_help_teaches_and_is_quick():
    """Under half a second of CPU (the issue); imports are what costs, so none of the heavy ones."""
    code = (
        "import sys, time\n"
        "sys.argv = ['bayes-mlm', '--help']\n"
        "from bayes_mlm import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'xarray', 'pymc', 'arviz', 'statsmodels'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for word in ("reproduce", "fit", "Exit codes", "within groups"):
        assert word in done.stdout


def test_a_direct_fit_imports_nothing_heavy():
    """The whole process takes 1.5 s, of which the fit 0.1: imports are what costs."""
    code = (
        "import sys\n"
        "sys.argv = ['bayes-mlm', 'fit', 'hsb_sector_ses', '--quiet']\n"
        "from bayes_mlm import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'pandas', 'scipy', 'xarray', 'pymc', 'arviz', 'statsmodels', 'matplotlib'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (
        "not compared with statsmodels (request it by check=True or fit --cross-check)"
        in done.stdout
    )


def test_priors_may_hold_an_equals_sign():
    found = read_pairs("--prior", ["sigma_u=HalfNormal(sigma=5)"], "NAME=DISTRIBUTION")
    assert found == {"sigma_u": "HalfNormal(sigma=5)"}
