"""`bayes-mlm sum`, `merge`, `groups`, and every command on data that were summed."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bayes_mlm import load_hsb
from bayes_mlm.design import build as model_data

HSB = load_hsb()
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two years of students, and all of them in four files."""
    folder = tmp_path_factory.mktemp("students")
    HSB.iloc[:3500].to_csv(folder / "year1.csv", index=False)
    HSB.iloc[3500:].to_csv(folder / "year2.csv", index=False)
    (folder / "parts").mkdir()
    for k in range(4):
        HSB.iloc[k::4].to_parquet(folder / "parts" / f"p{k}.parquet")
    HSB[HSB.sector == 0].to_csv(folder / "public.csv", index=False)
    HSB[HSB.schoolid == 1224].to_csv(folder / "school.csv", index=False)
    HSB[["ses", "sector", "schoolid"]].iloc[:3].to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture
def run(monkeypatch, run_command, folder):
    """Run one command line in the folder; give its exit code, output and error text."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("bayes_mlm.report.images._processors", lambda: 1)

    def call(*arguments, large=False):
        monkeypatch.setattr(model_data, "KEPT_BYTES", 1_000 if large else 10**9)
        monkeypatch.setattr(model_data, "KEPT_ROWS", 1_000 if large else 10**9)
        return run_command(*arguments)

    return call


def numbers(text):
    """Take the rows of estimates out of what `fit` prints."""
    text = text.partition("engine:")[2]
    return [line for line in text.splitlines() if line.strip().startswith(("beta", "sigma", "icc"))]


# What may differ: how sure the optimum is, how long it took, and what only rows tell.
OTHER = ("ok", "averaged", "- r2_bayes", "r2_bayes ")


def kept_lines(text):
    """Take the lines with numbers that must not depend on where the rows lie."""
    lines = [" ".join(line.split()) for line in text.splitlines() if any(map(str.isdigit, line))]
    return [line for line in lines if not line.startswith(OTHER) and " s; " not in line]


def test_sums_of_several_factors_are_made_added_up_and_fitted(run):
    formula = "mathach ~ ses + (1 | schoolid) + (1 | female:schoolid)"
    code, out, _ = run("sum", formula, "--data", "year1.csv", "--out", "a.sums")
    assert code == 0
    assert "3,500 rows, 77 groups (schoolid), " in out
    assert "combinations of levels have fewer than 5 rows" in out
    assert run("sum", "a.sums", "--data", "year2.csv", "--alone", "--out", "b.sums")[0] == 0
    code, out, _ = run("merge", "b.sums", "a.sums", "--out", "c.sums")
    assert code == 0
    assert "7,185 rows, 160 groups (schoolid), " in out
    rows = run("fit", formula, "--data", "parts", "--engine", "reml")[1]
    wanted = numbers(f"engine:\n{rows}")
    assert len(wanted) == 7
    code, out, _ = run("fit", "c.sums", "--engine", "reml")
    assert code == 0
    assert numbers(f"engine:\n{out}") == wanted
    code, _, err = run("merge", "b.sums", "c.sums", "--out", "d.sums")
    assert code == 1
    assert "are in the first already" in err
    arguments = ("groups", "c.sums", "--engine", "reml", "--out", "g.parquet")
    code, _, err = run(*arguments)
    assert code == 1
    assert "choose factor='schoolid' or factor='female:schoolid'" in err
    assert run(*arguments, "--factor", "schoolid")[0] == 0
    assert pq.read_metadata("g.parquet").num_rows == 160


def test_sums_are_made_added_up_and_fitted(run):
    code, out, _ = run("sum", FORMULA, "--data", "year1.csv", "--out", "year1.sums")
    assert code == 0
    assert "3,500 rows, 77 groups (schoolid)" in out
    assert "bayes-mlm fit year1.sums" in out
    assert run("sum", FORMULA, "--data", "year2.csv", "--out", "year2.sums")[0] == 0
    assert run("sum", "year1.sums", "--data", "year2.csv", "--out", "both.sums")[0] == 0
    code, out, _ = run("merge", "year1.sums", "year2.sums", "--out", "all.sums")
    assert code == 0
    assert "7,185 rows, 160 groups" in out
    wanted = numbers(run("fit", FORMULA, "--data", "parts")[1])
    assert len(wanted) == 7
    for sums in ("all.sums", "both.sums"):
        code, out, _ = run("fit", sums)
        assert code == 0
        assert numbers(out) == wanted
        assert "rows of year1.csv (duckdb) + year2.csv (duckdb) were summed" in out


def test_small_groups_are_told_and_refused(run, folder):
    HSB.groupby("schoolid").head(2).to_csv(folder / "pairs.csv", index=False)
    arguments = ("sum", FORMULA, "--data", "pairs.csv", "--out", "pairs.sums")
    code, _, err = run(*arguments, "--least-rows", "5")
    assert code == 1
    assert "160 of 160 groups have fewer than 5 rows" in err
    assert not (folder / "pairs.sums").exists()
    code, out, _ = run(*arguments)
    assert code == 0
    assert "160 groups have fewer than 5 rows: their sums disclose much" in out


def test_a_fit_from_sums_writes_all_that_a_fit_writes_and_how_to_repeat_it(run, folder, request):
    code, _, _ = run("fit", FORMULA, "--data", "parts", "--rows", "sum", "--out", "study")
    assert code == 0
    assert {"report.html", "estimates.csv", "model.nc", "model.toml", "verdicts.csv"} == {
        path.name for path in (folder / "study").iterdir()
    }
    report = (folder / "study" / "report.html").read_text(encoding="utf-8")
    assert "The slopes differ by" in report
    assert "were summed where they lie" in report
    first = (folder / "study" / "model.toml").read_text().splitlines()[0]
    assert "--rows sum" in first
    before = (folder / "study" / "estimates.csv").read_text()
    again = first.removeprefix("# bayes-mlm ").replace("model.toml", "study/model.toml").split()
    request.getfixturevalue("undrawn")
    assert run(*again, "--out", "again")[0] == 0
    rows = [line.split(",") for line in before.splitlines()[1:]]
    for row, other in zip(
        rows, (folder / "again" / "estimates.csv").read_text().splitlines()[1:], strict=True
    ):
        assert row[:3] == other.split(",")[:3]
        assert float(other.split(",")[3]) == pytest.approx(float(row[3]), rel=1e-8)


@pytest.mark.parametrize("wait", [0.7, 1.6, 2.2, 2.8])
def test_killed_at_any_time_a_run_leaves_its_whole_folder_or_none(folder, tmp_path, wait):
    entry = [str(Path(sys.executable).with_name("bayes-mlm")), "fit"]
    out = tmp_path / "study"
    options = ["--data", str(folder / "parts"), "--rows", "sum", "--out", str(out), "--quiet"]
    process = subprocess.Popen([*entry, FORMULA, *options], stdout=subprocess.DEVNULL)
    time.sleep(wait)
    process.kill()
    process.wait()
    if out.exists():
        assert len(list(out.iterdir())) == 5


def test_effects_of_groups_go_to_a_file(run, folder):
    code, out, _ = run("groups", FORMULA, "--data", "parts", "--out", "schools.parquet")
    assert code == 0
    assert "160 groups (schoolid)\nwritten to schools.parquet\n" in out
    table = pq.read_table(folder / "schools.parquet").to_pandas()
    assert len(table) == 160
    assert np.isfinite(table["sd"]).all()


@pytest.mark.parametrize(
    "command",
    [
        ("variance", FORMULA),
        ("lines", "mathach ~ ses * sector + (ses | schoolid)", "--x", "0,1"),
        ("effects", FORMULA, "--contrast", "sector", "--at", "ses=-1,0,1", "--crossing", "ses"),
        ("effects", FORMULA, "--contrast", "sector", "--engine", "reml"),
        ("predict", FORMULA, "--new", "new.csv"),
        ("sensitivity", FORMULA),
        ("contextual", "mathach ~ ses + (1 | schoolid)"),
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_question_has_the_same_answer_from_large_data(run, command):
    code, wanted, _ = run(*command, "--data", "parts")
    assert code == 0
    code, out, err = run(*command, "--data", "parts", large=True)
    assert code == 0
    assert kept_lines(out) == kept_lines(wanted)
    if command[0] in ("lines", "effects"):  # they needed the rows of all 160 schools
        assert "a random sample: 160 of 160 groups, 7,185 of 7,185 rows" in err


def test_check_and_compare_ask_a_sample_where_they_need_rows(run):
    code, out, err = run("check", FORMULA, "--data", "parts", large=True)
    assert code in (0, 3)
    assert "160 of 160 groups" in out + err
    code, out, _ = run(
        "loo-compare", FORMULA, "mathach ~ ses + (1 | schoolid)", "--data", "parts", large=True
    )
    assert code == 0
    assert "Leaving one group (schoolid) out" in out
    assert "give some of them: leave_one_row_out(fit, rows=...)" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sum", FORMULA, "--data", "absent.parquet", "--out", "a.sums"), "absent.parquet"),
        (("sum", FORMULA, "--data", "parts", "--out", "no/a.sums"), "no"),
        (("sum", FORMULA, "--data", "parts", "--out", "a.sums", "--memory", "much"), "much"),
        (("sum", "mathach ~ sess", "--data", "parts", "--out", "a.sums"), "'sess'"),
        (("sum", "absent.sums", "--data", "parts", "--out", "a.sums"), "absent.sums"),
        (("merge", "one.sums", "--out", "a.sums"), "two files"),
        (("merge", "one.sums", "two.sums", "--out", "a.sums"), "one.sums"),
        (("fit", "absent.sums"), "absent.sums"),
        (
            ("fit", FORMULA, "--data", "parts", "--engine-data", "spark", "--rows", "keep"),
            "kept in",
        ),
        (("groups", "mathach ~ ses", "--data", "parts", "--out", "a.parquet"), "random effects"),
        (("groups", FORMULA, "--data", "parts", "--out", "no/a.parquet"), "no"),
        (("fit", FORMULA, "--data", "part"), "'part'"),
        (
            ("fit", FORMULA, "--data", "parts", "--engine-data", "spark", "--memory", "1GB"),
            "for DuckDB",
        ),
        # what would replace what it reads
        (("sum", FORMULA, "--data", "year1.csv", "--out", "year1.csv"), "must end in .sums"),
        (("sum", FORMULA, "--data", "year1.csv", "--out", "a.dat"), "must end in .sums"),
        (("groups", FORMULA, "--data", "parts", "--out", "parts/a.parquet"), "is read as 'parts'"),
        (("groups", FORMULA, "--data", "parts/*", "--out", "parts/p1.parquet"), "is read as"),
        (("groups", FORMULA, "--data", "parts", "--out", "a.csv"), "end it in .parquet"),
        (("predict", FORMULA, "--data", "year1.csv", "--new", "new.csv", "--out", "new.csv"), "is"),
        (("check", FORMULA, "--data", "year1.csv", "--out", "year1.csv"), "is read as"),
        (
            ("sum", FORMULA, "--data", "year1.csv", "--out", "a.sums", "--alone"),
            "--alone sums rows",
        ),
        (("check", "~ ses", "--data", "year1.csv", "--out", "a.csv"), "~"),
        (("check", FORMULA, "--data", "~nobody/year1.csv", "--out", "a.csv"), "~nobody"),
        (("sum", FORMULA, "--data", "public.csv", "--out", "a.sums"), "other sites"),
        (("sum", FORMULA, "--data", "school.csv", "--out", "a.sums"), "other sites"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(run, folder, arguments, says):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = run(*arguments)
    assert code == 1
    assert err.startswith("error: ")
    assert says in err
    assert "Traceback" not in err + out
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_sites_of_one_sector_are_summed_alone_and_merged(run, folder):
    code, out, err = run("sum", FORMULA, "--data", "year1.csv", "--out", "plan.sums")
    assert code == 0
    HSB[HSB.sector == 1].to_csv(folder / "catholic.csv", index=False)
    for name in ("public", "catholic"):
        given = ("plan.sums", "--data", f"{name}.csv", "--alone", "--out", f"{name}.sums")
        assert run("sum", *given)[0] == 0
    code, out, err = run("merge", "public.sums", "catholic.sums", "--out", "sites.sums")
    assert "7,185 rows, 160 groups" in out
    code, out, err = run("merge", "sites.sums", "public.sums", "--out", "twice.sums")
    assert code == 1
    assert "counted twice" in err
    assert run("merge", "sites.sums", "public.sums", "--out", "x.sums", "--allow-repeats")[0] == 0
    assert not (folder / "twice.sums").exists()
    code, out, err = run("fit", "public.sums")
    assert code == 1
    assert "'sector' does not vary" in err


def test_what_needs_rows_says_so_of_saved_sums(run):
    assert run("sum", FORMULA, "--data", "parts", "--out", "s.sums")[0] == 0
    code, _, err = run("effects", "s.sums", "--contrast", "sector")
    assert code == 1
    assert "set sector (at)" in err
    code, _, err = run("fit", "mathach ~ ses + (1 | schoolid)", "--data", "s.sums")
    assert code == 1
    assert "sum the rows again" in err
    code, _, err = run("fit", "s.sums", "--data", "parts")
    assert code == 1
    assert "fitted without data" in err
    code, out, _ = run("check", "s.sums")
    assert code in (0, 3)
    assert "a sample of groups" in " ".join(out.split())


def test_effects_at_values_that_are_all_set_need_no_rows(run):
    assert run("sum", FORMULA, "--data", "parts", "--out", "all.sums")[0] == 0
    words = ("--contrast", "sector=0,1", "--slope", "ses", "--at", "ses=-1,0", "--at", "sector=0,1")
    code, from_sums, err = run("effects", "all.sums", *words)
    assert code == 0, err
    _, from_rows, _ = run("effects", FORMULA, "--data", "parts", *words)

    def answers(text):
        return [line for line in text.splitlines() if "  direct  " in line or "    reml  " in line]

    assert len(answers(from_sums)) == 8
    assert answers(from_sums) == answers(from_rows)
    for more, says in (
        (("--contrast", "sector=0,1"), "averaging over rows (ses)"),
        (("--contrast", "sector", "--at", "ses=0"), "set sector (at)"),
        (("--contrast", "sector=0,1", "--at", "ses=mean"), "set ses (at)"),
        (("--contrast", "sector=0,1", "--crossing", "ses"), "sums by group"),
        (("--slope", "ses"), "averaging over rows (sector)"),
    ):
        code, _, err = run("effects", "all.sums", *more)
        assert code == 1
        assert says in err


@pytest.mark.parametrize("figure", ["row-residuals", "shrinkage", "predictive"])
def test_figures_of_rows_are_drawn_of_a_sample_and_say_so(run, folder, figure):
    words = ("plot", figure, FORMULA, "--data", "parts", "--out", f"{figure}.png")
    code, _, err = run(*words, large=True)
    assert code == 0, err
    assert "rows are those of a random sample: 160 of 160 groups" in err
    assert (folder / f"{figure}.png").stat().st_size > 10_000
