"""The likelihood of several grouping factors by the covariance of all rows: an oracle."""

import math

import numpy as np


def rows(seed, n=72):
    """Return rows with crossed factors g and h, and intercepts and slopes of x by g."""
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 9, n), rng.integers(0, 6, n)
    x = rng.normal(2.0, 1.0, n)
    slopes = rng.normal(0.0, 0.6, 9)
    u, w = 0.8 * slopes + rng.normal(0.0, 0.7, 9), rng.normal(0.0, 0.8, 6)
    y = 1.0 + 0.5 * x + u[g] + slopes[g] * x + w[h] + rng.normal(size=n)
    return {"y": y, "x": x, "g": g, "h": h}


def names(design):
    """Return the parameters: (sd, term, effect), (rho, term, pair), then sigma_e."""
    found = []
    for k, term in enumerate(design.group_terms):
        found += [("sd", k, a) for a in range(term.q)]
        found += [("rho", k, pair) for pair in term.pairs]
    return [*found, ("sigma_e", None, None)]


def deviance(design, method):
    """Return minus twice the log-likelihood as a function of sds, correlations and sigma_e."""
    n, p, parts = design.n, design.p, names(design)
    same = [(term.codes[:, None] == term.codes) * 1.0 for term in design.group_terms]

    def at(values):
        of = dict(zip(parts, values, strict=True))
        V = of["sigma_e", None, None] ** 2 * np.eye(n)
        for k, term in enumerate(design.group_terms):
            sd = np.array([of["sd", k, a] for a in range(term.q)])
            R = np.eye(term.q)
            for pair in term.pairs:
                R[pair] = R[pair[::-1]] = of["rho", k, pair]
            V += same[k] * (term.Z @ (R * np.outer(sd, sd)) @ term.Z.T)
        try:
            L = np.linalg.cholesky(V)
        except np.linalg.LinAlgError:
            return 1e10
        R = np.linalg.qr(np.linalg.solve(L, np.column_stack([design.X, design.y])), mode="r")
        df = n - p if method == "REML" else n
        found = 2 * np.log(np.diagonal(L)).sum() + df * math.log(2 * math.pi) + R[-1, -1] ** 2
        if method == "REML":
            found += 2 * np.log(np.abs(np.diagonal(R)[:-1])).sum()
        return found

    return at


def estimates(design, fit):
    """Return the parameters, standard errors and intervals of a fit, in the order of `names`."""
    found = []
    for term, one in zip(design.group_terms, fit.factors, strict=True):
        found += zip(one.sigma_u, one.errors.sigma_u, one.sigma_u_interval, strict=True)
        found += [
            (one.rho_u[pair], one.errors.rho_u[pair], interval)
            for pair, interval in zip(term.pairs, one.rho_u_interval, strict=True)
        ]
    return [*found, (fit.sigma_e, fit.sigma_e_se, fit.sigma_e_interval)]
