"""A report that refits its model in the browser: against Python, by mouse and by keyboard."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import fit
from bayes_mlm.base import StorageError
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report import live_model, render_report, why_not_refitted
from bayes_mlm.report.live import model as live
from bayes_mlm.report.page import Origin
from tests.helpers import ROOT
from tests.helpers.browser import PROGRAM, WHY, Browser

needs_browser = pytest.mark.skipif(PROGRAM is None, reason=WHY)
LIVE = ROOT / "bayes_mlm" / "report" / "live"
SCRIPT = "".join((LIVE / name).read_text("utf-8") for name in ("common.js", "posterior.js"))
FORMULA = "y ~ x * side + (1 | g)"


def data_of(seed):
    """Rows of ten groups or so, whose sds differ from seed to seed."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 12, size=rng.integers(6, 14))
    g = np.repeat(np.arange(sizes.size), sizes)
    x, side = rng.normal(size=g.size) + rng.normal(size=sizes.size)[g], (g % 2) * 1.0
    sd = rng.choice([0.0, 0.3, 1.0, 3.0])
    y = 20 + x + side - x * side + sd * rng.normal(size=sizes.size)[g] + rng.normal(size=g.size)
    return {"y": y, "x": x, "side": side, "g": g}


def setting_of(seed, model):
    """A prior, predictors and groups that are omitted, and a contrast."""
    rng = np.random.default_rng(seed + 1000)
    scale = 10.0 ** rng.uniform(-1, 1)
    prior = [
        {"family": "HalfNormal", "sigma": scale},
        {"family": "HalfCauchy", "beta": scale},
        {"family": "HalfStudentT", "nu": float(rng.integers(1, 9)), "sigma": scale},
        {"family": "Exponential", "lam": 1.0 / scale},
    ][rng.integers(4)]
    dropped = [k for k in (1, 2, 3) if rng.random() < 0.25]
    groups = len(model["counts"])
    excluded = rng.choice(groups, size=rng.integers(0, groups - 4), replace=False)
    weights = rng.normal(size=4 - len(dropped)).tolist()
    return {
        "dropped": dropped,
        "excluded": excluded.tolist(),
        "priors": {"sigma_u": prior, "sigma_e": model["priors"]["sigma_e"]},
        "contrasts": [weights],
    }


def density_of(prior):
    match prior["family"]:
        case "HalfNormal":
            return stats.halfnorm(scale=prior["sigma"]).logpdf
        case "HalfCauchy":
            return stats.halfcauchy(scale=prior["beta"]).logpdf
        case "Exponential":
            return stats.expon(scale=1.0 / prior["lam"]).logpdf
    of_t = stats.t(prior["nu"], scale=prior["sigma"])
    return lambda x: of_t.logpdf(x) + math.log(2.0)


def panels(centre, ends, many):
    """Points and weights of Gauss and Legendre's rule on intervals about a centre."""
    x, w = np.polynomial.legendre.leggauss(many)
    pairs = [((b - a) / 2 * x + (a + b) / 2 + centre, (b - a) / 2 * w) for a, b in pairwise(ends)]
    return tuple(np.concatenate(parts) for parts in zip(*pairs, strict=True))


