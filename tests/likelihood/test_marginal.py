"""The marginal likelihood: against dense matrices, 50 digits, and its own symmetries."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import EngineError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.engines.reml.derivatives import derivatives
from bayes_mlm.likelihood.conditional import group_effects
from bayes_mlm.likelihood.gaussian import evaluate, profiled_loglik
from bayes_mlm.moments.group_moments import from_rows
from bayes_mlm.moments.rotated import rotate_moments

METHODS = ("REML", "ML")


class Case:
    """A small random model with singletons, unequal groups, and any kind of X and Z."""

    def __init__(self, seed, *, q, intercept=True, z_intercept=True):
        rng = np.random.default_rng(seed)
        self.n_groups = int(rng.integers(3, 7))
        n = int(rng.integers(self.n_groups + 12, 40))
        # The first groups are singletons unless the draw adds to them.
        self.codes = np.concatenate(
            [np.arange(self.n_groups), rng.integers(1, self.n_groups, n - self.n_groups)]
        )
        self.X = rng.normal(size=(n, 3)) + 1.0
        self.Z = rng.normal(size=(n, q)) - 0.5
        if intercept:
            self.X[:, 0] = 1.0
        if z_intercept:
            self.Z[:, rng.integers(q)] = 1.0
        if q > 1:
            self.Z[:, -1] = self.X[:, -1]
        self.y = rng.normal(size=n) + rng.normal(size=self.n_groups)[self.codes]
        self.lam = np.tril(rng.normal(size=(q, q)))
        self.lam[:, rng.integers(q)] *= rng.integers(0, 2)  # half of them singular

    def reduced(self):
        return rotate_moments(from_rows(self.y, self.X, self.Z, self.codes, self.n_groups))

    def dense(self, method):
        """Compute loglik, beta, rss, |V|, |X'V^-1X| and u from the n x n covariance."""
        relative = self.lam @ self.lam.T
        same = self.codes[:, None] == self.codes
        V = np.eye(len(self.y)) + same * (self.Z @ relative @ self.Z.T)
        W = np.linalg.inv(V)
        information = self.X.T @ W @ self.X
        beta = np.linalg.solve(information, self.X.T @ W @ self.y)
        r = self.y - self.X @ beta
        rss = r @ W @ r
        df = len(self.y) - (3 if method == "REML" else 0)
        logdet_v, logdet_x = np.linalg.slogdet(V)[1], np.linalg.slogdet(information)[1]
        penalty = logdet_v + (logdet_x if method == "REML" else 0.0)
        loglik = -0.5 * (df * (1 + np.log(2 * np.pi * rss / df)) + penalty)
        u = [
            relative @ self.Z[self.codes == j].T @ (W @ r)[self.codes == j]
            for j in range(self.n_groups)
        ]
        cov = [
            relative
            - relative
            @ self.Z[rows].T
            @ np.linalg.inv(V[np.ix_(rows, rows)])
            @ self.Z[rows]
            @ relative
            for rows in (np.flatnonzero(self.codes == j) for j in range(self.n_groups))
        ]
        return loglik, beta, rss, logdet_v, logdet_x, np.array(u), np.array(cov), information


cases = st.builds(
    Case,
    st.integers(0, 100_000),
    q=st.integers(1, 3),
    intercept=st.booleans(),
    z_intercept=st.booleans(),
)


@given(case=cases, method=st.sampled_from(METHODS))
def test_everything_agrees_with_the_dense_covariance(case, method):
    loglik, beta, rss, logdet_v, logdet_x, u, cov, information = case.dense(method)
    reduced = case.reduced()
    m = evaluate(reduced, case.lam[None])
    # Dense inverses of well-conditioned 40 x 40 matrices are good to some 1e-12.
    close = {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(m.beta[0], beta, **close)
    np.testing.assert_allclose(m.rss[0], rss, **close)
    np.testing.assert_allclose(m.logdet_v[0], logdet_v, **close)
    np.testing.assert_allclose(m.logdet_x[0], logdet_x, **close)
    root = m.beta_root[0]
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(information), **close)
    df = len(case.y) - (3 if method == "REML" else 0)
    transformed = reduced.z_centring @ case.lam
    for level in (None, np.log(m.rss / df)):  # sigma_e at its optimum, and set to it
        profiled = profiled_loglik(
            reduced, (transformed @ transformed.T)[None], method, log_sigma_e2=level
        )
        np.testing.assert_allclose(profiled[0], loglik, **close)
    moments = group_effects(reduced, case.lam[None], m.beta)
    np.testing.assert_allclose(moments.mean[0], u, **close)
    root = moments.root[0][moments.of_group]
    np.testing.assert_allclose(root @ root.swapaxes(1, 2), cov, **close)


