"""Recovery after imputation: two-level, single-level and complete cases, as docs/how-to has it.

    python benchmarks/imputation.py [REPLICATIONS]

The rule: 50 groups of 10 rows; x = xi_j + r_ij with variance 1, 0.2 of it between groups;
y = 0.5 r_ij + xi_j + u_j + e_ij with sds 0.5 and 0.8; a = 0.7 x + noise at both levels is complete.
x and y are missing at random given a, each in 30 % of the rows: the higher a, the likelier for x,
the lower, the likelier for y. Ten imputations; 95% intervals.
"""

import sys

import numpy as np
import pandas as pd

from bayes_mlm import fit, impute, summarise

GROUPS, SIZE, M = 50, 10, 10
MODEL, NULL = "y ~ within(x) + between(x) + (1 | g)", "y ~ 1 + (1 | g)"
QUANTITIES = ("slope within", "slope between", "ICC of y")
# The observed mean of ten members has reliability 0.714, so the slope between is 0.857.
RELIABILITY = 0.2 / (0.2 + 0.8 / SIZE)
VARIANCE_BETWEEN = 0.2 + 0.25
TRUTHS = (
    0.5,
    RELIABILITY + (1 - RELIABILITY) * 0.5,
    VARIANCE_BETWEEN / (VARIANCE_BETWEEN + 0.25 * 0.8 + 0.64),
)


def draw(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(GROUPS), SIZE)
    latent = np.sqrt(0.2) * rng.standard_normal(GROUPS)[g]
    deviation = np.sqrt(0.8) * rng.standard_normal(len(g))
    y = 0.5 * deviation + latent + 0.5 * rng.standard_normal(GROUPS)[g]
    y += 0.8 * rng.standard_normal(len(g))
    x = latent + deviation
    a = 0.7 * x + 0.3 * rng.standard_normal(GROUPS)[g] + 0.6 * rng.standard_normal(len(g))
    return pd.DataFrame({"y": y, "x": x, "a": a, "g": g})


def with_gaps(data: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 1])
    chance = 0.6 / (1 + np.exp(-2 * data["a"]))  # 0.3 on average
    gaps = data.copy()
    gaps.loc[rng.random(len(data)) < chance, "x"] = np.nan
    gaps.loc[rng.random(len(data)) < 0.6 - chance, "y"] = np.nan
    return gaps


def single_level(gaps: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Impute by the joint normal model that ignores the groups: data augmentation."""
    rng = np.random.default_rng([seed, 2])
    z = gaps[["y", "x", "a"]].to_numpy().copy()
    gone = np.isnan(z)
    kinds, which = np.unique(gone, axis=0, return_inverse=True)
    z[gone] = 0.0
    mean, cov, frames = np.zeros(3), np.eye(3), []
    n = len(z)
    for cycle in range(100 + 20 * M):
        for k, one in enumerate(kinds):
            rows = np.flatnonzero(which.ravel() == k)
            if not one.any():
                continue
            slopes = np.linalg.solve(cov[np.ix_(~one, ~one)], cov[np.ix_(~one, one)])
            rest = cov[np.ix_(one, one)] - cov[np.ix_(one, ~one)] @ slopes
            drawn = mean[one] + (z[np.ix_(rows, ~one)] - mean[~one]) @ slopes
            noise = rng.standard_normal(drawn.shape) @ np.linalg.cholesky(rest).T
            z[np.ix_(rows, np.flatnonzero(one))] = drawn + noise
        centre = z.mean(axis=0)
        inverse = np.linalg.inv((z - centre).T @ (z - centre))
        normal = rng.standard_normal((n - 1, 3)) @ np.linalg.cholesky(inverse).T
        cov = np.linalg.inv(normal.T @ normal)
        mean = centre + np.linalg.cholesky(cov / n) @ rng.standard_normal(3)
        if cycle >= 100 and (cycle - 99) % 20 == 0:
            frames.append(gaps.assign(y=z[:, 0], x=z[:, 1]))
    return frames


def estimates(data: object, **options: str) -> list[tuple[float, float, float]]:
    two = summarise(fit(MODEL, data, engine="reml", **options))
    null = summarise(fit(NULL, data, engine="reml", **options))
    rows = [two["beta[within(x)]"], two["beta[between(x)]"], null["icc"]]
    return [(row.estimate, row.lower, row.upper) for row in rows]


def main(replications: int = 150) -> None:
    found: dict[str, list[list[tuple[float, float, float]]]] = {}
    not_ok = 0
    for seed in range(replications):
        data = draw(seed)
        gaps = with_gaps(data, seed)
        two_level = impute(MODEL, gaps, auxiliary=["a"], m=M, thin=40, random_seed=seed)
        not_ok += not two_level.verdict.ok
        for name, values in (
            ("complete data", estimates(data)),
            ("complete rows", estimates(gaps, missing="drop")),
            ("single-level imputation", estimates(single_level(gaps, seed))),
            ("two-level imputation", estimates(two_level)),
        ):
            found.setdefault(name, []).append(values)
        if (seed + 1) % 25 == 0:  # so far
            show(found)
            print(f"{seed + 1} replications; R-hat above 1.05 in {not_ok}\n", flush=True)


def show(found: dict[str, list[list[tuple[float, float, float]]]]) -> None:
    print("| quantity | truth | data | mean | sd | coverage of 95% |\n|---|---|---|---|---|---|")
    for place, (quantity, truth) in enumerate(zip(QUANTITIES, TRUTHS, strict=True)):
        for name, each in found.items():
            estimate, lower, upper = np.array([one[place] for one in each]).T
            inside = np.mean((lower <= truth) & (truth <= upper))
            print(
                f"| {quantity} | {truth:.3f} | {name} | {estimate.mean():.3f} | "
                f"{estimate.std():.3f} | {inside:.3f} |"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
