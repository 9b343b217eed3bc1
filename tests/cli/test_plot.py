"""`bayes-mlm plot` as a stranger would use it, right and wrong."""

import csv
from functools import partial
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bayes_mlm.studies import FIGURES
from tests.helpers import ROOT

CBPP = ROOT / "tests" / "cases" / "cbpp.csv"


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in an empty folder; give its exit code, output and error text."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    drawn = enumerate(rng.normal(size=(64, 2)))
    rows = [f"{k // 8},{x:.3f},{k // 8 + x + e:.3f}" for k, (x, e) in drawn]
    (tmp_path / "students.csv").write_text("\n".join(["school,ses,math", *rows]) + "\n")
    (tmp_path / "folder").mkdir()
    return partial(run_command, "plot")


F = "math ~ ses + (1 | school)"


@pytest.mark.parametrize("arguments", [["--list"], []])
def test_list_names_every_figure(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    for entry in FIGURES.values():
        assert f"\n {entry.name} " in out or f"\n{entry.name} " in out
    assert "every group's effect with its interval" in out


def test_a_figure_goes_into_a_file_of_its_name(run, tmp_path):
    code, out, err = run("predictive", F, "--data", "students.csv")
    assert (code, err) == (0, "")
    assert (tmp_path / "predictive.png").read_bytes().startswith(b"\x89PNG")
    assert "64 rows" in out
    assert out.endswith("written to predictive.png\n")


def test_labels_stand_on_axes(run, tmp_path):
    labels = ("--label", "math=mathematics (points)", "--label", "ses=status (sd)")
    given = ("trajectories", "math ~ ses + (ses | school)", "--data", "students.csv", "--quiet")
    assert run(*given, *labels, "--out", "a.svg")[0] == 0
    text = "".join(ET.parse(tmp_path / "a.svg").getroot().itertext())
    assert "mathematics (points)" in text
    assert "status (sd)" in text


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("sess=x", "did you mean 'ses'?"),
        ("ses", "must be NAME=TEXT"),
        ("ses= ", "must be NAME=TEXT"),
    ],
)
def test_labels_of_no_column_are_refused(run, tmp_path, label, says):
    code, _, error = run("caterpillar", F, "--data", "students.csv", "--label", label)
    assert code == 1
    assert says in error
    assert not (tmp_path / "caterpillar.png").exists()


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("a.PDF", b"%PDF"), ("folder/a.png", b"\x89PNG")]
)
def test_the_ending_chooses_the_format(run, tmp_path, name, begins):
    code, out, _ = run("caterpillar", F, "--data", "students.csv", "--out", name, "--quiet")
    assert code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert out == f"written to {name}\n"
    if name.endswith("svg"):
        assert ET.parse(tmp_path / name).getroot().tag.endswith("svg")
    assert [path.name for path in (tmp_path / name).parent.glob(".*")] == []


def test_numbers_of_a_figure_are_a_table(run, tmp_path):
    code, out, _ = run("caterpillar", F, "--data", "students.csv", "--out", "a.csv", "--quiet")
    assert (code, out) == (0, "written to a.csv\n")
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["group"] for row in rows) == [str(k) for k in range(8)]
    assert all(float(row["lower"]) < float(row["estimate"]) < float(row["upper"]) for row in rows)


def test_size_and_theme_are_options(run, tmp_path):
    look = ("--out", "a.svg", "--size", "3.3x4", "--theme", "grey", "--quiet")
    assert run("caterpillar", F, "--data", "students.csv", *look)[0] == 0
    root = ET.parse(tmp_path / "a.svg").getroot()
    letters = "".join(
        text for one in root.iter() if one.tag.endswith("}text") for text in one.itertext()
    )
    assert "effect on math" in letters
    assert [float(root.get(side).removesuffix("pt")) for side in ("width", "height")] == [
        pytest.approx(72 * 3.3),
        pytest.approx(72 * 4),
    ]
    assert "#0072b2" not in (tmp_path / "a.svg").read_text().lower()


def test_a_ladder_brings_its_null_models(run):
    code, out, _ = run("explained", "hsb_ses", "--draws", "100")
    assert code == 0
    # Raudenbush & Bryk's R² between by REML is 0.4465 (tests/studies/test_published.py).
    assert "hsb_ses 4" in out
    assert "% between" in out


