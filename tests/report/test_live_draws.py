"""A report that predicts from the draws it holds: against NumPy, in the browser."""

import json

import numpy as np
import pytest
from scipy import integrate, special, stats

from bayes_mlm import fit
from bayes_mlm.base import StorageError
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.report import live_model, render_report, why_not_live
from bayes_mlm.report.live import draws
from bayes_mlm.report.page import Origin
from tests.helpers import ROOT
from tests.helpers.browser import PROGRAM, WHY, Browser

needs_browser = pytest.mark.skipif(PROGRAM is None, reason=WHY)
LIVE = ROOT / "bayes_mlm" / "report" / "live"
FORMULA = "y ~ x * side + (1 + x | g)"
INVERSE = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "logit": special.expit,
    "probit": special.ndtr,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    g, side = np.repeat(np.arange(12), 12), np.tile([0.0, 1.0], 72)
    x = rng.normal(size=g.size)
    eta = -0.3 + x - side + 0.8 * rng.normal(size=12)[g]
    return {"y": (rng.random(g.size) < special.expit(eta)) * 1.0, "x": x, "side": side, "g": g}


@pytest.fixture(scope="module")
def fitted(rows):
    return fit(FORMULA, rows, family="bernoulli", random_seed=1, draws=500)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def simulated(rng, link):
    """A model of two factors as a page holds it, with draws that came from nowhere."""
    many, q, sizes = 7, (2, 1), (3, 2)
    roots = [rng.normal(size=(many, k, k)) * rng.choice([0.1, 1.0, 2.5]) for k in q]
    covariances = [root @ root.transpose(0, 2, 1) for root in roots]
    return {
        "terms": ["Intercept", "a", "b", "a:b"],
        "intercept": 0,
        "products": [None, None, None, [1, 2]],
        "categories": [],
        "link": link,
        "ratio": "odds ratio" if link == "logit" else "",
        "beta": rng.normal(size=(many, 4)).tolist(),
        "factors": [
            {
                "effects": list(range(k)),
                "covariance": covariance[:, *np.tril_indices(k)].tolist(),
                "u": rng.normal(size=(many, size * k)).tolist(),
            }
            for k, size, covariance in zip(q, sizes, covariances, strict=True)
        ],
    }, covariances


def expected(model, covariances, setting):
    """The same by quadrature of scipy, draw by draw."""
    found = []
    for profile, chosen in zip(setting["profiles"], setting["groups"], strict=True):
        row = np.array([1.0, profile[1], profile[2], profile[1] * profile[2]])
        means = []
        for s, beta in enumerate(model["beta"]):
            eta, variance = row @ beta, 0.0
            for factor, covariance, choice in zip(
                model["factors"], covariances, chosen, strict=True
            ):
                z = row[factor["effects"]]
                if choice == -1:
                    variance += z @ covariance[s] @ z
                elif choice >= 0:
                    eta += z @ np.reshape(factor["u"][s], (-1, z.size))[choice]
            means.append(averaged(INVERSE[model["link"]], eta, np.sqrt(variance)))
        found.append(np.array(means))
    return found


def averaged(inverse, eta, sd):
    if sd == 0.0:
        return inverse(eta)
    if inverse is np.exp:  # its mean lies far out in the tail
        return np.exp(eta + sd**2 / 2)
    value = integrate.quad(
        lambda t: inverse(eta + sd * t) * stats.norm.pdf(t),
        *(-9, 9),
        points=[np.clip(-eta / sd, -8, 8)],
        epsabs=1e-12,
        limit=300,
    )
    return value[0]


@needs_browser
def test_predictions_are_those_of_quadrature(browser, tmp_path):
    script = "".join((LIVE / name).read_text("utf-8") for name in draws.SCRIPTS)
    page = tmp_path / "page.html"
    page.write_text(f"<title>live</title><script>{script}</script>", "utf-8")
    browser.open(page)
    rng = np.random.default_rng(4)
    for k in range(40):
        model, covariances = simulated(rng, list(INVERSE)[k % 5])
        groups = [[int(rng.integers(-2, 3)), int(rng.integers(-2, 2))] for _ in range(2)]
        setting = {"profiles": rng.normal(size=(2, 4)).tolist(), "groups": groups}
        a, b = expected(model, covariances, setting)
        found = json.loads(
            browser.evaluate(
                f"JSON.stringify(liveDraws.solve({json.dumps(model)}, {json.dumps(setting)}, 0.8))"
            )
        )
        wanted = {"a": a, "b": b, "difference": b - a}
        if model["link"] != "identity":
            wanted["ratio"] = b / a
        for name, values in wanted.items():
            one = [found[name][key] for key in ("mean", "sd", "lower", "upper", "positive")]
            low, high = np.quantile(values, [0.1, 0.9])
            right = [values.mean(), values.std(ddof=1), low, high, (values > 0).mean()]
            np.testing.assert_allclose(one, right, rtol=1e-6, atol=1e-9, err_msg=name)
        assert (found["coefficients"] is None) == (
            model["link"] != "logit" or groups[0] != groups[1]
        )


