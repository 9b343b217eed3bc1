"""The command line as a stranger would use it: right, and wrong in every way we thought of."""

import csv
import subprocess
import sys

import pytest

from bayes_mlm.cli.options import read_pairs
from bayes_mlm.studies.record import load_record

STUDENTS = """school,ses,math,sector,note
1,0.5,12.1,0,a
1,-0.2,10.4,0,b
1,0.1,11.0,0,a
2,1.0,15.2,1,b
2,0.7,14.1,1,a
2,-0.4,13.0,1,b
3,0.0,9.5,0,a
3,0.3,10.1,0,b
3,-1.1,8.2,0,a
4,0.9,16.0,1,b
4,0.2,13.9,1,a
4,-0.6,12.2,1,b
"""


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in an empty folder; give its exit code, output and error text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(STUDENTS)
    # The report is held in test_report and test_browser; its figures would take seconds each time.
    monkeypatch.setattr("bayes_mlm.report.images._processors", lambda: 1)
    monkeypatch.setattr("bayes_mlm.report.rendering.choose_figures", lambda _: iter(()))
    return run_command


@pytest.fixture
def no_sampling(monkeypatch):
    """Fail loudly if a wrong input gets as far as the sampler."""

    def refuse(*_, **__):
        raise AssertionError("a wrong input reached the sampler")

    monkeypatch.setattr("bayes_mlm.engines.nuts.sample_nuts", refuse)
    monkeypatch.setattr("bayes_mlm.engines.direct.sample_direct", refuse)


FILES = {
    "missing.csv": STUDENTS.replace("0.7,14.1", ",14.1"),
    "infinite.csv": STUDENTS.replace("0.7,14.1", "inf,14.1"),
    "text.csv": STUDENTS.replace("0.7,14.1", "high,14.1"),
    "textual_outcome.csv": STUDENTS.replace("14.1", "good"),
    "constant.csv": "school,ses,math\n" + "".join(f"{k // 2},1,{k}\n" for k in range(8)),
    "same_outcome.csv": "school,ses,math\n" + "".join(f"{k // 2},{k},5\n" for k in range(8)),
    "one_group.csv": "school,ses,math\n" + "".join(f"7,{k},{k * k}\n" for k in range(8)),
    "singletons.csv": "school,ses,math\n" + "".join(f"{k},{k % 3},{k * k}\n" for k in range(8)),
    "duplicate.csv": "school,ses,ses,math\n1,2,3,4\n1,3,4,5\n",
    "empty.csv": "",
    "header.csv": "school,ses,math\n",
    "ragged.csv": "school,ses,math\n1,2,3\n1,2,3,4,5\n",
    "latin.csv": b"school,ses,math\n1,2,caf\x81\x01\x02\x03\n",
    "broken.parquet": b"PAR1 but not really",
    "students.xlsx": b"PK",
    "aliased.csv": "school,ses,math,twice\n"
    + "".join(f"{k // 2},{k},{k * k},{2 * k}\n" for k in range(8)),
    "unknown_key.toml": 'title = "t"\ndata = "hsb"\nformula = "mathach ~ ses"\nkind = "pooled"\n'
    'fromula = "x"\n',
    "not_toml.toml": 'title = "t\n',
    "no_kind.toml": 'title = "t"\ndata = "hsb"\nformula = "mathach ~ ses"\n',
    "bad_kind.toml": 'title = "t"\ndata = "hsb"\nformula = "mathach ~ ses"\nkind = "pool"\n',
    "no_group.toml": 'title = "t"\ndata = "hsb"\nformula = "mathach ~ ses"\nkind = "within"\n',
    "url.toml": 'title = "t"\ndata = "https://x.org/a.csv"\nformula = "y ~ x"\nkind = "pooled"\n',
    "bad_prior.toml": 'title = "t"\ndata = "hsb"\nformula = "mathach ~ ses"\nkind = "pooled"\n'
    '[priors]\nsigma_e = "Normal(0, 1)"\n',
}
F = "math ~ ses + (1 | school)"

