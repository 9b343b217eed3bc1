"""Coefficients of 7e-7 with sds of 4e-4: every command shows them, and they are lme4's."""

import html
import io
import re

import pytest
from rich.console import Console

from bayes_mlm.base.rendering.terminal import TerminalTable
from bayes_mlm.base.rendering.view import Span, View
from bayes_mlm.engines.reml import fit_reml
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report.console import estimates_table
from bayes_mlm.report.page import Origin, make_page
from bayes_mlm.report.rendering import render_page
from tests.helpers import CASES

CASE = CASES / "18-small-numbers"
DATA = ("--data", CASE / "data.csv")
F = "y ~ income + a + (1 | g)"
# R: m <- lmer(y ~ income + a + (1 | g), within(d, y <- y * 1e4)); fixef(m) / 1e4,
# sqrt(unlist(VarCorr(m))) / 1e4, sigma(m) / 1e4, sqrt(diag(vcov(m))) / 1e4.
LME4 = {
    "Intercept": (1.98880e-02, 1.42110e-04),
    "income": (7.01003e-07, 1.50934e-09),
    "a[v]": (4.86691e-04, 9.19430e-05),
    "sigma_u": (3.73961e-04, None),
    "sigma_e": (7.62832e-04, None),
}
NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?"
ROW = re.compile(rf"({NUMBER}) +({NUMBER}) +\[({NUMBER}), ({NUMBER})\]")
# What no estimate, error or end is here. (A shift of 0.00 sds is one.)
NOTHING = re.compile(r"(?<![\d.])[-−]?0\.000+(?!\d)")


@pytest.fixture
def run(run_command):
    """Run a command, and give what it printed."""

    def call(*arguments):
        quiet = [] if arguments[0] == "describe" else ["--quiet"]
        code, out, err = run_command(*arguments, *quiet)
        assert not code, err
        return out

    return call


def line(out, start):
    return next(one for one in out.splitlines() if one.strip().startswith(start))


def check(text, value, error=None):
    """Check the first estimate, error and interval of a line; the interval holds the estimate."""
    found = ROW.search(text)
    assert found, text
    estimate, se, lower, upper = map(float, found.groups())
    assert lower < estimate < upper
    if error is not None:
        assert se == pytest.approx(error, rel=0.05)  # half of the second digit at most
    assert estimate == pytest.approx(value, abs=0.05 * se)  # and that is its last digit


def test_fit_is_lme4(run):
    out = run("fit", F, *DATA, "--engine", "reml")
    for name, (value, error) in LME4.items():
        check(line(out, name if name.startswith("sigma") else f"beta[{name}]"), value, error)
    assert re.search(r" 7\.010e-07 +1\.5e-09 ", line(out, "beta[income]"))


def test_effects_are_lme4(run):
    ask = ("effects", F, *DATA, "--contrast", "a", "--slope", "income", "--engine", "reml")
    out = run(*ask)
    check(line(out, "a: v - u"), *LME4["a[v]"])
    check(line(out, "income: slope"), *LME4["income"])


def test_contextual_effects_of_another_size_each(run):
    out = run("contextual", F, *DATA, "--engine", "reml")
    # Within groups the predictors are as good as in the model with one slope: 8 of 300 rows fewer.
    check(line(out, "income"), *(7.012e-07, 1.52e-09))
    assert not NOTHING.search(out)
    assert "contextual effect of income is -6" in run("contextual", F, *DATA)


@pytest.mark.parametrize(
    "command",
    [
        ("lines", "--group", "1", "--along", "income"),
        ("predict", "--new", CASE / "new.csv"),
        ("loo-compare", "y ~ income + (1 | g)"),
        ("sensitivity",),
    ],
)
def test_answers_of_a_posterior(run, command):
    name, *options = command
    out = run(name, F, *options, *DATA)
    assert not NOTHING.search(out), out
    shown = {
        "lines": r"1  Intercept +0\.0195\d  0\.000\d\d",
        "predict": r"0\.0392153 +0\.0391\d  0\.000\d\d",  # y itself, as it is in the file
        "loo-compare": r"\d{4} +\d\d +0\.00",
        "sensitivity": r"0\.000(3[89]|40)\d \([+-]0\.",
    }
    assert re.search(shown[name], out), out


def test_a_share_of_nearly_nothing_and_one_of_nearly_all(run):
    out = run("variance", F, *DATA, "--engine", "reml")
    # The shares of sigma_u², from lme4's two sds: of what is left, and of all (var(y) 4.55e-4).
    assert " 0.194 " in line(out, "icc_adjusted")
    assert " 0.000307 " in line(out, "icc_unadjusted")
    assert re.search(r" 0\.99\d\d\d ", line(out, "r2_marginal"))


