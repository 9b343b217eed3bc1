"""Predictions with several grouping factors: known, partly new and new groups.

The oracle of estimates is dense algebra: the joint normal distribution of the outcomes and of the
effects given the variances (Robinson 1991, Statistical Science 6(1)).
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit, group_lines, predict
from bayes_mlm.base.errors import DataError, DesignError, EngineError
from tests.helpers import REFERENCE

NESTED = "y ~ x + (x | school) + (1 | class:school)"
STATES = ("known", "new", "mean")


def sloping():
    return pd.read_csv(REFERENCE / "shares_with_a_slope.csv")


def crossed():
    rng = np.random.default_rng(3)
    g, h = (part.ravel() for part in np.indices((9, 7)))
    keep = rng.random(g.size) < 0.8
    g, h, x = g[keep], h[keep], rng.normal(size=keep.sum())
    y = 1 + x + rng.normal(size=9)[g] + 0.6 * rng.normal(size=7)[h] + rng.normal(size=g.size)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


def dense(estimate, X, Zs, codes, states):
    """Return means and prediction variances (m,) of x'beta + z'u, all by the inverse of V."""
    design, solution = estimate.design, estimate.solution
    big, cov = [], []
    for term, one in zip(design.group_terms, solution.factors, strict=True):
        columns = np.zeros((design.n, term.J * term.q))
        for row, (code, z) in enumerate(zip(term.codes, term.Z, strict=True)):
            columns[row, code * term.q : (code + 1) * term.q] = z
        big.append(columns)
        cov.append(np.kron(np.eye(term.J), one.cov_u))
    V = solution.sigma_e**2 * np.eye(design.n)
    V += sum(Z @ C @ Z.T for Z, C in zip(big, cov, strict=True))
    inverse = np.linalg.inv(V)
    beta_cov = np.linalg.inv(design.X.T @ inverse @ design.X)
    beta = beta_cov @ design.X.T @ inverse @ design.y
    left = inverse @ (design.y - design.X @ beta)
    mean, variance = X @ beta, np.zeros(len(X))
    for row in range(len(X)):
        link, own = np.zeros(design.n), 0.0
        for k, (term, one) in enumerate(zip(design.group_terms, solution.factors, strict=True)):
            z = Zs[k][row]
            if states[k] != "mean":
                own += z @ one.cov_u @ z
            if states[k] == "known":
                place = slice(codes[k][row] * term.q, (codes[k][row] + 1) * term.q)
                link += big[k] @ cov[k][:, place] @ z
        mean[row] += link @ left
        d = X[row] - design.X.T @ inverse @ link
        variance[row] = own - link @ inverse @ link + d @ beta_cov @ d
    return mean, variance


@pytest.mark.parametrize("states", [("known", "known"), ("known", "new"), ("new", "new")])
@pytest.mark.parametrize("kind", ["mean", "observation"])
def test_nested_predictions_are_those_of_dense_algebra(states, kind):
    """A known class, a new class in a known school, a new school; to rounding of the solver."""
    estimate = fit(NESTED, sloping(), engine="reml")
    new = {"x": [-1.0, 0.5, 2.0], "school": [1, 3, 3], "class": ["k1", "k2", "k3"]}
    asked = {
        ("known", "known"): {},
        ("known", "new"): {"factor": "class:school"},
        ("new", "new"): {"question": "new_group"},
    }[states]
    found = predict(estimate, new, kind=kind, **asked)
    school, room = estimate.design.group_terms
    X = np.column_stack([np.ones(3), new["x"]])
    labels = [f"{k}:{s}" for k, s in zip(new["class"], new["school"], strict=True)]
    codes = [school.places_of(new["school"]), room.places_of(labels)]
    mean, variance = dense(estimate, X, [X, np.ones((3, 1))], codes, states)
    variance = variance + (estimate.solution.sigma_e**2 if kind == "observation" else 0.0)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.sd, np.sqrt(variance), rtol=1e-7)
    assert found.known_factors == tuple(
        name for name, its in zip(("school", "class:school"), states, strict=True) if its == "known"
    )


def test_crossed_predictions_are_those_of_dense_algebra():
    estimate = fit("y ~ x + (1 | g) + (x || h)", crossed(), engine="reml")
    new = {"x": [0.0, 1.0], "g": [2, 5], "h": [3, 1]}
    X = np.column_stack([np.ones(2), new["x"]])
    codes = [np.array(new["g"]), np.array(new["h"])]
    for states in product(("known", "new"), repeat=2):
        names = [name for name, its in zip("gh", states, strict=True) if its == "new"]
        found = predict(estimate, new, factor=names or None)
        mean, variance = dense(estimate, X, [np.ones((2, 1)), X], codes, states)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
        np.testing.assert_allclose(found.sd, np.sqrt(variance), rtol=1e-7)
        assert found.new_factors == tuple(names)


def test_draws_and_estimate_agree_on_new_classes():
    """Of the posterior: draws given a draw, integrated out in the summary, kept in the draws."""
    fitted = fit(NESTED, sloping(), engine="direct", random_seed=1, draws=4000)
    estimate = fit(NESTED, sloping(), engine="reml")
    rows = {"x": [0.0, 2.0], "school": [3, 3]}
    for asked in ({"factor": "class:school"}, {"question": "new_group"}):
        found = predict(fitted, rows, draws=True, **asked)
        other = predict(estimate, rows, **asked)
        np.testing.assert_allclose(found.mean, other.mean, atol=0.1)
        np.testing.assert_allclose(found.sd, other.sd, rtol=0.15)  # variances are not known
        np.testing.assert_allclose(found.draws.mean(axis=0), found.mean, atol=0.08)
        np.testing.assert_allclose(found.draws.std(axis=0), found.sd, rtol=0.08)
    # Given a draw a new class adds its variance to that of the school's line.
    line = fitted.of_factor("school")
    u = line.draws["u"].reshape(-1, 20, 2)[:, line.design.group_term.places_of([3])[0]]
    centre = fitted.beta[:, 0] + u[:, 0]
    sds = fitted.draws["sigma_u_class:school"].reshape(-1)
    sd = np.sqrt(centre.var(ddof=1) + np.square(sds).mean())
    found = predict(fitted, rows, factor="class:school")
    assert (found.mean[0], found.sd[0]) == pytest.approx((centre.mean(), sd), rel=1e-9)


def test_rows_of_one_new_class_share_its_effect():
    fitted = fit(NESTED, sloping(), engine="direct", random_seed=1, draws=200)
    rows = {"x": [0.0] * 3, "school": [3, 3, 3], "class": ["n", "n", "m"]}
    found = predict(fitted, rows, factor="class:school", draws=True).draws
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-12)
    assert np.abs(found[:, 0] - found[:, 2]).max() > 0.1
    alone = predict(fitted, {"x": [0.0] * 2, "school": [3, 3]}, factor="class:school", draws=True)
    assert np.abs(alone.draws[:, 0] - alone.draws[:, 1]).max() > 0.1


def test_summarised_effects_are_not_drawn_as_of_one_factor():
    """Drawn anew by the rows of one factor alone they would be those of another model."""
    fitted = fit(NESTED, sloping(), engine="direct", random_seed=1, draws=200)
    kept = {name: v for name, v in fitted.draws.posterior.items() if name != "u_school"}
    summarised = fitted.with_draws(replace(fitted.draws, posterior=kept))
    rows = {"x": [0.0], "school": [3]}
    with pytest.raises(EngineError, match="groups of school were summarised.*use engine='reml'"):
        predict(summarised, rows, factor="class:school")
    with pytest.raises(EngineError, match="groups of school were summarised"):
        group_lines(summarised, factor="school")
    predict(summarised, rows, question="new_group")


def test_what_is_new_is_said():
    estimate = fit(NESTED, sloping(), engine="reml")
    rows = {"x": [0.0], "school": [3], "class": ["k1"]}
    new_class, new_school = (
        predict(estimate, rows, factor=name) for name in ("class:school", "school")
    )
    assert "a new class:school, like those of the data, in a known school" in str(new_class)
    assert "k1:3: in the data, and predicted as new groups here" in str(new_class)
    assert new_school.new_factors == ("school", "class:school")  # of a new school, all are new
    assert "of a new group like those of the data" in str(new_school)
    assert "of a group of the data" in str(predict(estimate, rows))


def test_unknown_groups_are_named_with_what_to_do():
    estimate = fit(NESTED, sloping(), engine="reml")
    with pytest.raises(DataError, match=r"no class:school k9:3.*factor='class:school'"):
        predict(estimate, {"x": [0.0], "school": [3], "class": ["k9"]})
    with pytest.raises(DataError, match=r"no school 99.*factor='school'"):
        predict(estimate, {"x": [0.0], "school": [99]}, factor="class:school")
    with pytest.raises(DataError, match="no column 'class'.*for a new class:school use factor="):
        predict(estimate, {"x": [0.0], "school": [3]})
    with pytest.raises(DesignError, match="no grouping factor 'room'; allowed: factor='school'"):
        predict(estimate, {"x": [0.0]}, factor="room")
    with pytest.raises(EngineError, match="use question='new_group'"):
        predict(estimate, {"x": [0.0]}, factor="school", question="population")
