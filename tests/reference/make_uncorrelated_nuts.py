"""Make uncorrelated_nuts.json: NUTS on models without correlations, to test the direct engine.

    python tests/reference/make_uncorrelated_nuts.py

Takes about two minutes on two cores, nearly all of it compilation.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bayes_mlm.design import build_design
from bayes_mlm.design.build import read_data
from bayes_mlm.engines.diagnostics import convergence
from bayes_mlm.engines.draws import quantities
from bayes_mlm.engines.nuts import sample_nuts
from bayes_mlm.engines.settings import Settings
from bayes_mlm.fitting import installed_versions
from bayes_mlm.likelihood.pymc.models import partial_pooling

MODELS = (
    ("reaction ~ days + (days || subject)", "marginal"),
    ("reaction ~ days + (days || subject)", "conditional"),
    ("reaction ~ days + (0 + days | subject)", "marginal"),
)
SETTINGS = Settings(draws=2000, tune=1000, chains=4, random_seed=20261123, target_accept=0.95)


def main() -> None:
    runs = []
    for formula, likelihood in MODELS:
        model = partial_pooling(
            build_design(formula, read_data("sleepstudy")), likelihood=likelihood
        )
        draws = sample_nuts(model, SETTINGS)
        table = {}
        for quantity, values in quantities(draws):
            quality = convergence(values)
            table[quantity] = {
                "mean": float(values.mean()),
                "sd": float(values.std()),
                "q05": float(np.quantile(values, 0.05)),
                "q95": float(np.quantile(values, 0.95)),
                "ess": float(min(quality.ess_bulk, quality.ess_tail)),
                "r_hat": float(quality.r_hat),
            }
        runs.append({"formula": formula, "likelihood": likelihood, "quantities": table})
    versions = {k: v for k, v in installed_versions().items() if k in ("pymc", "nutpie")}
    document = {"versions": versions, "settings": asdict(SETTINGS), "runs": runs}
    path = Path(__file__).with_name("uncorrelated_nuts.json")
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