def test_formulas_of_a_ladder_are_told_apart(run):
    code, out, _ = run("coefficients", F, "math ~ ses", "--data", "students.csv")
    assert code == 0
    assert "(math ~ ses)" in out
    assert f"({F})" in out


def test_the_seed_is_fixed(run, tmp_path):
    made = []
    for name in ("a.png", "b.png"):
        run("predictive", F, "--data", "students.csv", "--out", name)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["caterpilar", "hsb_ses"], "unknown figure 'caterpilar'; did you mean 'caterpillar'?"),
        (["predictive"], "of one model, found 0"),
        (["predictive", "hsb_ses", "hsb_null"], "of one model, found 2"),
        (["predictive", "hsb_sess"], "did you mean 'hsb_ses'?"),
        (["explained", "hsb_ses", "hsb_ses"], "'hsb_ses' is given twice"),
        (["coefficients", "--data", "students.csv"], "--data needs models too"),
        (["predictive", "hsb_ses", "--out", "a.jpg"], "ends in '.jpg'; allowed: .png, .svg, .pdf"),
        (["predictive", "hsb_ses", "--out", "a"], "has no ending; allowed: .png"),
        (["predictive", "hsb_ses", "--out", "nowhere/a.png"], "there is no folder 'nowhere'"),
        (["predictive", "y ~ x", "--data", "none.csv"], "none.csv"),
        (["predictive", "hsb_ses", "--theme", "gray"], "did you mean 'grey'?"),
        (["predictive", "hsb_ses", "--size", "3 by 4"], "give inches: 3.3, or 6.3x4"),
        (["predictive", "hsb_ses", "--size", "0"], "in inches between 1.5 and 40"),
        (["predictive", "hsb_ses", "--scale", "ratio"], "has one scale; omit --scale"),
        (["calibration", F, "--data", "students.csv", "--family", "bernouli"], "'bernoulli'"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_fitted(run, monkeypatch, arguments, says):
    # Called, it would end the test.
    monkeypatch.setattr("bayes_mlm.engines.direct.sample_direct", None)
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert says in err
    assert err.count("\n") == 1


def test_a_folder_in_the_place_of_the_file_is_refused(run, tmp_path):
    (tmp_path / "a.png").mkdir()
    code, _, err = run("predictive", "hsb_ses", "--out", "a.png")
    assert code == 1
    assert "'a.png': it is a folder; choose another name" in err


@pytest.mark.slow
def test_a_family_and_a_scale_are_options_as_of_fit(run, tmp_path):
    made = run(
        *("caterpillar", "incidence ~ period + (1 | herd)", "--data", str(CBPP)),
        *("--family", "binomial", "--trials", "size", "--scale", "ratio", "--draws", "100"),
    )
    assert made[0] == 0, made[2]
    assert "wholly above 1 for" in made[1]
    assert (tmp_path / "caterpillar.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["energy", F], "does not apply to model; it requires that a fit is by NUTS"),
        (["subgroup-difference", F], "the model has a product of the slope and a two-valued"),
        (["four-slopes", F], "does not apply to these models"),
    ],
)
def test_a_figure_that_does_not_apply_says_when_it_would(run, tmp_path, arguments, says):
    code, _, err = run(*arguments, "--data", "students.csv")
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.glob("*.png")) == []


def test_letters_that_the_font_lacks_are_said_in_one_line(run, tmp_path, monkeypatch):
    # A machine may have a font with these letters, which then takes over.
    monkeypatch.setattr("bayes_mlm.figures.style.more_letters", lambda: ())
    rows = [
        f"{group},{value}" for group in ("\u65e5\u672c", "b", "c", "d") for value in (1, 2, 4, 7)
    ]
    (tmp_path / "own.csv").write_text("g,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    code, _, err = run("caterpillar", "y ~ 1 + (1 | g)", "--data", "own.csv", "--out", "a.png")
    assert code in (0, 3)
    assert "some letters are not in the font, and drawn as boxes" in err
    assert "Warning" not in err
