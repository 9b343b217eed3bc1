"""Rows that stand for several have the likelihood of those: weights that are numbers of rows."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm.design import build_design
from bayes_mlm.engines.generalised.problem import make_problem
from bayes_mlm.likelihood import likelihood_rows

OUTCOMES = {
    "bernoulli": "y ~ x + (1 | g)",
    "binomial": "s | trials(n) ~ x + (1 | g)",
    "poisson": "k ~ x + offset(o) + (1 | g)",
    "negative_binomial": "k ~ x + (1 | g)",
    "cumulative": "r ~ x + (1 | g)",
}


def tables():
    """Return distinct rows, how many each stands for, and the rows in full."""
    rng = np.random.default_rng(3)
    m = 40
    few = {
        "x": rng.normal(size=m),
        "o": rng.normal(size=m) / 4,
        "g": np.arange(m) % 5,
        "y": rng.integers(0, 2, m),
        "n": rng.integers(4, 9, m),
        "s": rng.integers(0, 4, m),
        "k": rng.integers(0, 6, m),
        "r": 1 + np.arange(m) % 3,
    }
    many = rng.integers(1, 5, m)
    return few, many, {name: np.repeat(values, many) for name, values in few.items()}


@pytest.mark.parametrize("family", OUTCOMES)
def test_weights_are_numbers_of_rows(family):
    few, many, whole = tables()
    rows = build_design(OUTCOMES[family], whole, family=family)
    design = build_design(OUTCOMES[family], few, family=family)
    response = replace(design.response, weights=many.astype(float))
    weighted = make_problem(replace(design, response=response))
    plain = make_problem(rows)
    aux = {"cumulative": [-0.5, 0.8], "negative_binomial": [0.4]}.get(family, [])
    x = np.array([*(0.3,) * plain.p, 0.7, *aux])
    first, second = (one.evaluate(x, derive=True) for one in (plain, weighted))
    assert second.loglik == pytest.approx(first.loglik, rel=1e-12)
    assert np.allclose(second.score, first.score, rtol=1e-9, atol=1e-9)


def test_counts_are_kept_where_equal_rows_are_found():
    _, _, whole = tables()
    big = {name: np.tile(values, 12) for name, values in whole.items()}
    design = build_design(OUTCOMES["cumulative"], big, family="cumulative")
    rows = likelihood_rows(design, 4, most_distinct=0.5)
    assert rows.counts is not None
    assert rows.counts.sum() == design.n
    assert np.array_equal(rows.trials, rows.counts)
