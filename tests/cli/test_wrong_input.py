"""A wrong input of each kind is one line of error, the exit code, and nothing written."""

import pytest

from tests.helpers.students import STUDENTS, F

FILES = {
    "wide.csv": "id,score0,score1,score2\n1,2,3,4\n2,3,4,5\n",
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
# The command line, the exit code, and what the one line of error must tell.
WRONG = [
    # commands of other programs
    (["predict", "hsb_ses"], 1, "--new FILE"),
    (["fit", "y ~ c.x##i.z + (1 | g)", "--data", "hsb"], 1, "'y ~ x * C(z) + (1 | g)'"),
    (["fit", "xtreg y x i.z, i(g) mle", "--data", "hsb"], 1, "'y ~ x + C(z) + (1 | g)'"),
    (["fit", "lmer(y ~ x + (1|g), data=d)", "--data", "hsb"], 1, "written 'y ~ x + (1|g)'"),
    (["fit", "y ~ splines::ns(x, 3)", "--data", "hsb"], 1, "write: y ~ ns(x, 3)"),
    (["fit", "mathach ~ ib1.sector", "--data", "hsb"], 1, "written C(sector, ref=1) here"),
    (["fit", "mathach ~ L.ses", "--data", "hsb"], 1, "no lags or differences"),
    (["fit", "mathach ~ ses if sector", "--data", "hsb"], 1, "select the rows before"),
    (["fit", "score ~ wave", "--data", "wide.csv"], 1, "on 3 occasions: reshape"),
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
    (
        [
            "fit",
            "math ~ ses + (1 | school) + (1 | sector)",
            *["--data", "students.csv", "--engine", "ols"],
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


@pytest.mark.parametrize(("arguments", "code", "says"), WRONG, ids=lambda v: str(v)[:60])
def test_wrong_input(run, refused, no_sampling, tmp_path, arguments, code, says):
    for name, content in FILES.items():
        if name in arguments:
            (tmp_path / name).write_bytes(
                content if isinstance(content, bytes) else content.encode()
            )
    refused(run, arguments, code, says)


def test_at_least_forty_wrong_inputs_are_tried():
    assert len(WRONG) >= 40


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        *(
            (["predict", "hsb_ses", "--new", "hsb", "--out", f"x{ending}"], "does not write")
            for ending in (".dta", ".xlsx", ".sav", ".csv.gz", ".parquet", ".pdf")
        ),
        (["check", "hsb_ses", "--out", "x.sav"], "does not write; allowed: .csv"),
        (["plot", "densities", "hsb_ses", "--out", "x.xlsx"], "allowed: .png"),
        (["table", "hsb_ses", "--format", "latex", "--out", "x.dta"], "does not write"),
        *(
            (words, "give the name of a folder, such as x")
            for words in (
                ["fit", "hsb_ses", "--out", "x.xlsx"],
                ["variance", "hsb_ses", "--out", "x.csv"],
                ["contextual", "hsb_ses", "--out", "x.dta"],
                ["sensitivity", "hsb_ses", "--out", "x.pdf"],
                ["loo-compare", "hsb_ses", "hsb_null", "--out", "x.nc"],
                ["effects", "hsb_ses", "--slope", "ses", "--out", "x.sav"],
                ["lines", "hsb_ses", "--out", "x.html"],
            )
        ),
    ],
)
def test_an_ending_that_is_not_written_is_refused(
    arguments, reason, no_sampling, run_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(*arguments)
    assert (code, out) == (2, "") or (code, out) == (1, "")
    assert reason in err, err
    assert list(tmp_path.iterdir()) == []