@given(case=cases, method=st.sampled_from(METHODS), free=st.booleans())
def test_derivatives_agree_with_differences(case, method, free):
    reduced = case.reduced()
    q = case.Z.shape[1]
    s = case.lam @ case.lam.T + 0.1 * np.eye(q)
    directions = []
    for a in range(q):
        for b in range(a + 1):
            d = np.zeros((q, q))
            d[a, b] = d[b, a] = 1.0
            directions.append(d)
    directions = np.array(directions)
    sigma_e2 = 1.3 if free else None

    def at(s, sigma_e2=sigma_e2):
        return derivatives(reduced, s, directions, method, sigma_e2=sigma_e2)

    here = at(s)
    held = here.sigma_e2
    if not free:
        assert abs(here.gradient[-1]) < 1e-9  # sigma_e is at its optimum
    h = 1e-5
    scale = np.abs(here.hessian).max()
    for i, d in enumerate(directions):
        up, down = at(s + h * d, held), at(s - h * d, held)
        # Central differences: h^2 times third derivatives, and rounding / h, of order 1e-9.
        np.testing.assert_allclose(
            (up.loglik - down.loglik) / (2 * h), here.gradient[i], rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            (up.gradient - down.gradient) / (2 * h), here.hessian[i], rtol=1e-3, atol=1e-4 * scale
        )
        np.testing.assert_allclose((up.beta - down.beta) / (2 * h), here.d_beta[i], atol=1e-5)
    up, down = (at(s, held * np.exp(sign * h)) for sign in (1, -1))
    np.testing.assert_allclose(
        (up.gradient - down.gradient) / (2 * h), here.hessian[-1], rtol=1e-4, atol=1e-4 * scale
    )
    np.testing.assert_allclose(np.trace(here.slope @ directions[0]), here.gradient[0], rtol=1e-9)


def test_many_factors_at_once_equal_one_by_one():
    case = Case(3, q=2)
    reduced = case.reduced()
    lams = np.tril(np.random.default_rng(0).normal(size=(6, 2, 2)))
    together = evaluate(reduced, lams)
    for i, lam in enumerate(lams):
        alone = evaluate(reduced, lam[None])
        for name in ("logdet_v", "logdet_x", "rss", "beta", "chol_x", "quadratic", "beta_root"):
            np.testing.assert_allclose(
                getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-12, atol=1e-13
            )


