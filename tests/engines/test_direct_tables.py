"""Tables of groups' log-likelihoods against lattices at every point, which they stand in for."""

import numpy as np
import pytest

from bayes_mlm import build_design, model_priors
from bayes_mlm.engines.direct.generalised import sampling, tables
from bayes_mlm.engines.direct.generalised.laplace import expand
from bayes_mlm.engines.direct.generalised.lattice import Exact
from bayes_mlm.engines.direct.generalised.problem import make_problem
from bayes_mlm.engines.direct.generalised.proposal import Proposal


def simulated(family, *, slope, per=60, groups=80):
    """Rows with a predictor that has an effect of the group where `slope`, and two that have none.

    One of these is of the group.
    """
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(groups), rng.integers(per - 20, per + 20, groups))
    x, w, c = rng.normal(size=g.size), rng.normal(size=g.size), rng.normal(size=groups)[g]
    eta = -0.3 + 0.5 * x + 0.2 * w + 0.3 * c + 0.8 * rng.normal(size=groups)[g]
    eta += slope * 0.5 * rng.normal(size=groups)[g] * x
    if family == "poisson":
        y = rng.poisson(np.exp(0.5 * eta))
    else:
        y = (rng.random(g.size) < 1 / (1 + np.exp(-eta))) * 1
    data = {"y": y, "x": x, "w": w, "c": c, "g": g}
    formula = f"y ~ x + w + c + ({'x' if slope else '1'} | g)"
    return build_design(formula, data, family=family)


@pytest.fixture(scope="module", params=[("bernoulli", True), ("poisson", False)])
def both(request):
    """Tables and lattices of one problem, with points of its posterior and what lattices find."""
    family, slope = request.param
    design = simulated(family, slope=slope)
    problem = make_problem(design, model_priors(design))
    proposal = Proposal(problem, np.random.default_rng(1))
    node = sampling._nearest(proposal)
    at = proposal.draw(128)
    x = at.x[np.argsort(-at.approximate)[:100]]
    exact = Exact(problem, expand(problem, node))
    exact.prepare(x)
    moments = np.empty((len(x), problem.n_groups, 5))
    return tables.Tables(problem, node), x, exact(x, moments=moments), moments


def test_values_and_moments_are_those_of_lattices(both):
    found, x, value, moments = both
    assert found.complete
    # Of the predictors only what varies within groups and has no effect of the group is expanded.
    assert len(found.active) == (1 if found.problem.q == 2 else 2)
    mine = np.empty_like(moments)
    gap = found(x, moments=mine) - value
    assert np.abs(gap).max() < 0.05  # third order in a coefficient that 5,000 rows determine
    assert gap.std() < 0.01
    used = slice(None) if found.problem.q == 2 else [0, 2]
    np.testing.assert_allclose(mine[..., used], moments[..., used], atol=3e-3)


def test_effects_are_drawn_from_what_lattices_find(both):
    found, x, _, moments = both
    u, counts = np.empty((len(x), found.problem.n_groups, 2)), np.zeros((len(x), 2))
    found(x, seed=5, u=u, counts=counts)
    assert counts[:, 1].sum() == 0
    assert 1.2 < counts[:, 0].mean() / found.problem.n_groups < 2.5
    for k, square in ((0, 2), (1, 4))[: found.problem.q]:
        sd = np.sqrt(moments[:, :, square] - moments[:, :, k] ** 2)
        z = (u[:, :, k] - moments[:, :, k]) / sd
        assert abs(z.mean()) * np.sqrt(z.size) < 4
        assert abs(z.var() - 1.0) * np.sqrt(z.size / 2.0) < 4
    if found.problem.q == 2:
        both = moments[:, :, 3] - moments[:, :, 0] * moments[:, :, 1]
        drawn = (u[:, :, 0] - moments[:, :, 0]) * (u[:, :, 1] - moments[:, :, 1])
        spread = (drawn - both).std() / np.sqrt(drawn.size)
        assert abs((drawn - both).mean()) < 4 * spread


def test_rows_decide_where_the_table_may_not(both):
    """As a table that is trusted nowhere draws: from the rows alone, the same."""
    found, x, *_ = both
    u, again = (np.empty((64, found.problem.n_groups, 2)) for _ in range(2))
    found(x[:64], seed=5, u=u)
    rough, found.rough = found.rough, np.full_like(found.rough, 1e3)
    try:
        found(x[:64], seed=5, u=again)
    finally:
        found.rough = rough
    # Third-order terms move some borders.
    assert (u == again).mean() > 0.99


def test_posteriors_by_tables_and_by_lattices_agree(monkeypatch):
    design = simulated("bernoulli", slope=True)
    problem = make_problem(design, model_priors(design))
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr(tables, "LEAST_ROWS", least)
        rng = np.random.default_rng(2)
        found.append(sampling.draw_points(problem, 1000, rng, effects=True, keep=True))
    by_table, by_lattice = found
    assert by_table.integral_error < 0.03
    assert by_table.log_integral == pytest.approx(by_lattice.log_integral, abs=0.05)
    sd = by_lattice.x.std(axis=0)
    gaps = (by_table.x.mean(axis=0) - by_lattice.x.mean(axis=0)) / sd
    assert np.abs(gaps).max() < 4 * np.sqrt(2 / 1000)
    np.testing.assert_allclose(by_table.x.std(axis=0), sd, rtol=0.12)


def test_tables_are_not_for_wide_posteriors_or_few_rows(monkeypatch):
    design = simulated("bernoulli", slope=False)
    problem = make_problem(design, model_priors(design))
    points = np.zeros((50, problem.inner + problem.outer))
    assert not tables.can_tabulate(problem, points)  # few rows
    monkeypatch.setattr(tables, "LEAST_ROWS", 1)
    assert tables.can_tabulate(problem, points)
    points[:, problem.inner] = np.linspace(-1.0, 1.0, 50)
    assert not tables.can_tabulate(problem, points)  # one lattice does not suit all sds