@pytest.mark.parametrize("ending", ["md", "tex", "html"])
def test_tables_for_papers(run, tmp_path, ending):
    out = tmp_path / f"table.{ending}"
    run("table", F, *DATA, "--engine", "reml", "--interval", "--out", out)
    text = html.unescape(re.sub(r"<[^>]*>", " ", out.read_text(encoding="utf-8")))
    text = text.replace(r"$\times$", "×").replace("$^{-7}$", "⁻⁷")
    assert "7.010×10⁻⁷" in text
    assert "6.980×10⁻⁷, 7.040×10⁻⁷" in text  # lme4: 7.01003e-07 -+ 1.96 * 1.50934e-09
    assert "0.000487" in text
    assert not NOTHING.search(text)


@pytest.fixture(scope="module")
def analysed():
    record = as_request(F, str(CASE / "data.csv"))
    return analyse(record, make_settings(record, draws=100, random_seed=1))


def test_the_report(analysed):
    page = render_page(make_page([analysed], Origin(title="small"), [], []))
    text = re.sub(r"<style.*?</style>|<svg.*?</svg>|<script.*?</script>", "", page, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    assert "7.010×10⁻⁷" in text
    assert re.search(
        r"one unit more income is associated with a difference in y of 7\.01\d×10⁻⁷ \(6", text
    )
    # The lowest value of a dummy is 0.
    assert {found[0] for found in NOTHING.finditer(text)} <= {"0.000"}
    # Tails of unlike numbers are set apart, so that points are below one another.
    assert re.search(r'>7<span class="tail tail-\d+">\.010×10⁻⁷</span>', page)


@pytest.mark.parametrize(("x", "y"), [(1.0, 1e-6), (1e-6, 1.0), (1e6, 1e8), (1e-3, 1e-12)])
def test_other_units_change_powers_and_no_digits(run, tmp_path, x, y):
    head, *rows = (CASE / "data.csv").read_text(encoding="utf-8").splitlines()
    cells = [row.split(",") for row in rows]
    made = [f"{g},{float(i) * x!r},{a},{float(v) * y!r}" for g, i, a, v in cells]
    data = tmp_path / "other.csv"
    data.write_text("\n".join([head, *made]) + "\n", encoding="utf-8")
    out = run("fit", F, "--data", data, "--engine", "reml")
    scale = {"income": y / x}
    for name, (value, error) in LME4.items():
        unit = scale.get(name, y)
        start = name if name.startswith("sigma") else f"beta[{name}]"
        check(line(out, start), value * unit, error and error * unit)
    assert not NOTHING.search(out)
    assert not NOTHING.search(run("describe", "--data", data))


def test_a_fit_says_itself(analysed):
    shown = str(fit_reml(analysed.design))
    check(line(shown, "beta[income]"), *LME4["income"])
    check(line(shown, "sigma_e"), LME4["sigma_e"][0])


@pytest.mark.parametrize(("width", "blocks"), [(80, 2), (120, 2), (160, 1)])
def test_no_number_is_cut_on_a_terminal(analysed, width, blocks):
    """A table that is too wide is continued below, with the names of its rows."""
    text = io.StringIO()
    console = Console(file=text, width=width, markup=False, highlight=False)
    console.print(estimates_table(analysed))
    out = text.getvalue()
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert sum(one.strip().startswith("beta[income]") for one in out.splitlines()) == blocks
    # Three coefficients, two sds and the icc, by two engines.
    assert len(ROW.findall(out)) >= 12


@pytest.mark.parametrize("width", range(20, 100))
def test_no_digit_is_lost_at_any_width(width):
    """Names are folded first: rich crops columns that may not be folded, without a word."""
    view = View(
        headings=("quantity", "direct", "sd", "HDI"),
        cells=(("beta[a very long name of a term]", "123.456", "0.045", "[123.367, 123.545]"),),
        spans=(Span(), Span(columns=3)),
    )
    text = io.StringIO()
    Console(file=text, width=width, markup=False).print(TerminalTable(view=view))
    out = text.getvalue()
    wanted = "".join([*view.headings, *view.cells[0]]).replace(" ", "")
    assert sorted(re.sub(r"[\s─]", "", out)) == sorted(wanted)
    assert max(map(len, out.splitlines())) <= width
