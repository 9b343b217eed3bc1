"""Coverage of pooled intervals with few plausible values, against the truth of simulated surveys.

    python benchmarks/plausible_values.py [replications]

Outcomes of a two-level model are measured with an error of known sd. Plausible values are drawn
from the outcomes' distribution given the measurements, the predictor and the groups, each at a draw
from the posterior of the parameters (a conditioning model that is right). Analysed are all of them,
pooled by Rubin's rules; the first alone; and their mean, as if it were the outcome.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayes_mlm import fit
from bayes_mlm.base import Floats
from bayes_mlm.fitting import Fit

SIGMA_U, SIGMA_E, ERROR, SLOPE = 0.5, 1.0, 0.8, 0.5
TRUTH = {"beta[Intercept]": 0.0, "beta[x]": SLOPE, "sigma_u": SIGMA_U, "sigma_e": SIGMA_E}
FORMULA = "y ~ x + (1 | g)"


def survey(rng: np.random.Generator, groups: int, rows: int, m: int) -> tuple[Any, Floats]:
    """Return the columns of one survey, and its plausible values (m, n)."""
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=g.size)
    u = SIGMA_U * rng.normal(size=groups)
    y = SLOPE * x + u[g] + SIGMA_E * rng.normal(size=g.size)
    measured = y + ERROR * rng.normal(size=g.size)
    columns = {"x": x, "g": g}
    drawn = fit(FORMULA, {**columns, "y": measured}, draws=25, random_seed=int(rng.integers(2**31)))
    assert isinstance(drawn, Fit)
    values = [
        _given(rng, drawn, int(k), x.reshape(groups, rows), measured.reshape(groups, rows))
        for k in rng.choice(len(drawn.beta), size=m, replace=False)
    ]
    return columns, np.array(values)


def _given(rng: np.random.Generator, drawn: Fit, k: int, x: Floats, measured: Floats) -> Floats:
    """Return outcomes (n,) given their measurements, at draw k of the parameters."""
    groups, rows = x.shape
    sigma_u, total = (float(drawn.draws[name].ravel()[k]) for name in ("sigma_u", "sigma_e"))
    sigma_e2 = max(total**2 - ERROR**2, 0.01)
    prior = sigma_u**2 * np.ones((rows, rows)) + sigma_e2 * np.eye(rows)
    gain = prior @ np.linalg.inv(prior + ERROR**2 * np.eye(rows))
    root = np.linalg.cholesky(prior - gain @ prior)
    mean = drawn.beta[k, 0] + drawn.beta[k, 1] * x
    noise = rng.normal(size=(groups, rows)) @ root.T
    return np.asarray((mean + (measured - mean) @ gain.T + noise).ravel())


def analyses(columns: Any, values: Floats) -> Iterator[tuple[str, Any]]:
    """Yield the name of each analysis with its summary."""
    tables = [{**columns, "y": one} for one in values]
    yield "pooled", fit(FORMULA, tables, engine="reml").summary()
    yield "first alone", fit(FORMULA, tables[0], engine="reml").summary()
    averaged = {**columns, "y": values.mean(axis=0)}
    yield "mean of them", fit(FORMULA, averaged, engine="reml").summary()


def coverage(
    replications: int, groups: int, rows: int, m: int, seed: int = 1
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return coverage and mean width of 95% intervals, by analysis and quantity."""
    rng = np.random.default_rng(seed)
    inside: dict[tuple[str, str], list[bool]] = defaultdict(list)
    width: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(replications):
        for name, summary in analyses(*survey(rng, groups, rows, m)):
            for quantity, truth in TRUTH.items():
                row = summary[quantity]
                if row.lower is None:
                    inside[name, quantity].append(False)
                    continue
                inside[name, quantity].append(row.lower <= truth <= row.upper)
                width[name, quantity].append(row.upper - row.lower)
    return {
        key: (float(np.mean(found)), float(np.mean(width[key]))) for key, found in inside.items()
    }


def main() -> None:
    """Print a table for each size."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for groups, rows in ((20, 10), (60, 10)):
        found = coverage(replications, groups, rows, 5)
        print(f"\n{groups} groups of {rows}, 5 plausible values, {replications} replications")
        for name in dict.fromkeys(name for name, _ in found):
            cells = (f"{found[name, one][0]:.3f}" for one in TRUTH)
            print(f"{name:14}", *cells, sep="  ")


if __name__ == "__main__":
    main()