def mp_loglik(y, X, Z, codes, lam, method):
    """Evaluate the profiled log-likelihood with 50 digits, group by group, from dense V_j."""
    with mpmath.workdps(50):
        p = X.shape[1]
        relative = mpmath.matrix(lam.tolist()) * mpmath.matrix(lam.tolist()).T
        W = np.column_stack([X, y])
        total, logdet_v = mpmath.zeros(p + 1), mpmath.mpf(0)
        for j in np.unique(codes):
            z = mpmath.matrix(Z[codes == j].tolist())
            w = mpmath.matrix(W[codes == j].tolist())
            V = mpmath.eye(z.rows) + z * relative * z.T
            L = mpmath.cholesky(V)
            logdet_v += 2 * sum(mpmath.log(L[i, i]) for i in range(L.rows))
            total += w.T * mpmath.inverse(V) * w
        L = mpmath.cholesky(total)
        logdet_x = 2 * sum(mpmath.log(L[i, i]) for i in range(p))
        rss = L[p, p] ** 2
        df = len(y) - (p if method == "REML" else 0)
        penalty = logdet_v + (logdet_x if method == "REML" else 0)
        return -(df * (1 + mpmath.log(2 * mpmath.pi * rss / df)) + penalty) / 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "lam",
    [
        [[0.967, 0.0], [0.0152, 0.231]],  # near the REML estimate
        [[0.0, 0.0], [0.0, 0.0]],  # no group effects
        [[30.0, 0.0], [-5.0, 0.0]],  # singular, and far from the optimum
    ],
)
def test_sleepstudy_agrees_with_fifty_digits(lam, method):
    columns = load_dataset("sleepstudy").columns
    days, y = columns["days"].astype(float), columns["reaction"].astype(float)
    _, codes = np.unique(columns["subject"], return_inverse=True)
    X = np.column_stack([np.ones(len(y)), days])
    lam = np.array(lam)
    exact = mp_loglik(y, X, X, codes, lam, method)
    reduced = rotate_moments(from_rows(y, X, X, codes, 18))
    transformed = reduced.z_centring @ lam
    ours = profiled_loglik(reduced, (transformed @ transformed.T)[None], method)[0]
    # Sixteen digits less what sums of 180 terms and a logarithm lose.
    assert abs(ours - float(exact)) < 1e-12 * abs(float(exact))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("shift_y", "scale_y", "shift_x"), [(1e6, 1.0, 0.0), (0.0, 1e-6, 0.0), (1e6, 1e3, 2000.0)]
)
def test_offsets_and_scales_lose_nothing(shift_y, scale_y, shift_x, method):
    """Against 50 digits on the very numbers given: the offsets are in the data, not undone."""
    case = Case(12, q=2)
    y = case.y * scale_y + shift_y
    X, Z = case.X.copy(), case.Z.copy()
    X[:, 1] += shift_x
    X[:, 2] = Z[:, 1] = case.X[:, 2] + shift_x
    Z[:, 0] = 1.0
    lam = np.array([[0.8, 0.0], [0.3, 0.5]])
    exact = float(mp_loglik(y, X, Z, case.codes, lam, method))
    reduced = rotate_moments(from_rows(y, X, Z, case.codes, case.n_groups))
    transformed = reduced.z_centring @ lam
    ours = profiled_loglik(reduced, (transformed @ transformed.T)[None], method)[0]
    # With slopes at 2000 the relative covariance itself spans 1e7: nine digits are left of it.
    assert abs(ours - exact) < (1e-8 if shift_x else 1e-10) * abs(exact)


def test_a_random_intercept_keeps_twelve_digits_at_any_offset():
    case = Case(13, q=1)
    X = case.X.copy()
    X[:, 1] += 2000.0
    y, one = case.y + 1e6, np.ones((len(case.y), 1))
    exact = float(mp_loglik(y, X, one, case.codes, np.array([[0.7]]), "REML"))
    reduced = rotate_moments(from_rows(y, X, one, case.codes, case.n_groups))
    ours = profiled_loglik(reduced, np.array([[[0.49]]]), "REML")[0]
    # Means about an origin of 1e6 are good to 1e-16 of the spread, not of the offset.
    assert abs(ours - exact) < 1e-11 * abs(exact)


def test_dummies_in_place_of_an_intercept_are_centred_too():
    # X @ [1, 1, 0] == 1 without a column of ones: y at 1e6 must not cost digits.
    rng = np.random.default_rng(14)
    codes = np.repeat(np.arange(8), 5)
    a = (codes % 2).astype(float)
    X = np.column_stack([a, 1.0 - a, rng.normal(size=40) + 2000.0])
    y = rng.normal(size=40) + rng.normal(size=8)[codes] + 1e6
    one = np.ones((40, 1))
    reduced = rotate_moments(from_rows(y, X, one, codes, 8))
    assert reduced.y_mean == pytest.approx(y.mean(), rel=1e-14)
    exact = float(mp_loglik(y, X, one, codes, np.array([[0.7]]), "REML"))
    ours = profiled_loglik(reduced, np.array([[[0.49]]]), "REML")[0]
    assert abs(ours - exact) < 1e-11 * abs(exact)
    beta = evaluate(reduced, np.array([[[0.7]]])).beta[0]
    assert X @ beta == pytest.approx(y, abs=10.0)


def test_an_exact_fit_is_refused():
    case = Case(15, q=1)
    reduced = rotate_moments(from_rows(0.0 * case.y, case.X, case.Z, case.codes, case.n_groups))
    with pytest.raises(EngineError, match="exact linear function"):
        evaluate(reduced, np.array([[[0.5]]]))