# The command line, the exit code, and what the one line of error must tell.
WRONG = [
    # tables
    (["fit", F], 1, "a formula needs data"),
    (["fit", F, "--data", "student.csv"], 1, "students.csv"),
    (["fit", F, "--data", "hsb2"], 1, "no embedded data set"),
    (["fit", F, "--data", "students.xlsx"], 1, "workbook"),
    (["fit", F, "--data", "missing.csv"], 1, "--missing drop"),
    (["fit", F, "--data", "infinite.csv"], 1, "1 infinite value (row 5)"),
    (["fit", F, "--data", "text.csv"], 1, "ses"),
    (["fit", F, "--data", "textual_outcome.csv"], 1, "math"),
    (["fit", F, "--data", "constant.csv"], 1, "predictor 'ses' is constant"),
    (["fit", F, "--data", "same_outcome.csv"], 1, "outcome 'math'"),
    (["fit", F, "--data", "one_group.csv"], 1, "one level (7)"),
    (["fit", F, "--data", "singletons.csv"], 1, "one row"),
    (["fit", F, "--data", "duplicate.csv"], 1, "ses"),
    (["fit", F, "--data", "empty.csv"], 1, "empty"),
    (["fit", F, "--data", "header.csv"], 1, "no rows"),
    (["fit", F, "--data", "ragged.csv"], 1, "row 2"),
    (["fit", F, "--data", "latin.csv"], 1, "UTF-8"),
    (["fit", F, "--data", "broken.parquet"], 1, "broken.parquet"),
    # columns
    (["fit", "math ~ SES + (1 | school)", "--data", "students.csv"], 1, "'ses'"),
    (["fit", "math ~ ses + (1 | schol)", "--data", "students.csv"], 1, "'school'"),
    (["fit", "math ~ school + (1 | ses)", "--data", "students.csv"], 1, "one row"),
    (["fit", "math ~ ses + twice + (1 | school)", "--data", "aliased.csv"], 1, "'twice'"),
    (["fit", F, "--data", "students.csv", "--group-level", "ses"], 1, "'ses'"),
    (["fit", F, "--data", "students.csv", "--group", "sector"], 1, "school"),
    # formulas
    (["fit", "math ~", "--data", "students.csv"], 1, "math ~"),
    (["fit", "math ses", "--data", "students.csv"], 1, "math ses"),
    (["fit", "math ~ ses + (1 | school", "--data", "students.csv"], 1, "^"),
    (["fit", "math ~ lgo(ses) + (1 | school)", "--data", "students.csv"], 1, "log"),
    (["fit", "math ~ log(ses) + (1 | school)", "--data", "students.csv"], 1, "log(ses)"),
    (["fit", "math ~ __import__('os')", "--data", "students.csv"], 1, "math ~"),
    (["fit", "math ~ ses + (note || school)", "--data", "students.csv"], 1, "||"),
    (
        [
            "fit",
            "math ~ ses + (1 | school) + (1 | sector)",
            *["--data", "students.csv", "--engine", "reml"],
        ],
        1,
        "one grouping factor",
    ),
    # kinds and engines
    (["fit", "math ~ ses", "--data", "students.csv", "--kind", "within"], 1, "group"),
    (["fit", "math ~ ses", "--data", "students.csv", "--kind", "partial_pooling"], 1, "(1 |"),
    (["fit", F, "--data", "students.csv", "--kind", "pooled"], 1, "bar"),
    (
        [
            "fit",
            "math ~ sector",
            "--data",
            "students.csv",
            *["--kind", "no_pooling", "--group", "school"],
        ],
        1,
        "'sector' does not vary within school",
    ),
    (["fit", "math ~ ses", "--data", "students.csv", "--engine", "reml"], 1, "--engine ols"),
    (["fit", F, "--data", "students.csv", "--engine", "ols"], 1, "--engine reml"),
    (["fit", "hsb_ses", "--kind", "pooled"], 1, "record"),
    # priors and settings
    (["fit", F, "--data", "students.csv", "--prior", "tau=HalfNormal(1)"], 1, "'tau'"),
    (["fit", F, "--data", "students.csv", "--prior", "sigma_u=Normal(0,1)"], 1, "HalfNormal"),
    (["fit", F, "--data", "students.csv", "--prior", "sigma_u=HalfNormal(-1)"], 1, "above 0"),
    (["fit", F, "--data", "students.csv", "--prior", "sigma_u"], 1, "NAME=DISTRIBUTION"),
    (["fit", F, "--data", "students.csv", "--prior", "beta[sex]=Normal(0,1)"], 1, "beta[ses]"),
    (
        [
            "fit",
            F,
            "--data",
            "students.csv",
            *["--prior", "sigma_u=Flat", "--prior", "sigma_u=Flat"],
        ],
        1,
        "twice",
    ),
    (["fit", F, "--data", "students.csv", "--draws", "0"], 1, "draws"),
    (["fit", F, "--data", "students.csv", "--chains", "1"], 1, "chains"),
    (["fit", F, "--data", "students.csv", "--random-seed", "-1"], 1, "random_seed"),
    (["fit", F, "--data", "students.csv", "--target-accept", "2"], 1, "target_accept"),
    (["fit", F, "--data", "students.csv", "--prob", "94", "--engine", "reml"], 1, "probability"),
    # records
    (["fit", "hsb_sess"], 1, "hsb_ses"),
    (["fit", "nothing.toml"], 1, "nothing.toml"),
    (["fit", "unknown_key.toml"], 1, "formula"),
    (["fit", "not_toml.toml"], 1, "line 1"),
    (["fit", "no_kind.toml"], 1, "kind"),
    (["fit", "bad_kind.toml"], 1, "pooled"),
    (["fit", "no_group.toml"], 1, "group"),
    (["fit", "url.toml"], 1, "download"),
    (["fit", "bad_prior.toml"], 1, "sigma_e"),
    (["models", "hsb_nul"], 1, "hsb_null"),
    (["fit", "students.csv"], 1, "--data students.csv"),
    (["effects", F, "--data", "students.csv", "--slope", "ses", "--rope", "1,-1"], 1, "lower end"),
    # writing
    (["fit", F, "--data", "students.csv", "--engine", "reml", "--out", "students.csv"], 1, "file"),
    (["fit", F, "--data", "students.csv", "--engine", "reml", "--out", "/proc/no/x"], 1, "write"),
    (["reproduce", "--out", "students.csv"], 1, "is a file"),
    (["fit", F, "--data", "students.csv", "--out", "students.csv/x"], 1, "choose another folder"),
    (["reproduce", "--draws", "1"], 1, "draws"),
    # describe
    (["fit", F, "--data", "students.csv", "--engine", "reml", "--draws", "9"], 1, "no draws"),
    (["describe", "--data", "nothing.csv"], 1, "nothing.csv"),
    (["describe", "--data", "students.csv", "--column", "maths"], 1, "math"),
    (["describe", "--data", "students.csv", "--cross", "sector"], 1, "sector"),
    # the command itself
    (["fit"], 2, "MODEL"),
    (["fti", F], 2, "fti"),
    (["fit", F, "--engine", "lme4"], 2, "lme4"),
    (["fit", F, "--draws", "many"], 2, "--draws"),
    (["fit", F, "--missing", "impute"], 2, "impute"),
    (["fit", F, "--daat", "students.csv"], 2, "--data"),
]


