"""Expected outcomes averaged over rows: against scipy.integrate.quad, row by row.

The oracle: the integral of the family's own mean over the normal linear predictor.
"""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from bayes_mlm.fitting import ParameterPoints
from bayes_mlm.model import FAMILIES, Family
from bayes_mlm.questions.response import average
from bayes_mlm.questions.response.average import average_means
from bayes_mlm.questions.response.rows import ResponseRows
from bayes_mlm.questions.response.smooth import smoothed

SCORES = np.array([1.0, 2.0, 4.0])
# A mean with a parameter in it, of a family that the package does not know.
INFLATED = Family(
    **{
        **{name: getattr(FAMILIES["poisson"], name) for name in ("auxiliary", "log_density")},
        **{name: getattr(FAMILIES["poisson"], name) for name in ("score", "variance", "draw")},
    },
    name="inflated",
    label="inflated",
    link="log",
    observe=print,
    inverse_link=np.exp,
    mean=lambda eta, aux: (1.0 - aux["zero"]) * np.exp(eta),
)
CASES = {
    "logit": FAMILIES["bernoulli"],
    "probit": FAMILIES["bernoulli"].with_link("probit"),
    "cloglog": FAMILIES["binomial"].with_link("cloglog"),
    "poisson": FAMILIES["poisson"],
    "gamma": FAMILIES["gamma"],
    "beta": FAMILIES["beta"],
    "cumulative": FAMILIES["cumulative"],
    "cumulative probit": FAMILIES["cumulative"].with_link("probit"),
    "inflated": INFLATED,
}


def draw_points(rng, sd: float, n_points: int) -> ParameterPoints:
    root = sd * np.tril(rng.normal(size=(n_points, 2, 2)))
    return ParameterPoints(
        beta=rng.normal(size=(n_points, 3)),
        cov_u=(root @ root.swapaxes(1, 2), np.full((n_points, 1, 1), 0.3 * sd**2)),
        auxiliary={
            "threshold": np.sort(rng.normal(size=(n_points, 1, 2)), axis=2),
            "zero": np.full((n_points, 1), 0.2),
            "shape": np.ones((n_points, 1)),
            "precision": np.ones((n_points, 1)),
        },
    )


def draw_rows(rng, n: int) -> ResponseRows:
    Z = np.stack([np.ones(n), rng.normal(size=n)], axis=1)
    return ResponseRows(
        X=rng.normal(size=(n, 3)),
        offset=rng.normal(size=n),
        Z=(Z, np.ones((n, 1))),
        codes=(np.zeros(n, dtype=int),) * 2,
    )


def exact(family, points, rows, *, integrated: bool) -> np.ndarray:
    found = []
    for s in range(points.size):
        eta = rows.X @ points.beta[s] + rows.offset
        aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
        by_row = []
        for i, at in enumerate(eta):
            variance = sum(
                Z[i] @ cov[s] @ Z[i] for Z, cov in zip(rows.Z, points.cov_u, strict=True)
            )
            sd = math.sqrt(variance) if integrated else 0.0

            def mean(z, at=at, sd=sd, aux=aux):
                eta = np.array([[at + sd * z]])
                if family.chances is not None:
                    return family.chances(eta, aux)[0, 0]
                return np.atleast_1d(np.asarray(family.expected(eta, aux)).ravel())

            if sd == 0.0:
                by_row.append(mean(0.0))
                continue
            top = sd if family.mean_range[1] == math.inf else 0.0
            by_row.append(
                [
                    quad(
                        lambda z, k=k: mean(z)[k] * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
                        top - 12,
                        top + 12,
                        points=[0.0, top],
                        limit=400,
                        epsabs=1e-12,
                    )[0]
                    for k in range(mean(0.0).size)
                ]
            )
        one = np.mean(by_row, axis=0)
        found.append(one if family.chances is None else [*one, one @ SCORES])
    return np.array(found)


