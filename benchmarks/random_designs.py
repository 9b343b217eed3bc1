"""REML and ML of random designs with several factors against dense algebra and other optimisers.

Unbalanced, with empty cells, nested, crossed, of two levels, with labels that are used again, with
offsets of up to 1e8, singular. Of each design: the log-likelihood by the covariance matrix of all
rows at our estimates (is it what is reported?), the best of four L-BFGS-B searches and a
Nelder-Mead from the best of them (does another optimiser do better?), and coefficients and effects
by generalised least squares at our variances. Writes ``random_designs.md``.
"""

import math
import sys

import numpy as np
from measuring import HERE, machine
from scipy.optimize import minimize

from bayes_mlm import build_design
from bayes_mlm.base import BayesMLMError
from bayes_mlm.engines import fit_several

FORMULAS = (
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + (1 | g/h)",
    "y ~ x + (x | g) + (1 | h)",
    "y ~ x + (x || g) + (1 | h)",
    "y ~ 1 + (1 | g) + (1 | h) + (1 | k)",
    "y ~ x + (x | g) + (x | h)",
)


def table(seed, rng):
    n = int(rng.integers(20, 90))
    levels = [int(rng.choice([2, 3, 5, 8, 12])) for _ in range(3)]
    p = [rng.dirichlet(np.full(m, 0.8)) for m in levels]  # unbalanced, some levels empty
    g, h, k = (rng.choice(m, n, p=w) for m, w in zip(levels, p, strict=True))
    offset = 10.0 ** rng.integers(0, 9)
    x = rng.normal(size=n) + (offset if seed % 5 == 0 else 0.0)
    sds = rng.choice([0.0, 0.3, 1.0, 4.0], 3)
    y = 0.5 * (x - x.mean()) + rng.normal(size=n)
    for codes, m, sd in zip((g, h, k), levels, sds, strict=True):
        y = y + sd * rng.normal(size=m)[codes]
    if seed % 4 == 0:
        y = y + rng.normal(0.0, 0.7, levels[0])[g] * (x - x.mean())
    return {"y": y + offset, "x": x, "g": g, "h": h, "k": k}


def dense(design, method):
    """Return loglik(theta, sigma2 profiled) by the covariance of all rows, and the free entries."""
    n, p = design.n, design.p
    terms, starts = design.group_terms, []
    for f, term in enumerate(terms):
        rows, columns = np.tril_indices(term.q) if term.correlated else np.diag_indices(term.q)
        starts += [(f, a, b) for a, b in zip(rows.tolist(), columns.tolist(), strict=True)]
    same = [term.codes[:, None] == term.codes for term in terms]
    means = np.where([t == "Intercept" for t in design.terms], 0.0, design.X.mean(axis=0))
    X, y = design.X - means, design.y - design.y.mean()

    def whitened(lam, Z):
        V = np.eye(n)
        for z, L, of in zip(Z, lam, same, strict=True):
            half = z @ L
            V = V + of * (half @ half.T)
        return np.linalg.cholesky(V)

    def loglik(lam, Z):
        try:
            L = whitened(lam, Z)
        except np.linalg.LinAlgError:
            return -math.inf
        R = np.linalg.qr(np.linalg.solve(L, np.column_stack([X, y])), mode="r")
        df = n - p if method == "REML" else n
        found = 2 * np.log(np.diagonal(L)).sum() + df * (
            1 + math.log(2 * math.pi * R[-1, -1] ** 2 / df)
        )
        if method == "REML":
            found += 2 * np.log(np.abs(np.diagonal(R)[:-1])).sum()
        return -0.5 * found

    return loglik, starts, (X, y)


def search(design, loglik, entries):
    """Return the best log-likelihood of other optimisers, in columns that they can work with."""
    Z = []
    for term in design.group_terms:
        free = term.correlated and term.q > 1
        centre = np.where([e == "Intercept" for e in term.effects], 0.0, term.Z.mean(axis=0))
        Z.append(term.Z - centre if free else term.Z)
    scale = [np.sqrt(np.mean(np.square(z), axis=0)) for z in Z]
    Z = [z / s for z, s in zip(Z, scale, strict=True)]

    def negative(theta):
        lam = [np.zeros((term.q, term.q)) for term in design.group_terms]
        for (f, a, b), value in zip(entries, theta, strict=True):
            lam[f][a, b] = value
        value = -loglik(lam, Z)
        return value if math.isfinite(value) else 1e10

    d = len(entries)
    starts = (np.full(d, 0.5), np.full(d, 0.05), np.linspace(1.5, 0.1, d), np.full(d, 3.0))
    best = min((minimize(negative, x, method="L-BFGS-B") for x in starts), key=lambda r: r.fun)
    more = minimize(negative, best.x, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    return -min(best.fun, more.fun)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    lines = [
        "| seed | design | method | rows | singular | loglik | less dense | less other | beta |",
        "|--:|---|---|--:|---|--:|--:|--:|--:|",
    ]
    worse = refused = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        formula, method = FORMULAS[seed % len(FORMULAS)], ("REML", "ML")[seed // len(FORMULAS) % 2]
        data = table(seed, rng)
        cells = [str(seed), f"`{formula}`".replace("|", "\\|"), method, str(len(data["y"]))]
        try:
            design = build_design(formula, data)
            found = fit_several(design, method=method)
        except BayesMLMError as error:
            refused += 1
            lines.append(" | ".join(["", *cells, f"refused: {error}", "", "", "", "", ""]).strip())
            continue
        loglik, entries, (X, y) = dense(design, method)
        lam = [one.theta for one in found.factors]
        at_ours = loglik(lam, [term.Z for term in design.group_terms])
        other = search(design, loglik, entries)
        V = found.sigma_e**2 * np.eye(design.n)
        for term, one in zip(design.group_terms, found.factors, strict=True):
            V = V + (term.codes[:, None] == term.codes) * (term.Z @ one.cov_u @ term.Z.T)
        inverse = np.linalg.inv(V)
        beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)
        slopes = [k for k, t in enumerate(design.terms) if t != "Intercept"]
        off = max((abs(beta[k] - found.beta[k]) / found.beta_se[k] for k in slopes), default=0.0)
        worse += found.loglik < other - 1e-6
        cells += ["yes" if found.singular else "no", f"{found.loglik:.4f}"]
        cells += [f"{found.loglik - at_ours:.1e}", f"{found.loglik - other:.1e}", f"{off:.0e}"]
        lines.append(" | ".join(["", *cells, ""]).strip())
    head = [
        "# Several grouping factors: random designs against dense algebra",
        "",
        f"{count} designs, {refused} refused (with the reason), {worse} where another optimiser "
        f"did better by more than 1e-6. {machine()}",
        "",
    ]
    (HERE / "random_designs.md").write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    print(head[2])
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
