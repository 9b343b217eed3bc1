"""Coverage of intervals under informative sampling: ``python benchmarks/weights_coverage.py``.

Superpopulation: y = 1 + x / 2 + z / 2 + u + e, sd of u 1, of e 2 (icc .2), x of the student and z
of the school standard normal. Of 1,000 schools J are drawn by systematic sampling proportional to
size, 2.5 where u > 0 and 1 else; in each 20 of 100 students, of size 2.5 where e > 0 (informative
on the intercept) or e x > 0 (on the slope). Unweighted, intercept and sds are biased, or the slope.
Intervals are of 95 %: of ML as if unweighted, of the sandwich and the jackknife (t, J - 2), and of
the pseudo-posterior before and after its adjustment (equal tails). Results go to
``benchmarks/weights_coverage.json`` and ``.md``.
"""

import argparse
import json
from typing import Any

import numpy as np
from measuring import save

from bayes_mlm import build_design, fit_reml
from bayes_mlm.base import wald_reach
from bayes_mlm.design import Design
from bayes_mlm.engines import sample_direct
from bayes_mlm.engines.pseudo import fit_pseudo
from bayes_mlm.engines.pseudo.posterior import adjusted
from bayes_mlm.likelihood import model_priors
from bayes_mlm.model import as_weights

TRUE = np.array([1.0, 2.0, 1.0, 0.5, 0.5])
NAMES = ("sigma_u", "sigma_e", "intercept", "x, within", "z, between")
POPULATION, N, STUDENTS = 1000, 20, 100
type Drawn = tuple[np.ndarray, np.ndarray]