@pytest.mark.parametrize("sd", [0.0, 0.4, 1.5, 6.0])
@pytest.mark.parametrize("name", CASES)
def test_means_over_groups_are_the_integral(name, sd, monkeypatch):
    family = CASES[name]
    if sd == 6.0 and family.mean_range[1] == math.inf:
        pytest.skip("the mean of exp() is of the order of 1e20")
    rng = np.random.default_rng(round(10 * sd) + len(name))
    points, rows = draw_points(rng, sd, 2), draw_rows(rng, 3)
    expected = exact(family, points, rows, integrated=True)
    found = average_means(family, points, rows, integrated=True, scores=SCORES)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    # Interpolated between the points of a table, whose error is checked when it is made.
    monkeypatch.setattr(average, "_MANY", 0)
    drawn = average_means(family, points, rows, integrated=True, scores=SCORES)
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)
    zero = average_means(family, points, rows, integrated=False, scores=SCORES)
    np.testing.assert_allclose(zero, exact(family, points, rows, integrated=False), rtol=1e-6)


def test_tables_and_integrals_are_the_same_for_many_rows_and_draws(monkeypatch):
    rng = np.random.default_rng(1)
    for family in (CASES["logit"], CASES["cloglog"], CASES["cumulative"], CASES["poisson"]):
        points, rows = draw_points(rng, 1.0, 20), draw_rows(rng, 15)
        monkeypatch.setattr(average, "_MANY", 0)
        table = average_means(family, points, rows, integrated=True, scores=SCORES)
        monkeypatch.setattr(average, "_MANY", 10**9)
        direct = average_means(family, points, rows, integrated=True, scores=SCORES)
        np.testing.assert_allclose(table, direct, rtol=1e-6)


def test_rows_that_are_alike_count_as_often_as_they_are_there(monkeypatch):
    rng = np.random.default_rng(2)
    points, few = draw_points(rng, 1.0, 5), draw_rows(rng, 4)
    places = rng.integers(0, 4, size=300)
    many = few.take(places)
    rows, shares = many.collapsed(np.full(300, 1 / 300))
    assert rows.n == 4
    assert shares.sum() == pytest.approx(1.0)
    monkeypatch.setattr(ResponseRows, "collapsed", lambda self, weights: (self, weights))
    plain = average_means(CASES["logit"], points, many, integrated=True, scores=SCORES)
    monkeypatch.undo()
    found = average_means(CASES["logit"], points, many, integrated=True, scores=SCORES)
    np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_a_mean_over_normals_of_any_smooth_function():
    mean, variance = np.array([-3.0, 0.0, 2.0]), np.array([0.0, 4.0, 400.0])
    found = smoothed(lambda x: np.arctan(x) / math.pi + 0.5, mean, variance)
    oracle = [
        quad(
            lambda z, m=m, v=v: (
                (math.atan(m + math.sqrt(v) * z) / math.pi + 0.5)
                * math.exp(-z * z / 2)
                / math.sqrt(2 * math.pi)
            ),
            -12,
            12,
            points=[-m / math.sqrt(v)] if v else None,
            limit=500,
        )[0]
        for m, v in zip(mean, variance, strict=True)
    ]
    np.testing.assert_allclose(found, oracle, rtol=1e-7)


def test_sds_of_any_size_take_bounded_work():
    """A posterior of few groups has draws of an sd in the hundreds."""
    rng = np.random.default_rng(3)
    for name in ("logit", "cloglog"):
        curve = CASES[name].inverse_link
        mean, sd = rng.normal(size=12) * 30.0, np.array([0.5, 2.9, 3.1, 8.0, 50.0, 2000.0] * 2)
        found = smoothed(curve, mean, np.square(sd), probability=True)
        oracle = [
            quad(
                lambda x, m=m, s=s, curve=curve: (
                    float(curve(np.array(x)))
                    * math.exp(-0.5 * ((x - m) / s) ** 2)
                    / (s * math.sqrt(2 * math.pi))
                ),
                m - 10 * s,
                m + 10 * s,
                points=[*(at for at in (-30, -5, 0, 5, 30) if abs(at - m) < 10 * s), m],
                limit=2000,
                epsabs=1e-13,
            )[0]
            for m, s in zip(mean, sd, strict=True)
        ]
        np.testing.assert_allclose(found, oracle, rtol=1e-7, atol=1e-10)
    points, rows = draw_points(rng, 500.0, 400), draw_rows(rng, 100)
    found = average_means(CASES["logit"], points, rows, integrated=True, scores=SCORES)
    assert ((found > 0.0) & (found < 1.0)).all()