@needs_browser
def test_a_page_of_draws_is_used_by_keyboard(browser, rows, fitted, tmp_path):
    request = as_request(FORMULA, rows, family="bernoulli")
    settings = make_settings(request, draws=100, random_seed=1)
    analysis = analyse(request, settings, data=rows, engines=["direct"])
    held = live_model(analysis.fits[0], least_rows=10)
    page = tmp_path / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bayes_mlm.report.rendering.choose_figures", lambda *_: iter(()))
        page.write_text(render_report([analysis], Origin(title="live"), live=held), "utf-8")
    for width in (390, 1200):
        browser.open(page, width=width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    state = "JSON.parse(document.getElementById('live').dataset.state)"
    before = browser.evaluate(f"{state}.difference")
    browser.evaluate("document.querySelector('#live [name=factor-1-0]').focus()")
    browser.press("ArrowDown", 40)
    browser.press("ArrowDown", 40)
    assert browser.evaluate(f"{state}.setting.groups[1][0]") == 0
    assert browser.evaluate(f"{state}.difference") != before
    assert browser.requests == [page.as_uri()]
    assert "does not refit" in page.read_text("utf-8")


def test_a_page_holds_draws_evenly_and_says_how_many(fitted):
    held = live_model(fitted, least_rows=10)
    model = json.loads(held.data)
    assert len(model["beta"]) == draws.MOST_DRAWS
    assert "1,000 of its 2,000 posterior draws" in held.text
    np.testing.assert_allclose(model["beta"], fitted.beta[::2], rtol=1e-6)
    cov_u = fitted.values.factors[0].cov_u[::2]
    factor = model["factors"][0]
    np.testing.assert_allclose(np.array(factor["covariance"])[:, 1], cov_u[:, 1, 0], rtol=1e-6)
    u = fitted.values.factors[0].u[::2]
    np.testing.assert_allclose(np.reshape(factor["u"], u.shape), u, rtol=1e-6)
    assert (factor["name"], factor["effects"], len(factor["labels"])) == ("g", [0, 1], 12)
    assert model["products"][3] == [1, 2]


def test_a_category_is_chosen_by_name(rows):
    rows = rows | {"kind": np.array(["low", "mid", "high"])[np.arange(144) % 3]}
    found = fit("y ~ kind * x + (1 | g)", rows, family="bernoulli", random_seed=1, draws=20)
    (one,) = json.loads(live_model(found, least_rows=1).data)["categories"]
    assert one == {"name": "kind", "levels": ["high", "low", "mid"], "places": [-1, 1, 2]}
    found = fit("y ~ C(kind, Sum) + (1 | g)", rows, family="bernoulli", random_seed=1, draws=20)
    assert json.loads(live_model(found, least_rows=1).data)["categories"] == []


def test_effects_of_too_many_groups_stay_out(fitted, monkeypatch):
    monkeypatch.setattr(draws, "MOST_NUMBERS", 3_000)
    held = live_model(fitted, least_rows=100)  # which discloses nothing then
    model = json.loads(held.data)
    assert len(model["beta"]) == 428  # 3,000 of 7 numbers
    assert model["factors"][0]["labels"] == []
    assert "too many for a page" in held.text


def test_effects_of_small_groups_are_not_disclosed(fitted):
    with pytest.raises(StorageError, match="fewer than 13 rows"):
        live_model(fitted, least_rows=13)


@pytest.mark.parametrize(
    ("formula", "family", "reason"),
    [
        ("y ~ side + (1 + x | g)", "bernoulli", "x varies by g and has no coefficient"),
        ("k ~ x + (1 | g)", "cumulative", "ordered categories"),
    ],
)
def test_what_no_page_predicts(rows, formula, family, reason):
    rows = rows | {"k": np.digitize(rows["x"], [-0.5, 0.5]) + rows["y"]}
    found = fit(formula, rows, family=family, random_seed=1, draws=20)
    assert reason in why_not_live(found)