def test_an_interrupted_command_says_so(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayes_mlm.design.build.build_design", interrupted)
    code, out, err = run("fit", "hsb_null")
    assert (code, out, err) == (130, "", "interrupted; nothing is half-written\n")


@pytest.mark.parametrize(("arguments", "code", "says"), WRONG, ids=lambda v: str(v)[:60])
def test_wrong_input(run, no_sampling, tmp_path, arguments, code, says):
    for name, content in FILES.items():
        if name in arguments:
            (tmp_path / name).write_bytes(
                content if isinstance(content, bytes) else content.encode()
            )
    before = sorted(path.name for path in tmp_path.iterdir())
    found, out, err = run(*arguments)
    assert found == code, out + err
    assert says.lower() in err.lower()
    assert "Traceback" not in err
    if code == 1:
        assert err.startswith("error: ")
        # One message: a formula error adds the formula and a caret under the place.
        assert len(err.strip().splitlines()) in (1, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "something was left behind"


def test_at_least_forty_wrong_inputs_are_tried():
    assert len(WRONG) >= 40


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


def test_an_earlier_run_is_replaced_and_other_files_left_alone(run, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").write_text("keep")
    for _ in range(2):
        assert run("fit", F, "--data", "students.csv", "--engine", "reml", "--out", "o")[0] == 0
    assert (tmp_path / "o" / "mine.txt").read_text() == "keep"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "students.csv"]


def test_a_stale_posterior_is_not_left_beside_new_estimates(run, tmp_path):
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


def test_dropped_rows_are_told(run, tmp_path):
    (tmp_path / "missing.csv").write_text(FILES["missing.csv"])
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
    own = out.replace("schoolid", "school").replace("mathach", "math")
    (tmp_path / "mine.toml").write_text(own.replace('"hsb"', '"students.csv"'))
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
