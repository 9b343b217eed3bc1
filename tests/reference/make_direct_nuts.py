"""Make direct_nuts.json: long NUTS runs on the conditional PyMC models, to test the direct engine.

    python tests/reference/make_direct_nuts.py

Takes about ten minutes on two cores. Nothing of the direct engine is used: the models are those of
`bayes_mlm.likelihood.pymc.models`, with every group effect sampled.
"""

import json
from dataclasses import asdict, replace
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

MODELS = {
    "dyestuff2": ("yield ~ 1 + (1 | batch)", "dyestuff2", {}),
    "dyestuff2_priors": (
        "yield ~ 1 + (1 | batch)",
        "dyestuff2",
        {"Intercept": "StudentT(3, 5, 2)", "sigma_u": "Uniform(0, 10)", "sigma_e": "Gamma(2, 1)"},
    ),
    "sleepstudy_slopes": ("reaction ~ days + (days | subject)", "sleepstudy", {}),
    "hsb_sector_ses": ("mathach ~ ses * sector + (1 | schoolid)", "hsb", {}),
    "hsb_random_slope": ("mathach ~ ses + (ses | schoolid)", "hsb", {}),
}
# sigma_u[ses] mixes slowly: an effective size of some thousands takes more draws.
DRAWS = {"hsb_random_slope": 15_000}
SETTINGS = Settings(draws=5000, tune=1500, chains=4, random_seed=20261123, target_accept=0.95)


def main() -> None:
    path = Path(__file__).with_name("direct_nuts.json")
    found = json.loads(path.read_text()) if path.exists() else {"models": {}}
    found["versions"] = {k: v for k, v in installed_versions().items() if k in ("pymc", "nutpie")}
    for name, (formula, data, priors) in MODELS.items():
        if name in found["models"]:
            continue
        settings = replace(SETTINGS, draws=DRAWS.get(name, SETTINGS.draws))
        model = partial_pooling(build_design(formula, read_data(data)), priors)
        draws = sample_nuts(model, settings)
        table = {}
        for quantity, values in quantities(draws, groups=True):
            quality = convergence(values)
            table[quantity] = {
                "mean": float(values.mean()),
                "sd": float(values.std()),
                "q05": float(np.quantile(values, 0.05)),
                "q95": float(np.quantile(values, 0.95)),
                "ess": float(min(quality.ess_bulk, quality.ess_tail)),
                "r_hat": float(quality.r_hat),
            }
        found["models"][name] = {
            "formula": formula,
            "data": data,
            "priors": priors,
            "settings": asdict(settings),
            "divergences": int(draws.sample_stats["diverging"].values.sum()),
            "quantities": table,
        }
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
