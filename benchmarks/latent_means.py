"""Recovery of a contextual effect by latent and by observed group means, as docs/how-to has it.

    python benchmarks/latent_means.py [REPLICATIONS]

The rule: x = xi_j + r_ij with variance 1, 0.2 of it between groups;
y = 0.5 r_ij + 1.5 xi_j + u_j + e_ij with sds 0.4 and 0.8; five members a group.
The contextual effect is 1, the reliability of a mean 5/9.
"""

import sys

import numpy as np

from bayes_mlm import fit, latent_contextual_effects
from bayes_mlm.base import BayesMLMError

SIZE, ICC = 5, 0.2
HEADINGS = ("groups", "estimate", "bias", "sd", "mean se", "rmse", "coverage of 95%")


def draw(groups: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, groups])
    g = np.repeat(np.arange(groups), SIZE)
    latent = np.sqrt(ICC) * rng.standard_normal(groups)[g]
    deviation = np.sqrt(1 - ICC) * rng.standard_normal(len(g))
    y = 0.5 * deviation + 1.5 * latent + 0.4 * rng.standard_normal(groups)[g]
    return {"y": y + 0.8 * rng.standard_normal(len(g)), "x": latent + deviation, "g": g}


def main(replications: int = 400) -> None:
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for groups in (30, 50, 100, 200):
        found, refused = [], 0
        for seed in range(replications):
            fitted = fit("y ~ x + between(x) + (1 | g)", draw(groups, seed), engine="reml")
            try:
                row = latent_contextual_effects(fitted)["x", "contextual"]
            except BayesMLMError:
                refused += 1
                continue
            half = 1.96 * row.observed_sd
            observed = (row.observed, row.observed_sd, abs(row.observed - 1) <= half)
            found.append((row.estimate, row.sd, row.lower <= 1 <= row.upper, *observed))
        latent, _, _, manifest, _, _ = np.array(found).T
        for name, values, at in (("observed", manifest, 3), ("latent", latent, 0)):
            se, inside = (np.array([one[at + k] for one in found]).mean() for k in (1, 2))
            rmse = np.sqrt(np.mean((values - 1) ** 2))
            numbers = (f"{v:.2f}" for v in (values.mean() - 1, values.std(), se, rmse, inside))
            print(f"| {groups} | {name} | {' | '.join(numbers)} |")
        if refused:
            print(f"{groups} groups: {refused} of {replications} data sets had no latent variance")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