def dense(data, model, setting):
    """The same by dense matrices of rows: the normal density of y, coefficients integrated out."""
    columns = {"Intercept": np.ones(data["y"].size), "x": data["x"], "side": data["side"]}
    columns["x:side"] = data["x"] * data["side"]
    X = np.column_stack([columns[term] for term in model["terms"]])
    centre = X.mean(axis=0)
    centre[0] = 0.0
    kept = [k for k in range(X.shape[1]) if k not in setting["dropped"]]
    rows = ~np.isin(data["g"], setting["excluded"])
    y, g, X = data["y"][rows], data["g"][rows], (X - centre)[rows][:, kept]
    prior = [model["priors"]["beta"][k] for k in kept]
    mu, cov = np.array([one["mu"] for one in prior]), np.diag([one["sigma"] ** 2 for one in prior])
    same = (g[:, None] == g[None, :]) * 1.0
    fixed = X @ cov @ X.T
    of_u, of_e = (density_of(setting["priors"][name]) for name in ("sigma_u", "sigma_e"))
    contrast = np.array(setting["contrasts"][0])
    shifted = contrast - contrast[0] * centre[kept]  # of centred columns
    pool, resid = np.eye(y.size), y - X @ mu
    step_e = 0.05
    level = math.log(np.std(y - X @ np.linalg.lstsq(X, y)[0]))
    own = np.column_stack([X, same[:, np.unique(g, return_index=True)[1]]])
    level_e = math.log(np.std(y - own @ np.linalg.lstsq(own, y)[0]))
    found = []
    for log_u, of in zip(*panels(level, (-18, -6, -3, -1, 1, 3, 6), 24), strict=True):
        for log_e in np.arange(level_e - 1.0, level_e + 2.8, step_e):
            V = math.exp(2 * log_u) * same + math.exp(2 * log_e) * pool + fixed
            root = np.linalg.cholesky(V)
            white = np.linalg.solve(root, np.column_stack([resid, X @ cov]))
            log = -np.log(np.diag(root)).sum() - 0.5 * white[:, 0] @ white[:, 0]
            log += of_u(math.exp(log_u)) + of_e(math.exp(log_e)) + log_u + log_e
            log += math.log(of)
            gain = white[:, 1:].T @ white[:, 0]
            spread = cov - white[:, 1:].T @ white[:, 1:]
            found.append((log, log_u, log_e, shifted @ (mu + gain), shifted @ spread @ shifted))
    log, log_u, log_e, mean, variance = np.array(found).T
    weight = np.exp(log - log.max())
    total = weight.sum()
    weight /= total
    sigma_u, sigma_e = np.exp(log_u), np.exp(log_e)

    def moments(values, inside=0.0):
        centre = weight @ values
        return centre, math.sqrt(weight @ (inside + (values - centre) ** 2))

    return {
        "sigma_u": moments(sigma_u),
        "sigma_e": moments(sigma_e),
        "icc": moments(sigma_u**2 / (sigma_u**2 + sigma_e**2)),
        "contrast": moments(mean, variance),
        "log": log.max() + math.log(total * step_e) - 0.5 * y.size * math.log(2.0 * math.pi),
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def solver(browser, tmp_path_factory):
    """What solves a setting of a model in the browser."""
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_text(f"<title>live</title><script>{SCRIPT}</script>", "utf-8")

    def solve(model, setting):
        browser.open(page)
        wanted = f"livePosterior.solve({model}, {json.dumps(setting)}, 0.95)"
        return json.loads(browser.evaluate(f"JSON.stringify({wanted})"))

    return solve


def compare(solve, seeds):
    worst = 0.0
    for seed in seeds:
        data = data_of(seed)
        fitted = fit(FORMULA, data, random_seed=1, draws=4)
        text = live_model(fitted, least_rows=1).data
        model = json.loads(text)
        setting = setting_of(seed, model)
        found, expected = solve(text, setting), dense(data, model, setting)
        for name, one in (
            ("sigma_u", found["sigmaU"]),
            ("sigma_e", found["sigmaE"]),
            ("icc", found["icc"]),
            ("contrast", found["contrasts"][0]),
        ):
            mean, sd = expected[name]
            worst = max(worst, abs(one["mean"] - mean) / sd, abs(one["sd"] / sd - 1.0))
        worst = max(worst, abs(found["logMarginal"] - expected["log"]))
    return worst


@needs_browser
def test_its_posterior_is_that_of_dense_matrices(solver):
    assert compare(solver, [0]) < 1e-6


@needs_browser
@pytest.mark.slow
def test_its_posterior_is_that_of_dense_matrices_in_200_settings(solver):
    assert compare(solver, range(200)) < 1e-6


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a model, refitted in the page; without its figures, which are held apart."""
    data = data_of(3)
    request = as_request(FORMULA, data)
    settings = make_settings(request, draws=50, random_seed=1)
    analysis = analyse(request, settings, data=data, engines=["direct"])
    path = tmp_path_factory.mktemp("report") / "report.html"
    sums = live_model(analysis.fits[0], least_rows=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bayes_mlm.report.rendering.choose_figures", lambda *_: iter(()))
        path.write_text(render_report([analysis], Origin(title="live"), live=sums), "utf-8")
    return path


def shown(browser, quantity):
    """Mean of a quantity in the section's table."""
    return float(
        browser.evaluate(
            "[...document.querySelectorAll('#live tbody tr')].find((row) => "
            f"row.cells[0].textContent === {quantity!r}).cells[1].textContent.replace('−', '-')"
        )
    )


def painted(browser):
    """Wait until what was changed is computed and drawn."""
    browser.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


@needs_browser
def test_it_is_refitted_by_mouse_and_keyboard(browser, page):
    browser.open(page)
    assert browser.complaints == []
    data = data_of(3)
    expected = fit(FORMULA, data, random_seed=1, draws=4000).summary()
    assert shown(browser, "beta[x]") == pytest.approx(expected["beta[x]"].estimate, abs=0.02)
    # By mouse: a predictor is omitted.
    place = browser.evaluate(
        "(() => { const one = document.querySelector('#live input[name=term-3]');"
        "one.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const box = one.getBoundingClientRect(); return [box.x + 5, box.y + 5]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=place[0],
            y=place[1],
            button="left",
            clickCount=1,
        )
    painted(browser)
    # Priors of the coefficients stay those of the first fit.
    kept = {"beta[x]": "Normal(0, 100)", "beta[side]": "Normal(0, 100)"}
    without = fit("y ~ x + side + (1 | g)", data, priors=kept, random_seed=1, draws=4000).summary()
    assert shown(browser, "beta[x]") == pytest.approx(without["beta[x]"].estimate, abs=0.02)
    assert browser.evaluate("document.querySelector('#live .table tbody').rows.length") == 9
    # By keyboard: a narrower prior, and a group less.
    before = shown(browser, "sigma_u")
    browser.evaluate("document.querySelector('#live-scale').focus()")
    browser.press("Home", 36)
    painted(browser)
    assert shown(browser, "sigma_u") < before / 3
    browser.evaluate("document.querySelector('#live summary').focus()")
    browser.press("Enter", 13, "\r")
    browser.evaluate("document.querySelector('#live input[name=group-0]').focus()")
    browser.press(" ", 32, " ")
    painted(browser)
    left = len(np.unique(data["g"])) - 1
    answer = browser.evaluate("document.querySelector('.live-answer').textContent")
    assert f"{left} groups" in answer
    browser.evaluate("document.querySelector('#live button').click()")
    painted(browser)
    assert shown(browser, "beta[x]") == pytest.approx(expected["beta[x]"].estimate, abs=0.02)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


@needs_browser
def test_a_phone_does_not_scroll_sideways(browser, page):
    browser.open(page, width=390)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_groups_of_few_rows_are_not_disclosed():
    fitted = fit(FORMULA, data_of(3), random_seed=1, draws=4)
    with pytest.raises(StorageError, match="fewer than 10 rows"):
        live_model(fitted, least_rows=10)


@pytest.mark.parametrize(
    ("formula", "options", "reason"),
    [
        ("y ~ x + (x | g)", {}, "random intercepts"),
        ("y ~ x + (0 + x | g)", {}, "slopes, not intercepts"),
        ("y ~ x", {}, "one grouping factor"),
        ("y ~ x + (1 | g)", {"priors": {"sigma_u": "Gamma(2, 1)"}}, "prior of sigma_u"),
    ],
)
def test_other_models_are_not_refitted_and_why(formula, options, reason):
    assert reason in why_not_refitted(fit(formula, data_of(3), random_seed=1, draws=4, **options))


def test_a_large_model_is_not_refitted(monkeypatch):
    monkeypatch.setattr(live, "MOST_GROUPS", 3)
    assert "more than 3 groups" in why_not_refitted(
        fit(FORMULA, data_of(3), random_seed=1, draws=4)
    )


def test_labels_do_not_end_the_script():
    data = data_of(3)
    labels = np.array(["</script><b>"] + [f"g{k}" for k in range(1, 20)], dtype=object)
    data["g"] = labels[data["g"]]
    held = live_model(fit(FORMULA, data, random_seed=1, draws=4), least_rows=1)
    assert "</script" not in held.data


def test_the_command_writes_it_and_says_what_it_needs(run_command, tmp_path, monkeypatch):
    monkeypatch.setattr("bayes_mlm.report.rendering.choose_figures", lambda *_: iter(()))
    assert "add --out" in run_command("fit", "hsb_null", "--live")[2]
    ordered = ("fit", "y ~ x + (1 | g)", "--family", "cumulative", "--data", tmp_path / "o.csv")
    rng = np.random.default_rng(1)
    rows = [f"{rng.integers(3)},{k % 7},{k % 12}" for k in range(240)]
    (tmp_path / "o.csv").write_text("\n".join(["y,x,g", *rows]), "utf-8")
    code, _, error = run_command(*ordered, "--live", "--out", tmp_path / "a", "--quiet")
    assert code == 1
    assert "ordered categories" in error
    assert not (tmp_path / "a").exists()
    assert run_command("fit", "hsb_null", "--live", "--out", tmp_path / "b", "--quiet")[0] == 0
    assert 'id="live-model"' in (tmp_path / "b" / "report.html").read_text("utf-8")
