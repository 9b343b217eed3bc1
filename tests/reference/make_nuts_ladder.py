"""Make nuts_ladder.json: long NUTS runs of bundled records, to hold every engine against.

    python tests/reference/make_nuts_ladder.py [RECORD ...]

The conditional model is sampled (every group effect a parameter), which shares nothing with the
direct engine or with the marginal model but the priors. With several group effects it mixes too
slowly for a reference (some 170 effective draws of sigma_u[ses] in 4,000), so there the marginal
model is sampled, whose likelihood is tested against SciPy's multivariate normal. Records named are
run and their entries replaced; the others are kept.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from bayes_mlm.design.build import design_of
from bayes_mlm.engines.diagnostics import convergence, diagnose
from bayes_mlm.engines.draws import quantities
from bayes_mlm.engines.nuts import sample_nuts
from bayes_mlm.engines.recovery import recover_effects
from bayes_mlm.engines.settings import Settings
from bayes_mlm.fitting import installed_versions
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.pymc.models import FACTORIES
from bayes_mlm.studies.record import WORKED_STUDY, load_record, records

PATH = Path(__file__).with_name("nuts_ladder.json")
SETTINGS = Settings(draws=8000, tune=2000, chains=4, random_seed=20261123, target_accept=0.95)


def summarise(values: np.ndarray) -> dict[str, float]:
    found = convergence(values)
    low, high = np.quantile(values, [0.05, 0.95])
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        "q05": float(low),
        "q95": float(high),
        "mcse": float(found.mcse_mean),
        "ess": float(min(found.ess_bulk, found.ess_tail)),
    }


def run(name: str) -> dict[str, object]:
    record = load_record(name)
    design = design_of(record)
    priors = model_priors(design, record.model.priors)
    if design.q > 1:
        model = FACTORIES[record.model.kind](design, priors, likelihood="marginal")
        draws = recover_effects(design, sample_nuts(model, SETTINGS), SETTINGS.random_seed)
    else:
        draws = sample_nuts(FACTORIES[record.model.kind](design, priors), SETTINGS)
    verdict = diagnose(draws)
    entry: dict[str, object] = {
        "verdict": str(verdict),
        "ok": verdict.ok,
        "priors": {key: prior.to_text() for key, prior in priors.by_name(design).items()},
        "quantities": {key: summarise(values) for key, values in quantities(draws)},
    }
    if "u" in draws.posterior:
        u = draws["u"]
        entry["u_mean"] = u.mean(axis=(0, 1)).tolist()
        entry["u_sd"] = u.std(axis=(0, 1), ddof=1).tolist()
        entry["u_q05"], entry["u_q95"] = np.quantile(u, [0.05, 0.95], axis=(0, 1)).tolist()
    return entry


def main() -> None:
    names = sys.argv[1:] or [record.name for record in records(WORKED_STUDY)]
    for name in names:
        stored = json.loads(PATH.read_text()) if PATH.exists() else {"records": {}}
        stored["settings"] = dataclasses.asdict(SETTINGS)
        stored["versions"] = installed_versions()
        stored["records"][name] = run(name)
        PATH.write_text(json.dumps(stored, indent=1) + "\n")
        print(name, stored["records"][name]["verdict"], flush=True)


if __name__ == "__main__":
    main()