def systematic(size: np.ndarray, n: int, rng: np.random.Generator) -> Drawn:
    """Draw n of N in each row of size (K, N), in a random order; places and weights (K, n)."""
    order = rng.permuted(np.tile(np.arange(size.shape[1]), (len(size), 1)), axis=1)
    share = n * np.take_along_axis(size, order, 1) / size.sum(axis=1, keepdims=True)
    passed = np.floor(np.cumsum(share, axis=1) + rng.random((len(size), 1)))
    before = np.concatenate([np.zeros((len(size), 1)), passed[:, :-1]], axis=1)
    hit = passed > before
    hit[:, -1] |= hit.sum(axis=1) < n
    at = np.argsort(~hit, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(order, at, 1), 1.0 / np.take_along_axis(share, at, 1)


def sample(rng: np.random.Generator, J: int, on: str) -> dict[str, np.ndarray]:
    """Draw a population and a sample of it."""
    u = rng.standard_normal(POPULATION)
    (schools,), (w2,) = systematic(np.where(u > 0.0, 2.5, 1.0)[None], J, rng)
    z = rng.standard_normal(J)
    x, e = rng.standard_normal((J, STUDENTS)), 2.0 * rng.standard_normal((J, STUDENTS))
    informative = e * x if on == "slope" else e
    at, w1 = systematic(np.where(informative > 0.0, 2.5, 1.0), N, rng)
    x, e = (np.take_along_axis(one, at, 1) for one in (x, e))
    y = 1.0 + 0.5 * x + 0.5 * z[:, None] + u[schools][:, None] + e
    return {
        "y": y.ravel(),
        "x": x.ravel(),
        "z": np.repeat(z, N),
        "g": np.repeat(np.arange(J), N),
        "w1": w1.ravel(),
        "w2": np.repeat(w2, N),
    }


def by_weights(table: dict[str, np.ndarray], scaling: str, errors: str) -> Design:
    given = as_weights({"level1": "w1", "g": "w2"}, scaling=scaling, standard_errors=errors)
    return build_design("y ~ x + z + (1 | g)", table, weights=given)


def of_fit(fit: Any, J: int) -> np.ndarray:
    """Ends (2, 5): sds on the scale of logs."""
    reach = wald_reach(0.95, float(J - 2))
    values = np.array([fit.sigma_u[0], fit.sigma_e])
    errors = np.array([fit.errors.sigma_u[0], fit.errors.sigma_e])
    ends = values * np.exp(np.outer([-reach, reach], errors / values))
    beta = fit.beta + np.outer([-reach, reach], fit.beta_se)
    return np.concatenate([ends, beta], axis=1)


def of_draws(values: dict[str, np.ndarray]) -> np.ndarray:
    drawn = np.column_stack([values["sigma_u"], values["sigma_e"], values["beta"]])
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def intervals(table: dict[str, np.ndarray], J: int, seed: int) -> dict[str, np.ndarray]:
    """Return the ends of every method at one sample."""
    plain = fit_reml(build_design("y ~ x + z + (1 | g)", table), method="ML", profile=False)
    found = {"unweighted ML": of_fit(plain, J)}
    for scaling in ("none", "size", "effective"):
        fit = fit_pseudo(by_weights(table, scaling, "sandwich"))
        found[f"{scaling}, sandwich"] = of_fit(fit, J)
    for scaling in ("size", "effective"):
        fit = fit_pseudo(by_weights(table, scaling, "jackknife"))
        found[f"{scaling}, jackknife"] = of_fit(fit, J)
    design = by_weights(table, "size", "sandwich")
    drawn = sample_direct(
        design, model_priors(design), random_seed=seed, statistics=design.moments(), effects=False
    ).draws
    values = {
        name: drawn[name].reshape(-1, *drawn[name].shape[2:])
        for name in ("sigma_u", "sigma_e", "beta", "icc")
    }
    found["size, pseudo-posterior as it is"] = of_draws(values)
    for errors in ("sandwich", "jackknife"):
        design = by_weights(table, "size", errors)
        fit = fit_pseudo(design)
        name = f"size, pseudo-posterior adjusted ({errors})"
        found[name] = of_draws(adjusted(values, fit, design)[0])
    return found


def coverage(J: int, on: str, replications: int) -> dict[str, Any]:
    """Return the coverage of every method, and the bias of its centre."""
    rng = np.random.default_rng([20261130, J, on == "slope"])
    inside: dict[str, list[np.ndarray]] = {}
    centres: dict[str, list[np.ndarray]] = {}
    skipped = 0
    for k in range(replications):
        table = sample(rng, J, on)
        try:
            found = intervals(table, J, k)
        except np.linalg.LinAlgError:  # a variance at zero, where nothing is adjusted
            skipped += 1
            continue
        for name, ends in found.items():
            inside.setdefault(name, []).append((ends[0] < TRUE) & (ends[1] > TRUE))
            centres.setdefault(name, []).append(ends.mean(axis=0))
    return {
        "schools": J,
        "informative_on": on,
        "replications": replications - skipped,
        "skipped": skipped,
        "coverage": {name: np.mean(one, axis=0).tolist() for name, one in inside.items()},
        "bias": {name: (np.mean(one, axis=0) - TRUE).tolist() for name, one in centres.items()},
    }


def text_of(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Coverage of 95 % intervals under informative sampling",
        "",
        "Made by `python benchmarks/weights_coverage.py`, which states the populations and the "
        "samples. Bias is of the middle of the interval.",
    ]
    for row in rows:
        error = np.sqrt(0.95 * 0.05 / row["replications"])
        lines += [
            "",
            f"## {row['schools']} schools of {N}, informative on the {row['informative_on']}",
            "",
            f"{row['replications']} samples ({row['skipped']} with a variance at zero left out); "
            f"Monte Carlo error of .95: {error:.3f}.",
            "",
            "| | " + " | ".join(NAMES) + " | bias of sigma_u | of intercept | of x |",
            "|---|" + "--:|" * (len(NAMES) + 3),
        ]
        for name, values in row["coverage"].items():
            bias = row["bias"][name]
            cells = [f"{one:.3f}" for one in values]
            cells += [f"{bias[k]:+.3f}" for k in (0, 2, 3)]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--schools", type=int, nargs="*", default=[40, 160])
    parser.add_argument("--on", nargs="*", default=["intercept", "slope"])
    given = parser.parse_args()
    found = [coverage(J, on, given.replications) for J in given.schools for on in given.on]
    print(json.dumps(found, indent=1))
    save("weights_coverage", {"rows": found}, text_of(found))
