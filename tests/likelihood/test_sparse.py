"""The sparse factor of several grouping factors, against dense algebra of the same rows."""

import numpy as np
import pytest

from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.likelihood.sparse import factor as factors, plan as plans
from bayes_mlm.likelihood.sparse.factor import Factor, draw_effects, evaluate
from bayes_mlm.likelihood.sparse.ordering import minimum_degree
from bayes_mlm.likelihood.sparse.plan import make_plan
from bayes_mlm.moments import EffectColumns, cross_products


def made(seed):
    """Return rows of up to three factors, crossed and nested, some with slopes and offsets."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(15, 80)), int(rng.integers(0, 4))
    X = np.column_stack([np.ones(n), rng.normal(1e3, 1, (n, 3))])[:, :p]
    y, columns = rng.normal(1e4, 2, n), []
    for f in range(rng.integers(1, 4)):
        m, q = int(rng.integers(2, 12)), int(rng.integers(1, 4))
        codes = rng.integers(0, m, n)
        if f and rng.random() < 0.3:
            codes = columns[0].codes // 2
            m = int(codes.max()) + 1
        Z = np.column_stack([np.ones(n), rng.normal(5, 1, (n, 2))])[:, :q]
        free = np.tril(np.ones((q, q), bool)) if rng.random() < 0.6 else np.eye(q, dtype=bool)
        effects = tuple(f"z{k}" for k in range(q))
        columns.append(
            EffectColumns(factor=str(f), codes=codes, m=m, Z=Z, effects=effects, free=free)
        )
    return y, X, columns, rng


def dense(y, X, columns, found, lam):
    """Return Z, X and y as transformed, and block-diagonal Lambda, of all rows."""
    n = len(y)
    W, Z, L = np.column_stack([X, y]) @ found.transform, [], []
    for place, one, root in zip(found.places, found.factors, lam, strict=True):
        z, block = columns[place].Z @ one.transform, np.zeros((n, one.m, one.q))
        block[np.arange(n), columns[place].codes] = z
        Z.append(block.reshape(n, -1))
        L.append(np.kron(np.eye(one.m), root))
    size = sum(len(one) for one in L)
    whole, at = np.zeros((size, size)), 0
    for one in L:
        whole[at : at + len(one), at : at + len(one)] = one
        at += len(one)
    return np.concatenate(Z, axis=1), W, whole


def flat(parts):
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("small", [True, False])
def test_factor_is_that_of_dense_algebra(seed, small, monkeypatch):
    if not small:  # the paths of large designs: LAPACK, and a better order
        monkeypatch.setattr(factors, "SMALL_TAIL", 0)
        monkeypatch.setattr(plans, "_CHEAP", 0.0)
    y, X, columns, rng = made(seed)
    found = cross_products(y, X, columns)
    plan, p = make_plan(found), found.p
    lam = [np.tril(rng.normal(size=(one.q, one.q))) for one in found.factors]
    factor = Factor(plan)
    assert factor.update(lam)
    Z, W, L = dense(y, X, columns, found, lam)
    ZL, Q = Z @ L, len(L)
    M = ZL.T @ ZL + np.eye(Q)
    inverse = np.linalg.inv(M)
    assert factor.logdet == pytest.approx(np.linalg.slogdet(M)[1], abs=1e-10)
    schur = W.T @ W - W.T @ ZL @ inverse @ ZL.T @ W
    np.testing.assert_allclose(factor.root @ factor.root.T, schur, atol=1e-9 * abs(schur).max())
    with_x = np.linalg.inv(
        np.block([[M, ZL.T @ W[:, :p]], [W[:, :p].T @ ZL, W[:, :p].T @ W[:, :p]]])
    )
    for whole, blocks in (
        (with_x, factor.inverse_blocks()),
        (inverse, factor.inverse_blocks(with_x=False)),
    ):
        at = 0
        for one in blocks:
            for block in one:
                q = len(block)
                np.testing.assert_allclose(block, whole[at : at + q, at : at + q], atol=1e-10)
                at += q
    beta = factor.beta
    u = L @ inverse @ ZL.T @ (W[:, -1] - W[:, :p] @ beta)
    row = np.concatenate([one.ravel() for one in lam])[None]
    logdet, root = evaluate(plan, row)
    assert logdet[0] == pytest.approx(factor.logdet, abs=1e-10)
    np.testing.assert_allclose(root[0], factor.root, atol=1e-9 * abs(factor.root).max())
    means = draw_effects(plan, row, np.ones(1), beta[None], np.zeros((1, Q)))
    np.testing.assert_allclose(flat(means)[0], u, atol=1e-9)
    np.testing.assert_allclose(
        np.concatenate([one.ravel() for one in factor.effects()]), u, atol=1e-9
    )
    # Draws are the mean plus a root of the conditional covariance times the noise.
    several = draw_effects(
        plan, np.repeat(row, Q, 0), np.full(Q, 2.0), np.repeat(beta[None], Q, 0), np.eye(Q)
    )
    half = flat(several) - u
    np.testing.assert_allclose(half.T @ half, 4.0 * L @ inverse @ L.T, atol=1e-9)
    again = factor.effects(np.repeat(beta[None], Q, 0), 2.0 * np.eye(Q))
    np.testing.assert_allclose(flat(again), flat(several), atol=1e-9)
    E = rng.normal(size=(Q, 2))
    natural = E[np.concatenate([one.ravel() for one in plan.places])]
    W2 = factor.half_solve(E)
    np.testing.assert_allclose(W2.T @ W2, natural.T @ with_x[:Q, :Q] @ natural, atol=1e-9)
    solved = factor.inverse_solve(E)[np.concatenate([one.ravel() for one in plan.places])]
    np.testing.assert_allclose(solved, with_x[:Q, :Q] @ natural, atol=1e-9)


def test_coefficients_and_effects_return_to_the_columns_as_given():
    y, X, columns, _ = made(3)
    found = cross_products(y, X, columns)
    gamma = np.linalg.lstsq(found.total[:-1, :-1], found.total[:-1, -1], rcond=None)[0]
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(found.original_beta(gamma), expected, rtol=1e-7)
    one = found.factors[0]
    v = np.random.default_rng(1).normal(size=(one.m, one.q))
    place = found.places[0]
    Z, codes = columns[place].Z, columns[place].codes
    transformed = ((Z @ one.transform) * v[codes]).sum(axis=1) * found.y_scale
    given = (Z * found.original_effects(0, v)[codes]).sum(axis=1)
    np.testing.assert_allclose(given, transformed, rtol=1e-10)


def test_order_of_a_chain_fills_in_nothing():
    n = 30
    order = minimum_degree(n, np.arange(n - 1), np.arange(1, n))
    assert sorted(order.tolist()) == list(range(n))
    left = set(range(n))
    for v in order[:-2]:  # each has at most two neighbours left, which elimination joins
        left.discard(int(v))
        assert not {int(v) - 1, int(v) + 1} <= left or len(left) <= 2


def test_what_cannot_be_laid_out_is_refused(monkeypatch):
    y, X, columns, _ = made(1)
    with pytest.raises(DesignError, match="given twice"):
        cross_products(y, X, [columns[0], columns[0]])
    monkeypatch.setattr(plans, "MAX_ENTRIES", 3)
    with pytest.raises(EngineError, match="more than 3 numbers; use fewer levels"):
        make_plan(cross_products(y, X, columns))
